"""Bad input is refused with what happened, to which item, and what to do; and nothing of its call is stored."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.errors import (
    AdjoinError,
    DimensionMismatch,
    DuplicateId,
    IdentityMismatch,
    InvalidContent,
    InvalidFilter,
    InvalidId,
    InvalidInput,
    InvalidMetadata,
    InvalidOption,
    InvalidVector,
    NotFound,
    UnknownKeyword,
    Unsupported,
)
from adjoin.testing import TinyEmbedder
from tests.support.stores import ROOT, contents, vectors

GOOD = [1.0, 2.0, 3.0]


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[adjoin.Database]:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as opened:
        yield opened


@pytest.fixture
def rows(db: adjoin.Database) -> adjoin.Collection:
    rows = db.collection("rows", embedder=None)
    rows.add(
        ["alpha", "beta"], ids=["a", "b"], metadata=[{"n": 1}, {"n": 2}], vectors=[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    )
    return rows


def bad(**given: Any) -> dict[str, Any]:
    """A call of three rows of which the middle one is spoilt."""
    call: dict[str, Any] = {"ids": ["x", "y", "z"], "vectors": [GOOD, GOOD, GOOD]}
    for name, value in given.items():
        if name == "id":
            call["ids"] = ["x", value, "z"]
        elif name == "vector":
            call["vectors"] = [GOOD, value, GOOD]
        elif name == "item":
            call["items"] = ["x", value, "z"]
        elif name == "meta":
            call["metadata"] = [{}, value, {}]
        else:
            call[name] = value
    return call


CALLS: dict[str, tuple[dict[str, Any], type[AdjoinError], str]] = {
    "shorter vector": (bad(vector=[1.0, 2.0]), DimensionMismatch, r"holds 3-dimensional vectors; vector 1 of this call has 2"),
    "longer vectors": (bad(vectors=vectors(3, dim=4)), DimensionMismatch, r"vector 0 of this call has 4.*Embed with the model"),
    "nan": (bad(vector=[1.0, float("nan"), 1.0]), InvalidVector, r"vector 1 .*has nan at component 1"),
    "infinity": (bad(vector=[1.0, 1.0, float("-inf")]), InvalidVector, r"vector 1 .*has -inf at component 2"),
    "beyond float32": (bad(vector=[1e300, 1.0, 1.0]), InvalidVector, r"beyond float32"),
    "zero": (bad(vector=[0.0, 0.0, 0.0]), InvalidVector, r"vector 1"),
    "rounds to zero": (bad(vector=[1e-60, 0.0, 0.0]), InvalidVector, r"vector 1"),
    "words for numbers": (bad(vector=["1", "2", "3"]), InvalidVector, r"Give real numbers"),
    "complex": (bad(vectors=np.ones((3, 3), complex)), InvalidVector, r"Give real numbers"),
    "one vector for three": (bad(vectors=[1.0, 2.0, 3.0]), InvalidVector, r"vectors is a list of vectors, and 1.0 is none"),
    "no vectors": (bad(vectors=None), InvalidInput, r"nothing to store"),
    "no embedder": ({"items": ["x"]}, InvalidContent, r"has no embedder, so every item needs a vector. Pass vectors="),
    "nothing": ({}, InvalidInput, r"nothing to store: give items=, vectors=, or both"),
    "existing id": (bad(id="a"), DuplicateId, r"already has 'a'. Nothing of this call was stored. Use upsert\(\) to replace"),
    "repeated id": (bad(id="x"), DuplicateId, r"'x' stands more than once in this call. Nothing of it was stored"),
    "bool id": (bad(id=True), InvalidId, r"an id is a str or an int, not bool \(True\)"),
    "float id": (bad(id=1.0), InvalidId, r"not float"),
    "bytes id": (bad(id=b"x"), InvalidId, r"not bytes"),
    "tuple id": (bad(id=("x", 1)), InvalidId, r"not tuple"),
    "ids in bytes": (bad(ids=b"xyz"), InvalidId, r"not bytes"),
    "id of 65 bits": (bad(id=2**63), InvalidId, r"an int id has 64 bits with its sign; this one needs 65. Use a str"),
    "id of a million digits": (bad(id=1 << 4_000_000), InvalidId, r"this one needs 4,000,002"),
    "surrogate id": (bad(id="\ud800"), InvalidId, r"has a lone surrogate"),
    "ids in a set": (bad(ids={"x", "y", "z"}), InvalidInput, r"ids is a set, which has no order"),
    "ids in a dict": (bad(ids={"x": 1, "y": 2, "z": 3}), InvalidId, r"not dict"),
    "vectors in a dict": (bad(vectors={"x": GOOD, "y": GOOD, "z": GOOD}), InvalidInput, r"vectors is a dict. Give a list"),
    "a number for ids": (bad(ids=3.5), InvalidId, r"not float"),
    "two ids": (bad(ids=["x", "y"]), InvalidInput, r"differ in length: 2 ids, 3 vectors. Give one of each for every item"),
    "surrogate text": (bad(item="caf\udce9"), InvalidContent, r"'y' has text with a lone surrogate \('\\udce9'\)"),
    "content of no kind": (bad(item=3.5), InvalidContent, r"content of type float cannot be kept. It is a str, bytes, a dict"),
    "bytearray": (bad(item=bytearray(b"x")), InvalidContent, r"content of type bytearray cannot be kept"),
    "record with a set": (bad(item={"k": {1}}), InvalidInput, r"'k' is a set, which cannot be stored; use a sorted list"),
    "a number for items": (bad(items=5), InvalidInput, r"items is a int. Give a list"),
    "dollar key": (bad(meta={"$gt": 1}), InvalidMetadata, r"metadata key '\$gt' starts with '\$', which is kept for operators"),
    "inner dollar key": (bad(meta={"a": {"$gt": 1}}), InvalidMetadata, r"'a'\['\$gt'\] starts with '\$'"),
    "number key": (bad(meta={1: 2}), InvalidMetadata, r"Keys are str: use '1'"),
    "decimal": (bad(meta={"k": Decimal("1.1")}), InvalidMetadata, r"'k' is a decimal.Decimal, which cannot be stored; use a number"),
    "object": (bad(meta={"k": [1, object()]}), InvalidMetadata, r"'k'\[1\] is a object, which cannot be stored"),
    "timedelta": (bad(meta={"k": timedelta(1)}), InvalidMetadata, r"'k' is a datetime.timedelta"),
    "bytes in metadata": (bad(meta={"k": b"x"}), InvalidMetadata, r"'k' is a bytes, which cannot be stored; decode it"),
    "surrogate metadata": (bad(meta={"k": "\ud800"}), InvalidMetadata, r"'k' has the lone surrogate U\+D800"),
    "metadata in itself": (bad(meta=(lambda d: d.update(d=d) or d)({})), InvalidMetadata, r"holds itself"),
    "metadata as text": (bad(meta="{}"), InvalidMetadata, r"metadata of an item is a dict, not str"),
    "all metadata as text": (bad(metadata="xyz"), InvalidInput, r"metadata is a str. Give a list"),
    "metadata pairs": (bad(meta=[("k", 1)]), InvalidMetadata, r"metadata of an item is a dict, not list"),
    "metadata of an Item": (bad(item=adjoin.Item("y", metadata=5)), InvalidMetadata, r"is a dict, not int \(5\)"),  # type: ignore[arg-type]
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_row_is_refused_and_nothing_of_its_call_is_stored(rows: adjoin.Collection, name: str) -> None:
    call, kind, match = CALLS[name]
    before = contents(rows)
    streamed = {key: iter(value) if isinstance(value, list) else value for key, value in call.items()}
    attempts = [(rows.add, call, match), (rows.upsert, call, match), (rows.add, streamed, match)]
    if name == "existing id":
        del attempts[1]
    if name == "two ids":
        attempts[2] = (rows.add, streamed, "ids ended after 2, before the rest")
    for function, given, words in attempts:
        with pytest.raises(kind, match=words) as raised:
            function(**given)
        assert type(raised.value) is kind or name == "record with a set"
        assert contents(rows) == before
        assert rows.dim == 3
    assert rows.add(vectors=[GOOD], ids=["good"]) == ["good"]


@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "dot", "hamming"])
def test_a_zero_vector_has_a_place_where_the_metric_needs_no_direction(db: adjoin.Database, metric: Any) -> None:
    rows = db.collection("zeros", embedder=None, metric=metric)
    rows.add(vectors=[[0.0, 0.0], [1.0, 1.0]], ids=["zero", "one"])
    assert len(rows.search([0.0, 0.0])) == 2


def test_the_first_bad_vector_does_not_decide_the_dimension(db: adjoin.Database) -> None:
    rows = db.collection("fresh", embedder=None)
    for vector in ([float("nan"), 1.0], [0.0, 0.0], []):
        with pytest.raises(InvalidVector):
            rows.add(vectors=[vector])
    assert rows.dim is None
    rows.add(vectors=[[1.0]])
    assert rows.dim == 1


UNKNOWN: list[tuple[Callable[[adjoin.Database, adjoin.Collection], object], str]] = [
    (lambda db, rows: rows.search(GOOD, kk=3), r"search\(\) has no keyword 'kk'. Did you mean k=\? It takes: query, k, where"),
    (lambda db, rows: rows.search(GOOD, max_distances=3), r"Did you mean max_distance=\?"),
    (lambda db, rows: rows.search_many([GOOD], filter={}), r"search_many\(\) has no keyword 'filter'"),
    (lambda db, rows: rows.add(vectors=[GOOD], id=["x"]), r"has no keyword 'id'. Did you mean ids=\?.*Nothing was done"),
    (lambda db, rows: rows.upsert(vectors=[GOOD], metadatas=[{}]), r"Did you mean metadata=\?"),
    (lambda db, rows: rows.update(["a"], {"x": 1}, replaced=True), r"Did you mean replace=\?"),
    (lambda db, rows: rows.delete(filter={}), r"delete\(\) has no keyword 'filter'"),
    (lambda db, rows: rows.get("a", vector=True), r"Did you mean vectors=\?"),
    (lambda db, rows: rows.count(were={}), r"Did you mean where=\?"),
    (lambda db, rows: rows.scan(limit=3), r"scan\(\) has no keyword 'limit'"),
    (lambda db, rows: rows.index([], setting=None), r"Did you mean settings=\?"),
    (lambda db, rows: rows.index_items([], sum=3), r"index_items\(\) has no keyword 'sum'"),
    (lambda db, rows: db.collection("new", embeder=None), r"Did you mean embedder=\?"),
    (lambda db, rows: db.drop("rows", force=True), r"drop\(\) has no keyword 'force'"),
    (lambda db, rows: adjoin.open("memory://", timeout=3), r"Did you mean write_timeout_s=\?"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "match"), UNKNOWN, ids=[str(n) for n in range(len(UNKNOWN))])
def test_an_unknown_keyword_is_never_swallowed(
    db: adjoin.Database, rows: adjoin.Collection, call: Callable[[Any, Any], object], match: str
) -> None:
    before = contents(rows)
    with pytest.raises(UnknownKeyword, match=match) as raised:
        call(db, rows)
    assert isinstance(raised.value, TypeError)
    assert contents(rows) == before
    assert db.collections() == ["rows"]


@pytest.mark.parametrize("name", ["close", "stats", "collections"])
def test_a_call_without_keywords_takes_none(db: adjoin.Database, rows: adjoin.Collection, name: str) -> None:
    with pytest.raises(TypeError):
        getattr(rows if name == "stats" else db, name)(verbose=True)


SEARCHES: list[tuple[dict[str, Any], type[AdjoinError], str]] = [
    ({"k": 0}, InvalidOption, r"k is 1 or more, not 0"),
    ({"k": -3}, InvalidOption, r"k is 1 or more, not -3"),
    ({"k": 2.5}, InvalidOption, r"k is a whole number, not 2.5"),
    ({"k": "3"}, InvalidOption, r"k is a whole number, not '3'"),
    ({"k": None}, InvalidOption, r"k is a whole number"),
    ({"k": True}, InvalidOption, r"k is a whole number, not True"),
    ({"offset": -1}, InvalidOption, r"offset is 0 or more, not -1"),
    ({"offset": 0.5}, InvalidOption, r"offset is a whole number"),
    ({"recall": 0}, InvalidOption, r"recall is a share above 0 and up to 1, not 0"),
    ({"recall": 1.01}, InvalidOption, r"not 1.01"),
    ({"recall": 95}, InvalidOption, r"not 95. 0.95 is usual"),
    ({"recall": float("nan")}, InvalidOption, r"not nan"),
    ({"recall": "high"}, InvalidOption, r"not 'high'"),
    ({"max_distance": float("nan")}, InvalidOption, r"max_distance is a number"),
    ({"max_distance": True}, InvalidOption, r"max_distance is a number"),
    ({"mode": "fuzzy"}, InvalidOption, r"unknown mode 'fuzzy'. Known: auto, vector"),
    ({"where": {"n": {"$near": 3}}}, InvalidFilter, r"unknown operator '\$near' on 'n'"),
    ({"where": {"$nor": []}}, InvalidFilter, r"unknown operator '\$nor'"),
    ({"where": "n = 3"}, InvalidFilter, r"a filter is a dict"),
    ({"where": {"n": {"$gt": [1]}}}, InvalidFilter, r"\$gt on 'n' needs a number"),
    ({"where": {"n": {"$in": 3}}}, InvalidFilter, r"takes a list of values"),
    ({"query": [1.0, 2.0]}, DimensionMismatch, r"2"),
    ({"query": [0.0, 0.0, 0.0]}, InvalidVector, r"query"),
    ({"query": [1.0, float("nan"), 0.0]}, InvalidVector, r"query has nan at component 1"),
    ({"query": "words"}, InvalidInput, r"has no embedder, so a query is a vector or Like\(ids\), not str"),
    ({"query": []}, InvalidVector, r"at least one component"),
    ({"query": adjoin.Like([])}, InvalidInput, r"Like\(\) needs one id at least"),
    ({"query": adjoin.Like("nobody")}, NotFound, r"'rows' has no 'nobody'"),
    ({"query": adjoin.Like("a", unlike=["b", "nobody"])}, NotFound, r"has no 'nobody'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "kind", "match"), SEARCHES, ids=[str(next(iter(case[0].items())))[:40] for case in SEARCHES]
)
def test_a_search_that_cannot_be_answered_says_why(
    rows: adjoin.Collection, given: dict[str, Any], kind: type[AdjoinError], match: str
) -> None:
    call = {"query": GOOD} | given
    with pytest.raises(kind, match=match):
        rows.search(**call)
    many = {"queries": [GOOD, call.pop("query")]} | call
    with pytest.raises(AdjoinError, match=match):
        rows.search_many(**many)


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
def test_a_mode_that_is_not_built_is_refused_rather_than_replaced(rows: adjoin.Collection, mode: str) -> None:
    with pytest.raises(Unsupported, match="searches by vectors only"):
        rows.search(GOOD, mode=mode)


@pytest.mark.parametrize("where", [{"n": {"$near": 3}}, {"$nor": []}, "n = 3", 5, [{"n": 1}], {3: 1}])
def test_an_unsupported_filter_is_refused_everywhere_and_deletes_nothing(rows: adjoin.Collection, where: Any) -> None:
    for call in (rows.count, lambda where: rows.delete(where=where), lambda where: list(rows.scan(where))):
        with pytest.raises(InvalidFilter):
            call(where)
    assert rows.count() == 2


def test_delete_needs_ids_or_a_filter_and_not_both(rows: adjoin.Collection) -> None:
    for call in ({}, {"ids": ["a"], "where": {}}):
        with pytest.raises(InvalidOption, match=r"either ids or where=.*where=\{\} is every row"):
            rows.delete(**call)  # type: ignore[arg-type]
    assert rows.count() == 2


@pytest.mark.parametrize("ids", [1.5, None, b"a", {"a": 1}, [["a"]], [True], ["a", None], 2**63])
def test_what_is_no_id_is_refused_wherever_ids_are_asked_for(rows: adjoin.Collection, ids: Any) -> None:
    calls = [rows.get, lambda ids: rows.update(ids, {"x": 1})]
    for call in calls if ids is None else [*calls, rows.delete]:
        with pytest.raises(InvalidId):
            call(ids)
    assert [document.metadata for document in rows.scan()] == [{"n": 1}, {"n": 2}]


def test_an_update_of_a_missing_id_changes_nothing(rows: adjoin.Collection) -> None:
    with pytest.raises(NotFound, match=r"collection 'rows' has no 'c', 3. Nothing of this call was changed"):
        rows.update(["a", "c", 3], {"n": 9})
    assert rows.count({"n": 9}) == 0


@pytest.mark.parametrize("metadata", ["text", None, 5, [{"n": 9}, None], [{"n": 9}, [("n", 9)]], [{"n": 9}, {"$x": 1}]])
@pytest.mark.parametrize("replace", [True, False])
def test_an_update_with_bad_metadata_changes_nothing(rows: adjoin.Collection, metadata: Any, replace: bool) -> None:
    with pytest.raises(InvalidInput):
        rows.update(["a", "b"], metadata, replace=replace)
    with pytest.raises(InvalidInput, match="2 ids and 1 metadata"):
        rows.update(["a", "b"], [{"n": 9}])
    assert rows.count({"n": 9}) == 0


@pytest.mark.parametrize("name", ["", "  ", "x" * 201, None, 3, "a\ud800"])
def test_a_name_that_is_none_is_refused(db: adjoin.Database, name: Any) -> None:
    with pytest.raises(InvalidOption, match="a collection's name is a text of 1 to 200 characters"):
        db.collection(name, embedder=None)
    assert db.collections() == []


@pytest.mark.parametrize(
    "given", [{"metric": "cosin"}, {"metric": None}, {"metric": ["cosine"]}, {"index": "hnsw2"}, {"index": None}]
)
def test_an_option_that_is_unknown_makes_no_collection(db: adjoin.Database, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=r"unknown (metric|index) .*Known: "):
        db.collection("new", embedder=None, **given)
    assert db.collections() == []


def test_a_collection_keeps_its_metric(db: adjoin.Database, rows: adjoin.Collection) -> None:
    with pytest.raises(InvalidOption, match="collection 'rows' has metric 'cosine', not 'dot'"):
        db.collection("rows", embedder=None, metric="dot")
    assert db.collection("rows", metric="cosine").metric == "cosine"


def test_what_was_dropped_is_not_found_by_any_call(db: adjoin.Database, rows: adjoin.Collection) -> None:
    db.drop("rows")
    calls: list[Callable[[], object]] = [
        rows.count, rows.stats, lambda: rows.get("a"), lambda: rows.delete("a"), lambda: rows.update("a", {}),
        lambda: rows.search(GOOD), lambda: list(rows.scan()), lambda: rows.add(vectors=[GOOD]), lambda: db.drop("rows"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NotFound, match="'rows'"):
            call()
    assert db.collections() == []


def test_a_handle_does_not_write_into_another_collection_of_its_name(db: adjoin.Database) -> None:
    old = db.collection("same", embedder=None, metric="euclidean")
    db.drop("same")
    new = db.collection("same", embedder=None, metric="cosine")
    new.add(vectors=[GOOD], ids=["a"])
    with pytest.raises(NotFound, match=r"was dropped and made anew, or embedded again.* Get it again"):
        old.add(vectors=[[0.0, 0.0, 0.0]], ids=["zero"])
    assert new.search(GOOD).ids == ["a"]


class Broken(TinyEmbedder):
    """Gives what no one can search, for the texts that ask for it."""

    def embed(self, items: Any, kind: Any = "document") -> Any:
        found = super().embed(items, kind)
        for row, text in zip(found, items, strict=True):
            if text in ("nan", "zero"):
                row[:] = float(text) if text == "nan" else 0.0
        return found[:-1] if "short" in items else found[:, :3] if "narrow" in items else found


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("nan", "item 1 a vector with NaN"),
        ("zero", "the embedder's vector of 'zero'"),
        ("short", r"3 items with an array of shape \(2, 64\)"),
        ("narrow", r"3 items with an array of shape \(3, 3\)"),
    ],
)
def test_vectors_of_an_embedder_are_checked_like_any_others(db: adjoin.Database, text: str, match: str) -> None:
    rows = db.collection("texts", embedder=Broken())
    with pytest.raises(InvalidInput, match=match):
        rows.add(["one", text, "three"])
    assert rows.count() == 0
    rows.add(["one", "two"])
    assert rows.search("one", k=1)[0].content == "one"


def test_a_collection_refuses_another_embedder_and_says_both(db: adjoin.Database) -> None:
    db.collection("texts", embedder=TinyEmbedder()).add(["one"])
    with pytest.raises(IdentityMismatch, match=r"(?s)other.*dim"):
        db.collection("texts", embedder=TinyEmbedder(32, name="other"))
    with pytest.raises(IdentityMismatch, match=r"which a name cannot bring back. Pass it: db.collection"):
        db.collection("texts").search("one")
    db.collection("brought", embedder=None)
    with pytest.raises(IdentityMismatch, match="holds vectors that the user brought"):
        db.collection("brought", embedder=TinyEmbedder())


FULL = """
import adjoin, sys, os
import numpy as np
from adjoin.errors import StoreFull
folder = sys.argv[1]
{limit}
db = adjoin.open(folder)
rows = db.collection("rows", embedder=None, metric="euclidean")
rows.add(vectors=[[0.0] * 100], ids=["first"])
stored, full = ["first"], 0
for n in range(400):
    ids = [f"{{n}}-{{i}}" for i in range(20)]
    try:
        if n % 2:
            rows.add(["x" * 500] * 20, ids=ids, vectors=np.full((20, 100), n + 1))
        else:
            rows.add(adjoin.Item("x" * 500, id_, {{}}, np.full(100, n + 1)) for id_ in ids)
        stored += ids
    except StoreFull as exc:
        assert "Nothing of this call was stored" in str(exc), exc
        full += 1
        found = [d.id for d in rows.scan()]
        assert found == stored, (len(found), len(stored))
        assert rows.search(np.zeros(100), k=1).ids == ["first"]
        if full > 3:
            break
assert full > 3, full
{relief}
rows.add(vectors=[[1.0] * 100], ids=["after"])
db.close()
with adjoin.open(folder) as db:
    assert [d.id for d in db.collection("rows").scan()] == [*stored, "after"]
print("ok", len(stored))
"""
BY_SIZE = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, resource.RLIM_INFINITY))"
NO_LIMIT = "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))"


def full(folder: Path, limit: str, relief: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(limit=limit, relief=relief), str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("ok"), done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no limit on a file's size")
def test_a_file_that_may_not_grow_stores_nothing_and_the_store_goes_on_when_it_may(tmp_path: Path) -> None:
    full(tmp_path / "s", BY_SIZE, NO_LIMIT)


def _can_mount() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0


@pytest.mark.skipif(not _can_mount(), reason="only root can mount a small disk")
def test_a_full_disk_stores_nothing_and_the_store_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk could be mounted: {mounted.stderr.decode()}")
    try:
        (disk / "ballast").write_bytes(bytes(400_000))
        full(disk / "s", "", f"os.unlink({str(disk / 'ballast')!r})")
    finally:
        subprocess.run(["umount", str(disk)], check=True)
