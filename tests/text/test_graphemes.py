"""A cut never tears a character that a reader sees as one."""

from __future__ import annotations

import unicodedata

import pytest

from adjoin.text.graphemes import cut_after, cut_before, is_boundary


@pytest.mark.parametrize(
    "cluster",
    ["👨‍👩‍👧‍👦", "👍🏽", "🇰🇷", "❤️", "é", unicodedata.normalize("NFD", "한"), "\r\n", "क्षि", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "각", "1️⃣"],
)
def test_no_place_inside_a_cluster_is_a_boundary(cluster: str) -> None:
    text = f"a{cluster}b"
    inside = range(2, len(text) - 1)
    assert not any(is_boundary(text, at) for at in inside)
    assert is_boundary(text, 1)
    assert is_boundary(text, len(text) - 1)
    for at in inside:
        assert (cut_before(text, at), cut_after(text, at)) == (1, len(text) - 1)


def test_flags_are_cut_between_pairs() -> None:
    text = "🇰🇷🇺🇸🇫🇷"
    assert [at for at in range(len(text) + 1) if is_boundary(text, at)] == [0, 2, 4, 6]


def test_decomposed_hangul_is_cut_between_syllables() -> None:
    text = unicodedata.normalize("NFD", "한글날")
    assert [at for at in range(len(text) + 1) if is_boundary(text, at)] == [0, 3, 6, 9]


def test_an_endless_cluster_is_cut_in_the_end() -> None:
    text = "a" + "\u0301" * 5000
    assert 0 < cut_before(text, 2000) <= 2000
    assert 2000 <= cut_after(text, 2000) < 5000
