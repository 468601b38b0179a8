"""Rows of tables and records of JSON keep their values, their number and their line."""

from __future__ import annotations

import csv
import doctest
import importlib
import io
import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adjoin.errors import UnreadableFile
from adjoin.read import ReadSettings, Skipped, read_file
from adjoin.read.records import Problems
from adjoin.read.tables import table_records
from adjoin.types import Item

from .conftest import Read


def rows(items: list[Item]) -> list[tuple[object, int | None, int | None]]:
    return [(item.content, item.origin.row, item.origin.line) for item in items if item.origin]


def test_csv_rows_know_their_number_and_real_line(read: Read) -> None:
    text = 'text,n\r\n"first\r\nof two lines",1\r\n\r\nsecond,2\r\n'
    items = read("a.csv", text)
    assert rows(items) == [("first\r\nof two lines", 1, 2), ("second", 2, 5)]
    assert [item.metadata for item in items] == [{"n": 1}, {"n": 2}]


def test_csv_values_get_the_type_that_their_column_agrees_on(read: Read) -> None:
    text = (
        "text,int,float,bool,code,phone,mixed,empty,big\n"
        "a,1,1.5,true,007,010-1234-5678,1,,12345678901234567890\n"
        "b,-2,2,False,123,02-123,x,,1\n"
        "c,,,,,,,,\n"
    )
    one, two, three = (item.metadata for item in read("a.csv", text))
    assert one == {
        "int": 1, "float": 1.5, "bool": True, "code": "007", "phone": "010-1234-5678", "mixed": "1", "empty": None,
        "big": "12345678901234567890",
    }  # fmt: skip
    assert two == {
        "int": -2, "float": 2.0, "bool": False, "code": "123", "phone": "02-123", "mixed": "x", "empty": None, "big": "1"
    }  # fmt: skip
    assert set(three.values()) == {None}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(read: Read, delimiter: str) -> None:
    text = f'text{delimiter}n\n"a, b; c | d"{delimiter}1\nplain, with comma{delimiter if delimiter != "," else ""}\n'
    items = read("a.csv", text if delimiter != "," else 'text,n\n"a, b; c | d",1\n')
    assert (items[0].content, items[0].metadata) == ("a, b; c | d", {"n": 1})


def test_content_column_is_the_one_named_the_one_with_a_telling_name_or_the_one_of_long_texts(read: Read) -> None:
    text = "id,Question,notes\n1,What is it?,a much longer text than the question\n"
    assert read("a.csv", text)[0].content == "What is it?"
    assert read("a.csv", text, content_column="notes")[0].metadata == {"id": 1, "Question": "What is it?"}
    assert read("b.csv", "id,x\n1,a text that is long enough to be content\n")[0].content.startswith("a text")  # type: ignore[union-attr]
    assert read("c.csv", "번호,내용\n1,안녕하세요\n")[0].content == "안녕하세요"


def test_unclear_or_missing_content_column_is_refused_with_the_columns(read: Read) -> None:
    with pytest.raises(UnreadableFile, match=r"'id', 'n'.*--content"):
        read("a.csv", "id,n\n1,2\n")
    with pytest.raises(UnreadableFile, match=r"no column 'body'.*'id', 'text'"):
        read("a.jsonl", '{"id": 1, "text": "x"}\n', content_column="body")


def test_rows_that_cannot_be_used_are_reported_by_line_and_the_rest_is_read(read: Read, skipped: list[Skipped]) -> None:
    text = "text,n\na,1\nb,2,3,4\n,5\nc,6\n"
    assert [item.content for item in read("a.csv", text)][-1] == "c"
    assert [(each.line, "empty" in each.reason) for each in skipped][-1] == (4, True)


def test_long_row_becomes_chunks_with_the_same_row(read: Read) -> None:
    items = read("a.csv", "text,n\n" + "One sentence here. " * 10 + ",1\nshort,2\n", chunk_chars=60, overlap_chars=0)
    assert {(item.origin.row, item.origin.line) for item in items[:-1] if item.origin} == {(1, 2)}
    assert len(items) > 3
    assert all(item.metadata == {"n": 1} for item in items[:-1])
    assert rows(items)[-1] == ("short", 2, 3)


def test_csv_with_a_quote_left_open_is_named_with_its_line(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adjoin.read.tables.RECORD_CHARS", 1000)
    before = csv.field_size_limit()
    with pytest.raises(UnreadableFile, match=r"line 3.*quote"):
        read("a.csv", 'text,n\nfine,1\n"open,2\n' + "more text,3\n" * 500)
    assert csv.field_size_limit() == before


@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab가,;|\t"\n\r .'), max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    )
)
@example([["", " ;"], [", ", ""]])
def test_rows_written_by_csv_are_read_back(written: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["text", "other"], *written])
    problems: list[Skipped] = []
    text = out.getvalue()
    found = list(
        table_records(io.StringIO(text, newline=""), Path("a"), Problems(Path("a"), problems.append), delimiter=",")
    )
    expected = [[value if value.strip() else None for value in row] for row in written if any(map(str.strip, row))]
    assert [list(record.fields.values()) for record in found] == expected
    assert not problems


def test_jsonl_keeps_nested_metadata_and_reports_bad_lines(read: Read, skipped: list[Skipped]) -> None:
    text = (
        '{"id": "a", "text": "one", "tags": ["x"], "of": {"$ref": 1, "deep": [1.5, null]}}\n'
        "not json\n\n[1]\n"
        '{"text": "two", "half": "\\ud800"}\n{"text": ""}\n{"other": 1}\n'
    )
    items = read("a.jsonl", text)
    assert rows(items) == [("one", 1, 1), ("two", 4, 5)]
    assert items[0].metadata == {"id": "a", "tags": ["x"], "of": {"ref": 1, "deep": [1.5, None]}}
    assert items[0].id is None
    assert items[1].metadata == {"half": "\ufffd"}
    assert [each.line for each in skipped] == [2, 4, 6, 7]


def test_bad_lines_in_great_number_are_counted_rather_than_listed(read: Read, skipped: list[Skipped]) -> None:
    read("a.jsonl", '{"text": "fine"}\n' + "bad\n" * 1000)
    assert len(skipped) == 21
    assert "980 more" in skipped[-1].reason


def test_line_too_long_to_be_held_is_reported_and_the_rest_is_read(
    read: Read, skipped: list[Skipped], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adjoin.read.jsonrecords.RECORD_CHARS", 100)
    items = read("a.jsonl", '{"text": "one"}\n{"text": "' + "x" * 950 + '"}\n{"text": "three"}\n')
    assert rows(items) == [("one", 1, 1), ("three", 2, 3)]
    assert [each.line for each in skipped] == [2]


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_json_array_is_read_a_record_at_a_time(read: Read, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr("adjoin.read.jsonrecords._BLOCK_CHARS", size)
    records = [{"text": f"record {n} [,]", "n": n, "d": {"x": [n]}} for n in range(50)]
    items = read("a.json", json.dumps(records, indent=1))
    assert [item.metadata["n"] for item in items] == list(range(50))
    assert rows(items)[1] == ("record 1 [,]", 2, 11)


@pytest.mark.parametrize("cut", ['[{"text": "a"}, {"te', '[{"text": "a"}', '[{"text": "a"},'])
def test_broken_json_array_is_named(tmp_path: Path, cut: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(cut, encoding="utf-8")
    with pytest.raises(UnreadableFile, match=r"a\.json: the JSON"):
        list(read_file(path))


def test_other_json_is_read_as_text(read: Read) -> None:
    assert read("package.json", '{\n  "name": "x"\n}\n')[0].content == '{\n  "name": "x"\n}'


def test_parquet_rows_keep_their_types(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"text": ["one", "two"], "n": [1, None], "on": [date(2024, 1, 2)] * 2, "raw": [b"\x01"] * 2})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    items = list(read_file(tmp_path / "a.parquet"))
    assert rows(items) == [("one", 1, None), ("two", 2, None)]
    assert items[1].metadata == {"n": None, "on": date(2024, 1, 2), "raw": "01"}
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(UnreadableFile, match="Parquet"):
        list(read_file(tmp_path / "b.parquet"))


def test_settings_that_change_chunks_change_the_fingerprint() -> None:
    base = ReadSettings().fingerprint()
    assert ReadSettings().fingerprint() == base
    assert ReadSettings(include=("*.md",), hidden=True, max_file_bytes=9).fingerprint() == base
    others = [ReadSettings(chunk_chars=500), ReadSettings(overlap_chars=0), ReadSettings(content_column="x")]
    assert len({base, ReadSettings(encoding="cp949").fingerprint(), *(each.fingerprint() for each in others)}) == 5


def test_examples_in_the_documentation_hold() -> None:
    for name in ("values", "frontmatter"):
        results = doctest.testmod(importlib.import_module(f"adjoin.read.{name}"))
        assert (results.failed, results.attempted > 0) == (0, True)
