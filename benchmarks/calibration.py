"""Is the recall that an index promises the recall that real queries get? `python benchmarks/calibration.py [glove.npy]`.

Rows and held-out queries: Debian's package descriptions and Python's docstrings under the default model, and word
vectors where a file of them is given. Queries from elsewhere: LibreOffice's help in Korean and English, the other set's
texts, rarer words, and rotated or shifted words. `python -m tests.support.fetch` brings the texts.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from adjoin.distance import distances_to
from adjoin.index import base
from adjoin.index.calibrate import measure
from adjoin.index.curve import Choice
from adjoin.index.made_queries import made_queries, unit
from adjoin.index.truth import nearest
from adjoin.types import Metric
from data import CACHE, documents

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

Matrix = np.ndarray[Any, np.dtype[np.float32]]
HELD_OUT = 600
DEPTH = 10


def main() -> None:
    for name, rows, held_out, elsewhere in data_sets():
        for family, metric in cases(name):
            report(name, family, metric, rows, {"held out": held_out, **elsewhere})


def cases(name: str) -> list[tuple[str, Metric]]:
    if name == "words":
        return [("graph", "cosine"), ("graph", "euclidean"), ("graph", "dot"), ("ivf", "cosine"), ("lsh", "cosine")]
    return [("graph", "cosine")]


def report(name: str, family: str, metric: Metric, rows: Matrix, kinds: dict[str, Matrix]) -> None:
    start = time.perf_counter()
    built = base.build(family, rows, metric, {})
    took = time.perf_counter() - start
    start, cpu = time.perf_counter(), time.process_time()
    curve = measure(built, rows, metric)
    print(
        f"\n### {name}, {len(rows):,} × {rows.shape[1]}, {metric}, {family}: built in {took:.0f} s, measured in "
        f"{time.perf_counter() - start:.1f} s ({time.process_time() - cpu:.1f} s of CPU)\n"
    )
    shown = [effort for effort in curve.efforts if effort in (16, 32, 64, 128, 256, 512)]
    made = made_queries(rows, metric, HELD_OUT, np.random.default_rng(1))
    columns = {"held out": kinds["held out"], "made near": made.near, "rows": rows[made.rows]}
    print("| recall@10 at effort | " + " | ".join(map(str, shown)) + " |\n|---" + "|---" * len(shown) + "|")
    for kind, queries in columns.items():
        own = made.rows if kind == "rows" else None
        print(f"| {kind} | " + " | ".join(f"{r:.3f}" for r in plain(built, rows, metric, queries, shown, own)) + " |")
    print("\n| promised | " + " | ".join(kinds) + " |\n|---" + "|---" * len(kinds) + "|")
    for recall in (0.9, 0.95, 0.99):
        choice = curve.cheapest(recall, DEPTH)
        if choice is None:
            print(f"| {recall} | all rows are compared" + " | " * len(kinds) + "|")
            continue
        cells = [kept(built, rows, metric, queries, choice) for queries in kinds.values()]
        print(f"| {recall}: {efforts(choice)} | " + " | ".join(cells) + " |", flush=True)


def efforts(choice: Choice) -> str:
    return " · ".join(str(effort or "all") for effort in (choice.effort, *(step[1] for step in choice.steps)))


def plain(
    built: base.Built, rows: Matrix, metric: Metric, queries: Matrix, shown: list[int], own: Any = None
) -> Iterator[float]:
    """Recall at each effort; own: the row that each query is, which does not count."""
    points = unit(queries, metric)
    true, _ = nearest(rows, points, metric, DEPTH + 1)
    for effort in shown:
        found = [built.search(point, built.pool(DEPTH, effort) + 1, max(effort, DEPTH)).tolist() for point in points]
        shares = []
        for i, (right, got) in enumerate(zip(true.tolist(), found, strict=True)):
            wanted = [row for row in right if own is None or row != own[i]][:DEPTH]
            shares.append(len(set(wanted) & set(got)) / DEPTH)
        yield float(np.mean(shares))


def kept(built: base.Built, rows: Matrix, metric: Metric, queries: Matrix, choice: Choice) -> str:
    """The recall that the queries get, and which share of them is searched again, and compared with all rows."""
    points = unit(queries, metric)
    true, _ = nearest(rows, points, metric, DEPTH)
    shares, again, everything = [], 0, 0
    for point, right in zip(points, true, strict=True):
        found = best(built, rows, metric, point, choice.effort)
        close = float(distances_to(rows[found[:1]], point, metric)[0])
        needed = choice.needed(close, point)
        if needed is None:
            everything += 1
            found = right
        elif needed > choice.effort:
            again += 1
            found = best(built, rows, metric, point, needed)
        shares.append(len(set(found.tolist()) & set(right.tolist())) / DEPTH)
    return f"{np.mean(shares):.3f} ({again / len(points):.0%} again, {everything / len(points):.0%} all)"


def best(built: base.Built, rows: Matrix, metric: Metric, point: Matrix, effort: int) -> np.ndarray[Any, Any]:
    found = built.search(point, built.pool(DEPTH, effort), effort)
    return found[np.argsort(distances_to(rows[found], point, metric), kind="stable")][:DEPTH]


def data_sets() -> Iterator[tuple[str, Matrix, Matrix, dict[str, Matrix]]]:
    packages, docs = embedded("descriptions-42000", descriptions), documents(20_000)[1]
    help_ko = embedded("help-ko", lambda: helps("ko"))
    help_en = embedded("help-en", lambda: helps("en"))
    asked = {"help, Korean": help_ko[:600], "help, English": help_en[:600]}
    yield ("descriptions", *split(packages), {**asked, "docstrings": docs[:600]})
    yield ("docstrings", *split(docs), {**asked, "descriptions": packages[:600]})
    if len(sys.argv) > 1:
        yield words(np.load(sys.argv[1], mmap_mode="r"))


def words(table: Matrix) -> tuple[str, Matrix, Matrix, dict[str, Matrix]]:
    """60,000 of the 200,000 commonest words; the rarest 50,000 ask too."""
    random = np.random.default_rng(5)
    chosen = random.permutation(200_000)
    rows, held_out = table[np.sort(chosen[:60_000])], table[np.sort(chosen[60_000:60_600])]
    turn = np.linalg.qr(random.standard_normal((table.shape[1],) * 2))[0].astype(np.float32)
    step = unit(random.standard_normal((1, table.shape[1])), "cosine") * np.linalg.norm(held_out, axis=1).mean()
    elsewhere = {
        "rare words": table[350_000:][:: 50_000 // 600],
        "rotated": held_out @ turn,
        "shifted": held_out + step,
    }
    return "words", rows, held_out, elsewhere


def split(vectors: Matrix) -> tuple[Matrix, Matrix]:
    order = np.random.default_rng(5).permutation(len(vectors))
    return vectors[order[HELD_OUT:]], vectors[order[:HELD_OUT]]


def embedded(name: str, texts: Callable[[], list[str]]) -> Matrix:
    path = CACHE / f"calibration-{name}.npy"
    if not path.exists():
        import adjoin

        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, adjoin.embedder("default").embed(texts()))
    vectors: Matrix = np.load(path)
    return vectors


def descriptions() -> list[str]:
    from tests.support import pairs

    found: dict[str, None] = {}
    for path in sorted(pairs.DESCRIPTIONS.glob("*_main_i18n_Translation-en")):
        if "security" not in path.name:
            for title, body in re.findall(
                r"^Description-en: (.+)\n((?: .*\n)*)", path.read_text(encoding="utf-8"), re.M
            ):
                found[title + " " + body.split("\n .")[0].replace("\n", " ")[:150]] = None
    return sorted(found, key=lambda text: hashlib.sha1(text.encode()).digest())[:42_000]


def helps(language: str) -> list[str]:
    from tests.support import pairs

    return [getattr(pair, language).body[:200] for pair in pairs.help_pairs()]


if __name__ == "__main__":
    main()
