"""What goes in comes out: ids, contents, metadata, origins and vectors, to the last bit, after reopening too."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import adjoin
from adjoin.testing import TinyEmbedder
from tests.support.stores import contents, vector, vectors

IDS: list[Any] = [
    "1", 1, "", " ", 0, "0", -1, 2**63 - 1, -(2**63), "a\0b", "\0", "a", "A", "a ", "a\n", "'; DROP TABLE documents; --", "%", "😀",
    "👩‍👩‍👧", "각", unicodedata.normalize("NFD", "각"), "é", "e\u0301", "\u200b", "\ufeff", "\U0010ffff", "\uffff", "true", "None",
    "x" * 1_000_000, "file.md#3",
]  # fmt: skip


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[adjoin.Database]:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as opened:
        yield opened


def test_ids_of_any_shape_are_told_apart_and_kept_as_they_are(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")
    matrix = vectors(len(IDS))
    assert rows.add(vectors=matrix, ids=IDS, metadata=[{"n": n} for n in range(len(IDS))]) == IDS
    assert [(type(d.id), d.id) for d in rows.scan()] == [(type(id_), id_) for id_ in IDS]
    for n, id_ in enumerate(IDS):
        found = rows.get(id_)
        assert found is not None
        assert (type(found.id), found.id, found.metadata["n"]) == (type(id_), id_, n)
        assert rows.search(matrix[n], k=1).ids == [id_]
    assert rows.upsert(vectors=matrix, ids=IDS) == IDS
    assert rows.count() == len(IDS)
    for n, id_ in enumerate(IDS):
        assert rows.delete(id_) == 1
        assert rows.count() == len(IDS) - n - 1


def test_numpy_ids_become_plain_ones(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    rows.add(vectors=vectors(3), ids=np.array([5, 6, 7]))
    rows.add(vectors=vectors(2), ids=np.array(["five", "six"]))
    rows.add(vectors=vectors(1), ids=np.int64(8))
    assert [(type(d.id), d.id) for d in rows.scan()] == [
        (int, 5),
        (int, 6),
        (int, 7),
        (str, "five"),
        (str, "six"),
        (int, 8),
    ]
    assert rows.get(np.int64(5)).id == 5  # type: ignore[arg-type, union-attr, call-overload]
    assert rows.delete(np.array([5, 6])) == 2  # type: ignore[arg-type]


def test_ids_that_are_not_given_are_made_up_and_differ(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    made = rows.add(vectors=vectors(100)) + rows.add(vectors=vectors(100))
    assert len(set(made)) == 200
    assert all(isinstance(id_, str) and len(id_) == 32 for id_ in made)


CONTENTS: list[Any] = [
    None, "", " ", "\0", "a\0b", "\r\n\t", "봄이 온다 😀", "e\u0301 é", "\ufeff", b"", b"\0\xff\xfe", bytes(range(256)), {}, {"a": None},
    {"title": "책", "pages": 300, "tags": ["x", "y"], "inner": {"deep": [1.5, None, True]}},
    {"when": datetime(2024, 5, 1, tzinfo=UTC), "nan": math.inf}, {"b": 1, "a": 2},
]  # fmt: skip


def test_contents_of_every_kind_come_back_as_they_were(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    rows.add(CONTENTS, ids=range(len(CONTENTS)), vectors=vectors(len(CONTENTS)))
    found = [document.content for document in rows.scan()]
    assert [(type(one), one) for one in found] == [(type(one), one) for one in CONTENTS]
    assert list(found[-1]) == ["b", "a"]
    assert [hit.content for hit in sorted(rows.search(vectors(1)[0], k=50), key=lambda hit: hit.id)] == CONTENTS


def test_a_content_of_ten_megabytes_comes_back_whole(tmp_path: Path) -> None:
    text, blob = "긴 글 😀 " * 800_000, np.random.default_rng(0).bytes(10_000_000)
    assert len(text.encode()) > 10_000_000
    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=None).add([text, blob], ids=["text", "blob"], vectors=vectors(2))
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows")
        assert rows.get("text").content == text  # type: ignore[union-attr]
        assert rows.get("blob").content == blob  # type: ignore[union-attr]


METADATA: dict[str, Any] = {
    "a.b": 1, "": 2, " ": 3, "a$": 4, "키": "값", "e\u0301": "nfd", "é": "nfc", "\0": "\0", "none": None, "true": True,
    "one": 1, "1.0": 1.0,
    "big": 10**5000, "negative": -(2**70), "-0.0": -0.0, "nan": math.nan, "inf": -math.inf, "tiny": 5e-324, "list": [1, "a", None, [True]],
    "dict": {"a.b": {"c": []}}, "aware": datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=9))),
    "naive": datetime(1, 1, 1, 0, 0, 0, 1), "date": date(9999, 12, 31), "long": "x" * 1_000_000,
}  # fmt: skip


def test_metadata_of_every_kind_comes_back_as_it_was(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=None).add(vectors=vectors(1), ids=["a"], metadata=METADATA)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows")
        found = rows.get("a").metadata  # type: ignore[union-attr]
        assert list(found) == list(METADATA)
        assert math.isnan(found.pop("nan"))
        assert found == {key: value for key, value in METADATA.items() if key != "nan"}
        assert {key: type(value) for key, value in found.items()} == {key: type(METADATA[key]) for key in found}
        assert math.copysign(1, found["-0.0"]) == -1
        assert found["aware"].utcoffset() == timedelta(hours=9)
        for key in ("a.b", "", "키", "a$", "negative", "inf"):
            assert rows.count({key: METADATA[key]}) == 1
        assert rows.count({"a.b": {"$gte": 1}}) == 1
        assert rows.count({"aware": datetime(2024, 5, 1, 0, 30, tzinfo=UTC)}) == 1


def test_origins_and_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    origin = adjoin.Origin("파일.md", "a.b", 3, 4, 5, 6, ("One", "둘"), (1.5, 2.5), 7)
    matrix = np.array([[1e-45, -0.0, 3.4e38], [1.1, 2.2, 3.3]], np.float32)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add([adjoin.Item("x", "a", {}, matrix[0], origin), adjoin.Item("y", "b", {}, matrix[1], adjoin.Origin())])
    with adjoin.open(tmp_path / "s") as db:
        a, b = db.collection("rows").get(["a", "b"], vectors=True)
        assert a.origin == origin
        assert b.origin == adjoin.Origin() or b.origin is None
        assert a.vector is not None
        assert b.vector is not None
        assert a.vector.tobytes() + b.vector.tobytes() == matrix.tobytes()
        assert a.vector.dtype == np.float32


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2, 3]],
        [(1.0, 2.0, 3.0)],
        [np.array([1, 2, 3], np.float32)],
        np.array([[1, 2, 3]], np.int64),
        np.array([[1, 2, 3]], np.float16),
        np.array([[1, 2, 3]], ">f4"),
        np.asfortranarray(np.array([[1, 2, 3], [1, 2, 3]], np.float64))[:1],
        np.array([[1, 2, 3, 9]], np.float32)[:, :3],
    ],
)
def test_vectors_of_any_real_layout_are_stored_as_little_endian_float32(tmp_path: Path, given: Any) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=given, ids=["a"])
        assert rows.get("a", vectors=True).vector.tobytes() == np.array([1, 2, 3], "<f4").tobytes()  # type: ignore[union-attr]


def test_a_vector_that_is_changed_after_the_call_does_not_change_the_store(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None, metric="euclidean")
    mine = np.ones((2, 3), np.float32)
    meta: dict[str, Any] = {"list": [1]}
    rows.add(vectors=mine, ids=["a", "b"], metadata=meta)
    mine[:] = 7
    meta["list"].append(2)
    assert rows.search([1, 1, 1], k=1)[0].distance == 0
    found = rows.get("a", vectors=True)
    assert found is not None
    assert found.metadata == {"list": [1]}
    found.metadata["list"].append(3)
    assert rows.get("a").metadata == {"list": [1]}  # type: ignore[union-attr]
    rows.search([1, 1, 1], k=1, where={"list": 1})[0].metadata["list"].append(4)
    assert rows.count({"list": 4}) == 0


def test_updating_merges_or_replaces_metadata_and_leaves_the_rest(db: adjoin.Database) -> None:
    rows = db.collection("rows", embedder=None)
    rows.add(["x", "y"], ids=["a", "b"], vectors=vectors(2), metadata=[{"n": 1, "k": "old"}, {}])
    before = contents(rows)
    assert rows.update(["a", "b"], [{"n": 2, "new": None}, {"n": 3}]) == 2
    assert [d.metadata for d in rows.scan()] == [{"n": 2, "k": "old", "new": None}, {"n": 3}]
    assert rows.update("a", {"only": True}, replace=True) == 1
    assert rows.get("a").metadata == {"only": True}  # type: ignore[union-attr]
    assert rows.count({"n": 3}) == 1
    assert rows.update(["a", "b"], {"n": 9}) == 2
    assert rows.count({"n": 9}) == 2
    after = contents(rows)
    assert {id_: (row[0], row[2]) for id_, row in after.items()} == {
        id_: (row[0], row[2]) for id_, row in before.items()
    }


def test_the_same_rows_again_leave_the_files_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    embedder = TinyEmbedder()
    texts = [f"a text about the number {n}" for n in range(500)]
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=embedder)
        for _ in range(3):
            rows.upsert(texts, ids=range(500), metadata=[{"n": n} for n in range(500)])
        assert embedder.calls < 600  # the texts once; the rest are canaries
    size = sum(path.stat().st_size for path in folder.iterdir())
    for _ in range(5):
        with adjoin.open(folder) as db:
            rows = db.collection("rows", embedder=embedder)
            rows.upsert(texts, ids=range(500), metadata=[{"n": n} for n in range(500)])
            rows.upsert((adjoin.Item(text, n, {"n": n}) for n, text in enumerate(texts)))
            rows.index_items(adjoin.Item(text, n, {"n": n}) for n, text in enumerate(texts))
            assert rows.count() == 500
        assert sum(path.stat().st_size for path in folder.iterdir()) == size


def test_other_rows_in_place_of_the_old_do_not_grow_the_files_for_ever(tmp_path: Path) -> None:
    sizes = []
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None)
        for n in range(12):
            rows.upsert(["x" * 300] * 2000, ids=range(2000), vectors=vectors(2000, seed=n))
            sizes.append(rows.stats()["store_bytes"])
    with adjoin.open(tmp_path / "s") as db:
        sizes.append(db.collection("rows").stats()["store_bytes"])
    assert sizes[-1] < 3 * 2000 * (300 + 32 + 150)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.키", max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
any_text = st.text(st.characters(exclude_categories=["Cs"]))
any_metadata = st.dictionaries(st.text("ab.키", max_size=3), json_values, max_size=3)
any_id = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.integers(-(2**63), 2**63 - 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(any_id, st.tuples(any_text, any_metadata), max_size=8))
def test_any_rows_come_back_as_they_were(rows: dict[Any, tuple[str, dict[str, Any]]]) -> None:
    with adjoin.open("memory://") as db:
        held = db.collection("rows", embedder=None)
        for id_, (text, metadata) in rows.items():
            held.add([text], ids=[id_], metadata=[metadata], vectors=[vector(id_)])
        assert {d.id: (d.content, json.dumps(d.metadata)) for d in held.scan()} == {
            id_: (text, json.dumps(metadata)) for id_, (text, metadata) in rows.items()
        }
