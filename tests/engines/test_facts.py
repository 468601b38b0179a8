"""Bytes that SQL compares stand in the order of the values they are of."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from adjoin.engines.postgres.facts import _number, _stamp, facts
from adjoin.kinds import canonical

numbers = st.one_of(
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(allow_nan=False),
    st.sampled_from(
        [0, -0.0, 2**53, 2**53 + 1, float(2**53), -1, -1.5, 127, 128, -128, 5e-324, -5e-324, 1.7e308, 10**4000]
    ),
)


@settings(max_examples=400)
@given(one=numbers, other=numbers)
@example(-1, -129)
@example(10**5000, 10**5000 + 1)
@example(math.inf, 10**5000)
@example(-math.inf, -(10**5000))
def test_numbers_compare_as_their_bytes(one: Any, other: Any) -> None:
    assert (_number(one) < _number(other)) == (one < other)
    assert (_number(one) == _number(other)) == (one == other)


values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=3), st.datetimes()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=5,
)


@settings(max_examples=300)
@given(one=values, other=values)
@example([["a"], "b"], [["a", "b"]])
@example({"a": 1, "b": 2}, {"b": 2.0, "a": 1})
@example("é", "e\u0301")
@example(1, True)
def test_values_that_the_language_holds_for_equal_have_one_stamp(one: Any, other: Any) -> None:
    assert (_stamp(canonical(one)) == _stamp(canonical(other))) == (canonical(one) == canonical(other))


def test_facts_are_in_order_and_each_once() -> None:
    tokens, orders = facts({"a": [1, 1.0, "x"], "b": None})
    assert tokens == sorted(set(tokens))
    assert orders == sorted(set(orders))
    assert (len(tokens), len(orders)) == (6, 2)
    assert facts({}) == ([], [])
