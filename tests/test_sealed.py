"""Sealed columns against `Filter.matches` of every row, which tests/test_filters.py holds to the docs."""

import json
import math
import struct
import tempfile
import unicodedata
import zlib
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoin import kinds
from adjoin.filters import Columns, parse
from adjoin.metadata import decode
from adjoin.sealed import SealedColumns, layout
from tests.test_filters import Row, big, names, plain_kind, rows_of, values, wheres, zoo

OPERATORS = ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$contains")


def assert_agrees(columns: SealedColumns, rows: list[Row], where: Any) -> None:
    condition = parse(where)
    expected = [condition.matches(row) for row in rows]
    matching = [i for i, holds in enumerate(expected) if holds]
    assert columns.n == len(rows)
    assert condition.mask(columns).tolist() == expected, where
    assert condition.mask(columns, len(rows) // 2).tolist() == expected[: len(rows) // 2]
    answer = columns.answer(condition)
    low, high, estimate = answer.count()
    assert low <= len(matching) <= high, where
    assert low <= estimate <= high
    assert answer.mask().tolist() == expected, where
    assert answer.rows().tolist() == matching, where
    assert answer.rows().dtype == np.int64
    for some in (np.arange(0, len(rows), 2), np.arange(1, len(rows), 3), np.empty(0, np.int64)):
        assert answer.among(some).tolist() == [expected[i] for i in some], where
    low, high, _ = answer.count()
    assert low <= len(matching) <= high, where


def assert_rows_are_equal(columns: SealedColumns, rows: list[Row]) -> None:
    for i, row in enumerate(rows):
        assert kinds.canonical(columns.row(i)) == kinds.canonical(row)


def saved(columns: SealedColumns) -> SealedColumns:
    with tempfile.TemporaryDirectory() as folder:
        columns.save(Path(folder) / "columns")
        return SealedColumns.load(Path(folder) / "columns")


@settings(max_examples=500, deadline=None)
@given(rows_of, wheres)
def test_every_filter_agrees_with_matches(rows: list[Row], where: Any) -> None:
    assert_agrees(SealedColumns.build(iter(rows)), rows, where)


@settings(max_examples=200, deadline=None)
@given(rows_of, st.lists(wheres, min_size=1, max_size=3))
def test_saved_columns_agree_and_give_equal_rows(rows: list[Row], asked: list[Any]) -> None:
    columns = saved(SealedColumns.build(rows))
    for where in asked:
        assert_agrees(columns, rows, where)
    assert_rows_are_equal(columns, rows)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(rows_of, st.integers(0, 2**12 - 1), st.booleans()), max_size=3), wheres)
def test_merged_columns_hold_the_kept_rows_in_order(parts: list[tuple[list[Row], int, bool]], where: Any) -> None:
    kept: list[Row] = []
    merging = []
    for rows, bits, keeps_all in parts:
        mask = None if keeps_all else np.array([bool(bits >> i & 1) for i in range(len(rows))], np.bool_)
        merging.append((SealedColumns.build(rows), mask))
        kept += rows if mask is None else [row for row, keep in zip(rows, mask, strict=True) if keep]
    merged = SealedColumns.merge(merging)
    assert_agrees(merged, kept, where)
    assert_rows_are_equal(merged, kept)
    assert set(merged.keys()) == {key for row in kept for key in row}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.integers(big - 4, big + 4)), max_size=20),
    st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.integers(big - 4, big + 4)),
    st.sampled_from(OPERATORS),
)
def test_numbers_are_compared_exactly_however_large(found: list[Any], bound: Any, op: str) -> None:
    rows = [{"n": number} for number in found]
    assert_agrees(SealedColumns.build(rows), rows, {"n": {op: bound}})


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=6), max_size=80), st.text(max_size=3), st.sampled_from(OPERATORS))
def test_any_text_is_found_ordered_and_searched(found: list[str], wanted: str, op: str) -> None:
    rows = [{"t": text} for text in found]
    columns = SealedColumns.build(rows)
    for one in (wanted, *found[:1]):
        assert_agrees(columns, rows, {"t": {op: one}})


@settings(max_examples=200, deadline=None)
@given(values)
def test_the_plain_value_of_a_stand_in_is_equal_and_the_same_for_equal_ones(value: Any) -> None:
    stand_in = kinds.canonical(value)
    assert kinds.canonical(kinds.plain_value(stand_in)) == stand_in


@pytest.mark.parametrize("op", OPERATORS)
def test_every_kind_against_every_kind(op: str) -> None:
    rows: list[Row] = [{}, *({"k": value} for value in zoo), {"other": 1}]
    columns = saved(SealedColumns.build(rows))
    for operand in zoo:
        if op not in ("$gt", "$gte", "$lt", "$lte") or plain_kind(operand) in ("number", "text", "moment"):
            assert_agrees(columns, rows, {"k": {op: operand}})


@settings(max_examples=200, deadline=None)
@given(rows_of, rows_of, st.integers(0, 2**12 - 1), wheres)
def test_growing_columns_are_sealed_as_they_were(rows: list[Row], later: list[Row], bits: int, where: Any) -> None:
    growing = Columns()
    growing.append(rows)
    assert_agrees(SealedColumns.seal(growing), rows, where)
    growing.append(later)
    mask = np.array([bool(bits >> i & 1) for i in range(len(rows))], np.bool_)
    kept = [row for row, keep in zip(rows, mask, strict=True) if keep]
    sealed = SealedColumns.seal(growing, mask)
    assert_agrees(sealed, kept, where)
    assert_rows_are_equal(sealed, kept)


def test_large_columns_agree_whichever_way_is_faster() -> None:
    """Thousands of rows, so that selective, broad, dense and sparse ways are all taken."""
    random = np.random.default_rng(5)
    n = 6_000
    rows: list[Row] = []
    for i in range(n):
        row: Row = {
            "id": i,
            "group": int(random.integers(4)),
            "x": float(random.normal()),
            "text": f"number {i * i}",
        }  # more than is searched while counting
        row["at"] = datetime(2024, 1, 1) + timedelta(hours=int(random.integers(n)))
        row["tags"] = [f"t{j}" for j in random.integers(0, 40, int(random.integers(0, 4)))]
        row["typed"] = i % 9 if i < n // 2 else (i % 9) / 2
        if i % 31 == 0:
            row["text"] = [i, "listed", "number 9"]
        if i % 50 == 0:
            row["rare"] = int(random.integers(20))
        if i % 2:
            row["half"] = "abcdefghij"[int(random.integers(10))]
        if i % 3 == 0:
            row["mixed"] = [7, [7], None, "7", 7.5][int(random.integers(5))]
        rows.append(row)
    columns = saved(SealedColumns.build(rows))
    asked: list[Any] = [
        {"at": {"$lt": datetime(2024, 2, 1)}}, {"at": rows[9]["at"]}, {"at": {"$gt": datetime(2024, 6, 1)}, "group": 1},
        {"typed": {"$gte": 4}}, {"id": 17}, {"id": {"$lt": 30}}, {"id": {"$gte": 100}}, {"id": {"$gte": 100, "$lt": 160}}, {"id": -1},
        {"group": 3}, {"group": {"$ne": 3}}, {"group": {"$in": [0, 2]}}, {"x": {"$gt": 0}}, {"x": {"$gt": 2.5}},
        {"tags": "t3"}, {"tags": {"$ne": "t3"}}, {"tags": {"$gte": "t2"}}, {"tags": {"$in": ["t1", "t2", ["t1"]]}},
        {"tags": []}, {"tags": "t1", "group": 2}, {"tags": {"$in": ["t1"]}, "x": {"$gt": 1}},
        {"$and": [{"tags": "t1"}, {"tags": "t2"}]}, {"$or": [{"tags": "t1"}, {"tags": "t2"}]},
        {"rare": 3}, {"rare": {"$exists": True}}, {"rare": {"$exists": False}}, {"rare": None}, {"rare": {"$ne": 3}},
        {"rare": {"$in": [None, 3]}}, {"rare": {"$gt": 10}, "group": 1}, {"group": 1, "rare": None},
        {"half": "c"}, {"half": {"$in": list("acegibdf")}}, {"half": {"$in": ["a", "c", "e", "g", "i", None]}},
        {"half": {"$nin": ["a", "c", "e", "g", "i"]}}, {"half": None}, {"half": {"$gte": "e"}}, {"half": {"$lt": "e"}},
        {"mixed": 7}, {"mixed": [7]}, {"mixed": {"$in": [7, [7]]}}, {"mixed": None}, {"mixed": {"$lte": 7.2}},
        {"mixed": {"$contains": 7}}, {"text": {"$contains": "99"}}, {"text": {"$contains": ""}},
        {"text": {"$contains": "number 1"}}, {"text": {"$contains": "r 1"}, "group": 0},
        {"text": {"$contains": "9"}, "id": {"$lt": 200}}, {"text": {"$contains": "listed"}, "id": {"$lt": 200}},
        {"text": {"$contains": "listed"}}, {"text": {"$not": {"$contains": "9"}}, "id": {"$lt": 200}},
        {"$not": {"text": {"$contains": "99"}}}, {"$or": [{"text": {"$contains": "99"}}, {"id": {"$lt": 9}}]},
        {"$or": [{"id": {"$lt": 9}}, {"group": 1}]}, {"$or": [{"id": 3}, {"x": {"$gt": 3}}, {"absent": 1}]},
        {"$or": [{"id": 3}, {"id": 5}, {"id": {"$gt": 5990}}]}, {"$not": {"$or": [{"id": 3}, {"tags": "t1"}]}},
        {"group": 1, "x": {"$lt": 0}, "half": "a"}, {"group": {"$gte": 1, "$ne": 2}}, {"absent": None}, {},
        {"absent": 1}, {"absent": 1, "group": 1}, {"$and": [{"absent": None}, {"group": 1}]},
    ]  # fmt: skip
    for where in asked:
        assert_agrees(columns, rows, where)
    counts = {key: columns.count(parse({key: value})) for key, value in {"group": 1, "tags": "t1", "rare": 4}.items()}
    assert all(count.is_exact for count in counts.values())
    keep = random.random(n) < 0.5
    merged = SealedColumns.merge([(columns, keep), (SealedColumns.build(rows[: n // 2]), None)])
    both = [row for row, kept in zip(rows, keep, strict=True) if kept] + rows[: n // 2]
    for where in asked:
        assert_agrees(merged, both, where)
    assert_rows_are_equal(merged, both[:50])


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize("rows", [[], [{}], [{}, {}, {}], [{"k": None}], [{"": 0}], [{"k": []}], [{"k": [[[]]]}]])
def test_the_smallest_tables(rows: list[Row]) -> None:
    for columns in (SealedColumns.build(rows), saved(SealedColumns.build(rows))):
        for where in ({}, {"k": None}, {"k": []}, {"k": 1}, {"": 0}, {"k": {"$exists": False}}, {"k": {"$gt": 0}}):
            assert_agrees(columns, rows, where)
        assert_rows_are_equal(columns, rows)


def test_keys_are_told_apart_by_their_code_points() -> None:
    composed = "가나"
    decomposed = unicodedata.normalize("NFD", composed)
    rows: list[Row] = [{composed: 1}, {decomposed: 2}, {"🎈": "🎈"}, {"a.b": 4, '"\\\n': 5}]
    columns = saved(SealedColumns.build(rows))
    assert columns.keys() == [composed, decomposed, "🎈", "a.b", '"\\\n']
    for where in ({composed: 1}, {decomposed: 1}, {decomposed: 2}, {"🎈": {"$contains": "🎈"}}, {'"\\\n': 5}):
        assert_agrees(columns, rows, where)


def test_ten_thousand_keys() -> None:
    rows: list[Row] = [{f"key {i}": i, f"key {i // 2}": [i]} for i in range(10_000)]
    columns = saved(SealedColumns.build(rows))
    assert len(columns.keys()) == 10_000
    assert_agrees(columns, rows, {"key 77": {"$in": [77, 154]}})
    assert columns.row(4_321) == rows[4_321]


def test_moments_beyond_the_calendar_of_utc() -> None:
    rows: list[Row] = [
        {"at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))},
        {"at": [datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))]},
        {"at": {"x": datetime(1, 1, 1)}},
    ]
    columns = saved(SealedColumns.build(rows))
    assert_rows_are_equal(columns, rows)
    for row in rows[:2]:
        assert_agrees(columns, rows, row)
        assert_agrees(columns, rows, {"at": {"$gte": np.ravel(row["at"])[0]}})


def test_operands_that_no_metadata_can_hold_match_nothing() -> None:
    rows: list[Row] = [{"t": "\U0001f600"}, {"t": ["\U0001f600"]}]
    columns = SealedColumns.build(rows)
    for operand in ("\ud83d\ude00", ["\ud83d\ude00"], {"x": "\ud83d"}):
        assert_agrees(columns, rows, {"t": operand})
    assert_agrees(columns, rows, {"t": {"$lt": "\ud83d\ude00"}})


def test_a_value_that_metadata_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="set"):
        SealedColumns.build([{"a": {1}}])


# ---------------------------------------------------------------- a reader written from docs/format-columns.md


def aligned(offset: int) -> int:
    return (offset + 63) // 64 * 64


def read_by_the_docs(content: bytes) -> tuple[int, dict[str, tuple[Any, dict[str, tuple[Any, ...]]]]]:
    magic, length, checksum, zeros = struct.unpack_from("<8sQII", content)
    head = content[24 : 24 + length]
    assert (magic, zeros, zlib.crc32(head)) == (b"ADJNCOLS", 0, checksum)
    said = json.loads(head)
    body = content[aligned(24 + length) :]
    assert (said["format"], len(body)) == (1, said["size"])
    sections = {}
    for key, offset, size, checksum in said["keys"]:
        section = body[offset : offset + size]
        assert zlib.crc32(section) == checksum
        (length,) = struct.unpack_from("<I", section)
        about, at, arrays = json.loads(section[4 : 4 + length]), 4 + length, {}
        for name, dtype, count in about["arrays"]:
            at = aligned(at)
            letter = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u4": "I", "u8": "Q", "f8": "d"}[dtype[1:]]
            arrays[name] = struct.unpack_from(f"<{count}{letter}", section, at)
            at += count * int(dtype[2])
        sections[key] = (about, arrays)
    return said["rows"], sections


def terms_by_the_docs(about: Any, arrays: dict[str, tuple[Any, ...]]) -> list[Any]:
    def texts(name: str) -> list[str]:
        starts, content = arrays.get(f"{name}_starts", (0,)), bytes(arrays.get(f"{name}_content", ()))
        return [content[low:high].decode() for low, high in pairwise(starts)]

    numbers = list(arrays.get("numbers", ()))
    exact = json.loads(bytes(arrays.get("exact", b"[]")))
    for place, text in zip(arrays.get("exact_places", ()), exact, strict=True):
        numbers[place] = int(text, 16)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    moments = [epoch + timedelta(microseconds=since) for since in arrays.get("moments", ())]
    singles = [one for one, there in zip((None, math.nan, False, True), about["singles"], strict=True) if there]
    nested = [decode(f'{{"k":{text}}}')["k"] for text in texts("nested")]
    return [*singles, *numbers, *moments, *texts("text"), *nested]


def test_a_reader_written_from_the_docs_reads_every_value(tmp_path: Path) -> None:
    rows: list[Row] = [{"k": value, "even": i % 2 == 0, "list": [i % 7, i % 5]} for i, value in enumerate(zoo)]
    rows += [{}, {"rare": 2**80}]
    SealedColumns.build(rows).save(tmp_path / "columns")
    n, sections = read_by_the_docs((tmp_path / "columns").read_bytes())
    assert n == len(rows)
    assert list(sections) == ["k", "even", "list", "rare"]
    for key, (about, arrays) in sections.items():
        terms = [kinds.canonical(term) for term in terms_by_the_docs(about, arrays)]
        values_of = {i: kinds.canonical(row[key]) for i, row in enumerate(rows) if key in row}
        present = arrays.get("present", range(n))
        coded = {row: terms[code] for row, code in zip(present, arrays["codes"], strict=True) if code >= 0}
        assert coded == values_of
        for prefix in ("", "element_") if "element_rows" in arrays else ("",):
            for term, (low, high) in zip(terms, pairwise(arrays[f"{prefix}starts"]), strict=True):
                found = arrays[f"{prefix}rows"][low:high]
                of_row = {i: kinds.elements(one) if prefix else (one,) for i, one in values_of.items()}
                assert list(found) == [i for i, those in of_row.items() if term in those]
        most = max(len(set(kinds.elements(one))) for one in values_of.values())
        assert about["most_elements"] == most


# ---------------------------------------------------------------- damage

sample: list[Row] = [{"k": value, "even": i % 2 == 0} for i, value in enumerate(zoo)] + [{}, {"rare": 2**80}]
asked_of_sample: list[Any] = [
    {}, {"k": 1}, {"k": {"$gte": 0}}, {"k": "a"}, {"even": True}, {"even": None}, {"rare": {"$gt": 2**79}}, {"k": [1]},
    {"k": {"$contains": "a"}}, {"k": {"$gt": datetime(2024, 1, 1)}}, {"k": {"$lt": "é"}}, {"k": {"x": 1}},
]  # fmt: skip


def raises_or_agrees(path: Path) -> bool:
    """Whether the damage was seen."""
    try:
        columns = SealedColumns.load(path)
        for where in asked_of_sample:
            condition = parse(where)
            assert columns.rows(condition).tolist() == [i for i, row in enumerate(sample) if condition.matches(row)]
        assert_rows_are_equal(columns, sample)
    except ValueError:
        return True
    return False


def test_a_flipped_bit_anywhere_is_seen_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "columns"
    SealedColumns.build(sample).save(path)
    assert not raises_or_agrees(path)
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(3)
    places = {*range(64), *random.integers(0, len(content), 500).tolist()}
    seen = 0
    for place in places:
        bit = 1 << int(random.integers(8))
        content[place] ^= bit
        path.write_bytes(content)
        seen += raises_or_agrees(path)
        content[place] ^= bit
    assert seen > len(places) // 2


def test_a_forged_file_does_no_worse_than_a_wrong_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With checksums that always fit, what remains are the checks of lengths, types and ranges."""
    monkeypatch.setattr(layout.zlib, "crc32", lambda content, start=0: 0)
    path = tmp_path / "columns"
    SealedColumns.build(sample).save(path)
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(4)
    for place in random.integers(0, len(content), 600).tolist():
        bit = 1 << int(random.integers(8))
        content[place] ^= bit
        path.write_bytes(content)
        try:
            columns = SealedColumns.load(path)
            for where in asked_of_sample:
                columns.answer(parse(where)).rows()
                columns.count(parse(where))
            for i in range(columns.n)[: len(sample)]:
                columns.row(i)
        except ValueError:
            pass
        content[place] ^= bit


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "columns"
    SealedColumns.build(sample).save(path)
    content = path.read_bytes()
    for length in {0, 1, 7, 8, 23, 24, 25, len(content) - 1, *range(30, len(content), 97)}:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError):
            SealedColumns.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="bytes instead of"):
        SealedColumns.load(path)


def test_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "columns"
    path.write_bytes(b"SQLite format 3\0" + bytes(4096))
    with pytest.raises(ValueError, match="columns is not a file of adjoin's columns"):
        SealedColumns.load(path)


# ---------------------------------------------------------------- the key under which answers may be kept


@settings(max_examples=300, deadline=None)
@given(wheres, st.dictionaries(names, values, max_size=3))
def test_filters_of_one_meaning_match_the_same_rows(where: Any, row: Row) -> None:
    condition = parse(where)
    assert hash(condition.meaning()) == hash(parse({"$and": [where, where]}).meaning())
    assert condition.meaning() == parse({"$and": [where, {}]}).meaning() == parse({"$or": [where, where]}).meaning()
    assert condition.meaning() == parse({"$not": {"$not": where}}).meaning()
    assert condition.meaning() != parse({"$not": where}).meaning()
    assert hash(condition) == hash(parse(where))


def test_the_meaning_is_one_for_equal_operands_and_any_order() -> None:
    def meaning(where: Any) -> Any:
        return parse(where).meaning()

    assert meaning({"a": 1, "b": {"$in": [2, 1]}}) == meaning({"$and": [{"b": {"$in": [1.0, 2, 1]}}, {"a": 1.0}]})
    assert meaning({"a": {"$in": [2**60]}}) == meaning({"a": float(2**60)})
    assert meaning({"a": "e\u0301"}) == meaning({"a": "é"})
    assert meaning({"a": {"x": 1, "y": [True]}}) == meaning({"a": {"y": [True], "x": 1.0}})
    apart = [1, True, "1", None, [1], {"x": 1}, [True], float("nan"), "\ud83d\ude00", "\U0001f600", 2**53 + 1]
    assert len({meaning({"a": value}) for value in apart}) == len(apart)
    assert len({meaning({"a": {op: 1}}) for op in ("$eq", "$gt", "$gte", "$lt", "$lte", "$contains", "$ne")}) == 7
    assert meaning({"$or": [{"a": 1}, {"b": 1}]}) != meaning({"a": 1, "b": 1})
