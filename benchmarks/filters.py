"""Filters on sealed columns: counting, row numbers and masks, on the metadata of 200,000 texts of Python's documentation.

The texts are the docstrings, paragraphs and sentences of the installed packages, repeated under other row numbers where
there are too few. Keys: `n` (all different), `length` and `words` (numbers), `first` (a letter), `module` (a text), `at`
(a moment), `tags` (lists of words), `text` (the text itself). Medians of calls, in microseconds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from adjoin.filters import parse
from adjoin.read.docstrings import read_docstrings
from adjoin.sealed import SealedColumns

ROWS, ROUNDS, SEED = 200_000, 101, 1


def main() -> None:
    began = time.perf_counter()
    rows = list(metadata(ROWS))
    print(f"{len(rows):,} rows read in {time.perf_counter() - began:.1f} s; medians of {ROUNDS} calls, seed {SEED}\n")
    built, build_s = timed(lambda: SealedColumns.build(rows))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "columns"
        _, save_s = timed(lambda: built.save(path))
        opened, open_s = timed(lambda: SealedColumns.load(path))
        _, first_s = timed(lambda: [opened.get(key) for key in opened.keys()])  # noqa: SIM118
        keep = np.random.default_rng(SEED).random(ROWS) < 0.9
        _, merge_s = timed(lambda: SealedColumns.merge([(opened, keep), (opened, None)]))
        print("| | ms |\n|---|---|")
        print(f"| build | {build_s * 1e3:,.0f} |\n| save ({path.stat().st_size / 1e6:.1f} MB) | {save_s * 1e3:,.0f} |")
        print(f"| open | {open_s * 1e3:.2f} |\n| first use of all {len(opened.keys())} keys | {first_s * 1e3:.1f} |")
        print(f"| merge of two, a tenth of one left out | {merge_s * 1e3:,.0f} |\n")
        print("| filter | matching | % | count µs | counted | rows µs | mask µs |\n|---|---|---|---|---|---|---|")
        for where in asked(rows):
            tell(opened, where)


def metadata(count: int) -> Iterator[dict[str, Any]]:
    pieces = [(str(item.context), piece) for item in read_docstrings(whole=True) for piece in pieces_of(item.content)]
    shuffled = np.random.default_rng(SEED).permutation(count)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for i in range(count):
        context, text = pieces[i % len(pieces)]
        words = text.split()
        yield {
            "n": int(shuffled[i]),
            "length": len(text),
            "words": len(words),
            "first": text[0].lower(),
            "module": context.split(".")[0],
            "at": start + timedelta(minutes=int(shuffled[i])),
            "share": len(words) / len(text),
            "tags": list(dict.fromkeys(word.lower() for word in words[:4])),
            "text": text,
        }


def pieces_of(content: object) -> list[str]:
    text = str(content)
    return [piece for piece in (text, *text.split("\n\n"), *text.split(". ")) if piece.strip()]


def asked(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    lengths = np.sort([row["length"] for row in rows])
    shares = np.sort([row["share"] for row in rows])
    texts = sorted(row["text"] for row in rows)
    modules, counts = np.unique([row["module"] for row in rows], return_counts=True)
    yield {"n": 4_321}
    for part in (0.001, 0.01, 0.1, 0.5):
        many = int(ROWS * part)
        if part < 0.5:  # no module has so many
            yield {"module": str(modules[np.abs(counts - many).argmin()])}
        yield {"n": {"$lt": many}}
        yield {"n": {"$gte": 1_000, "$lt": 1_000 + many}}
        yield {"length": {"$gt": int(lengths[-many - 1])}}
        yield {"share": {"$lt": float(shares[many])}}
        yield {"at": {"$gte": moment(0), "$lt": moment(many)}}
        yield {"text": {"$lt": texts[many][:30]}}
    yield {"first": "t"}
    yield {"first": {"$ne": "t"}}
    yield {"first": {"$in": list("aeiou")}}
    yield {"tags": "the"}
    yield {"tags": "python"}
    yield {"tags": {"$in": ["python", "list", "array"]}}
    yield {"tags": {"$ne": "the"}}
    yield {"text": {"$contains": "segment"}}
    yield {"first": "t", "n": {"$lt": 2_000}}
    yield {"first": "t", "words": {"$lt": 8}}
    yield {"tags": "python", "words": {"$lt": 8}, "n": {"$gte": 100_000}}
    yield {"$or": [{"tags": "python"}, {"n": {"$lt": 200}}]}
    yield {"$not": {"$or": [{"tags": "the"}, {"words": {"$lt": 8}}]}}


def moment(minutes: int) -> datetime:
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)


def tell(columns: SealedColumns, where: dict[str, Any]) -> None:
    condition = parse(where)
    found = columns.rows(condition)
    assert (np.flatnonzero(columns.mask(condition)) == found).all()
    low, high, estimate = columns.count(condition)
    counted = "exact" if low == high else f"{low:,} ≤ {estimate:,} ≤ {high:,}"
    costs = [microseconds(lambda ask=ask: ask(condition)) for ask in (columns.count, columns.rows, columns.mask)]
    shown = str(where) if len(str(where)) < 80 else str(where)[:79] + "…"
    cells = [f"`{shown}`", f"{len(found):,}", f"{len(found) / columns.n:.2%}", f"{costs[0]:.1f}", counted]
    print(f"| {' | '.join(cells)} | {costs[1]:.1f} | {costs[2]:.1f} |".replace("\n", " "))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    done = work()
    return done, time.perf_counter() - began


def microseconds(work: Callable[[], Any]) -> float:
    return median(timed(work)[1] for _ in range(ROUNDS)) * 1e6


if __name__ == "__main__":
    main()
