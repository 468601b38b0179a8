"""Vectors of tokens in their context, and vectors in fewer bits."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tests.support.tiny_models import write_bert, write_graph

import adjoin
from adjoin.embed import embedder
from adjoin.embed.text import TextEmbedder
from adjoin.embed.token_vectors import TokenVectors, occurrences
from adjoin.errors import InvalidContent, InvalidOption, NotFound, Unsupported

SENSES = json.loads((Path(__file__).parents[1] / "fixtures" / "senses" / "senses.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def default() -> TextEmbedder:
    found = embedder("default", correction=False)
    assert isinstance(found, TextEmbedder)
    return found


def test_the_states_are_those_that_the_shipped_graph_pools(default: TextEmbedder) -> None:
    text = "The river froze early that winter. 강이 얼었다."
    model = default._loaded()
    states = model.encoder.states(model.tokenizer.tokens("query: " + text).ids)
    mean = states.mean(axis=0)
    np.testing.assert_allclose(mean / np.linalg.norm(mean), default.embed([text], "query")[0], atol=1e-5)


def test_tokens_cover_the_text_and_are_of_unit_length(default: TextEmbedder) -> None:
    texts = ["a cat slept", "고양이가 잠들었다 😀", "", "x" * 5000]
    for text, found in zip(texts, default.embed_tokens(texts), strict=True):
        assert len(found.tokens) == len(found.spans) == len(found.vectors)
        assert found.vectors.shape[1] == 384
        assert found.vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-5)
        covered = {place for start, end in found.spans for place in range(start, end)}
        assert found.cut == (len(text) == 5000)
        if not found.cut:
            assert {n for n, char in enumerate(text) if not char.isspace()} <= covered <= set(range(len(text)))
    assert default.embed_tokens([]) == []


def test_a_token_is_what_the_network_says_of_it(tmp_path: Path) -> None:
    table = np.random.default_rng(3).normal(size=(12, 6)).astype(np.float32)
    write_bert(tmp_path)
    write_graph(tmp_path, table)
    [found] = embedder(str(tmp_path)).embed_tokens(["the river froze"])  # type: ignore[attr-defined]
    expected = table[[4, 5, 6]]
    np.testing.assert_allclose(found.vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)
    assert [found.text[start:end] for start, end in found.spans] == ["the", "river", "froze"]


def test_two_senses_are_apart(default: TextEmbedder) -> None:
    """Pairs of sentences of either sense are less alike, at the word, than pairs of one sense are on the average."""

    def apart(word: str) -> float:
        senses = [[one.of(word) for one in default.embed_tokens(texts, "query")] for texts in SENSES[word]]
        same = np.mean([a @ b for sense in senses for n, a in enumerate(sense) for b in sense[:n]])
        return float(np.mean([a @ b < same for a in senses[0] for b in senses[1]]))

    assert apart("bank") == 1
    shares = {word: apart(word) for word in SENSES}
    assert np.mean([share for word, share in shares.items() if word.isascii()]) >= 0.94
    assert np.mean(list(shares.values())) >= 0.82


def test_words_are_found_where_they_begin(default: TextEmbedder) -> None:
    [found] = default.embed_tokens(["녹차와 홍차 중에서 어떤 차를 마실까?"])
    rows = found._rows("차", 0)
    assert all(found.spans[row][1] > found.text.index("차를") for row in rows)
    with pytest.raises(NotFound, match="begins no word 2 times"):
        found.of("차", 1)
    with pytest.raises(NotFound):
        found.of("")
    [nfc], [nfd] = (default.embed_tokens([unicodedata.normalize(form, "배를 탔다")]) for form in ("NFC", "NFD"))
    np.testing.assert_allclose(nfc.vectors, nfd.vectors, atol=1e-5)
    with pytest.raises(InvalidContent, match="item 1"):
        default.embed_tokens(["a", "\ud800"])


@pytest.mark.parametrize("text", ["NFC", "NFD"])
@pytest.mark.parametrize("word", ["NFC", "NFD"])
def test_a_word_is_found_in_either_form(text: str, word: str, default: TextEmbedder) -> None:
    said = unicodedata.normalize(text, "맑은 날 마당에서 말이 café를 보았다")
    for one in ("말", "café"):
        (start, end), *more = occurrences(said, unicodedata.normalize(word, one))
        assert unicodedata.normalize("NFC", said[start:end]) == one
        assert more == []
    assert occurrences(said, unicodedata.normalize(word, "마당")) == occurrences(
        said, unicodedata.normalize(text, "마당")
    )
    assert occurrences(said, unicodedata.normalize(word, "마")) == occurrences(said, unicodedata.normalize(text, "마"))
    assert len(occurrences(said, unicodedata.normalize(word, "마"))) == 1, "not in 맑은, not in 말이"
    assert default.embed_tokens([said])[0].of(unicodedata.normalize(word, "말")).shape == (384,)


def test_late_interaction_is_the_mean_of_the_best() -> None:
    a = TokenVectors("a b", ["a", "b"], [(0, 1), (2, 3)], np.eye(2, 3, dtype=np.float32))
    b = TokenVectors("b", ["b"], [(0, 1)], np.array([[0, 0.6, 0.8]], np.float32))
    assert a.likeness(b) == pytest.approx((0 + 0.6) / 2)
    assert b.likeness(a) == pytest.approx(0.6)


def test_a_graph_that_pools_has_no_tokens_to_show(tmp_path: Path) -> None:
    write_bert(tmp_path)
    write_graph(tmp_path, np.eye(12, dtype=np.float32), output="sentence_embedding")
    with pytest.raises(Unsupported, match="pooled vectors only"):
        embedder(str(tmp_path)).embed_tokens(["the river"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("output", ["int8", "binary"])
def test_fewer_bits_find_nearly_the_same(output: str, tmp_path: Path) -> None:
    texts = [
        f"the {thing} in the {place}"
        for thing in ("cat", "boat", "fox", "letter")
        for place in ("garden", "sea", "box")
    ]
    full, short = embedder("default"), embedder("default", output=output)
    found = short.embed(texts)
    assert set(np.unique(found)) <= set(range(-127, 128)) if output == "int8" else {0.0, 1.0}
    assert full.identity.differences(short.identity)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=short, metric="hamming" if output == "binary" else "cosine")
        rows.add(texts, ids=range(len(texts)))
        again = db.collection("rows")  # the name brings the option back
        assert again.search("a boat at sea", k=1).ids == [texts.index("the boat in the sea")]
    cosines = (full.embed(texts) * found / np.linalg.norm(found, axis=1, keepdims=True)).sum(axis=1)
    assert cosines.min() > (0.9995 if output == "int8" else 0.5)
    with pytest.raises(InvalidOption, match="float32, int8, binary"):
        embedder("default", output="int4")
