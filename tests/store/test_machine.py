"""Any order of calls against a plain dict: the store has what the dict has, and finds what an exact search finds."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

import adjoin
from adjoin import ingest
from adjoin.distance import distance
from adjoin.errors import DuplicateId, NotFound
from adjoin.types import METRICS
from tests.support.stores import ROOT

DIM = 3
ids = st.sampled_from([*range(6), "a", "b", "c", "1", "2"])
components = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0, 3.0])
points = st.tuples(components, components, components).filter(any)
metas = st.fixed_dictionaries(
    {}, optional={"n": st.integers(0, 3), "t": st.sampled_from("xy"), "l": st.lists(st.integers(0, 2), max_size=2)}
)
rows = st.dictionaries(ids, st.tuples(points, metas), max_size=5)
wheres = st.sampled_from(
    [
        None,
        {},
        {"n": 1},
        {"n": {"$gte": 2}},
        {"t": "x"},
        {"l": 1},
        {"n": {"$exists": False}},
        {"$or": [{"n": 0}, {"t": "y"}]},
        {"n": {"$ne": 1}},
    ]
)


def matches(meta: dict[str, Any], where: dict[str, Any] | None) -> bool:
    """The nine filters above, written out by hand."""
    n, t, listed = meta.get("n"), meta.get("t"), meta.get("l", [])
    return {
        "None": True, "{}": True, "{'n': 1}": n == 1, "{'n': {'$gte': 2}}": n is not None and n >= 2, "{'t': 'x'}": t == "x",
        "{'l': 1}": 1 in listed, "{'n': {'$exists': False}}": n is None, "{'$or': [{'n': 0}, {'t': 'y'}]}": n == 0 or t == "y",
        "{'n': {'$ne': 1}}": n != 1,
    }[str(where)]  # fmt: skip


class Other:
    """A second process that keeps stores open, asked by lines of JSON. It is started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, *call: Any) -> Any:
        if self._process is None:
            command = [sys.executable, "-m", "tests.support.other_process"]
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def end(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


OTHER = Other()


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    yield
    OTHER.end()


class Machine(RuleBasedStateMachine):
    folder: Path | None = None

    @initialize(
        metric=st.sampled_from(METRICS), in_memory=st.booleans(), storage=st.sampled_from(["float32", "float16"])
    )
    def begin(self, metric: Any, in_memory: bool, storage: str) -> None:
        self.metric = metric
        self.folder = None if in_memory else Path(tempfile.mkdtemp())
        self.held: dict[Any, tuple[tuple[float, ...], dict[str, Any]]] = {}
        self.db = adjoin.open(self.folder or "memory://")
        self.rows = self.db.collection("rows", embedder=None, metric=metric, storage=storage)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.close()
        if self.folder:
            shutil.rmtree(self.folder)

    @rule(new=rows, stream=st.booleans(), upsert=st.booleans())
    def write(self, new: dict[Any, Any], stream: bool, upsert: bool) -> None:
        items = [adjoin.Item(f"text of {id_}", id_, meta, point) for id_, (point, meta) in new.items()]
        call = self.rows.upsert if upsert else self.rows.add
        try:
            assert call(iter(items) if stream else items) == list(new)
        except DuplicateId:
            assert not upsert
            assert self.held.keys() & new.keys()
            return
        assert upsert or not self.held.keys() & new.keys()
        self.held |= new

    @rule(chosen=st.lists(ids, max_size=3, unique=True), meta=metas, replace=st.booleans())
    def update(self, chosen: list[Any], meta: dict[str, Any], replace: bool) -> None:
        try:
            assert self.rows.update(chosen, meta, replace=replace) == len(chosen)
        except NotFound:
            assert set(chosen) - self.held.keys()
            return
        for id_ in chosen:
            point, old = self.held[id_]
            self.held[id_] = (point, meta if replace else {**old, **meta})

    @rule(chosen=st.lists(ids, max_size=3))
    def delete(self, chosen: list[Any]) -> None:
        assert self.rows.delete(chosen) == len(self.held.keys() & set(chosen))
        for id_ in chosen:
            self.held.pop(id_, None)

    @rule(where=wheres.filter(bool))
    def delete_where(self, where: dict[str, Any]) -> None:
        gone = [id_ for id_, (_, meta) in self.held.items() if matches(meta, where)]
        assert self.rows.delete(where=where) == len(gone)
        for id_ in gone:
            del self.held[id_]

    @rule()
    def optimize(self) -> None:
        self.rows.optimize()
        figures = self.rows.stats()
        assert (figures["tail"], figures["tombstones"]) == (0, 0)
        assert figures["segments"] == bool(self.held)

    @rule(chosen=st.lists(ids, max_size=3))
    def erase(self, chosen: list[Any]) -> None:
        assert int(self.rows.erase(chosen)) == len(self.held.keys() & set(chosen))
        for id_ in chosen:
            self.held.pop(id_, None)

    @rule()
    def examine(self) -> None:
        assert self.db.doctor().findings == ()

    @rule(where=wheres)
    def another_process_reads(self, where: Any) -> None:
        """One that has had the store open since it first looked, and follows."""
        if self.folder and self.rows.dim is not None:
            found = OTHER.ask("search", str(self.folder), [1.0, 0.5, 0.0], where)
            expected = {(type(id_).__name__, id_) for id_, (_, meta) in self.held.items() if matches(meta, where)}
            assert {(kind, id_) for kind, id_ in found} == expected

    @rule(new=rows)
    def another_process_writes(self, new: dict[Any, Any]) -> None:
        if self.folder:
            items = [[type(id_).__name__, id_, list(point), meta] for id_, (point, meta) in new.items()]
            assert OTHER.ask("upsert", str(self.folder), items, self.metric) == len(new)
            self.held |= new

    @rule()
    def another_process_optimizes(self) -> None:
        if self.folder and self.rows.dim is not None:
            assert OTHER.ask("optimize", str(self.folder)) is None

    @rule()
    def go_on_from_a_backup(self) -> None:
        if self.folder:
            copy = Path(tempfile.mkdtemp())
            self.db.backup(copy)
            self.close()
            shutil.rmtree(self.folder)
            self.folder = copy
            self.db = adjoin.open(self.folder)
            self.rows = self.db.collection("rows")

    def close(self) -> None:
        self.db.close()
        if self.folder:
            OTHER.ask("close", str(self.folder))

    @rule()
    def reopen(self) -> None:
        if self.folder:
            self.db.close()
            self.db = adjoin.open(self.folder)
            self.rows = self.db.collection("rows")

    @rule(where=wheres)
    def scan_and_count(self, where: Any) -> None:
        expected = {id_: row for id_, row in self.held.items() if matches(row[1], where)}
        found = list(self.rows.scan(where, vectors=True))
        assert {d.id: (tuple(d.vector.tolist()), d.metadata) for d in found} == expected  # type: ignore[union-attr]
        assert len(found) == len(expected) == self.rows.count(where)

    @rule(
        query=points, k=st.integers(1, 8), offset=st.integers(0, 3), where=wheres, bound=st.none() | st.integers(0, 4)
    )
    def search(self, query: Any, k: int, offset: int, where: Any, bound: int | None) -> None:
        matching = [(id_, point) for id_, (point, meta) in self.held.items() if matches(meta, where)]
        hits = self.rows.search(list(query), k=k, offset=offset, where=where, max_distance=bound)
        if not matching:
            assert len(hits) == 0
            return
        exact = distance(np.array([point for _, point in matching]), np.array(query), self.metric)
        near = [
            (away, isinstance(id_, str), id_)
            for (id_, _), away in zip(matching, np.ravel(exact).tolist(), strict=True)
            if bound is None or away <= bound
        ]
        self.compare(hits, near, k, offset, bound)

    def compare(self, hits: adjoin.Hits, near: list[Any], k: int, offset: int, bound: int | None) -> None:
        """By distance to within rounding, and by id where the hits' own distances are equal."""
        given = {id_: away for away, _, id_ in near}
        distances = [hit.distance for hit in hits]
        assert distances == sorted(distances)
        assert [hit.rank for hit in hits] == list(range(offset + 1, offset + len(hits) + 1))
        edge = 1e-6
        if bound is None or not any(abs(away - bound) < edge for away in given.values()):
            assert len(hits) == max(0, min(k, len(near) - offset))
            wanted = sorted(given.values())[offset : offset + k]
            assert distances == pytest.approx(wanted, abs=edge)
            assert all(hit.distance == pytest.approx(given[hit.id], abs=edge) for hit in hits)
        for one, other in itertools.pairwise(hits):
            if one.distance == other.distance:
                assert (isinstance(one.id, str), one.id) < (isinstance(other.id, str), other.id)  # type: ignore[operator]

    @rule(chosen=ids)
    def get(self, chosen: Any) -> None:
        found = self.rows.get(chosen)
        assert (found is not None) == (chosen in self.held)
        if found is not None:
            assert (found.content, found.metadata) == (f"text of {chosen}", self.held[chosen][1])

    @invariant()
    def counts(self) -> None:
        if hasattr(self, "rows"):
            assert len(self.rows) == len(self.held)


def test_any_order_of_calls_leaves_what_a_dict_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "GIVEN_ROWS", 2)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
