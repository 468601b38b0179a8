"""Which index is the right one, measured on real texts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import adjoin
from adjoin import Collection
from adjoin.errors import AdjoinError, InvalidInput, InvalidOption, Unsupported
from adjoin.evaluate import IndexComparison, IndexRow, compare_indexes
from adjoin.evaluate.plots import in_text
from adjoin.index.base import families_for
from adjoin.read.docstrings import read_docstrings
from adjoin.types import Metric
from tests.index.conftest import counted
from tests.support.stores import python

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]
METRICS = get_args(Metric)


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """2,000 different lines of Python's own documentation."""
    found: dict[str, None] = {}
    for item in read_docstrings(whole=True):
        found.update(dict.fromkeys(line.strip() for line in str(item.content).splitlines() if len(line) > 30))
        if len(found) >= 8000:
            break
    return list(found)[:8000:4]


@pytest.fixture(scope="module")
def trigrams(lines: list[str]) -> Matrix:
    return counted(lines)


def collection(vectors: Matrix, metric: Metric = "cosine", **options: Any) -> Collection:
    made = adjoin.open("memory://").collection("lines", embedder=None, metric=metric, **options)
    if len(vectors):
        made.add(vectors=vectors)
    return made


@pytest.fixture(scope="module")
def compared(trigrams: Matrix) -> IndexComparison:
    return compare_indexes(collection(trigrams), families=["hnsw", "ivf", "lsh"])


def test_recall_is_that_of_an_independent_count(trigrams: Matrix) -> None:
    """Held-out rows are drawn with the seed, so the same ones can be drawn here and asked of the same index."""
    from adjoin.index import base

    found = compare_indexes(collection(trigrams), families=["ivf"], seed=3, k=5)
    assert (found.measured, found.queries, found.asked_by) == (1600, 400, "rows taken out")
    random = np.random.default_rng(3)
    random.choice(2000, 2000, replace=False)
    out = np.zeros(2000, bool)
    out[random.choice(2000, 400, replace=False)] = True
    rows = trigrams[~out] / np.linalg.norm(trigrams[~out], axis=1, keepdims=True)
    queries = trigrams[out] / np.linalg.norm(trigrams[out], axis=1, keepdims=True)
    built = base.build("ivf", trigrams[~out], "cosine", {}, seed=3)
    for row in found.rows[1:]:
        right = 0
        for query, scores in zip(queries, queries.astype(np.float64) @ rows.T.astype(np.float64), strict=True):
            candidates = built.search(query, built.pool(5, row.effort), row.effort)
            kept = scores[candidates] if len(candidates) >= 5 else scores
            right += min(5, int(np.sum(np.sort(kept)[-5:] >= np.sort(scores)[-5] - 1e-9)))
        assert row.recall == pytest.approx(right / (5 * 400), abs=2e-3)
        assert row.low <= row.recall <= row.high


def test_more_effort_finds_more_and_exact_search_finds_all(compared: IndexComparison) -> None:
    assert compared.families == ("flat", "hnsw", "lsh", "ivf")
    for family in compared.families:
        rows = [row for row in compared.rows if row.family == family]
        assert [row.effort for row in rows] == sorted({row.effort for row in rows}, key=lambda effort: effort or 0)
        assert rows[-1].recall >= rows[0].recall
        assert all(0 < row.us < 1e6 for row in rows)
        assert [row.low for row in rows] == sorted(row.low for row in rows)
    (flat,) = [row for row in compared.rows if row.family == "flat"]
    assert (flat.recall, flat.low, flat.effort, flat.bytes_per_vector) == (1.0, 1.0, None, 0)


def test_an_index_that_cannot_find_much_is_seen_to(trigrams: Matrix) -> None:
    found = compare_indexes(collection(trigrams), families={"lsh": {"bits": 8}, "hnsw": {"m": 2, "ef_construction": 8}})
    poor = next(row for row in found.rows if row.family == "lsh")
    assert poor.params == {"bits": 8}
    assert poor.recall < 0.5
    assert poor not in found.kept()
    assert found.kept(0.999)[-1].low >= 0.999


def row(family: str, effort: int | None, recall: float, us: float, size: float) -> IndexRow:
    return IndexRow(
        family, effort, recall, recall - 0.005 if effort else recall, min(1.0, recall + 0.005), us, 1.0, size
    )


BY_HAND = IndexComparison(
    "lines", "cosine", 384, 10, 0.95, 100_000, 50_000, 400, "rows taken out", 1536, "graph",
    (
        row("flat", None, 1.0, 4000.0, 0), row("graph", 16, 0.90, 50.0, 2000), row("graph", 32, 0.96, 80.0, 2000),
        row("hnsw", 16, 0.953, 70.0, 1700), row("hnsw", 32, 0.97, 200.0, 1700), row("ivf", 8, 0.94, 100.0, 400),
        row("ivf", 16, 0.98, 400.0, 400), row("pq", 100, 0.9, 300.0, 96),
    ),
)  # fmt: skip


def test_the_choice_is_the_fastest_whose_lower_bound_keeps_the_recall() -> None:
    best = BY_HAND.best()
    assert best is not None
    assert (best.family, best.effort) == ("graph", 32)  # hnsw at 16 is faster, but its bound is .948
    assert [(row.family, row.effort) for row in BY_HAND.kept(0.97)] == [("ivf", 16), ("flat", None)]
    exact = BY_HAND.best(1.0)
    assert exact is not None
    assert exact.family == "flat"
    with pytest.raises(InvalidOption, match="recall is a share"):
        BY_HAND.best(1.5)


def test_the_advice_says_by_how_much_and_what_fewer_bytes_cost() -> None:
    said = BY_HAND.advice()
    assert said.startswith(
        "Choose graph at effort 32: it finds 96.0% of the 10 nearest (at least 95.5%) in 80 µs: 2.5 times as fast as hnsw, "
        "50.0 times as fast as comparing all rows. It takes 2,000 bytes a vector, beside the 1,536 of the vector itself."
    )
    assert (
        "Smaller: hnsw (1,700 bytes, 2.5 times the time), ivf (400 bytes, 5.0 times the time), flat (no bytes, 50.0"
        in said
    )
    assert "Not within reach of 0.95, or not in useful time: pq." in said
    assert "Too few queries to be sure that 0.978 is kept: ivf." in BY_HAND.advice(0.978)
    assert said.endswith("index='auto' takes graph for 100,000 rows by itself.")
    assert BY_HAND.advice(1.0).startswith(
        "Exact search is best here: no index keeps a recall of 1 in less than its 4.0 ms."
    )


def test_exact_search_is_not_praised_for_rows_that_were_not_measured() -> None:
    few = replace(BY_HAND, rows=BY_HAND.rows[:1])
    assert "measure with more of the 100,000" in few.advice()
    assert "measure with more" not in replace(few, stored=50_400).advice()
    assert "measure with more" not in BY_HAND.advice()


def test_the_text_has_the_choice_the_table_and_a_plot() -> None:
    told = str(BY_HAND)
    (line,) = [line for line in told.splitlines() if "← the choice" in line]
    assert line.split()[:5] == ["graph", "32", "0.9600", "0.9550", "80"]
    drawn = in_text(BY_HAND).splitlines()
    column = next(line.index("┊") for line in drawn if "┊" in line)
    (chosen,) = [line.index("●") for line in drawn[:-1] if "●" in line]
    assert column < chosen  # 0.96 lies to the right of 0.95
    assert max(map(len, drawn[:-3])) == len(
        next(line for line in drawn if line.endswith("f"))
    )  # flat has the best recall
    assert all(len(line) <= 80 for line in drawn)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_is_served_by_its_own_families(trigrams: Matrix, metric: Metric) -> None:
    rows = trigrams[:600]
    quick = [family for family in families_for(metric) if family not in ("pq", "ivfpq")]
    found = compare_indexes(
        collection((rows > 0).astype(np.float32) if metric == "hamming" else rows, metric), families=quick, k=3
    )
    assert set(found.families) == set(quick)
    most = {family: max(row.recall for row in found.rows if row.family == family) for family in quick}
    assert all(recall > 0.9 for family, recall in most.items() if family != "graph"), most
    assert most.get("graph", 1) > 0.5, most  # no two of its builds are alike; a segment's is measured, and built again
    assert found.best() in found.rows
    assert metric in str(found)


def test_all_families_are_compared_by_default(trigrams: Matrix) -> None:
    steps: list[tuple[int, int | None]] = []
    small = compare_indexes(collection(trigrams[:400, :16]), progress=lambda done, total: steps.append((done, total)))
    assert small.families == families_for("cosine")
    assert steps == sorted(steps)
    assert steps[-1] == (700, 700)


@pytest.mark.parametrize(("count", "measured", "queries"), [(1, 1, 1), (4, 4, 4), (30, 24, 6), (300, 240, 60)])
def test_few_rows_are_best_compared_one_and_all(trigrams: Matrix, count: int, measured: int, queries: int) -> None:
    found = compare_indexes(collection(trigrams[:count]))
    assert (found.measured, found.queries, found.families) == (measured, queries, ("flat",))
    assert found.advice().startswith("Exact search is best here: it takes ")
    assert "every index is exact search up to 256 rows" in str(found)


@pytest.mark.parametrize("known_dim", [False, True])
def test_an_empty_collection_has_nothing_to_measure(trigrams: Matrix, known_dim: bool, tmp_path: Path) -> None:
    empty = collection(trigrams[:1] if known_dim else trigrams[:0])
    empty.delete(where={})
    found = compare_indexes(empty)
    assert (found.rows, found.best(), found.kept()) == ((), None, [])
    assert "There are no rows to measure with" in str(found)
    assert len(found.to_pandas()) == 0
    with pytest.raises(AdjoinError):
        found.plot(tmp_path / "x.png")


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_vectors_are_measured_as_they_are_kept(trigrams: Matrix, storage: str) -> None:
    found = compare_indexes(collection(trigrams[:600], storage=storage), families=["hnsw"])
    assert found.vector_bytes == (96 if storage == "float16" else 52)
    assert max(row.recall for row in found.rows if row.family == "hnsw") > 0.95


def test_a_sample_is_measured_where_there_are_more_rows(trigrams: Matrix) -> None:
    found = compare_indexes(collection(trigrams), rows=500, families=["hnsw"])
    assert (found.stored, found.measured, found.queries) == (2000, 400, 100)
    assert "with all 2,000 flat takes 5.0 times as long" in str(found)


def test_equal_rows_are_as_good_as_one_another() -> None:
    rows = np.repeat(np.random.default_rng(0).standard_normal((40, 8), dtype=np.float32), 20, axis=0)
    found = compare_indexes(collection(rows), families=["hnsw"], k=5)
    assert max(row.recall for row in found.rows if row.family == "hnsw") > 0.9


def test_live_queries_and_ones_own_are_asked_instead_of_rows(trigrams: Matrix) -> None:
    rows = collection(trigrams[:600])
    given = compare_indexes(rows, families=["hnsw"], queries=trigrams[1000:1050])
    assert (given.measured, given.queries, given.asked_by) == (600, 50, "yours")
    assert rows.live_queries() is None
    rows.search_many(trigrams[700:900])
    live = compare_indexes(rows, families=["hnsw"])
    assert (live.measured, live.queries, live.asked_by) == (600, 200, "live ones")


def test_texts_are_asked_of_a_collection_that_embeds(lines: list[str]) -> None:
    notes = adjoin.open("memory://").collection("notes")
    notes.add(lines[:300])
    found = compare_indexes(notes, families=["hnsw"], queries=["how do I copy a folder?", "두 날짜의 차이"], k=2)
    assert (found.dim, found.queries, found.measured) == (384, 2, 300)
    assert found.rows[-1].recall == 1.0
    assert found.notes == ()
    assert any("measure with questions" in note for note in compare_indexes(notes, families=["flat"]).notes)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, InvalidOption, "k is a whole number"),
        ({"rows": True}, InvalidOption, "rows is a whole number"),
        ({"recall": 0}, InvalidOption, "recall is a share"),
        ({"families": "hnsw"}, InvalidOption, r"Write \['hnsw'\]"),
        ({"families": ["auto"]}, InvalidOption, "unknown index 'auto'"),
        ({"families": ["tree"]}, InvalidOption, "unknown index 'tree'"),
        ({"families": {"hnsw": {"m": 1}}}, InvalidOption, "m is 1"),
        ({"families": ["graph"], "metric": "hamming"}, Unsupported, "does not serve the metric 'hamming'"),
        ({"queries": []}, InvalidInput, "queries is empty"),
        ({"queries": ["text"]}, InvalidInput, "has no embedder"),
        ({"queries": [[1.0, 2.0]]}, InvalidInput, "2"),
        ({"familys": ["hnsw"]}, TypeError, "families"),
    ],
)
def test_what_cannot_be_is_refused(trigrams: Matrix, options: dict[str, Any], error: type, message: str) -> None:
    rows = collection(trigrams[:10], options.pop("metric", "cosine"))
    with pytest.raises(error, match=message):
        compare_indexes(rows, **options)


def test_figures_become_a_table_and_plain_values(compared: IndexComparison) -> None:
    table = compared.to_pandas()
    assert len(table) == len(compared.rows)
    assert table["recall"].iloc[0] == 1.0
    plain = compared.to_dict()
    assert plain["best"]["low"] >= 0.95
    assert [row["family"] for row in plain["rows"]] == [row.family for row in compared.rows]


def test_a_picture_is_drawn_with_its_labels(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="a picture needs matplotlib")
    BY_HAND.plot(tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text(encoding="utf-8")
    for text in ("graph at effort 32", "asked: 0.95", "recall of the 10 nearest", "hnsw  1,700", "lines: 50,000 rows"):
        assert f"<!-- {text}" in drawn or text in drawn, text
    replace(BY_HAND, collection="점 $a$ _b", rows=BY_HAND.rows[:1]).plot(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InvalidOption, match=r"written as \.png"):
        BY_HAND.plot(tmp_path / "plot.gif")


def test_without_matplotlib_its_extra_is_named(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["matplotlib"] = None
import adjoin
from adjoin.evaluate import compare_indexes
rows = adjoin.open("memory://").collection("rows", embedder=None)
rows.add(vectors=[[1.0, 2.0]])
found = compare_indexes(rows)
print(len(str(found)) > 100)
try:
    found.plot(sys.argv[1])
except adjoin.AdjoinError as exc:
    print(exc)
"""
    told = python(code, tmp_path / "x.png").splitlines()
    assert told[0] == "True"
    assert "pip install 'adjoin[plots]'" in told[1]


def test_the_axis_spreads_what_lies_near_one() -> None:
    from adjoin.evaluate.plots import place

    assert place(0.99) - place(0.9) == pytest.approx(1, abs=0.05)
    assert math.isfinite(place(1.0))
