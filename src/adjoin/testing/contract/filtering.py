"""F: filters, compared with `Filter.matches` on each row."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjoin.engine import Engine
from adjoin.errors import InvalidFilter, Unsupported
from adjoin.filters import parse
from adjoin.testing.contract.data import (
    NAME,
    check_exact,
    clustered,
    filled,
    find,
    ids_of,
    make,
    points,
    put,
    share_found,
    true_distances,
)
from adjoin.types import Id

SEOUL = timezone(timedelta(hours=9))
NUMBERS: list[Any] = [
    0, -0.0, 1, 1.0, 2, 2.5, -1, 0.1, 1e-300, 2**53, 2**53 + 1, float(2**53), 2**63, -(2**63) - 1, 10**400, -(10**400),
    math.inf, -math.inf, math.nan,
]  # fmt: skip
TEXTS: list[Any] = [
    "", "a", "ab", "b", "B", "a b", "é", "e\u0301", "각", "\u1100\u1161\u11a8", "가", "Z", "\U0001f600", "\uffff", "\0", "a\0b", "\x01",
    "%", "_", "\\", "1", "true", "null", "2024-01-01", "x" * 3000,
]  # fmt: skip
MOMENTS: list[Any] = [
    date(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 9, tzinfo=SEOUL),
    datetime(2024, 1, 1, 9), datetime(2024, 1, 1, 0, 0, 0, 1), date(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime(1, 1, 1, 0, 30, tzinfo=SEOUL),
]  # fmt: skip
SCALARS: list[Any] = [None, True, False, *NUMBERS, *TEXTS, *MOMENTS]
NESTED: list[Any] = [
    [], [1], [1, "a"], [1.0, "a"], ["a", "b"], [True], [None], [math.nan], [[1]], [["a"], "a"], [2, 5], {}, {"x": 1}, {"x": 1.0},
    {"x": [1, None]}, {"x": 1, "y": 2}, {"y": 2, "x": 1}, [{"x": 1}], ["é"], ["e\u0301"], [date(2024, 1, 1)], ["x" * 3000, 10**400],
]  # fmt: skip
KEYS = ["a", "b", "a.b", "", "키", "e\u0301", "é", "\0", "'", '"', "%s", "a$"]


def wide_rows() -> list[dict[str, Any]]:
    """Every value under `a`, some under other keys, and rows that lack them."""
    rng = np.random.default_rng(0)
    values = [*SCALARS, *NESTED]
    rows: list[dict[str, Any]] = [{"a": value} for value in values]
    rows.append({"a": 10**5000})  # more than an operand may have
    rows += [{"b": values[i]} for i in rng.choice(len(values), 15)]
    rows += [
        {key: values[i] for key, i in zip(KEYS, rng.choice(len(values), len(KEYS)), strict=True)} for _ in range(15)
    ]
    return [*rows, {}, {"c": 1}]


operands = st.one_of(st.sampled_from(SCALARS), st.sampled_from([*SCALARS, *NESTED]))
keys = st.one_of(st.just("a"), st.sampled_from([*KEYS, "nobody"]))
ordered = st.sampled_from([*NUMBERS, *TEXTS, *MOMENTS])
OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "$eq": operands, "$ne": operands, "$contains": operands, "$exists": st.booleans(),
    "$gt": ordered, "$gte": ordered, "$lt": ordered, "$lte": ordered,
    "$in": st.lists(operands, max_size=4), "$nin": st.lists(operands, max_size=4),
}  # fmt: skip


def conditions(op: str) -> st.SearchStrategy[dict[str, Any]]:
    if op == "$not":
        inner = st.sampled_from(sorted(OPERANDS)).flatmap(lambda one: st.fixed_dictionaries({one: OPERANDS[one]}))
        return st.builds(lambda key, said: {key: {"$not": said}}, keys, inner)
    return st.builds(lambda key, said: {key: {op: said}}, keys, OPERANDS[op])


leaves = st.sampled_from([*sorted(OPERANDS), "$not"]).flatmap(conditions)
trees = st.recursive(
    leaves,
    lambda part: st.one_of(
        st.builds(lambda parts: {"$and": parts}, st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda parts: {"$or": parts}, st.lists(part, min_size=1, max_size=3)),
        st.builds(lambda one: {"$not": one}, part),
    ),
    max_leaves=5,
)


class FilteringContract:
    def test_eq_agrees(self, engine: Engine) -> None:
        """F1: `$eq`, and a plain value, hold for the rows that docs/filters.md says."""
        self._agrees(engine, "$eq")

    def test_ne_agrees(self, engine: Engine) -> None:
        """F2: `$ne` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$ne")

    def test_gt_agrees(self, engine: Engine) -> None:
        """F3: `$gt` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$gt")

    def test_gte_agrees(self, engine: Engine) -> None:
        """F4: `$gte` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$gte")

    def test_lt_agrees(self, engine: Engine) -> None:
        """F5: `$lt` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$lt")

    def test_lte_agrees(self, engine: Engine) -> None:
        """F6: `$lte` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$lte")

    def test_in_agrees(self, engine: Engine) -> None:
        """F7: `$in` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$in")

    def test_nin_agrees(self, engine: Engine) -> None:
        """F8: `$nin` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$nin")

    def test_exists_agrees(self, engine: Engine) -> None:
        """F9: `$exists` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$exists")

    def test_contains_agrees(self, engine: Engine) -> None:
        """F10: `$contains` holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$contains")

    def test_not_agrees(self, engine: Engine) -> None:
        """F11: `$not` under a key holds for the rows that docs/filters.md says."""
        self._agrees(engine, "$not")

    def test_filters_of_filters_agree(self, engine: Engine) -> None:
        """F12: `$and`, `$or` and `$not` over filters hold for the rows that docs/filters.md says, however nested."""
        self._compare(engine, trees)

    def _agrees(self, engine: Engine, op: str) -> None:
        if op in engine.abilities.filters:
            self._compare(engine, conditions(op))
            return
        make(engine)
        put(engine, ["a"])
        said: Any = [1] if op in ("$in", "$nin") else True if op == "$exists" else {"$gt": 1} if op == "$not" else 1
        for call in (
            lambda: engine.count(NAME, {"a": {op: said}}),
            lambda: find(engine, points(1), where={"a": {op: said}}),
        ):
            with pytest.raises(Unsupported, match=r"\$"):
                call()

    def _compare(self, engine: Engine, wheres: st.SearchStrategy[dict[str, Any]]) -> None:
        rows = wide_rows()
        matrix = points(len(rows), 4)
        filled(engine, matrix, metadata=rows)
        query = points(1, 4, seed=9)

        # Inside the method: hypothesis would take a method that several classes inherit for several tests.
        @settings(
            max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(where=wheres)
        def compare(where: dict[str, Any]) -> None:
            matching = [n for n, row in enumerate(rows) if parse(where).matches(row)]
            assert [document.id for document in engine.scan(NAME, where)] == matching
            assert engine.count(NAME, where) == len(matching)
            found = ids_of(find(engine, query, len(rows) + 1, where=where)[0])
            assert sorted(found) == matching

        compare()

    @pytest.mark.parametrize("away", [False, True], ids=["anywhere", "far from the query"])
    def test_never_fewer_than_k_while_k_match(self, engine: Engine, away: bool) -> None:
        """F13: a search returns k rows while k match, be they every second or one in a thousand, near the query or far."""
        never_short(engine, away=away)

    @pytest.mark.parametrize("recall", [0.95, 1.0])
    def test_the_rows_that_match_are_searched_as_if_they_were_alone(self, engine: Engine, recall: float) -> None:
        """F14: among the rows that match, the neighbours are those of an exact search over these alone."""
        matrix = clustered(1000)
        filled(engine, matrix, metadata=[{"n": n, "tags": [f"t{n % 7}"]} for n in range(1000)])
        queries = clustered(10, seed=2)
        for where, chosen in (
            ({"n": {"$lt": 30}}, range(30)), ({"tags": "t3"}, range(3, 1000, 7)), ({"n": {"$gte": 0}}, range(1000)),
            ({"$or": [{"n": 5}, {"n": 500}]}, (5, 500)), ({"n": {"$gt": 5000}}, ()),
        ):  # fmt: skip
            for found, query in zip(find(engine, queries, 10, where=where, recall=recall), queries, strict=True):
                true = true_distances(matrix, query, "euclidean").tolist()
                near: dict[Id, float] = {n: true[n] for n in chosen}
                if recall == 1.0:
                    check_exact(found, near, 10)
                assert len(found.neighbours) == min(10, len(near))
                assert set(ids_of(found)) <= near.keys()

    def test_a_filter_outside_the_language_is_refused(self, engine: Engine) -> None:
        """F15: a filter that is not in the language raises InvalidFilter wherever it is given, and nothing is done."""
        make(engine)
        put(engine, ["a"])
        wrong: list[dict[str, Any]] = [{"a": {"$gtt": 1}}, {"a": {"$gt": None}}, {"$or": []}, {"a": {"$in": 3}}]
        for where in wrong:
            calls: list[Any] = [
                lambda where=where: engine.count(NAME, where), lambda where=where: list(engine.scan(NAME, where)),
                lambda where=where: engine.delete(NAME, where=where), lambda where=where: find(engine, points(1), where=where),
            ]  # fmt: skip
            for call in calls:
                with pytest.raises(InvalidFilter):
                    call()
        assert engine.count(NAME) == 1


def never_short(engine: Engine, *, away: bool, optimize: bool = False) -> None:
    """Filters that half, a tenth, a hundredth and a thousandth of 4,000 rows pass.

    away: those rows are the farthest from the query rather than any.
    """
    matrix = clustered(4000, 16)
    query = clustered(1, 16, seed=7)[0]
    true = true_distances(matrix, query, "cosine")
    order = np.argsort(-true) if away else np.random.default_rng(1).permutation(4000)
    place = np.empty(4000, np.int64)
    place[order] = np.arange(4000)
    filled(engine, matrix, "cosine", metadata=[{"place": int(n)} for n in place])
    if optimize:
        engine.optimize(NAME)
    for most in (2000, 400, 40, 4):
        for k in (1, 10, 100):
            for recall in (0.9, 1.0):
                (found,) = find(engine, query, k, where={"place": {"$lt": most}}, recall=recall)
                near: dict[Id, float] = {int(n): float(true[n]) for n in order[:most]}
                assert len(found.neighbours) == min(k, most), (most, k)
                assert set(ids_of(found)) <= near.keys()
                assert share_found(found, near, k) >= (1.0 if recall == 1.0 else 0.5)
