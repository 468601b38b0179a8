"""Chunks are true pieces of their text, lose nothing, and end where a reader would end them."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoin.read import ReadSettings
from adjoin.read.blocks import Block, plain_blocks
from adjoin.read.chunk import chunks
from adjoin.read.decode import Line, lines
from adjoin.read.markdown import markdown_blocks
from adjoin.read.python import python_blocks
from adjoin.read.rst import rst_blocks
from adjoin.read.source import source_blocks
from adjoin.text.graphemes import is_boundary
from adjoin.types import Item

Parser = Callable[[Iterable[Line]], Iterator[Block]]
PARSERS: dict[str, Parser] = {
    "text": plain_blocks,
    "markdown": markdown_blocks,
    "rst": rst_blocks,
    "python": python_blocks,
    "source": source_blocks,
}

FRAGMENTS = st.sampled_from(
    [
        "\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\f", "\0", "\t", " ", "    ", "\u2028", "\x85", "\x1c",
        "# Title", "## Sub", "### Sub sub", "Setext\n===", "Setext\n---\n", "```", "```python\nx = 1\n\ny\n```\n", "~~~",
        "- item", "1. item", "| a | b |\n|---|---|\n| 1 | 2 |\n", "<!-- hidden", "-->", "> quoted", "::", ".. code-block:: c",
        "====\nTitle\n====\n", "Title\n~~~~~\n", "def f(x):\n    return x\n", "class A:\n    def g(self):\n        '''doc", "'''",
        "@decorator\n", "# comment\n", "func main() {\n", "}\n", "(", ")", "\\",
        "One sentence. Another one!", "한 문장이다. 또 하나인가?", "그렇다.아니다.", "。終わり", "word", "단어",
        unicodedata.normalize("NFD", "한글이다. "), "e\u0301", "👨‍👩‍👧", "🇰🇷🇰🇷", "x" * 50, "가" * 50, "a. " * 12,
    ]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=30).map("".join)
SETTINGS = st.builds(
    ReadSettings, chunk_chars=st.sampled_from([16, 40, 100, 700]), overlap_chars=st.sampled_from([0, 8])
)


def chunked(text: str, parser: str = "markdown", **chosen: int) -> list[Item]:
    return made(text, parser, ReadSettings(**{"chunk_chars": 60, "overlap_chars": 0, **chosen}))


def made(text: str, parser: str, how: ReadSettings) -> list[Item]:
    return list(chunks(PARSERS[parser](lines(io.StringIO(text, newline=""))), how))


def contents(text: str, parser: str = "markdown", **chosen: int) -> list[str]:
    return [str(item.content) for item in chunked(text, parser, **chosen)]


@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("parser", PARSERS)
@given(text=TEXTS, how=SETTINGS)
def test_content_is_what_stands_at_the_offset(parser: str, text: str, how: ReadSettings) -> None:
    for item in made(text, parser, how):
        origin = item.origin
        assert origin is not None
        assert origin.offset is not None
        assert origin.length is not None
        assert text[origin.offset : origin.offset + origin.length] == item.content
        before = text[: origin.offset]
        ends = len(re.findall(r"\r\n|\r|\n", before)) - (before.endswith("\r") and str(item.content)[0] == "\n")
        assert origin.line == ends + 1
        assert str(item.content).strip()


@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("parser", PARSERS)
@given(text=TEXTS, how=SETTINGS)
def test_every_character_that_is_not_white_space_is_in_a_chunk_or_a_heading(
    parser: str, text: str, how: ReadSettings
) -> None:
    covered = bytearray(len(text))
    said: set[str] = set()
    for item in made(text, parser, how):
        assert item.origin is not None
        start, length = item.origin.offset or 0, item.origin.length or 0
        covered[start : start + length] = b"\1" * length
        said.update("".join(item.origin.heading))
    lost = {character for at, character in enumerate(text) if not covered[at] and not character.isspace()}
    assert lost <= said | set("#=~-*`'{}[]()_")  # what marks a heading is not text


@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("parser", PARSERS)
@given(text=TEXTS, how=SETTINGS)
def test_chunks_keep_within_their_size_and_tear_no_character(parser: str, text: str, how: ReadSettings) -> None:
    for item in made(text, parser, how):
        assert item.origin is not None
        start = item.origin.offset or 0
        end = start + (item.origin.length or 0)
        assert end - start <= how.chunk_chars
        for at in (start, end):
            assert is_boundary(text, at) or text[at - 1].isspace()


@settings(max_examples=120, deadline=None)
@pytest.mark.parametrize("parser", PARSERS)
@given(text=TEXTS, how=SETTINGS)
def test_chunks_are_in_order_and_overlap_no_more_than_asked(parser: str, text: str, how: ReadSettings) -> None:
    end = start = -1
    for item in made(text, parser, how):
        assert item.origin is not None
        assert item.origin.offset is not None
        assert item.origin.length is not None
        assert item.origin.offset > start
        assert item.origin.offset >= end - how.overlap_chars
        start, end = item.origin.offset, item.origin.offset + item.origin.length
        assert end > start


def test_paragraphs_fill_a_chunk_and_are_not_cut_without_need() -> None:
    one, two, three = "First paragraph here.", "Second paragraph here.", "Third paragraph here."
    assert contents(f"{one}\n\n{two}\n\n{three}\n") == [f"{one}\n\n{two}", three]


def test_long_paragraph_is_cut_at_sentence_ends() -> None:
    text = "The first sentence of the text. The second sentence of it. And a third one to end."
    assert contents(text, "text") == [
        "The first sentence of the text. The second sentence of it.",
        "And a third one to end.",
    ]


def test_long_korean_paragraph_is_cut_at_sentence_ends() -> None:
    text = (
        "첫 번째 문장은 이렇게 시작한다. 두 번째 문장은 조금 더 길게 이어진다고 한다.세 번째 문장이다. 끝났을까요? 네!"
    )
    assert contents(text, "text", chunk_chars=45) == [
        "첫 번째 문장은 이렇게 시작한다. 두 번째 문장은 조금 더 길게 이어진다고 한다.",
        "세 번째 문장이다. 끝났을까요? 네!",
    ]


def test_overlap_is_whole_sentences_of_the_same_section() -> None:
    text = "# A\n\nSentence number one. Sentence number two. Sentence number three. Sentence four.\n\n# B\n\nOther.\n"
    found = contents(text, chunk_chars=50, overlap_chars=25)
    assert found == [
        "# A\n\nSentence number one. Sentence number two.",
        "Sentence number two. Sentence number three.",
        "Sentence number three. Sentence four.",
        "# B\n\nOther.",
    ]


def test_code_block_stays_whole_although_the_chunk_before_it_ends_early() -> None:
    code = "```python\nfor a in range(3):\n\n    print(a)\n```"
    text = f"A paragraph that says something first.\n\n{code}\n\nAfter.\n"
    assert contents(text) == ["A paragraph that says something first.", f"{code}\n\nAfter."]


def test_code_block_too_long_for_a_chunk_is_cut_between_lines() -> None:
    body = "".join(f"line_{n} = {n}\n" for n in range(20))
    for content in contents(f"```\n{body}```\n"):
        assert all(re.fullmatch(r"line_\d+ = \d+|```", line) for line in content.splitlines())


def test_chunk_never_holds_text_of_two_sections() -> None:
    found = chunked("# A\n\none\n\n## B\n\ntwo\n\n# C\n\nthree\n", chunk_chars=700)
    assert [(item.content, item.origin.heading) for item in found if item.origin] == [
        ("# A\n\none", ("A",)),
        ("## B\n\ntwo", ("A", "B")),
        ("# C\n\nthree", ("C",)),
    ]
    assert [item.context for item in found] == ["", "A", ""]


def test_headings_without_a_body_go_with_the_section_below_or_stand_alone() -> None:
    found = chunked("# A\n\n## B\n\ntext\n\n## Empty\n\n## C\n\nmore\n", chunk_chars=700)
    assert [(item.content, item.context) for item in found] == [
        ("# A\n\n## B\n\ntext", ""),
        ("## Empty", "A"),
        ("## C\n\nmore", "A"),
    ]


def test_heading_that_does_not_fit_beside_its_code_is_said_by_the_context() -> None:
    code = "```\n" + "x = 1\n" * 8 + "```"
    (found,) = chunked(f"# A long enough title\n\n{code}\n")
    assert (found.content, found.context) == (code, "A long enough title")


def test_later_rows_of_a_long_table_carry_its_header() -> None:
    rows = "".join(f"| row {n} | value {n} |\n" for n in range(9))
    found = chunked(f"| name | number |\n|---|---|\n{rows}")
    assert len(found) > 2
    assert found[0].context == ""
    assert {item.context for item in found[1:]} == {"| name | number |"}
