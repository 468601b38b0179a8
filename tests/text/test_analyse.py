"""Texts become terms: scikit-learn's for other scripts, morphemes or syllable pairs for Hangul."""

from __future__ import annotations

import doctest
import importlib
import random
import re
import unicodedata

import pytest

from adjoin.errors import InvalidOption
from adjoin.text import analyse
from adjoin.text.analyse import ALL_WORDS, Analyser

TEXTS = ["The quick  brown fox, a b", "x", "", "ab\n cd  ef", "naïve café 2024 3월", "مرحبا بالعالم", "one-two_three"]


@pytest.mark.parametrize("units", ["word", "char", "char_wb"])
@pytest.mark.parametrize("ngrams", [(1, 1), (1, 3), (2, 5)])
def test_terms_are_those_of_scikit_learn(units: str, ngrams: tuple[int, int]) -> None:
    from sklearn.feature_extraction.text import CountVectorizer

    theirs = CountVectorizer(analyzer=units, ngram_range=ngrams).build_analyzer()
    ours = Analyser(units=units, ngrams=ngrams, korean="words")  # type: ignore[arg-type]
    for text in TEXTS:
        assert ours.terms(text) == theirs(text)


def test_korean_words_lose_their_particles_and_endings() -> None:
    pytest.importorskip("kiwipiepy")
    analyser = Analyser(korean="morphemes")
    assert analyser.terms("배를 먹고 눈을 밟았다") == ["배", "먹", "눈", "밟"]
    assert analyser.terms("LG전자가 search를 한다")[:2] == ["lg", "전자"]
    assert set(analyser.terms("도서관에서")) & set(analyser.terms("도서관이 크다")) == {"도서관"}


def test_without_morphemes_syllables_are_paired() -> None:
    analyser = Analyser(korean="bigrams")
    assert analyser.terms("도서관에서 눈") == ["도서", "서관", "관에", "에서", "눈"]
    assert analyser.settings()["korean"] == "bigrams"


@pytest.mark.parametrize("korean", ["morphemes", "bigrams", "words"])
@pytest.mark.parametrize("units", ["word", "char", "char_wb"])
def test_composed_and_decomposed_text_is_the_same(korean: str, units: str) -> None:
    analyser = Analyser(units=units, ngrams=(1, 2), korean=korean)  # type: ignore[arg-type]
    for text in ("한글은 좋다", "naïve CAFÉ", "각각의 값이 있다"):
        assert analyser.terms(unicodedata.normalize("NFD", text)) == analyser.terms(unicodedata.normalize("NFC", text))


def test_case_is_folded_and_not_only_lowered() -> None:
    assert Analyser().terms("STRASSE straße") == ["strasse", "strasse"]
    assert Analyser(lowercase=False).terms("Ab AB") == ["Ab", "AB"]


def test_words_for_training_keep_single_letters_and_emoji() -> None:
    assert Analyser(pattern=ALL_WORDS, korean="words").terms("I, you 🎉!") == ["i", "you", "🎉"]


def test_stop_words_are_left_out_before_n_grams_are_made() -> None:
    assert Analyser(ngrams=(2, 2), stop_words=("OF",)).terms("man of steel") == ["man steel"]


def test_a_long_run_of_hangul_is_analysed_in_bounded_time() -> None:
    pytest.importorskip("kiwipiepy")
    assert Analyser(korean="morphemes").terms("가" * 3000)


def test_an_analyser_is_made_again_from_its_settings() -> None:
    analyser = Analyser(ngrams=(1, 2), stop_words=("the",), korean="bigrams")
    assert Analyser.of(analyser.settings()) == analyser


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"units": "sentence"}, "unknown units 'sentence'"),
        ({"korean": "kiwi"}, "unknown korean 'kiwi'"),
        ({"ngrams": (2, 1)}, "shortest <= longest"),
        ({"pattern": "("}, "no regular expression"),
        ({"pattern": "(a)(b)"}, "2 groups"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidOption, match=said.replace("(", r"\(").replace(")", r"\)")):
        Analyser(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", ["adjoin.text.analyse", "adjoin.embed.words.jamo"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_morphemes_without_their_package_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kiwipiepy", None)
    analyse._kiwi.cache_clear()
    try:
        with pytest.raises(ImportError, match=r"adjoin\[korean\]"):
            analyse.morphemes(["한글"])
    finally:
        analyse._kiwi.cache_clear()


def test_auto_pairs_syllables_where_kiwipiepy_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyse, "find_spec", lambda name: None)
    assert Analyser().korean == "bigrams"


def test_words_of_ascii_are_those_of_the_pattern() -> None:
    chosen = random.Random(1)
    analyser = Analyser(pattern=ALL_WORDS, korean="words", lowercase=False)
    for _ in range(200):
        text = "".join(chosen.choices([chr(code) for code in range(128)], k=60))
        assert analyser.terms(text) == re.findall(ALL_WORDS, text)
