"""C: collections and what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adjoin.engine import CollectionSpec, Engine, SearchRequest
from adjoin.errors import AdjoinError, CollectionReplaced, DuplicateId, InvalidOption, NotFound, Unsupported
from adjoin.testing.contract.data import batch, held, make, points, put
from adjoin.types import METRICS, Metric

KNOWN_INDEXES = ("auto", "flat", "graph", "hnsw", "ivf", "lsh", "pq", "ivf-pq")


class CollectionsContract:
    def test_a_created_collection_is_listed_with_its_whole_spec(self, engine: Engine) -> None:
        """C1: a created collection is listed with its whole spec: embedder, identity, index, params and storage too."""
        assert engine.collections() == []
        storage = sorted(engine.abilities.storage - {"float32"} or {"float32"})[0]
        spec = CollectionSpec("rows", "cosine", 12, "default", '{"name": "기본", "x": [1]}', "auto", storage=storage)
        assert engine.create(spec) == spec
        assert engine.spec("rows") == spec
        assert engine.collections() == [spec]
        if "hnsw" in engine.abilities.indexes:
            other = engine.create(CollectionSpec("other", dim=12, index="hnsw", params={"m": 8}))
            assert engine.spec("other") == other
            assert other.params["m"] == 8

    def test_creating_a_collection_that_exists_returns_it_as_it_is(self, engine: Engine) -> None:
        """C2: creating a collection that exists returns it as it is, and leaves its rows."""
        first = make(engine, metric="euclidean", dim=8)
        put(engine, ["a"])
        assert engine.create(CollectionSpec("rows", "cosine", 3, "default", "{}")) == first
        assert engine.count("rows") == 1

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_metric_is_kept_or_refused(self, engine: Engine, metric: Metric) -> None:
        """C3: a collection takes each metric that the engine declares, and create refuses the others."""
        if metric in engine.abilities.metrics:
            assert make(engine, metric=metric).metric == metric
        else:
            with pytest.raises((InvalidOption, Unsupported)):
                make(engine, metric=metric)
            assert engine.collections() == []

    def test_an_index_or_storage_that_the_engine_lacks_is_refused_by_name(self, engine: Engine) -> None:
        """C4: create takes each index and storage that the engine declares, and refuses others, naming those it has."""
        for index in sorted(engine.abilities.indexes):
            assert make(engine, f"index {index}", metric="cosine", index=index).index == index
        for storage in sorted(engine.abilities.storage):
            assert make(engine, f"storage {storage}", dim=8, storage=storage).storage == storage
        before = engine.collections()
        for index in {*KNOWN_INDEXES, "nonsense"} - engine.abilities.indexes:
            with pytest.raises((InvalidOption, Unsupported), match="auto"):
                make(engine, "refused", index=index)
        with pytest.raises((InvalidOption, Unsupported), match="float32"):
            make(engine, "refused", storage="float3")
        with pytest.raises((InvalidOption, Unsupported), match="nonsense"):
            make(engine, "refused", params={"nonsense": 1})
        assert engine.collections() == before

    def test_names_in_any_script_are_told_apart_and_listed_in_order(self, engine: Engine) -> None:
        """C5: names in any script are kept, told apart by code points and listed in their order."""
        names = [
            "문서",
            "가방",
            "a",
            "A",
            "b c",
            "é",
            "%",
            "_",
            "'; --",
            '"',
            "../x",
            "😀",
            "x" * 200,
            "a.b",
            "rows/1",
            "\\",
        ]
        for n, name in enumerate(names):
            make(engine, name)
            put(engine, [n], name=name)
        assert [spec.name for spec in engine.collections()] == sorted(names)
        assert [list(held(engine, name)) for name in names] == [[n] for n in range(len(names))]

    def test_a_collection_that_is_not_there_is_named_in_the_error(self, engine: Engine, tmp_path: Path) -> None:
        """C6: spec gives None for a collection that is not there; every other call raises NotFound with its name."""
        make(engine, "있는것")
        assert engine.spec("없는것") is None
        for call in calls(engine, "없는것"):
            with pytest.raises(NotFound, match="없는것"):
                call()

    def test_a_dropped_collection_is_gone_with_its_rows(self, engine: Engine) -> None:
        """C7: a dropped collection is gone with its rows and notes, and one made anew of that name is empty."""
        make(engine)
        make(engine, "other")
        put(engine, ["a", "b"], notes={"n": "1"})
        put(engine, ["a"], name="other")
        engine.drop("rows")
        assert [spec.name for spec in engine.collections()] == ["other"]
        assert list(held(engine, "other")) == ["a"]
        make(engine, metric="cosine")
        assert (held(engine), engine.notes("rows")) == ({}, {})
        assert put(engine, ["a"], points(1, 3)).added == 1

    def test_the_first_vector_says_how_many_dimensions_there_are(self, engine: Engine) -> None:
        """C8: where the spec has no dim, the first vector that is stored decides it."""
        assert make(engine).dim is None
        with pytest.raises(AdjoinError):
            engine.write("rows", [batch(["a", "a"], points(2, 5))], mode="add")
        spec = engine.spec("rows")
        assert spec is not None
        assert spec.dim is None
        put(engine, ["a"], points(1, 3))
        spec = engine.spec("rows")
        assert spec is not None
        assert spec.dim == 3

    def test_collections_do_not_see_each_others_rows(self, engine: Engine) -> None:
        """C9: collections share no ids, rows or notes."""
        for name, count in (("one", 3), ("two", 5)):
            make(engine, name)
            put(engine, range(count), name=name, notes={"who": name})
        assert engine.delete("one", ids=[0]) == 1
        assert (engine.count("one"), engine.count("two")) == (2, 5)
        assert (engine.notes("one"), engine.notes("two")) == ({"who": "one"}, {"who": "two"})

    def test_names_are_exchanged_unless_something_changed(self, engine: Engine) -> None:
        """C10: rename gives several collections other names at once, and does nothing where one has changed since."""
        for name, count in (("one", 3), ("two", 5)):
            make(engine, name)
            put(engine, range(count), name=name, notes={"who": name})
        version = engine.version("one")
        assert engine.version("one") == version
        for change in (
            lambda: put(engine, ["new"], name="one"),
            lambda: engine.update("one", [("new", {"a": 1})], replace=False),
            lambda: put(engine, [], name="one", notes={"who": "else"}),
            lambda: engine.delete("one", ids=["new"]),
        ):
            change()
            assert engine.version("one") != version
            assert not engine.rename({"one": "two", "two": "one"}, unchanged={"one": version})
            version = engine.version("one")
        assert (engine.count("one"), engine.count("two")) == (3, 5)
        assert engine.rename({"one": "two", "two": "one"}, unchanged={"one": version})
        assert (engine.count("one"), engine.count("two")) == (5, 3)
        assert engine.notes("one") == {"who": "two"}
        with pytest.raises(DuplicateId):
            engine.rename({"one": "two"}, unchanged={})
        assert engine.rename({"one": "three"}, unchanged={})
        assert engine.spec("one") is None
        assert [spec.name for spec in engine.collections()] == ["three", "two"]

    def test_a_search_for_another_collection_of_that_name_is_refused(self, engine: Engine) -> None:
        """C11: each collection has a key that no other ever has; a search or write that names another one is refused."""
        keys = []
        for _ in range(2):
            make(engine)
            put(engine, ["a"])
            spec = engine.spec("rows")
            assert spec is not None
            keys.append(spec.key)
            assert engine.search("rows", SearchRequest(points(1), 1, key=spec.key))[0].neighbours
            engine.drop("rows")
        assert len(set(keys)) == 2
        make(engine)
        with pytest.raises(CollectionReplaced):
            engine.search("rows", SearchRequest(points(1), 1, key=keys[0]))
        with pytest.raises(CollectionReplaced):
            engine.write("rows", [batch(["a"])], mode="add", key=keys[0])
        assert engine.count("rows") == 0


def calls(engine: Engine, name: str) -> list[Callable[[], Any]]:
    """Every call that names a collection, but `spec` and `create`."""
    return [
        lambda: engine.write(name, [batch(["a"])], mode="add"),
        lambda: engine.write(name, [], mode="upsert"),
        lambda: engine.update(name, [("a", {})], replace=False),
        lambda: engine.delete(name, ids=["a"]),
        lambda: engine.delete(name, where={}),
        lambda: engine.get(name, ["a"]),
        lambda: engine.count(name),
        lambda: engine.count(name, {"a": 1}),
        lambda: list(engine.scan(name)),
        lambda: engine.search(name, SearchRequest(points(1), 1)),
        lambda: engine.known_vectors(name, [b"x" * 16]),
        lambda: engine.notes(name),
        lambda: engine.stats(name),
        lambda: engine.version(name),
        lambda: engine.rename({name: "other"}, unchanged={}),
        lambda: engine.drop(name),
        lambda: engine.optimize(name),
        lambda: engine.erase(name, ids=["a"]),
        lambda: engine.recall(name, k=1, budget_s=1.0),
    ]
