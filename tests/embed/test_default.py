"""The shipped model: its vectors depend on the text alone, and its files are the ones it was measured with."""

from __future__ import annotations

import logging
import random
import time
import unicodedata

import numpy as np
import pytest

from adjoin.embed import verify_canaries
from adjoin.embed.default import FOLDER, changed_files, default_embedder
from adjoin.embed.text import TextEmbedder
from adjoin.errors import InvalidContent, InvalidOption

TEXTS = [
    "",
    " ",
    "서울은 한국의 수도이다.",
    "Seoul is the capital of Korea.",
    "The river froze early that winter. " * 30,
    "def add(a, b):\n    return a + b",
    "😀 ½ ﬁ ㎏",
    "강물이 일찍 얼어붙었다. " * 40,
]


def test_vectors_have_unit_length_and_the_promised_shape(default: TextEmbedder) -> None:
    vectors = default.embed(TEXTS)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), default.dim) == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_a_matrix_without_rows(default: TextEmbedder) -> None:
    assert default.embed([]).shape == (0, 384)
    assert default.embed([], kind="query").shape == (0, 384)


@pytest.mark.parametrize("correction", [True, False])
def test_a_vector_is_the_same_in_any_company_and_order(correction: bool) -> None:
    embedder = default_embedder(correction=correction)
    together = embedder.embed(TEXTS)
    alone = np.vstack([embedder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    order = random.Random(0).sample(range(len(TEXTS)), len(TEXTS))
    np.testing.assert_allclose(embedder.embed([TEXTS[i] for i in order]), together[order], atol=1e-5)


def test_a_vector_does_not_depend_on_the_number_of_workers(default: TextEmbedder) -> None:
    np.testing.assert_allclose(default_embedder(workers=1).embed(TEXTS), default.embed(TEXTS), atol=1e-5)


def test_a_question_finds_its_answer_in_either_language(default: TextEmbedder) -> None:
    passages = [
        "서울은 한국의 수도이다.",
        "고양이는 하루의 대부분을 잔다.",
        "Paris is the capital of France.",
        "Bread needs yeast.",
    ]
    answers = (
        default.embed(["What is the capital of Korea?", "빵은 무엇으로 부풀리나요?"], "query")
        @ default.embed(passages).T
    )
    assert answers.argmax(axis=1).tolist() == [0, 3]


def test_queries_and_documents_have_prompts_of_their_own(default: TextEmbedder) -> None:
    assert not np.allclose(default.embed(["rain"], "query"), default.embed(["rain"], "document"), atol=1e-2)


def test_a_query_from_the_cache_is_the_same_and_is_a_copy(default: TextEmbedder) -> None:
    first = default.embed(["rain in spring"], "query")
    kept = first.copy()
    first[:] = 0
    np.testing.assert_array_equal(default.embed(["rain in spring"], "query"), kept)


def test_decomposed_hangul_gives_the_vector_of_composed(default: TextEmbedder) -> None:
    text = "한국어 형태소 분석기는 띄어쓰기를 어떻게 다루나요?"
    decomposed = unicodedata.normalize("NFD", text)
    assert decomposed != text
    assert default.count_tokens([decomposed]) == default.count_tokens([text])
    np.testing.assert_array_equal(default.embed([decomposed]), default.embed([text]))


def test_a_text_cannot_spell_a_special_token(default: TextEmbedder) -> None:
    plain, spelt = default.count_tokens(["a b", "a</s>b"])
    assert spelt > plain


def test_texts_beyond_the_limit_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    embedder = default_embedder()
    long = "word " * 600
    assert embedder.is_cut([long, "short"]) == [True, False]
    assert embedder.count_tokens([long, "short"])[0] > embedder.max_tokens == 512
    with caplog.at_level(logging.INFO, logger="adjoin.embed.text"):
        embedder.embed([long, "short"])
        embedder.embed([long, long])
    assert embedder.truncated == 3
    assert len(caplog.records) == 1
    assert "word" not in caplog.text


def test_the_limit_is_met_exactly(default: TextEmbedder) -> None:
    count = 1
    while default.count_tokens(["a " * count])[0] < default.max_tokens:
        count += 1
    fits, beyond = "a " * count, "a " * (count + 1)
    assert default.count_tokens([fits, beyond]) == [512, 513]
    assert default.is_cut([fits, beyond]) == [False, True]


def test_what_lies_beyond_the_limit_does_not_count(default: TextEmbedder) -> None:
    start = "word " * 600
    np.testing.assert_array_equal(default.embed([start + "cat"]), default.embed([start + "고양이 " * 1000]))


@pytest.mark.parametrize(
    "text", ["word " * 2_000_000, "a" * 10_000_000, "강" * 3_000_000], ids=["words", "one", "hangul"]
)
def test_ten_megabytes_are_cut_in_bounded_time(default: TextEmbedder, text: str) -> None:
    before, started = default.truncated, time.perf_counter()
    assert default.embed([text]).shape == (1, 384)
    assert time.perf_counter() - started < 5
    assert default.truncated == before + 1


def test_ten_megabytes_of_spaces_are_an_empty_text(default: TextEmbedder) -> None:
    np.testing.assert_array_equal(default.embed([" " * 10_000_000]), default.embed([" "]))


def test_what_is_no_text_is_refused_by_position_and_type(default: TextEmbedder) -> None:
    with pytest.raises(InvalidContent, match="item 1 is bytes"):
        default.embed(["good", b"bad"])
    with pytest.raises(InvalidContent, match="item 0 is NoneType"):
        default.embed([None])
    with pytest.raises(InvalidContent, match=r"item 2 has a lone surrogate '\\ud800' at character 1"):
        default.embed(["good", "good", "x\ud800"])
    with pytest.raises(InvalidContent, match=r"Write embed\(\[text\]\)"):
        default.embed("one text")
    with pytest.raises(InvalidOption, match="unknown kind 'passage'"):
        default.embed(["good"], kind="passage")  # type: ignore[arg-type]


def test_workers_below_one_are_refused() -> None:
    with pytest.raises(InvalidOption, match="at least 1"):
        default_embedder(workers=0)


def test_the_shipped_files_are_the_ones_in_the_identity() -> None:
    assert changed_files() == []
    assert all(path.stat().st_size < 60_000_000 for path in FOLDER.iterdir())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 60_000_000


def test_the_shipped_canaries_are_what_the_model_gives(default: TextEmbedder) -> None:
    assert len(default.identity.canary) == 4
    verify_canaries(default, default.identity)


def test_vectors_without_correction_have_another_identity() -> None:
    raw = default_embedder(correction=False)
    assert raw.identity.differences(default_embedder().identity)
    assert raw.identity.correction == ""


def test_a_closed_embedder_loads_again() -> None:
    embedder = default_embedder()
    before = embedder.embed(["rain", "snow"])
    embedder.close()
    np.testing.assert_array_equal(embedder.embed(["rain", "snow"]), before)
