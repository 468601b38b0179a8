"""An excerpt shows the passage that answers, and marks why."""

from __future__ import annotations

import doctest
import importlib

from hypothesis import given
from hypothesis import strategies as st

from adjoin.text import excerpt, normalise, sentences

ENGLISH = "Cats sleep all day. Dogs bark at the moon. Indexing documents takes time.\nBirds sing."


def marked(content: str, query: str, width: int = 40) -> list[str]:
    found = excerpt(content, query, width)
    return [found.text[start:end] for start, end in found.spans]


def test_examples_in_the_documentation_hold() -> None:
    for name in ("excerpt", "graphemes", "normalise", "sentences"):
        results = doctest.testmod(importlib.import_module(f"adjoin.text.{name}"))
        assert (results.failed, results.attempted > 0) == (0, True)


def test_passage_with_the_most_words_of_the_query_is_shown() -> None:
    found = excerpt(ENGLISH, "how do I index a document?", 40)
    assert found.text[found.passage.start : found.passage.end] == "Indexing documents takes time."
    assert marked(ENGLISH, "how do I index a document?") == ["Indexing", "documents"]


def test_korean_words_match_in_spite_of_their_particles() -> None:
    content = "고양이는 하루 종일 잔다. 서울은 대한민국의 수도이다. 새가 노래한다."
    assert marked(content, "수도가 어디인가요?") == ["수도이다"]


def test_beginning_is_shown_when_nothing_matches() -> None:
    found = excerpt(ENGLISH, "quantum", 20)
    assert found.text == "Cats sleep all day. …"
    assert found.spans == ()


def test_caller_may_name_the_sentence() -> None:
    found = excerpt(ENGLISH, "cats", 12, sentence=3)
    assert (found.text, found.line_offset) == ("… Birds sing.", 1)


def test_text_of_nothing_but_space_gives_an_empty_excerpt() -> None:
    assert excerpt(" \n", "x", 10).text == ""


@given(
    st.text(alphabet="ab 가나.\n🇰\u0301ᄒ", max_size=120), st.text(alphabet="ab 가나", max_size=10), st.integers(1, 60)
)
def test_excerpt_is_a_part_of_the_content_within_the_width(content: str, query: str, width: int) -> None:
    found = excerpt(content, query, width)
    bare = found.text.removeprefix("… ").removesuffix(" …")
    assert bare in content
    assert len(bare) <= max(width, 1) or len(bare) < 3
    assert all(0 <= start < end <= len(found.text) for start, end in found.spans)
    assert bool(bare) == bool(sentences(content))


@given(st.text(alphabet=st.sampled_from("a가\r\n \t\u00a0\u200b\ufeffᄀ\u1161e\u0301"), max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
