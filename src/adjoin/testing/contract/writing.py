"""W: what goes in comes out, whole or not at all."""

from __future__ import annotations

import math
import threading
import unicodedata
import weakref
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from adjoin.engine import Batch, Engine, Mode, Row, Written
from adjoin.errors import AdjoinError, DimensionMismatch, DuplicateId, InvalidInput
from adjoin.testing.contract.data import NAME, batch, failing, held, make, points, put
from adjoin.types import Id, Origin

IDS: list[Id] = [
    "1", 1, "", " ", 0, "0", -1, 2**63 - 1, -(2**63), "a\0b", "\0", "a", "A", "a ", "a\n", "'; DROP TABLE rows; --", "%", "_", "😀",
    "👩‍👩‍👧", "각", unicodedata.normalize("NFD", "각"), "é", "e\u0301", "\u200b", "\ufeff", "\U0010ffff", "\uffff", "true", "None",
    "null", "{}", "\\", '"', "x" * 100_000, "x" * 99_999, "file.md#3", "i1", "s1",
]  # fmt: skip

CONTENTS: list[Any] = [
    None, "", " ", "\0", "a\0b", "\r\n\t", "봄이 온다 😀", "e\u0301 é", "\ufeff", "\\x00", "\\N", b"", b"\0\xff\xfe", bytes(range(256)),
    {}, {"a": None}, {"title": "책", "pages": 300, "tags": ["x", "y"], "inner": {"deep": [1.5, None, True]}},
    {"when": datetime(2024, 5, 1, tzinfo=UTC), "inf": math.inf}, {"b": 1, "a": 2}, "긴 글 😀 " * 20_000,
]  # fmt: skip

METADATA: dict[str, Any] = {
    "a.b": 1, "": 2, " ": 3, "a$": 4, "키": "값", "e\u0301": "nfd", "é": "nfc", "\0": "\0", "none": None, "true": True, "false": False,
    "one": 1, "1.0": 1.0, "big": 10**5000, "negative": -(2**70), "-0.0": -0.0, "inf": -math.inf, "tiny": 5e-324, "huge": 1.7e308,
    "list": [1, "a", None, [True]], "empty": [], "dict": {"a.b": {"c": []}}, "empty dict": {}, "quote": "'\"\\", "emoji": "😀",
    "aware": datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=9))), "utc": datetime(2024, 5, 1, tzinfo=UTC),
    "naive": datetime(1, 1, 1, 0, 0, 0, 1), "date": date(9999, 12, 31), "long": "x" * 100_000, "many": list(range(1000)),
}  # fmt: skip

ORIGINS = [
    None,
    Origin(file="문서/a b.md", line=3, offset=120, length=40, heading=("제목", "절")),
    Origin(name="json.loads", page=2, seconds=(1.5, 2.25), row=7),
]


class WritingContract:
    def test_added_rows_are_there_and_counted(self, engine: Engine) -> None:
        """W1: add stores rows and says how many."""
        make(engine)
        assert put(engine, ["a", "b", 3]) == Written(added=3)
        assert put(engine, ["c"]) == Written(added=1)
        assert list(held(engine)) == ["a", "b", 3, "c"]

    def test_ids_of_any_shape_are_told_apart_and_kept_as_they_are(self, engine: Engine) -> None:
        """W2: ids are told apart by type and by code point, and come back as they were."""
        make(engine)
        assert put(engine, IDS, metadata=[{"n": n} for n in range(len(IDS))]).added == len(IDS)
        assert [(type(id_), id_) for id_ in held(engine)] == [(type(id_), id_) for id_ in IDS]
        for n, id_ in enumerate(IDS):
            (found,) = engine.get(NAME, [id_])
            assert (type(found.id), found.id, found.metadata) == (type(id_), id_, {"n": n})
        assert put(engine, IDS, mode="upsert", metadata=[{"n": n} for n in range(len(IDS))]).unchanged == len(IDS)
        for left, id_ in enumerate(reversed(IDS), start=1):
            assert engine.delete(NAME, ids=[id_]) == 1
            assert engine.count(NAME) == len(IDS) - left

    def test_an_id_that_exists_is_refused_and_nothing_is_stored(self, engine: Engine) -> None:
        """W3: add refuses an id that exists, and stores nothing of the call."""
        make(engine)
        put(engine, ["a", 1], metadata=[{"v": 1}, {"v": 1}])
        for ids in (["new", "a"], [1, 2, 3]):
            with pytest.raises(DuplicateId, match=r"a|1"):
                put(engine, ids, notes={"n": "1"}, delete=["a"] if 1 in ids else [])
        with pytest.raises(DuplicateId):
            engine.write(NAME, [batch(["x"]), batch(["y"]), batch(["a"])], mode="add")
        assert {id_: document.metadata for id_, document in held(engine).items()} == {"a": {"v": 1}, 1: {"v": 1}}
        assert engine.notes(NAME) == {}

    @pytest.mark.parametrize("mode", ["add", "upsert"])
    def test_an_id_that_stands_twice_in_a_call_is_refused(self, engine: Engine, mode: Mode) -> None:
        """W4: an id that stands twice in one call, in one batch or in two, is refused in both modes."""
        make(engine)
        put(engine, ["old"])
        with pytest.raises(DuplicateId, match="a"):
            put(engine, ["a", "b", "a"], mode=mode)
        with pytest.raises(DuplicateId, match="a"):
            engine.write(NAME, [batch(["a"]), batch(["b"]), batch(["c", "a"])], mode=mode)
        with pytest.raises(DuplicateId, match="old"):
            engine.write(NAME, [batch(["old"]), batch(["old"])], mode="upsert")
        assert list(held(engine)) == ["old"]
        assert engine.write(NAME, [batch(["1", 1]), batch(["e\u0301", "é"])], mode=mode).added == 4

    def test_upsert_replaces_adds_and_tells_which(self, engine: Engine) -> None:
        """W5: upsert replaces all of a row that exists, adds the others, and says how many of each."""
        make(engine)
        put(engine, ["a", "b"], metadata=[{"old": 1}, {"old": 2}])
        fresh = points(2, seed=5)
        assert put(engine, ["b", "c"], fresh, mode="upsert", contents=[b"bytes", None]) == Written(added=1, replaced=1)
        rows = held(engine)
        assert set(rows) == {"a", "b", "c"}
        assert (rows["b"].content, rows["b"].metadata) == (b"bytes", {})
        assert np.array_equal(rows["b"].vector, fresh[0])  # type: ignore[arg-type]
        assert rows["a"].metadata == {"old": 1}

    def test_a_row_that_is_the_same_is_left_alone(self, engine: Engine) -> None:
        """W6: upsert leaves a row alone that is there to the last bit, and says so; a change in any part is one."""
        make(engine)
        vector = points(1)
        row = Row("a", "text", {"n": 1}, Origin(line=1))
        assert engine.write(NAME, [Batch([row], vector)], mode="upsert").added == 1
        assert engine.write(NAME, [Batch([row], vector)], mode="upsert") == Written(unchanged=1)
        nudged = vector.copy()
        nudged[0, 0] = np.nextafter(nudged[0, 0], np.float32(9))
        others = [
            (Row("a", b"text", {"n": 1}, Origin(line=1)), vector), (Row("a", "text", {"n": 1.0}, Origin(line=1)), vector),
            (Row("a", "text", {"n": 1}, Origin(line=2)), vector), (Row("a", "text", {"n": 1}, Origin(line=1)), nudged),
        ]  # fmt: skip
        for changed, point in others:
            assert engine.write(NAME, [Batch([changed], point)], mode="upsert") == Written(replaced=1)
        assert len(held(engine)) == 1

    def test_a_generator_that_fails_midway_leaves_nothing(self, engine: Engine) -> None:
        """W7: when the batches fail midway, or are interrupted, nothing of the call is stored or deleted."""
        make(engine)
        put(engine, ["a"], notes={"n": "old"})
        for error in (RuntimeError("enough"), InvalidInput("bad item")):
            with pytest.raises(type(error), match=str(error)):
                engine.write(
                    NAME, failing([batch(["b"], delete=["a"], notes={"n": "new"}), batch(["c"])], error), mode="upsert"
                )
            assert list(held(engine)) == ["a"]
            assert engine.notes(NAME) == {"n": "old"}
        assert put(engine, ["b"]).added == 1  # and the engine goes on

    def test_deletes_and_notes_come_with_their_rows(self, engine: Engine) -> None:
        """W8: a batch's deletes go before its rows come, and its notes with them, all in one."""
        make(engine)
        put(engine, ["a", "b", "c"], notes={"x": "1", "y": "2"})
        change = batch(["a", "d"], delete=["a", "b", "nobody"], notes={"x": "3", "y": None, "z": "4"})
        assert engine.write(NAME, [change], mode="add") == Written(added=2, deleted=2)
        assert set(held(engine)) == {"a", "c", "d"}
        assert engine.notes(NAME) == {"x": "3", "z": "4"}
        assert engine.write(NAME, [Batch(delete=["c"]), Batch(notes={"z": None})], mode="add") == Written(deleted=1)
        assert (set(held(engine)), engine.notes(NAME)) == ({"a", "d"}, {"x": "3"})

    def test_contents_of_every_kind_come_back_as_they_were(self, engine: Engine) -> None:
        """W9: contents of every kind come back as they were: none, text, bytes and records."""
        make(engine)
        put(engine, range(len(CONTENTS)), contents=CONTENTS)
        found = [document.content for document in held(engine).values()]
        assert [(type(one), one) for one in found] == [(type(one), one) for one in CONTENTS]
        assert list(found[-2]) == ["b", "a"]  # type: ignore[arg-type]

    def test_metadata_of_every_kind_comes_back_as_it_was(self, engine: Engine) -> None:
        """W10: metadata of every kind comes back with its types, its order and its code points."""
        make(engine)
        put(engine, ["nan", "all", "none"], metadata=[{"nan": math.nan, "in": [math.nan]}, METADATA, {}])
        rows = held(engine)
        assert math.isnan(rows["nan"].metadata["nan"])
        assert math.isnan(rows["nan"].metadata["in"][0])
        assert rows["none"].metadata == {}
        found = rows["all"].metadata
        assert list(found) == list(METADATA)
        assert found == METADATA
        assert {key: type(value) for key, value in found.items()} == {
            key: type(value) for key, value in METADATA.items()
        }
        assert math.copysign(1, found["-0.0"]) == -1
        assert found["aware"].utcoffset() == timedelta(hours=9)
        assert found["naive"].tzinfo is None

    def test_origins_come_back_as_they_were(self, engine: Engine) -> None:
        """W11: origins come back as they were."""
        make(engine)
        engine.write(
            NAME, [Batch([Row(n, None, {}, origin) for n, origin in enumerate(ORIGINS)], points(3))], mode="add"
        )
        assert [document.origin for document in held(engine).values()] == ORIGINS

    def test_vectors_come_back_to_the_last_bit(self, engine: Engine) -> None:
        """W12: float32 vectors come back to the last bit, denormal, huge and negative zero among them."""
        make(engine)
        odd = np.array([[0.1, -0.0, 1e-45, 3.4e38, -3.4e38, 1e-38, 1 / 3, 1.0]], np.float32)
        matrix = np.concatenate([odd, points(20)])
        put(engine, range(21), matrix)
        assert b"".join(document.vector.tobytes() for document in held(engine).values()) == matrix.tobytes()  # type: ignore[union-attr]

    def test_a_vector_of_another_length_is_refused(self, engine: Engine) -> None:
        """W13: a vector of another length raises DimensionMismatch with both lengths, and nothing is stored."""
        make(engine, dim=8, embedder="default", identity="{}")
        with pytest.raises(DimensionMismatch, match=r"8.*5|5.*8"):
            put(engine, ["a"], points(1, 5))
        with pytest.raises(DimensionMismatch):
            engine.write(NAME, [batch(["a"]), batch(["b"]), batch(["c"], points(1, 9))], mode="add")
        make(engine, "free")
        with pytest.raises(DimensionMismatch):
            engine.write("free", [batch(["a"]), batch(["b"]), batch(["c"], points(1, 9))], mode="add")
        assert (held(engine), held(engine, "free")) == ({}, {})

    def test_a_call_without_rows_stores_nothing(self, engine: Engine) -> None:
        """W14: a call without batches, or with empty ones, does nothing and is no error."""
        make(engine)
        for batches in ([], [Batch()], [Batch(), Batch(), Batch(delete=["nobody"])]):
            assert engine.write(NAME, batches, mode="add") == Written()
        assert held(engine) == {}

    def test_a_long_stream_is_held_a_few_batches_at_a_time(self, engine: Engine) -> None:
        """W15: a stream of batches is held no more than three at a time, and stored in its order."""
        make(engine)
        alive: list[weakref.ref[Any]] = []
        most = 0

        def stream() -> Iterator[Batch]:
            nonlocal most
            for n in range(30):
                matrix = points(20, seed=n)
                alive.append(weakref.ref(matrix))
                yield batch(range(n * 20, n * 20 + 20), matrix)
                del matrix
                most = max(most, sum(ref() is not None for ref in alive))

        assert engine.write(NAME, stream(), mode="add").added == 600
        assert most <= 3
        assert list(held(engine)) == list(range(600))

    def test_what_cannot_be_kept_is_refused_and_nothing_is_stored(self, engine: Engine) -> None:
        """W16: content, metadata or an id that cannot be kept faithfully is refused, and nothing of the call is stored."""
        make(engine)
        bad: list[Row] = [
            Row("b", "\ud800", {}), Row("b", 3, {}), Row("b", ["list"], {}), Row("b", None, {"a": {1, 2}}),  # type: ignore[arg-type]
            Row("b", None, {"a": "\ud800"}), Row("b", None, {"$a": 1}), Row("b", None, {1: 2}), Row("\ud800", None, {}),  # type: ignore[dict-item]
        ]  # fmt: skip
        for row in bad:
            with pytest.raises(InvalidInput):
                engine.write(NAME, [Batch([Row("a", None, {}), row], points(2))], mode="add")
            with pytest.raises(InvalidInput):
                engine.write(NAME, [batch(["a"]), batch(["c"]), Batch([row], points(1))], mode="upsert")
        assert held(engine) == {}

    def test_of_those_who_add_one_id_at_once_one_wins(self, engine: Engine) -> None:
        """W17: of many that add the same id at the same time one stores it, and the others get DuplicateId."""
        make(engine)
        barrier = threading.Barrier(6)
        outcomes: list[str] = []

        def add(n: int) -> None:
            barrier.wait()
            try:
                put(engine, ["same", f"own {n}"], contents=[f"by {n}", None])
                outcomes.append("stored")
            except DuplicateId:
                outcomes.append("refused")

        run_all([lambda n=n: add(n) for n in range(6)])
        assert sorted(outcomes) == ["refused"] * 5 + ["stored"]
        assert len(held(engine)) == 2

    def test_a_reader_sees_a_call_whole_or_not_at_all(self, engine: Engine) -> None:
        """W18: who reads while others write sees each call whole or not at all."""
        make(engine)
        put(engine, [f"s{n}" for n in range(10)])
        seen: set[int] = set()
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                seen.add(engine.count(NAME) % 10)
                seen.add(len(list(engine.scan(NAME))) % 10)

        def write() -> None:
            try:
                for n in range(8):
                    ids = [f"{n}/{i}" for i in range(10)]
                    engine.write(NAME, [batch(ids[:5]), batch(ids[5:8]), batch(ids[8:])], mode="add")
                    put(engine, ids, points(10, seed=n), mode="upsert")
                    engine.delete(NAME, ids=ids)
            finally:
                done.set()

        run_all([read, write])
        assert seen == {0}

    def test_several_threads_write_and_read_and_nothing_is_lost(self, engine: Engine) -> None:
        """W19: several threads add, replace and delete at once, and what each stored is there."""
        make(engine)

        def work(who: int) -> None:
            for n in range(10):
                put(engine, [f"{who}/{n}", f"{who}/{n}/gone"])
                put(engine, [f"{who}/{n}"], points(1, seed=n), mode="upsert")
                assert engine.delete(NAME, ids=[f"{who}/{n}/gone"]) == 1

        run_all([lambda who=who: work(who) for who in range(4)])
        assert set(held(engine)) == {f"{who}/{n}" for who in range(4) for n in range(10)}

    @pytest.mark.parametrize("storage", ["float16"])
    def test_vectors_kept_smaller_are_rounded_when_they_come_in(self, engine: Engine, storage: str) -> None:
        """W20: where vectors are kept as float16 they are rounded as they come in, and those that do not fit are refused."""
        if storage not in engine.abilities.storage:
            with pytest.raises(AdjoinError):
                make(engine, storage=storage)
            return
        make(engine, storage=storage, dim=8)
        matrix = points(30)
        put(engine, range(30), matrix)
        rows = held(engine)
        kept = np.stack([row.vector for row in rows.values()])  # type: ignore[misc]
        assert kept.dtype == np.float32
        assert np.array_equal(kept, matrix.astype(np.float16).astype(np.float32))
        assert put(engine, range(30), matrix, mode="upsert").unchanged == 30
        with pytest.raises(InvalidInput):
            put(engine, ["far"], np.full((1, 8), 1e6, np.float32))
        assert engine.count(NAME) == 30


def run_all(jobs: list[Any]) -> None:
    """Run each in a thread; what one raises is raised here."""
    errors: list[BaseException] = []

    def guarded(job: Any) -> None:
        try:
            job()
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
