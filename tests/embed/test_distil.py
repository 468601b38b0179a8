"""Distillation: a student comes near its teacher, nearer by training, the same again by the same seed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tests.support.tiny_models import POSITIONS, WORDS, write_bert

import adjoin
from adjoin.embed import Embedder
from adjoin.embed.distil import DistilReport, _gradient, distil, sif_weights
from adjoin.embed.static import StaticEmbedder
from adjoin.errors import InvalidContent, InvalidInput, InvalidOption, Unsupported
from adjoin.read import read_docstrings


class WordsTeacher:
    """A teacher without a tokenizer of its own: the rotated sum of its words' hashed signs."""

    identity = "teacher of words"
    dim = 48

    def __init__(self) -> None:
        self.calls = {"document": 0, "query": 0}
        self._turn = np.linalg.qr(np.random.default_rng(3).standard_normal((48, 48)))[0]

    def embed(self, items: Sequence[str], kind: str = "document") -> np.ndarray:
        self.calls[kind] += len(items)
        rows = []
        for text in items:
            words = [
                np.random.default_rng(sum(map(ord, word)) * 31 + len(word)).standard_normal(48)
                for word in re.findall(r"\w+", text.lower())
            ]
            rows.append(np.sum(words, axis=0) if words else np.ones(48))
        return (np.array(rows) @ self._turn).astype(np.float32)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return sorted({str(item.content)[:200] for _, item in zip(range(600), read_docstrings(), strict=False)})


@pytest.fixture(scope="module")
def trained(texts: list[str]) -> StaticEmbedder:
    return distil(adjoin.embedder("fast"), texts, dim=32, vocabulary=2_000, epochs=5)


def likeness(student: StaticEmbedder, teacher: Embedder, texts: list[str]) -> float:
    """How alike the likenesses between texts are: correlation of the two matrices of cosines."""
    ours, theirs = (model.embed(texts) for model in (student, teacher))
    pairs = np.triu_indices(len(texts), 1)
    return float(np.corrcoef((ours @ ours.T)[pairs], (theirs @ theirs.T)[pairs])[0, 1])


def test_training_brings_the_student_nearer_on_texts_held_out(trained: StaticEmbedder) -> None:
    report = trained.report
    assert isinstance(report, DistilReport)
    assert report.held_out > 0
    assert report.cosines[report.best] == max(report.cosines)
    assert report.cosines[report.best] > report.cosines[0] + 0.05
    assert f"epoch {report.best}" in str(report)
    assert report.to_dict()["cosines"] == list(report.cosines)


def test_a_student_of_a_teacher_without_a_tokenizer_learns_its_likeness(texts: list[str]) -> None:
    teacher = WordsTeacher()
    student = distil(adjoin.embedder(teacher), texts[:-100], dim=48, vocabulary=3_000, epochs=10)
    assert student.report.cosines[student.report.best] > student.report.cosines[0] + 0.05
    plain = distil(adjoin.embedder(teacher), texts[:-100], dim=48, vocabulary=3_000, train=False)
    assert plain.report.cosines == ()
    learned, before = (likeness(model, adjoin.embedder(teacher), texts[-100:]) for model in (student, plain))
    assert learned > before + 0.05
    assert learned > 0.3
    assert teacher.calls["query"] == 0


def test_queries_are_embedded_as_queries(texts: list[str]) -> None:
    teacher = WordsTeacher()
    distil(adjoin.embedder(teacher), texts[:40], queries=texts[40:60], dim=8, vocabulary=200, epochs=1)
    assert teacher.calls["query"] == 20


def test_the_same_seed_gives_the_same_student(texts: list[str], trained: StaticEmbedder) -> None:
    again = distil(adjoin.embedder("fast"), texts, dim=32, vocabulary=2_000, epochs=5)
    assert again.identity.differences(trained.identity) == []
    other = distil(adjoin.embedder("fast"), texts, dim=32, vocabulary=2_000, epochs=5, seed=1)
    assert other.identity.differences(trained.identity)


def test_a_saved_student_embeds_the_same(trained: StaticEmbedder, texts: list[str], tmp_path: Path) -> None:
    assert trained.reopened_by is None
    loaded = adjoin.embedder(trained.save(tmp_path / "student"))
    np.testing.assert_array_equal(loaded.embed(texts[:50]), trained.embed(texts[:50]))
    assert loaded.identity.differences(trained.identity) == []
    assert trained.reopened_by == str(tmp_path / "student")


def test_the_vocabulary_is_cut_to_pieces_in_use_and_letters_stay(trained: StaticEmbedder) -> None:
    assert trained.report.pieces == 2_000
    assert trained.count_tokens(["abcdef"])[0] > 0
    assert trained.count_tokens(["function"]) == [1]  # which the texts use


def test_progress_rises_to_its_total(texts: list[str]) -> None:
    told: list[tuple[int, int | None]] = []
    distil(
        adjoin.embedder("fast"),
        texts[:60],
        dim=16,
        vocabulary=2_000,
        epochs=4,
        progress=lambda *step: told.append(step),
    )
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]
    assert len({total for _, total in told}) == 1


def test_plain_needs_no_texts_where_the_teacher_has_a_tokenizer(texts: list[str]) -> None:
    plain = distil(adjoin.embedder("fast"), dim=24, vocabulary=3_000, train=False)
    assert likeness(plain, adjoin.embedder("fast"), texts[:100]) > 0.3


def test_a_whole_word_vocabulary_stays_as_it_is(tmp_path: Path) -> None:
    write_bert(tmp_path / "bert")
    words = [word for word in WORDS if not word.startswith("[")]
    texts = [" ".join(chosen) for chosen in itertools.permutations(words, 3)]
    student = distil(adjoin.embedder(tmp_path / "bert"), [*texts, "unheard of"], dim=8, epochs=6)
    assert student.report.pieces == len(WORDS)
    assert student.report.cosines[student.report.best] > student.report.cosines[0]
    assert student.max_tokens == POSITIONS
    np.testing.assert_array_equal(student.embed(["cat unheard"]), student.embed(["cat"]))


def test_what_cannot_be_distilled_is_refused(texts: list[str]) -> None:
    teacher = adjoin.embedder("fast")
    with pytest.raises(InvalidInput, match="at least 20 different texts, and there are 2"):
        distil(teacher, ["a", "b", "b", " "])
    with pytest.raises(InvalidOption, match="dim=257 is not between 1 and the teacher's 256"):
        distil(teacher, texts, dim=257)
    with pytest.raises(InvalidOption, match="vocabulary=5"):
        distil(teacher, texts, vocabulary=5)
    with pytest.raises(InvalidOption, match="epochs=0"):
        distil(teacher, texts, epochs=0)
    with pytest.raises(InvalidContent, match="item 1 is int"):
        distil(teacher, ["a", 3])  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match="has no tokenizer of its own"):
        distil(adjoin.embedder(WordsTeacher()), train=False, dim=8)
    with pytest.raises(Unsupported, match="takes images"):
        distil(adjoin.embedder("cnn"), texts)


def test_the_gradient_is_that_of_the_cosine() -> None:
    random = np.random.default_rng(0)
    means, targets = random.standard_normal((2, 3, 5))
    targets /= np.linalg.norm(targets, axis=1, keepdims=True)

    def loss(given: np.ndarray) -> float:
        return float((1 - (given * targets).sum(axis=1) / np.linalg.norm(given, axis=1)).sum())

    found = _gradient(means, targets)
    for place in np.ndindex(means.shape):
        step = np.zeros_like(means)
        step[place] = 1e-6
        assert found[place] == pytest.approx((loss(means + step) - loss(means - step)) / 2e-6, abs=1e-6)


def test_sif_weights_are_the_formula_and_follow_zipf_without_counts() -> None:
    counts = np.array([90, 9, 1, 0])
    np.testing.assert_allclose(sif_weights(counts), 1e-3 / (1e-3 + counts / 100), rtol=1e-6)
    by_rank = sif_weights(np.zeros(1000))
    assert (np.diff(by_rank) > 0).all()
