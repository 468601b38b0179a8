"""U, D, R, K, N, T: changing metadata, deleting, reading, and what is remembered beside the rows."""

from __future__ import annotations

import numpy as np
import pytest

from adjoin.engine import Batch, Engine, Row
from adjoin.errors import NotFound
from adjoin.testing.contract.data import NAME, batch, find, held, ids_of, make, points, put


class ReadingContract:
    # Changing metadata

    def test_an_update_merges_into_metadata(self, engine: Engine) -> None:
        """U1: update merges metadata key by key, leaves the rest of the row, and says how many rows."""
        make(engine)
        put(engine, ["a", "b"], metadata=[{"n": 1, "t": "x"}, {}], contents=["one", "two"])
        before = held(engine)
        assert engine.update(NAME, [("a", {"n": 2, "new": [1]}), ("b", {"n": None})], replace=False) == 2
        rows = held(engine)
        assert rows["a"].metadata == {"n": 2, "t": "x", "new": [1]}
        assert rows["b"].metadata == {"n": None}
        assert [rows[id_].content for id_ in "ab"] == ["one", "two"]
        assert np.array_equal(rows["a"].vector, before["a"].vector)  # type: ignore[arg-type]
        assert list(rows) == ["a", "b"]

    def test_an_update_can_replace_metadata(self, engine: Engine) -> None:
        """U2: update with replace sets the whole metadata."""
        make(engine)
        put(engine, ["a"], metadata=[{"n": 1, "t": "x"}])
        assert engine.update(NAME, [("a", {"t": "y"})], replace=True) == 1
        assert held(engine)["a"].metadata == {"t": "y"}

    def test_an_update_of_a_missing_row_changes_nothing(self, engine: Engine) -> None:
        """U3: update of an id that is not there raises NotFound with its name, and changes nothing."""
        make(engine)
        put(engine, ["a"], metadata=[{"n": 1}])
        with pytest.raises(NotFound, match="nobody"):
            engine.update(NAME, [("a", {"n": 2}), ("nobody", {"n": 2})], replace=False)
        assert held(engine)["a"].metadata == {"n": 1}
        assert engine.update(NAME, [], replace=False) == 0

    def test_updates_of_one_row_come_in_their_order(self, engine: Engine) -> None:
        """U4: several updates of one row in a call are made in their order."""
        make(engine)
        put(engine, ["a"])
        engine.update(NAME, [("a", {"n": 1, "x": 1}), ("a", {"n": 2})], replace=False)
        assert held(engine)["a"].metadata == {"n": 2, "x": 1}

    def test_filters_and_upserts_see_an_update(self, engine: Engine) -> None:
        """U5: filters see updated metadata, and a row updated back is unchanged to an upsert."""
        make(engine)
        put(engine, ["a", "b"], metadata=[{"n": 1}, {"n": 1}])
        assert engine.count(NAME, {"n": 1}) == 2
        engine.update(NAME, [("a", {"n": 2})], replace=False)
        assert list(held(engine, where={"n": 1})) == ["b"]
        assert ids_of(find(engine, points(1), where={"n": 2})[0]) == ["a"]
        assert put(engine, ["a"], points(2)[:1], metadata=[{"n": 2}], mode="upsert").unchanged == 1

    # Deleting

    def test_rows_are_deleted_by_id(self, engine: Engine) -> None:
        """D1: delete by ids says how many there were; unknown and repeated ids do not count."""
        make(engine)
        put(engine, ["a", "b", 1, "1"])
        assert engine.delete(NAME, ids=["a", "a", "nobody", 1]) == 2
        assert set(held(engine)) == {"b", "1"}
        assert engine.delete(NAME, ids=[]) == 0
        assert engine.delete(NAME, ids=["a"]) == 0

    def test_rows_are_deleted_by_filter(self, engine: Engine) -> None:
        """D2: delete by filter removes the rows that match; `{}` is every row."""
        make(engine)
        put(engine, range(10), metadata=[{"n": n} for n in range(10)])
        assert engine.delete(NAME, where={"n": {"$gte": 7}}) == 3
        assert engine.delete(NAME, where={"n": 99}) == 0
        assert set(held(engine)) == set(range(7))
        assert engine.delete(NAME, where={}) == 7
        assert held(engine) == {}

    def test_a_deleted_row_is_not_found_again(self, engine: Engine) -> None:
        """D3: a deleted row is in no answer any more, and its id is free."""
        make(engine)
        matrix = points(10)
        put(engine, range(10), matrix)
        assert ids_of(find(engine, matrix[3], 1)[0]) == [3]
        engine.delete(NAME, ids=[3])
        assert 3 not in ids_of(find(engine, matrix[3], 99)[0])
        assert engine.get(NAME, [3]) == []
        assert 3 not in held(engine)
        assert put(engine, [3]).added == 1

    # Reading

    def test_rows_come_in_the_order_asked(self, engine: Engine) -> None:
        """R1: get gives those of the ids that exist, in the order asked."""
        make(engine)
        put(engine, [*range(50), "a"])
        assert [document.id for document in engine.get(NAME, ["a", 7, "nobody", 3, 40, "7"])] == ["a", 7, 3, 40]
        assert engine.get(NAME, []) == []

    def test_vectors_come_when_asked_for(self, engine: Engine) -> None:
        """R2: get, scan and search give vectors when asked, and none otherwise."""
        make(engine)
        matrix = points(3)
        put(engine, ["a", "b", "c"], matrix)
        for given in (
            engine.get(NAME, ["b"]),
            list(engine.scan(NAME)),
            [n.document for n in find(engine, matrix[0])[0].neighbours],
        ):
            assert [document.vector for document in given] == [None] * len(given)
        (found,) = engine.get(NAME, ["b"], with_vectors=True)
        assert np.array_equal(found.vector, matrix[1])  # type: ignore[arg-type]
        (nearest,) = find(engine, matrix[2], 1, with_vectors=True)[0].neighbours
        assert np.array_equal(nearest.document.vector, matrix[2])  # type: ignore[arg-type]

    def test_rows_are_counted(self, engine: Engine) -> None:
        """R3: count gives how many rows there are, or match."""
        make(engine)
        assert (engine.count(NAME), engine.count(NAME, {})) == (0, 0)
        put(engine, range(7), metadata=[{"odd": n % 2} for n in range(7)])
        assert (engine.count(NAME), engine.count(NAME, {"odd": 1}), engine.count(NAME, {})) == (7, 3, 7)

    def test_a_scan_gives_rows_in_the_order_of_storing(self, engine: Engine) -> None:
        """R4: scan gives every row, or those that match, in the order of storing."""
        make(engine)
        assert list(engine.scan(NAME)) == []
        order = [int(n) for n in np.random.default_rng(0).permutation(1500)]
        put(engine, order[:900], points(900), metadata=[{"n": n} for n in order[:900]])
        put(engine, order[900:], points(600), metadata=[{"n": n} for n in order[900:]])
        assert [document.id for document in engine.scan(NAME)] == order
        assert [document.id for document in engine.scan(NAME, {"n": {"$lt": 700}})] == [n for n in order if n < 700]

    def test_a_scan_is_of_the_moment_of_its_first_row(self, engine: Engine) -> None:
        """R5: a scan gives the rows as of its first `next`, whatever is written meanwhile, and may be left off."""
        make(engine)
        put(engine, range(1200), points(1200))
        scan = engine.scan(NAME)
        assert next(scan).id == 0
        engine.delete(NAME, ids=[5, 1100])
        put(engine, ["new"])
        engine.update(NAME, [(1150, {"n": 1})], replace=False)
        rest = {document.id: document for document in scan}
        assert list(rest) == list(range(1, 1200))
        assert rest[1150].metadata == {}
        left = engine.scan(NAME)
        next(left)
        left.close()  # type: ignore[attr-defined]
        assert engine.count(NAME) == 1199

    # Remembered beside the rows

    def test_vectors_are_known_by_the_hash_of_their_text(self, engine: Engine) -> None:
        """K1: known_vectors gives stored vectors by text hash, and leaves out those it does not know."""
        make(engine)
        matrix = points(3)
        rows = [Row("a", None, {}, text_hash=b"a" * 16), Row("b", None, {}, text_hash=bytes(16)), Row("c", None, {})]
        engine.write(NAME, [Batch(rows, matrix)], mode="add")
        known = engine.known_vectors(NAME, [bytes(16), b"a" * 16, b"z" * 16, b"a" * 16])
        assert set(known) == {b"a" * 16, bytes(16)}
        assert np.array_equal(known[b"a" * 16], matrix[0])
        assert engine.known_vectors(NAME, []) == {}

    def test_notes_are_kept_and_found_by_prefix(self, engine: Engine) -> None:
        """N1: notes are kept, replaced and forgotten, and found by a prefix that is taken literally."""
        make(engine)
        kept = {
            "file:a%b": "1",
            "file:a_b": "2",
            "file:axb": "3",
            "파일:가": "값\n😀",
            "": "empty",
            "File:a": "4",
            "x": "",
        }
        put(engine, ["a"], notes=kept)
        assert engine.notes(NAME) == kept
        assert engine.notes(NAME, "file:a%") == {"file:a%b": "1"}
        assert engine.notes(NAME, "file:a_") == {"file:a_b": "2"}
        assert engine.notes(NAME, "파일:") == {"파일:가": "값\n😀"}
        assert engine.notes(NAME, "nothing") == {}
        engine.write(NAME, [Batch(notes={"x": None, "nobody": None, "": "full"})], mode="add")
        assert engine.notes(NAME) == {key: "full" if key == "" else value for key, value in kept.items() if key != "x"}

    def test_the_figures_say_how_much_there_is(self, engine: Engine) -> None:
        """T1: stats counts documents, truncated ones among them, and bytes of content, metadata, vectors and all."""
        make(engine)
        rows = [Row("a", "12345", {"n": 1}, truncated=True), Row("b", None, {})]
        engine.write(NAME, [Batch(rows, points(2, 8))], mode="add")
        stats = engine.stats(NAME)
        assert (stats["documents"], stats["truncated"]) == (2, 1)
        assert stats["bytes"]["content"] >= 5
        assert stats["bytes"]["metadata"] >= 2
        assert stats["bytes"]["vectors"] >= 2 * 8 * 4
        assert stats["store_bytes"] > 0

    def test_rows_written_in_batches_read_as_those_written_at_once(self, engine: Engine) -> None:
        """R6: rows that came in many batches are read, counted and searched as those that came in one."""
        make(engine)
        matrix = points(60)
        meta = [{"n": n % 3} for n in range(60)]
        engine.write(NAME, (batch([n], matrix[n : n + 1], metadata=[meta[n]]) for n in range(60)), mode="add")
        make(engine, "one")
        put(engine, range(60), matrix, metadata=meta, contents=[f"text of {n}" for n in range(60)], name="one")
        assert held(engine) == held(engine, "one")
        assert ids_of(find(engine, matrix[5], where={"n": 2})[0]) == ids_of(
            find(engine, matrix[5], where={"n": 2}, name="one")[0]
        )
