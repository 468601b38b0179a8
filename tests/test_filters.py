"""The filters against a plain evaluator that was written from docs/filters.md and shares no code with them."""

import doctest
import json
import math
import threading
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adjoin import filters, kinds
from adjoin.errors import InvalidFilter
from adjoin.filters import EVERYTHING, And, Columns, Compare, Not, Or, parse

Row = dict[str, Any]

# ---------------------------------------------------------------- the evaluator from the docs


def plain_kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, bool):
        return "bool"
    for kind, types in {
        "number": (int, float),
        "text": str,
        "moment": date,
        "list": (list, tuple),
        "dict": dict,
    }.items():
        if isinstance(value, types):  # type: ignore[arg-type]
            return kind
    raise AssertionError(value)


def plain_moment(value: Any) -> datetime:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def plain_equal(a: Any, b: Any) -> bool:
    kind = plain_kind(a)
    if kind != plain_kind(b):
        return False
    if kind == "number":
        return bool(a == b) or (a != a and b != b)
    if kind == "text":
        return unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)
    if kind == "moment":
        return plain_moment(a) == plain_moment(b)
    if kind == "list":
        return len(a) == len(b) and all(map(plain_equal, a, b))
    if kind == "dict":
        return set(a) == set(b) and all(plain_equal(a[key], b[key]) for key in a)
    return bool(a == b)


def plain_ordered(op: str, a: Any, b: Any) -> bool:
    kind = plain_kind(a)
    if kind != plain_kind(b) or kind not in ("number", "text", "moment"):
        return False
    if kind == "text":
        a, b = unicodedata.normalize("NFC", a), unicodedata.normalize("NFC", b)
    if kind == "moment":
        a, b = plain_moment(a), plain_moment(b)
    return bool({"$gt": a > b, "$gte": a >= b, "$lt": a < b, "$lte": a <= b}[op])


def plain_operator(row: Row, key: str, op: str, operand: Any) -> bool:
    if op == "$ne":
        return not plain_operator(row, key, "$eq", operand)
    if op == "$nin":
        return not plain_operator(row, key, "$in", operand)
    if op == "$not":
        return not plain_condition(row, key, operand)
    if op == "$in":
        return any(plain_operator(row, key, "$eq", one) for one in operand)
    if op == "$exists":
        return (key in row) == operand
    if key not in row:
        return op == "$eq" and operand is None
    value = row[key]
    inside = list(value) if isinstance(value, list) else []
    if op == "$contains":
        if isinstance(value, str) and isinstance(operand, str):
            return unicodedata.normalize("NFC", operand) in unicodedata.normalize("NFC", value)
        return any(plain_equal(one, operand) for one in inside)
    if op == "$eq":
        return any(plain_equal(one, operand) for one in [value, *inside])
    return any(plain_ordered(op, one, operand) for one in [value, *inside])


def plain_condition(row: Row, key: str, said: Any) -> bool:
    if isinstance(said, dict) and said and all(name.startswith("$") for name in said):
        return all(plain_operator(row, key, op, operand) for op, operand in said.items())
    return plain_operator(row, key, "$eq", said)


def plain_matches(row: Row, where: Any) -> bool:
    for key, said in where.items():
        if key == "$and":
            held = all(plain_matches(row, part) for part in said)
        elif key == "$or":
            held = any(plain_matches(row, part) for part in said)
        elif key == "$not":
            held = not plain_matches(row, said)
        else:
            held = plain_condition(row, key, said)
        if not held:
            return False
    return True


# ---------------------------------------------------------------- what hypothesis draws

seoul = timezone(timedelta(hours=9))
big = 2**53
numbers = st.sampled_from(
    [0, -0.0, 1, 1.0, 2, 2.5, -1, big, big + 1, float(big), big + 2, 10**400, -(10**400), math.inf, -math.inf, math.nan]
)
strings = st.sampled_from(["", "a", "ab", "b", "é", "e\u0301", "가", "\u1100\u1161", "Z", "\U0001f600", "\uffff"])
moments = st.sampled_from(
    [
        date(2024, 1, 1),
        datetime(2024, 1, 1),
        datetime(2024, 1, 1, tzinfo=UTC),
        datetime(2024, 1, 1, 9, tzinfo=seoul),
        datetime(2024, 1, 1, 9),
        datetime(2024, 1, 1, 0, 0, 0, 1),
    ]
)
scalars = st.one_of(st.none(), st.booleans(), numbers, strings, moments)
values = st.one_of(
    scalars,
    scalars,
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["x", "y", ""]), inner, max_size=2)
        ),
        max_leaves=4,
    ),
)
names = st.sampled_from(["a", "b", "a.b", ""])
rows_of = st.lists(st.dictionaries(names, values, max_size=4), max_size=12)
orderable = st.one_of(numbers, strings, moments)
simple_operators = st.one_of(
    st.tuples(st.sampled_from(["$eq", "$ne", "$contains"]), values),
    st.tuples(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), orderable),
    st.tuples(st.sampled_from(["$in", "$nin"]), st.lists(values, max_size=4)),
    st.tuples(st.just("$exists"), st.booleans()),
)
operator_dicts = st.recursive(
    st.lists(simple_operators, min_size=1, max_size=2).map(dict),
    lambda inner: st.one_of(inner.map(lambda said: {"$not": said})),
    max_leaves=3,
)
wheres = st.recursive(
    st.dictionaries(names, st.one_of(values, operator_dicts, operator_dicts), max_size=2),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$and": parts}),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"$or": parts}),
        inner.map(lambda part: {"$not": part}),
        st.tuples(inner, inner).map(lambda two: {**two[0], "$not": two[1]}),
    ),
    max_leaves=4,
)


@settings(max_examples=800, deadline=None)
@given(rows_of, wheres, st.integers(0, 12), st.integers(0, 12))
@example([{"a": math.nan}, {"a": 1}], {"a": {"$gte": math.nan}}, 0, 2)
@example([{"a": [1, 5]}], {"a": {"$gt": 2, "$lt": 4}}, 0, 1)
def test_mask_and_matches_say_what_the_plain_evaluator_says(rows: list[Row], where: Any, cut: int, upto: int) -> None:
    expected = [plain_matches(row, where) for row in rows]
    condition = parse(where)
    assert [condition.matches(row) for row in rows] == expected
    columns = Columns()
    columns.append(rows[:cut])
    columns.append(rows[cut:])
    assert columns.n == len(rows)
    assert condition.mask(columns).tolist() == expected
    assert condition.mask(columns, min(upto, len(rows))).tolist() == expected[:upto]
    loaded = Columns.load(columns.n, columns.kept())
    assert condition.mask(loaded).tolist() == expected
    again = parse(json.loads(condition.to_json()))
    assert [again.matches(row) for row in rows] == expected
    assert again.to_json() == condition.to_json()
    assert condition.keys() >= again.keys()


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.integers(big - 4, big + 4)), max_size=40),
    st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.integers(big - 4, big + 4)),
    st.sampled_from(["$gt", "$gte", "$lt", "$lte", "$eq", "$ne"]),
)
def test_numbers_are_compared_exactly_however_large(found: list[Any], bound: Any, op: str) -> None:
    columns = Columns()
    columns.append({"n": number} for number in found)
    expected = [plain_operator({"n": number}, "n", op, bound) for number in found]
    assert parse({"n": {op: bound}}).mask(columns).tolist() == expected


near_big = [number for i in range(-3, 4) for number in (big + i, float(big + i), -big + i)]
zoo: list[Any] = [
    *near_big, None, True, False, 0, -0.0, 1, 1.5, 10**400, -(10**400), math.inf, -math.inf, math.nan, "", "a", "ab",
    "é", "e\u0301", "1", date(2024, 1, 1), datetime(2024, 1, 1), datetime(2024, 1, 1, 9, tzinfo=seoul),
    datetime(2262, 1, 1, 0, 0, 0, 3), datetime(2262, 1, 1, 0, 0, 0, 4), [], [None], [1], [True], ["a", "b"], [[1]],
    [math.nan], [big + 1, "a"], {}, {"x": 1}, {"x": True}, {"x": 1.0, "y": []},
]  # fmt: skip


@pytest.mark.parametrize("op", ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$contains"])
def test_every_kind_against_every_kind(op: str) -> None:
    rows: list[Row] = [{}, *({"k": value} for value in zoo), {"other": 1}]
    columns = Columns()
    columns.append(rows)
    for operand in zoo:
        if op in ("$gt", "$gte", "$lt", "$lte") and plain_kind(operand) not in ("number", "text", "moment"):
            continue
        condition = parse({"k": {op: operand}})
        expected = [plain_operator(row, "k", op, operand) for row in rows]
        assert [condition.matches(row) for row in rows] == expected, operand
        assert condition.mask(columns).tolist() == expected, operand


@pytest.mark.parametrize("op", ["$in", "$nin"])
def test_membership_of_few_and_of_many(op: str) -> None:
    rows: list[Row] = [{}, *({"k": value} for value in zoo), {"other": 1}]
    columns = Columns()
    columns.append(rows)
    for first in range(len(zoo)):
        for count in (0, 1, 2, 8, 40):
            members = (zoo + zoo)[first : first + count]
            condition = parse({"k": {op: members}})
            expected = [plain_operator(row, "k", op, members) for row in rows]
            assert [condition.matches(row) for row in rows] == expected
            assert condition.mask(columns).tolist() == expected


# ---------------------------------------------------------------- by example


def matching(rows: list[Row], where: Any) -> list[int]:
    return [i for i, row in enumerate(rows) if parse(where).matches(row)]


def test_docs_examples_run() -> None:
    page = Path(__file__).parent.parent / "docs" / "filters.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 10
    assert failed == 0


def test_docstring_examples_run() -> None:
    for module in (filters, kinds):
        failed, tried = doctest.testmod(module)
        assert tried
        assert not failed


def test_a_missing_key_matches_negations_and_none() -> None:
    rows: list[Row] = [{}, {"k": None}, {"k": 3}]
    assert matching(rows, {"k": None}) == [0, 1]
    assert matching(rows, {"k": {"$in": [None, 9]}}) == [0, 1]
    assert matching(rows, {"k": {"$ne": None}}) == [2]
    assert matching(rows, {"k": {"$ne": 3}}) == [0, 1]
    assert matching(rows, {"k": {"$nin": [3]}}) == [0, 1]
    assert matching(rows, {"k": {"$nin": []}}) == [0, 1, 2]
    assert matching(rows, {"k": {"$in": []}}) == []
    assert matching(rows, {"k": {"$exists": True}}) == [1, 2]
    assert matching(rows, {"k": {"$exists": False}}) == [0]
    assert matching(rows, {"k": {"$not": {"$gt": 2}}}) == [0, 1]
    assert matching(rows, {"k": {"$lte": 3}}) == [2]


def test_numpy_operands_and_rows_are_plain_values() -> None:
    rows: list[Row] = [{"k": np.int64(3)}, {"k": np.array([1, 2])}, {"k": (1, 9)}, {"k": np.bool_(True)}]
    assert matching(rows, {"k": {"$gte": np.float32(2)}}) == [0, 1, 2]
    assert matching(rows, {"k": np.True_}) == [3]
    assert matching(rows, {"k": {"$in": np.array([1, 3])}}) == [0, 1, 2]
    assert matching(rows, {"k": np.array([1, 2])}) == [1]
    assert matching(rows, {"k": {"$in": {3}}}) == [0]
    assert matching(rows, {"k": {"$exists": np.bool_(True)}}) == [0, 1, 2, 3]
    columns = Columns()
    columns.append(rows)
    assert parse({"k": {"$gte": 2}}).mask(columns).tolist() == [True, True, True, False]


def test_a_date_can_be_given_in_json() -> None:
    rows: list[Row] = [{"at": datetime(2024, 1, 1, 8, tzinfo=seoul)}, {"at": datetime(2024, 1, 1, 10, tzinfo=seoul)}]
    assert matching(rows, {"at": {"$gte": {"$date": "2024-01-01T00:00:00Z"}}}) == [1]
    assert matching(rows, {"at": {"$date": "2024-01-01T01:00:00Z"}}) == [1]
    assert matching(rows, {"at": {"$in": [{"$date": "2023-12-31T23:00:00"}]}}) == [0]


def test_the_tree_is_plain_to_translate() -> None:
    assert parse({}) == parse(None) == EVERYTHING
    year = parse({"year": {"$gt": 3}})
    assert isinstance(year, Compare)
    assert (year.key, year.op, year.operand) == ("year", "$gt", 3)
    assert parse(year) is year
    assert parse({"year": {"$ne": 3}}) == Not(parse({"year": 3}))
    assert parse({"$not": {"year": {"$ne": 3}}}) == parse({"year": 3.0})
    assert parse({"a": 1, "b": 2}) == And((parse({"a": 1}), parse({"b": 2})))
    assert parse({"$or": [{"a": 1}, {"b": 2}]}) == Or((parse({"a": 1}), parse({"b": 2})))
    assert parse({"$or": [{"a": 1}]}) == parse({"a": 1})
    assert parse({"a": 1}) != parse({"a": True})
    assert len({parse({"a": [1, {"b": 2}]}), parse({"a": (1.0, {"b": 2})})}) == 1
    assert parse({"a": 1, "$or": [{"b": 1}, {"c": 1}]}).keys() == {"a", "b", "c"}


def test_canonical_text_is_one_for_filters_that_mean_the_same() -> None:
    def text(where: Any) -> str:
        return parse(where).to_json()

    assert text({"a": 1, "b": {"$in": [2, 1]}}) == text({"$and": [{"b": {"$in": [1, 2.0, 1]}}, {"a": {"$eq": 1}}]})
    assert text({"a": date(2024, 1, 1)}) == text({"a": {"$date": "2024-01-01T09:00:00+09:00"}})
    assert text({"a": "e\u0301"}) == text({"a": "é"})
    assert text({"$and": [{}, {}]}) == text({}) == "{}"
    assert text({"a": 1}) != text({"a": True}) != text({"a": "1"})


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ([("a", 1)], ["a filter is a dict", "('a', 1)"]),
        ("year > 3", ["a filter is a dict"]),
        ({1: 2}, ["key 1", "int", "'1'"]),
        ({"a": {"$gte ": 1}}, ["'$gte '", "'a'", "'$gte'"]),
        ({"a": {"$size": 1}}, ["'$size'", "Known", "$contains"]),
        ({"a": {"$gtt": 1}}, ["'$gtt'", "'a'", "'$gt' is near"]),
        ({"$nor": [{}]}, ["'$nor'", "'$or' is near"]),
        ({"$gt": 3}, ["$gt needs a key"]),
        ({"$and": []}, ["$and", "at least one"]),
        ({"$or": []}, ["$or", "at least one"]),
        ({"$or": {"a": 1}}, ["$or takes a list"]),
        ({"$and": [3]}, ["a filter is a dict", "3"]),
        ({"$not": 3}, ["a filter is a dict"]),
        ({"a": {"$or": [{"$gt": 1}]}}, ["$or stands around keys", "'a'"]),
        ({"a": {"$gt": 1, "b": 2}}, ["'a'", "'$gt'", "'b'", "mixes"]),
        ({"a": {"$not": 3}}, ["$not on 'a'", "$ne"]),
        ({"a": {"$not": {}}}, ["$not on 'a'"]),
        ({"a": {"$not": {"b": 1}}}, ["$not on 'a'"]),
        ({"a": {"$gt": None}}, ["$gt on 'a'", "None"]),
        ({"a": {"$gt": True}}, ["$gt on 'a'", "True"]),
        ({"a": {"$lt": [1]}}, ["$lt on 'a'", "[1]"]),
        ({"a": {"$lte": {"x": 1}}}, ["$lte on 'a'"]),
        ({"a": {"$in": "abc"}}, ["$in on 'a'", "'abc'", "list"]),
        ({"a": {"$nin": 3}}, ["$nin on 'a'", "list"]),
        ({"a": {"$in": [{1}]}}, ["$in on 'a'", "set"]),
        ({"a": {"$exists": 1}}, ["$exists on 'a'", "True or False"]),
        ({"a": b"x"}, ["'a'", "bytes"]),
        ({"a": 1j}, ["'a'", "complex"]),
        ({"a": {1: 2}}, ["'a'", "key 1"]),
        ({"a": {"b": {"$gt": 1}}}, ["'a'", "'$gt'", "inside a value"]),
        ({"a": {"$gt": {"$date": "soon"}}}, ["$gt on 'a'", "ISO 8601"]),
        ({"a": {"$date": 5}}, ["'a'", "ISO 8601"]),
        ({"a": 10**5000}, ["'a'", "bits"]),
        ({"a": np.zeros((2, 2))}, ["'a'", "ndarray"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_language_does_not_know_is_refused_with_the_remedy(where: Any, words: list[str]) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(where)
    for word in words:
        assert word in str(caught.value)


def test_a_filter_that_is_too_deep_or_holds_itself_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["$not"] = circle
    ring: list[Any] = []
    ring.append(ring)
    field: dict[str, Any] = {}
    field["$not"] = field
    for where in (circle, {"a": ring}, {"a": field}):
        with pytest.raises(InvalidFilter, match="nested more than 50"):
            parse(where)


# ---------------------------------------------------------------- columns


def test_columns_grow_by_rows_and_keep_values_once() -> None:
    columns = Columns()
    columns.append([{"a": 1}, {"b": "x"}])
    columns.append([])
    columns.append({"a": value} for value in (1.0, True, "1", None))
    a = columns.get("a")
    assert a is not None
    assert a.codes.tolist() == [0, -1, 0, 1, 2, 3]
    assert [repr(value) for value in a.values] == ["1", "True", "'1'", "None"]
    assert columns.get("c") is None
    assert columns.keys() == ["a", "b"]


def test_a_row_that_cannot_be_held_adds_nothing() -> None:
    columns = Columns()
    columns.append([{"a": 1}])
    with pytest.raises(ValueError, match="set"):
        columns.append([{"a": 2}, {"a": {1}}])
    assert columns.n == 1
    columns.append([{"a": 2}])
    assert parse({"a": 2}).mask(columns).tolist() == [False, True]


def test_readers_of_an_older_state_are_not_disturbed_by_a_writer() -> None:
    columns = Columns()
    columns.append({"n": i, "t": [i % 7, "x"]} for i in range(500))
    above, tagged = parse({"n": {"$gte": 250}}), parse({"t": {"$in": [3, 4, 5, 6]}})
    expected = above.mask(columns), tagged.mask(columns)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for _ in range(200):
                assert (above.mask(columns, 500) == expected[0]).all()
                assert (tagged.mask(columns, 500) == expected[1]).all()
                assert len(above.mask(columns)) >= 500
        except BaseException as exc:
            failures.append(exc)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for i in range(300):
        columns.append([{"n": i / 3, "t": [i, "x"], f"k{i}": i}])
    for reader in readers:
        reader.join()
    assert not failures
