"""What a collection promises to those who search it."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.distance import distance
from adjoin.errors import InvalidContent, InvalidOption, InvalidVector, NotFound
from adjoin.testing import TinyEmbedder
from adjoin.types import METRICS
from tests.support.stores import vectors
from tests.support.tiny_models import write_bert, write_tokenizer


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[adjoin.Database]:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as opened:
        yield opened


@pytest.fixture
def line(db: adjoin.Database) -> adjoin.Collection:
    """Ten points on a line, p0 to p9, the odd ones red."""
    points = db.collection("line", embedder=None, metric="euclidean")
    colours = [{"colour": "red" if n % 2 else "blue", "n": n} for n in range(10)]
    points.add([f"point {n}" for n in range(10)], ids=[f"p{n}" for n in range(10)], metadata=colours,
               vectors=[[float(n), 0.0] for n in range(10)])  # fmt: skip
    return points


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("recall", [0.5, 0.95, 1.0])
def test_a_search_finds_the_nearest_by_every_metric(db: adjoin.Database, metric: Any, recall: float) -> None:
    rows = db.collection(metric, embedder=None, metric=metric)
    matrix = vectors(300, dim=16)
    if metric == "hamming":
        matrix = (matrix > 0).astype(np.float32)
    rows.add(vectors=matrix, ids=range(300))
    for n, query in enumerate(matrix[:20] + (0 if metric == "hamming" else 0.01)):
        exact = np.ravel(distance(matrix, query, metric))
        order = sorted(range(300), key=lambda row: (exact[row], row))[:7]
        hits = rows.search(query, k=7, recall=recall)
        assert [hit.distance for hit in hits] == pytest.approx([exact[row] for row in order], abs=1e-5)
        assert hits.ids[0] == order[0] or exact[hits.ids[0]] == pytest.approx(exact[order[0]], abs=1e-6), n
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_never_fewer_than_k_while_k_match(line: adjoin.Collection) -> None:
    for k in (1, 3, 10, 11, 1000, 2**40, 2**70):
        assert len(line.search([4.2, 0.0], k=k)) == min(k, 10)
        assert len(line.search([4.2, 0.0], k=k, where={"colour": "red"})) == min(k, 5)
        assert len(line.search([4.2, 0.0], k=k, where={"n": {"$gte": 8}})) == min(k, 2)
        assert len(line.search([4.2, 0.0], k=k, where={"n": 99})) == 0
        assert len(line.search(adjoin.Like("p3"), k=k)) == min(k, 9)
        assert len(line.search([4.2, 0.0], k=k, offset=4)) == min(k, 6)


def test_the_offset_goes_on_where_the_first_page_ended(line: adjoin.Collection) -> None:
    whole = line.search([0.0, 0.0], k=10)
    pages = [hit for start in range(0, 10, 3) for hit in line.search([0.0, 0.0], k=3, offset=start)]
    assert pages == whole.to_list()
    assert [hit.rank for hit in pages] == list(range(1, 11))
    assert len(line.search([0.0, 0.0], k=3, offset=10)) == 0
    assert len(line.search([0.0, 0.0], k=3, offset=2**70)) == 0


def test_max_distance_is_the_metrics_own_and_inclusive(line: adjoin.Collection) -> None:
    assert line.search([0.0, 0.0], max_distance=3).ids == ["p0", "p1", "p2", "p3"]
    assert line.search([0.0, 0.0], max_distance=2.999).ids == ["p0", "p1", "p2"]
    assert line.search([0.0, 0.0], max_distance=0).ids == ["p0"]
    assert line.search([0.0, 0.0], max_distance=-1).ids == []
    assert line.search([0.0, 0.0], k=2, max_distance=3, offset=1).ids == ["p1", "p2"]
    assert len(line.search([0.0, 0.0], max_distance=math.inf)) == 10
    assert line.search([0.0, 0.0], max_distance=3, where={"colour": "red"}).ids == ["p1", "p3"]


def test_equally_near_rows_come_by_id_numbers_first(db: adjoin.Database) -> None:
    rows = db.collection("ties", embedder=None, metric="euclidean")
    ids: list[Any] = ["b", 10, "a", 9, "10", -1, "A", "가"]
    rows.add(vectors=np.ones((8, 3)), ids=ids)
    expected = [-1, 9, 10, "10", "A", "a", "b", "가"]
    assert rows.search(np.zeros(3)).ids == expected
    assert rows.search(np.zeros(3), k=3).ids == expected[:3]
    assert rows.search(np.zeros(3), k=3, offset=2).ids == expected[2:5]
    rows.upsert(vectors=np.ones((1, 3)), ids=[-1], metadata={"moved": True})
    assert rows.search(np.zeros(3), k=3).ids == expected[:3]


def test_thousands_of_equal_rows_are_ranked_by_id_too(db: adjoin.Database) -> None:
    rows = db.collection("ties", embedder=None, metric="cosine")
    ids = np.random.default_rng(0).permutation(3000).tolist()
    rows.add(vectors=np.ones((3000, 3)), ids=ids)
    assert rows.search(np.ones(3), k=5).ids == [0, 1, 2, 3, 4]
    assert rows.search(np.ones(3), k=5, offset=2990).ids == [2990, 2991, 2992, 2993, 2994]


def test_like_finds_what_is_near_the_examples_and_leaves_them_out(line: adjoin.Collection) -> None:
    assert line.search(adjoin.Like("p4"), k=2).ids == ["p3", "p5"]
    assert line.search(adjoin.Like(["p4", "p6"]), k=1).ids == ["p5"]
    assert "p9" not in line.search(adjoin.Like("p8", unlike="p9"), k=10).ids
    assert line.search(adjoin.Like(["p4"]), k=1, where={"colour": "red"}).ids == ["p3"]
    assert line.search(adjoin.Like("p4"), k=1, offset=1).ids == ["p5"]
    many = line.search_many([adjoin.Like("p0"), [9.0, 0.0], adjoin.Like(["p5", "p6", "p7"])], k=2)
    assert [hits.ids for hits in many] == [["p1", "p2"], ["p9", "p8"], ["p4", "p8"]]


def test_like_whose_examples_cancel_out_says_so(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    rows.add(vectors=[[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], ids=["a", "b", "c"])
    with pytest.raises(InvalidVector, match="cancel out"):
        rows.search(adjoin.Like(["a", "b"]))


def test_many_queries_give_what_each_gives_alone(line: adjoin.Collection) -> None:
    queries = [[float(n) + 0.3, 1.0] for n in range(8)]
    for given in (queries, np.array(queries), [np.array(query) for query in queries]):
        many = line.search_many(given, k=3, where={"colour": "red"}, offset=1)
        assert [hits.to_list() for hits in many] == [
            line.search(query, k=3, where={"colour": "red"}, offset=1).to_list() for query in queries
        ]
    assert line.search_many([]) == []


def test_an_exact_search_is_promised_and_one_that_asks_for_less_is_told_what_it_got(line: adjoin.Collection) -> None:
    for hits in (line.search([1.0, 0.0], exact=True), line.search([1.0, 0.0], recall=1.0)):
        assert hits.plan.recall_asked == 1.0
        assert hits.plan.recall_promised == 1.0
    assert line.search([1.0, 0.0], recall=0.8).plan.recall_asked == 0.8


def test_an_empty_collection_answers(db: adjoin.Database) -> None:
    rows = db.collection("empty", embedder=None)
    assert rows.search([1.0, 2.0]).ids == []
    assert rows.search([1.0, 2.0], where={"x": 1}).ids == []
    assert rows.count() == rows.count({}) == len(rows) == rows.delete(where={}) == 0
    assert list(rows.scan()) == rows.get([]) == rows.add([], ids=[]) == rows.add(iter([])) == []
    assert rows.get("x") is None
    assert rows.dim is None
    rows.add(vectors=[[1.0]], ids=["a"])
    rows.delete("a")
    assert rows.search([1.0]).ids == []


def test_get_gives_what_exists_in_the_order_asked(line: adjoin.Collection) -> None:
    assert [d.id for d in line.get(["p3", "nobody", "p1", "p3"])] == ["p3", "p1", "p3"]
    assert [d.id for d in line.get(d.id for d in line.scan())] == [f"p{n}" for n in range(10)]
    assert line.get("p3").vector is None  # type: ignore[union-attr]
    assert line.get("p3", vectors=True).vector.tolist() == [3.0, 0.0]  # type: ignore[union-attr]
    assert line.get("nobody") is None


def test_what_was_deleted_is_found_nowhere_and_may_come_back(line: adjoin.Collection) -> None:
    assert line.delete(["p1", "p1", "nobody"]) == 1
    assert line.delete(where={"colour": "red"}) == 4
    assert line.search([1.0, 0.0], k=3).ids == ["p0", "p2", "p4"]
    assert line.count({"colour": "red"}) == 0
    assert line.get("p1") is None
    line.add(["again"], ids=["p1"], vectors=[[1.0, 0.0]])
    assert line.search([1.0, 0.0], k=1)[0].content == "again"
    assert line.get("p1").metadata == {}  # type: ignore[union-attr]


def test_an_upsert_replaces_all_of_a_row(line: adjoin.Collection) -> None:
    line.upsert(ids=["p0"], vectors=[[100.0, 0.0]])
    found = line.get("p0")
    assert found is not None
    assert (found.content, found.metadata) == (None, {})
    assert line.search([99.0, 0.0], k=1).ids == ["p0"]
    assert line.search([0.0, 0.0], k=1).ids == ["p1"]
    assert line.count() == 10
    assert line.count({"n": 0}) == 0


def test_a_filter_sees_an_update_at_once(line: adjoin.Collection) -> None:
    assert line.count({"colour": "green"}) == 0
    line.update("p9", {"colour": "green"})
    assert line.search([0.0, 0.0], where={"colour": "green"}).ids == ["p9"]
    assert line.count({"colour": "red"}) == 4


def test_collections_are_apart_and_a_dropped_one_is_gone(db: adjoin.Database) -> None:
    for name in ("one", "두 번째"):
        db.collection(name, embedder=None).add([name], vectors=[[1.0, 0.0]], ids=["same"])
    assert db.collections() == ["one", "두 번째"]
    assert db.collection("one").get("same").content == "one"  # type: ignore[union-attr]
    db.drop("one")
    assert db.collections() == ["두 번째"]
    assert db.collection("두 번째").search([1.0, 0.0])[0].content == "두 번째"
    assert db.collection("one", embedder=None, metric="dot").count() == 0
    with pytest.raises(NotFound):
        db.drop("nobody")


def test_a_collections_name_is_the_same_however_its_hangul_was_typed(db: adjoin.Database) -> None:
    db.collection("한글", embedder=None).add(vectors=[[1.0]])
    assert db.collection("\u1112\u1161\u11ab\u1100\u1173\u11af").count() == 1


def test_texts_are_embedded_once_and_found_by_meaning_enough(db: adjoin.Database) -> None:
    tiny = TinyEmbedder()
    rows = db.collection("texts", embedder=tiny)
    rows.add(["the cat sat on the mat", "봄이 오면 꽃이 핀다", "stock prices fell"], ids=["cat", "spring", "stocks"])
    assert rows.search("cats on mats", k=1).ids == ["cat"]
    assert rows.search("꽃이 피는 봄", k=1).ids == ["spring"]
    assert rows.search(adjoin.Like("cat"), k=2).ids != []
    calls = tiny.calls
    rows.upsert(["the cat sat on the mat", "stock prices fell"], ids=["another", "stocks"], metadata={"new": True})
    assert tiny.calls == calls
    assert {hit.id for hit in rows.search("the cat sat on the mat", k=2)} == {"cat", "another"}


def page(db: adjoin.Database) -> adjoin.Hits:
    rows = db.collection("texts", embedder=TinyEmbedder())
    evil = "<script>alert('x')</script> & \"quotes\""
    origin = adjoin.Origin("docs/<b>.md", line=3)
    rows.add([
        adjoin.Item(evil, "<i>", {"<k>": "<v>", "when": datetime(2024, 1, 1, tzinfo=UTC)}),
        adjoin.Item("plain\n\n text " + "긴 " * 200, 2, {}, None, origin),
        adjoin.Item("more", "third", {"n": 1.5, "list": [1, None]}),
    ])  # fmt: skip
    return rows.search("<b>query</b> text")


def test_hits_print_as_a_table(db: adjoin.Database) -> None:
    shown = repr(page(db)).splitlines()
    assert shown[0] == "Hits(3 for '<b>query</b> text')"
    assert len(shown) == 4
    assert any("plain text 긴 긴" in row and "…" in row and "[docs/<b>.md:3]" in row for row in shown)
    assert repr(db.collection("none", embedder=None).search([1.0])) == "Hits(0)"


def test_hits_in_a_notebook_are_escaped(db: adjoin.Database) -> None:
    shown = page(db)._repr_html_()
    for text in ("<script>", "<b>", "<i>", "<k>", "<v>"):
        assert text not in shown
    assert "&lt;script&gt;" in shown
    assert "<caption>&lt;b&gt;query&lt;/b&gt; text</caption>" in shown
    assert shown.count("<tr>") == 4


def test_hits_become_dicts_that_json_can_write(db: adjoin.Database) -> None:
    hits = page(db)
    dicts = hits.to_dicts()
    again = json.loads(json.dumps(dicts, default=str))
    assert [row["id"] for row in again] == hits.ids
    assert set(again[0]) == {"rank", "id", "score", "distance", "content", "metadata", "origin"}
    assert next(row for row in again if row["id"] == 2)["origin"] == {"file": "docs/<b>.md", "line": 3}
    assert all(type(row["score"]) is float and type(row["rank"]) is int for row in dicts)


def test_hits_become_a_data_frame(db: adjoin.Database) -> None:
    frame = page(db).to_pandas()
    assert list(frame["rank"]) == [1, 2, 3]
    assert {"id", "score", "distance", "content", "origin", "metadata.n", "metadata.<k>"} <= set(frame.columns)
    empty = db.collection("none", embedder=None).search([1.0]).to_pandas()
    assert list(empty.columns) == ["rank", "id", "score", "distance", "content", "origin"]


def test_hits_are_a_sequence_and_compare(line: adjoin.Collection) -> None:
    hits = line.search([0.0, 0.0], k=4)
    assert (len(hits), hits[0].id, [hit.id for hit in hits[1:3]], hits[-1].id) == (4, "p0", ["p1", "p2"], "p3")
    assert hits[0] in hits
    assert hits == line.search([0.0, 0.0], k=4)
    assert hits != line.search([9.0, 0.0], k=4)


def test_the_plan_says_what_was_done(line: adjoin.Collection) -> None:
    plan = line.search([0.0, 0.0], k=2, where={"colour": "red"}, recall=0.9).explain()
    assert (plan.strategy, plan.rows, plan.matching, plan.candidates) == ("exact", 10, 5, 5)
    assert (plan.recall_asked, plan.recall_promised) == (0.9, 1.0)
    assert {"embed", "load", "compare", "fetch"} <= set(plan.stages_ms)
    assert all(ms >= 0 for ms in plan.stages_ms.values())
    assert "5 match the filter" in str(plan)
    assert "asked 0.9, promised 1 (exact)" in str(plan)


def test_stats_count_rows_and_bytes(line: adjoin.Collection) -> None:
    stats = line.stats()
    assert (stats["collection"], stats["metric"], stats["dim"], stats["documents"]) == ("line", "euclidean", 2, 10)
    assert stats["bytes"]["vectors"] == 80
    assert stats["bytes"]["content"] == 70
    assert stats["store_bytes"] > 0
    json.dumps(stats)


def test_progress_is_told_and_may_stop_the_call(line: adjoin.Collection) -> None:
    told: list[tuple[int, int | None]] = []
    line.add(vectors=vectors(50, dim=2), progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (50, 50)

    def stop(done: int, total: int | None) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        line.add(vectors=vectors(50, dim=2), progress=stop)
    assert line.count() == 60


def test_a_collection_shows_what_it_is(line: adjoin.Collection) -> None:
    assert repr(line) == "Collection('line', 10 documents, vectors brought, euclidean, 2 dimensions)"
    assert (line.name, line.metric, line.dim, line.embedder) == ("line", "euclidean", 2, None)


@pytest.mark.parametrize("value", ["x", float("nan"), True, [1.0]])
@pytest.mark.parametrize("option", ["max_distance", "recall"])
def test_an_option_that_is_no_number_is_refused_by_name(option: str, value: object) -> None:
    with adjoin.open("memory://") as db:
        rows = db.collection("c", embedder=None)
        rows.add(vectors=[[1.0, 0.0]])
        with pytest.raises(InvalidOption, match=option):
            rows.search([1.0, 0.0], **{option: value})


@pytest.mark.parametrize("spelt", [str, Path])
def test_a_model_folder_named_from_here_is_found_from_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelt: type
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "elsewhere").mkdir()
    write_tokenizer(tmp_path / "model")
    write_bert(tmp_path / "model")
    (tmp_path / "default").mkdir()  # a folder that is called like a model does not take its place
    monkeypatch.chdir(tmp_path)
    with adjoin.open(tmp_path / "s.adjoin") as db:
        assert db.collection("d", embedder="default").stats()["embedder"] == "default"
        db.collection("c", embedder=spelt("model")).add(["the cat"], ids=["a"])
    monkeypatch.chdir(tmp_path / "elsewhere")
    with adjoin.open(tmp_path / "s.adjoin") as db:
        assert db.collection("c").search("the cat", k=1).ids == ["a"]


def test_reports_show_as_text_in_a_notebook() -> None:
    from adjoin.types import Diagnosis, Finding, Plan, RecallReport

    for report in (
        Plan("exact", "1 < 2", 3, 3, 3, 0.95, 1.0),
        RecallReport(0.95, (), 0.1),
        Diagnosis((Finding("<place>", "is damaged"),)),
    ):
        shown = report._repr_html_()
        assert shown.startswith("<pre>")
        assert html.unescape(shown.removeprefix("<pre>").removesuffix("</pre>")) == str(report)
        assert "<place>" not in shown
        assert "1 < 2" not in shown


class Lengths:
    """Gives each text its length, and refuses those that say so: an embedder whose items can be bad."""

    identity = "lengths-1"
    dim = 2

    def embed(self, items: Sequence[Any], kind: str = "document") -> Any:
        for n, item in enumerate(items):
            if "bad" in item:
                raise InvalidContent(f"item {n} is bad")
        return np.array([[len(item), 1.0] for item in items], np.float32)


def test_what_cannot_be_embedded_is_named_and_the_rest_is_stored(tmp_path: Path) -> None:
    texts = [f"text {'x' * n}" if n % 97 else f"bad {n}" for n in range(600)]
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=Lengths(), metric="euclidean")
        with pytest.raises(InvalidContent, match="item 0 is bad"):
            rows.add(texts, ids=range(600))
        with pytest.raises(InvalidContent, match="item 388 is bad"):  # in the call, not in a batch of those to embed
            rows.add([f"y{n}" if n < 388 else text for n, text in enumerate(texts)], ids=range(600))
        assert rows.count() == 0
        refused: list[Any] = []
        ids = rows.add(texts, ids=range(600), on_refused=refused.append)
        assert [one.position for one in refused] == [n for n in range(600) if n % 97 == 0]
        assert all("is bad" in str(one.error) and one.item.startswith("bad") for one in refused)
        assert ids == [n for n in range(600) if n % 97]
        assert rows.get(1).content == "text x"  # type: ignore[union-attr]
        assert rows.upsert(["bad"], ids=[1], on_refused=refused.append) == []
        assert rows.count() == len(ids)
