"""Files of any encoding and shape become lines, or an error that says what to do."""

from __future__ import annotations

import codecs
import io
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adjoin.read.decode as decode_module
from adjoin.errors import InvalidOption, UnreadableFile
from adjoin.read import ReadSettings, content_hash, read_file
from adjoin.read.decode import lines

from .conftest import Read

KOREAN = "서울은 한국의 수도이다.\n부산은 항구 도시이다.\n"


@pytest.mark.parametrize(
    "encoded",
    [
        KOREAN.encode(),
        codecs.BOM_UTF8 + KOREAN.encode(),
        KOREAN.encode("utf-16"),
        codecs.BOM_UTF16_BE + KOREAN.encode("utf-16-be"),
        KOREAN.encode("utf-32"),
        codecs.BOM_UTF32_BE + KOREAN.encode("utf-32-be"),
        KOREAN.encode("cp949"),
        KOREAN.encode("euc-kr"),
    ],
)
def test_korean_is_read_whatever_its_encoding(read: Read, encoded: bytes) -> None:
    (item,) = read("a.txt", encoded)
    assert item.content == KOREAN.strip()
    assert item.origin is not None
    assert (item.origin.line, item.origin.offset) == (1, 0)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("café au lait", "latin-1"), ("日本語のテキストです", "shift_jis"), ("これは文です", "euc-jp")],
)
def test_other_encodings_are_refused_with_the_remedy_and_read_when_named(read: Read, text: str, encoding: str) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.txt.*--encoding"):
        read("a.txt", text.encode(encoding))
    assert read("a.txt", text.encode(encoding), encoding=encoding)[0].content == text


def test_named_encoding_does_not_spoil_files_that_are_utf_8(read: Read) -> None:
    assert read("a.txt", "café".encode(), encoding="latin-1")[0].content == "café"


def test_named_utf_16_without_a_mark_is_read(read: Read) -> None:
    assert read("a.txt", "plain".encode("utf-16-le"), encoding="utf-16-le")[0].content == "plain"


def test_unknown_encoding_is_refused_at_once() -> None:
    with pytest.raises(InvalidOption, match="klingon"):
        ReadSettings(encoding="klingon")


def test_character_across_the_edge_of_a_block_is_not_taken_for_an_error(read: Read) -> None:
    for edge in (decode_module.SNIFF_BYTES, decode_module.BLOCK_BYTES):
        text = "a" * (edge - 1) + "한글 " + "b" * 10
        assert str(read("a.txt", text)[-1].content).endswith("한글 bbbbbbbbbb")


def test_korean_that_begins_late_in_a_file_is_found(read: Read) -> None:
    encoded = b"plain ascii line\n" * 40_000 + KOREAN.encode("cp949")
    assert str(read("a.log", encoded)[-1].content).endswith(KOREAN.strip())


def test_null_bytes_make_a_file_binary(read: Read) -> None:
    with pytest.raises(UnreadableFile, match=r"a\.txt: binary"):
        read("a.txt", b"abc\0def")


def test_empty_file_and_file_of_white_space_give_nothing(read: Read) -> None:
    assert read("a.txt", b"") == []
    assert read("b.md", b" \n\n\t\n") == []
    assert read("c.txt", codecs.BOM_UTF8) == []


def test_binary_suffix_is_refused_without_reading(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"binary \(\.png\)"):
        list(read_file(tmp_path / "never-written.png"))


def test_pipes_sockets_devices_and_folders_are_named_and_never_waited_for(tmp_path: Path) -> None:
    pipe, folder, address = tmp_path / "pipe.txt", tmp_path / "folder.txt", tmp_path / "s.txt"
    os.mkfifo(pipe)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        for path, kind in (
            (pipe, "named pipe"),
            (folder, "folder"),
            (address, "socket"),
            (Path("/dev/zero"), "device"),
        ):
            with pytest.raises(UnreadableFile, match=kind):
                list(read_file(path))
            with pytest.raises(UnreadableFile, match=kind):
                content_hash(path)


def test_vanished_file_is_unreadable_and_keeps_its_cause(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"gone\.txt") as caught:
        list(read_file(tmp_path / "gone.txt"))
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("x", encoding="utf-8")
    path.chmod(0)
    with as_nobody(), pytest.raises(UnreadableFile, match="Permission"):
        list(read_file(path))


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's right to read everything, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_file_that_changes_while_it_is_read_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"word " * 1_000_000)
    items = read_file(path)
    next(items)
    path.write_bytes(b"\xff\xfe\xff " * 1_000_000)
    with pytest.raises(UnreadableFile, match="changed while"):
        list(items)


@given(
    st.lists(st.sampled_from(["\n", "\r", "\r\n", "a", "b b", "\f", "\u2028", "x" * 9, "가" * 5]), max_size=30).map(
        "".join
    ),
    st.integers(2, 9),
)
def test_lines_tile_the_text_and_are_counted_as_editors_count(text: str, most: int) -> None:
    before = decode_module.LINE_CHARS
    decode_module.LINE_CHARS = most
    try:
        found = list(lines(io.StringIO(text, newline="")))
    finally:
        decode_module.LINE_CHARS = before
    assert "".join(line.text for line in found) == text
    for line in found:
        assert line.offset == sum(len(other.text) for other in found if other.offset < line.offset)
        assert line.number == len(re.findall(r"\r\n|\r|\n", text[: line.offset])) + 1
        assert line.continued == (line.offset > 0 and not re.search(r"[\r\n]$", text[: line.offset]))


def test_hash_is_of_the_bytes_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"x" * 1_000_000)
    two.write_bytes(b"x" * 1_000_000)
    assert content_hash(one) == content_hash(str(two))
    two.write_bytes(b"x" * 999_999 + b"y")
    assert content_hash(one) != content_hash(two)
