"""A word's vector by what its texts say of it."""

from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from tests.support.tiny_models import write_bert, write_graph

from adjoin.embed import embedder
from adjoin.embed.text import TextEmbedder
from adjoin.errors import InvalidContent, InvalidOption, NotFound, Unsupported

SENSES: dict[str, list[list[str]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "senses" / "senses.json").read_text(encoding="utf-8")
)
RIVER = "They sat on the bank of the river and watched the ducks."
MONEY = "The bank raised the interest on loans again."


@pytest.fixture(scope="module")
def default() -> TextEmbedder:
    found = embedder("default")
    assert isinstance(found, TextEmbedder)
    return found


def test_two_senses_are_apart_in_nine_of_ten_pairs(default: TextEmbedder) -> None:
    """Of either sense, less alike than pairs of one sense are on the average."""

    def apart(word: str) -> float:
        senses = [default.embed_in_context(texts, word) for texts in SENSES[word]]
        same = np.mean([a @ b for sense in senses for a, b in itertools.combinations(sense, 2)])
        return float(np.mean(senses[0] @ senses[1].T < same))

    shares = {word: apart(word) for word in SENSES}
    assert np.mean(list(shares.values())) >= 0.9
    assert np.mean([share for word, share in shares.items() if word.isascii()]) >= 0.96
    assert np.mean([share for word, share in shares.items() if not word.isascii()]) >= 0.85
    assert min(shares.values()) > 0.6


def test_it_is_word_and_text_less_the_word_alone(tmp_path: Path) -> None:
    """In a network without context, where a token's state is its row of a table, the answer has a closed form."""
    table = np.random.default_rng(3).normal(size=(12, 6)).astype(np.float32)
    write_bert(tmp_path)
    write_graph(tmp_path, table)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 32}))  # room for the question
    [found] = embedder(str(tmp_path)).embed_in_context(["the river froze"], "river")  # type: ignore[attr-defined]
    rows = table[[4, 5, 6]] / np.linalg.norm(table[[4, 5, 6]], axis=1, keepdims=True)
    mean = rows.mean(axis=0)
    both = rows[1] + mean / np.linalg.norm(mean)
    rest = both - (both @ rows[1]) * rows[1]
    np.testing.assert_allclose(found, rest / np.linalg.norm(rest), atol=1e-5)


def test_a_vector_depends_on_its_own_text_alone(default: TextEmbedder) -> None:
    both = default.embed_in_context([RIVER, MONEY], "bank")
    assert both.shape == (2, 384)
    assert both.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(default.embed_in_context([MONEY], "bank")[0], both[1])
    assert default.embed_in_context([], "bank").shape == (0, 384)


def test_each_occurrence_has_its_own(default: TextEmbedder) -> None:
    text = f"{RIVER} {MONEY}"
    first, second = (default.embed_in_context([text], "bank", occurrence=n)[0] for n in (0, 1))
    river, money = default.embed_in_context([RIVER, MONEY], "bank")
    assert first @ river - first @ money > second @ river - second @ money
    with pytest.raises(NotFound, match="item 0: 'bank' begins no word 3 times"):
        default.embed_in_context([text], "bank", occurrence=2)


def test_the_word_alone_says_nothing(default: TextEmbedder) -> None:
    found = default.embed_in_context(["배", "배가 항구를 떠났다."], "배")
    assert not found[0].any()
    assert np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-5)


def test_hangul_in_either_form_is_the_same(default: TextEmbedder) -> None:
    text = "선장은 폭풍 속에서 배를 몰았다."
    forms = [
        (unicodedata.normalize(a, text), unicodedata.normalize(b, "배")) for a in ("NFC", "NFD") for b in ("NFC", "NFD")
    ]
    found = [default.embed_in_context([each], word)[0] for each, word in forms]
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_a_long_text_is_read_around_the_word(default: TextEmbedder) -> None:
    filler = "Nothing of note was said that day. " * 15_000
    long, alone, other = default.embed_in_context([filler + RIVER + " " + filler, RIVER, MONEY], "bank")
    assert np.linalg.norm(long) == pytest.approx(1, abs=1e-5)
    assert long @ alone > long @ other


def test_what_cannot_be_asked_is_told(default: TextEmbedder, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="item 1: 'bank' begins no word in 'The embankment"):
        default.embed_in_context([RIVER, "The embankment broke."], "bank")
    with pytest.raises(NotFound, match="item 0"):
        default.embed_in_context([""], "bank")
    with pytest.raises(InvalidOption, match="the word is empty"):
        default.embed_in_context([RIVER], " ")
    with pytest.raises(InvalidOption, match="longer than the 512 tokens"):
        default.embed_in_context(["x7" * 4000], "x7" * 4000)
    with pytest.raises(InvalidContent, match="item 1"):
        default.embed_in_context([RIVER, "bank \ud800"], "bank")
    write_bert(tmp_path)
    write_graph(tmp_path, np.eye(12, dtype=np.float32), output="sentence_embedding")
    with pytest.raises(Unsupported, match="pooled vectors only"):
        embedder(str(tmp_path)).embed_in_context(["the river"], "river")  # type: ignore[attr-defined]
