"""Sentences are found where a reader of English, Korean, Chinese or Japanese would find them."""

from __future__ import annotations

import itertools
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjoin.text import sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["It rains.", "It snows!", "Does it?", "Yes."],
        ["Dr. Kim met Mrs. Lee at 3.14 p.m. on Jan. 3.", "They left."],
        ["The U.S. economy grew, e.g. by 3.5 percent.", "See Fig. 3 and p. 12 for more."],
        ["Visit https://example.com/a.b?c=d.e today.", "Or write to a.b@example.com."],
        ["Wait... what?", "He said “No!” and left.", "“Go.”", "Then he went."],
        ["J. R. R. Tolkien wrote it.", "Version 1.2.3 is out."],
        ["He works at Acme Inc.", "The firm is old."],
        ["오늘은 비가 온다.", "내일은 맑을까요?", "네!", "좋습니다…", "그럼 가요."],
        ["비가 왔다.", "그래서 집에 있었다."],
        ["“어디 가세요?”라고 물었다.", "“집이요.” 하고 답했다.", "끝."],
        ['그는 "안녕하세요." 라고 말했다.', "나도 인사했다."],
        ["가. 목적은 다음과 같다.", "나. 범위는 넓다."],
        ["2024. 3. 15. 에 시작했다.", "끝났다."],
        ["今日は雨です。", "明日は？", "「はい。」", "我们走吧！", "好。"],
        ["가격은 3.5만 원이다.", "버전은 v1.2이다."],
    ],
)
@pytest.mark.parametrize("gap", [" ", "\n\n"])
def test_text_is_split_at_sentence_ends_and_nowhere_else(parts: list[str], gap: str) -> None:
    assert split(gap.join(parts)) == parts


def test_korean_sentences_without_a_space_between_them_are_split() -> None:
    assert split("비가 왔다.그래서 집에 있었다.갈까요?네.") == ["비가 왔다.", "그래서 집에 있었다.", "갈까요?", "네."]


def test_decomposed_korean_is_split_like_composed() -> None:
    text = unicodedata.normalize("NFD", "비가 왔다.그래서 집에 있었다. 좋다!")
    assert [unicodedata.normalize("NFC", part) for part in split(text)] == [
        "비가 왔다.",
        "그래서 집에 있었다.",
        "좋다!",
    ]


def test_list_items_and_blank_lines_end_a_sentence_but_a_wrapped_line_does_not() -> None:
    assert split("A line that\nis wrapped\n\nA title\n\n- one\n- two\n1. three") == [
        "A line that\nis wrapped",
        "A title",
        "- one",
        "- two",
        "1. three",
    ]


@given(st.text(alphabet=st.sampled_from("aB가다요.!?…。\"'”)( \n\r\t1-・\u0301ᄀ"), max_size=80))
def test_spans_are_ordered_and_hold_every_character_that_is_not_white_space(text: str) -> None:
    spans = sentences(text)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)


@pytest.mark.parametrize("text", ["." * 60_000 + "x", "a. " * 20_000, "\n" * 60_000, "?!" * 30_000, "”" * 60_000])
def test_hostile_text_costs_linear_time(text: str) -> None:
    began = time.perf_counter()
    sentences(text)
    assert time.perf_counter() - began < 1
