import enum
import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjoin.errors import InvalidMetadata, StoreCorrupted
from adjoin.kinds import microseconds
from adjoin.metadata import decode, encode

offsets = st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23)).map(timezone)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.datetimes(timezones=st.one_of(st.none(), offsets)),
    st.dates(),
)
keys = texts.filter(lambda key: not key.startswith("$"))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit and type, which == is not: 1 == True, 0.0 == -0.0, nan != nan."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, datetime):
        return a.replace(tzinfo=None) == b.replace(tzinfo=None) and a.utcoffset() == b.utcoffset()
    return bool(a == b)


@given(st.dictionaries(keys, values, max_size=6))
def test_metadata_comes_back_as_it_went_in(metadata: dict[str, Any]) -> None:
    text = encode(metadata)
    text.encode()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert same(decode(text), metadata)


@pytest.mark.parametrize(
    "value",
    [
        10**5000,
        -(10**5000),
        2**63,
        -0.0,
        math.nan,
        -math.inf,
        5e-324,
        "a\0b",
        "e\u0301",
        "é",
        "\u2028 \U0001f600",
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=9, seconds=5, microseconds=7))),
        [],
        {},
        [[], {}, None],
        {"": {"a.b": [{"c": date(2024, 2, 29)}]}},
    ],
    ids=lambda value: type(value).__name__,  # an integer of 5,000 digits has no repr
)
def test_a_hard_value_comes_back(value: Any) -> None:
    assert same(decode(encode({"k": value, "l": [value]})), {"k": value, "l": [value]})


def test_common_metadata_is_plain_json() -> None:
    text = encode({"year": 2024, "tags": ["a", "나"], "ok": True, "score": 0.5, "none": None, "하": {"b": 1}})
    assert text == '{"year":2024,"tags":["a","나"],"ok":true,"score":0.5,"none":null,"하":{"b":1}}'


class Colour(enum.StrEnum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Point(NamedTuple):
    x: int
    y: int


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        (np.int64(3), 3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.1), 0.10000000149011612),
        (np.float64("nan"), math.nan),
        (np.longdouble(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.datetime64("2024-05-01"), date(2024, 5, 1)),
        (np.datetime64("2024-05"), date(2024, 5, 1)),
        (np.datetime64("2024-05-01T01:02:03.000004000", "ns"), datetime(2024, 5, 1, 1, 2, 3, 4)),
        (np.datetime64("2024-05-01T01", "h"), datetime(2024, 5, 1, 1)),
        (pd.Timestamp("2024-05-01T01:02:03", tz="Asia/Seoul"), datetime.fromisoformat("2024-05-01T01:02:03+09:00")),
        (np.array([1, 2]), [1, 2]),
        (np.array(7), 7),
        (np.array([]), []),
        ((1, (2, "x")), [1, [2, "x"]]),
        (Point(1, 2), [1, 2]),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        (MappingProxyType({"a": np.int8(1)}), {"a": 1}),
        (datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Paris")), datetime.fromisoformat("2024-07-01T00:00:00+02:00")),
    ],
)
def test_a_near_relative_becomes_its_plain_value(given_value: Any, kept: Any) -> None:
    assert same(decode(encode({"k": given_value})), {"k": kept})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1, 2}, ["'k'", "set", "sorted list"]),
        (b"x", ["'k'", "bytes", "hex"]),
        (object(), ["'k'", "object"]),
        (1j, ["'k'", "complex"]),
        (Decimal("1.1"), ["'k'", "decimal.Decimal"]),
        (timedelta(1), ["timedelta"]),
        (np.complex64(1), ["complex64"]),
        (np.zeros((2, 2)), ["ndarray", ".tolist()"]),
        (np.datetime64("NaT"), ["'k'", "NaT"]),
        (np.datetime64("2024-01-01T00:00:00.000000001", "ns"), ["microsecond"]),
        (np.datetime64(10**15, "s"), ["microsecond"]),
        (np.datetime64(10**6, "Y"), ["9999"]),
        (pd.NaT, ["'k'"]),
        (pd.Timestamp("2024-01-01T00:00:00.000000001"), ["nanoseconds"]),
        ({"a": [0, {"b": {1}}]}, ["'k'['a'][1]['b']", "set"]),
        ({1: 2}, ["'k'", "key 1", "int", "'1'"]),
        ({"$date": "x"}, ["'k'['$date']", "'date'", "datetime"]),
        ([{"$a": 1}], ["'k'[0]['$a']", "'a'"]),
        ("\ud800", ["'k'", "U+D800", "errors='replace'"]),
        (["a", "b\udfff"], ["'k'[1]", "U+DFFF"]),
        ({"\ud801": 1}, ["key", "U+D801"]),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(value: Any, words: list[str]) -> None:
    with pytest.raises(InvalidMetadata) as caught:
        encode({"fine": 1, "k": value})
    for word in words:
        assert word in str(caught.value)


def test_metadata_that_is_no_mapping_or_holds_itself_is_refused() -> None:
    with pytest.raises(InvalidMetadata, match="is a list"):
        encode([("a", 1)])  # type: ignore[arg-type]
    with pytest.raises(InvalidMetadata, match="key 1 of type int"):
        encode({1: "a"})  # type: ignore[dict-item]
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InvalidMetadata, match="nested more than 100"):
        encode({"circle": circle})
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    assert decode(encode({"deep": deep})) == {"deep": deep}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a":{"$later":1}}', '{"a":{"$date":"soon"}}', '{"a":{"$int":1}}'])
def test_text_that_was_not_encoded_is_reported_as_damage(text: str) -> None:
    with pytest.raises(StoreCorrupted, match="doctor"):
        decode(text)


def test_microseconds_take_naive_as_utc_and_never_overflow() -> None:
    seoul = timezone(timedelta(hours=9))
    assert microseconds(datetime(1970, 1, 1, 9, tzinfo=seoul)) == 0
    assert microseconds(date(1970, 1, 2)) == microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == 86_400_000_000
    assert microseconds(datetime(1, 1, 1, tzinfo=seoul)) < microseconds(datetime(1, 1, 1))
