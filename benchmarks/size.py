"""Bytes on disk by part, and peak memory, of adjoin as it comes, of its compact choice, and of zvec on the same data.

Each loads and searches in processes of its own, through the same worker as in benchmarks/peers.

python benchmarks/size.py [words,sentences] [rows]
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
from contest import Contender, Result, compare
from datasets import dataset

PEERS = ("adjoin", "adjoin_int8", "zvec")


def main() -> None:
    names = sys.argv[1] if len(sys.argv) > 1 else "words,sentences"
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else None
    for name in names.split(","):
        print(_report(compare(dataset(name), PEERS, rows=rows, loads=1, rounds=1, kinds=["no filter"])), flush=True)


def _report(result: Result) -> str:
    raw, texts = result.raw_bytes, result.texts_bytes
    lines = [
        f"### {result.data.name}: {result.rows:,} × {result.dim}; raw vectors {raw / 1e6:.0f} MB, texts {texts / 1e6:.1f} MB\n",
        "| | disk MB | less texts, to raw | memory MB: load, search | no filter | by part, MB |",
        "|---|---|---|---|---|---|",
    ]
    for one in result.contenders:
        if one.failed:
            lines.append(f"| {one.name} | could not: {one.failed.replace('|', '/')} | | | | |")
            continue
        parts = ", ".join(f"{part} {size / 1e6:.1f}" for part, size in _parts(one).most_common(8))
        lines.append(
            f"| {one.name} {one.about['version']} | {one.disk / 1e6:.1f} | {(one.disk - texts) / raw:.2f} × | "
            f"{one.most_at_load / 1e6:.0f}, {one.memory['peak'] / 1e6:.0f} | "
            f"{one.recall['no filter']:.3f} → {one.median('no filter'):.2f} ms | {parts} |"
        )
    return "\n".join(lines) + "\n"


def _parts(one: Contender) -> Counter[str]:
    """Files that differ only in a number or a name made up belong together."""
    parts: Counter[str] = Counter()
    for file, size in one.parts.items():
        parts[re.sub(r"[0-9a-f-]{8,}|\d+", "*", file.split("/", 1)[-1])] += size
    return parts


if __name__ == "__main__":
    main()
