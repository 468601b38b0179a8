"""What ten and a hundred times the rows cost: 10,000, 100,000 and 1,000,000 real image descriptors of 128 dimensions.

The rows are a part of one mixed set (`million` in benchmarks/peers/datasets.py: SIFT-like descriptors of scikit-image's
photographs, every 2nd pixel), so that each size is a sample of the next. Each size is loaded and searched in processes of its
own, through the same worker as in benchmarks/peers; the dial is turned to the cheapest promise that finds .95.

python benchmarks/growth.py [most rows]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
from contest import compare
from datasets import dataset

SIZES = (10_000, 100_000, 1_000_000)
KINDS = ("no filter", "10 % unseen", "1 %")


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]
    data = dataset("million")
    print(f"Descriptors of {data.vectors.shape[1]} dimensions, Euclidean, with texts and metadata; k = 10\n")
    print(
        "| rows | load s: searchable, built | built to n log n | memory MB: load, search | disk to raw | "
        + " | ".join(KINDS)
        + " |"
    )
    print("|---" * (5 + len(KINDS)) + "|")
    first: float | None = None
    for rows in (size for size in SIZES if size <= most):
        result = compare(data, ["adjoin"], rows=rows, loads=1, rounds=3, kinds=KINDS)
        (one,) = result.contenders
        if one.failed:
            print(f"| {rows:,} | could not: {one.failed} |" + " |" * (3 + len(KINDS)))
            continue
        a_row = one.load("total_s") / (rows * math.log(rows))
        first = first or a_row
        cells = " | ".join(f"{one.recall[kind]:.3f} → {one.median(kind):.2f} ms" for kind in KINDS)
        print(
            f"| {rows:,} | {one.load('searchable_s'):.1f}, {one.load('total_s'):.1f} | {a_row / first:.2f} × | "
            f"{one.most_at_load / 1e6:.0f}, {one.memory['peak'] / 1e6:.0f} | {one.disk / result.raw_bytes:.2f} × | {cells} |",
            flush=True,
        )
    print(f"\n“Built to n log n”: seconds over rows × log rows, {SIZES[0]:,} rows being 1. Cells: recall@10 → p50.")


if __name__ == "__main__":
    main()
