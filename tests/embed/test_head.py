"""A head over a frozen embedder: scikit-learn's discriminants, part of the identity, saved with its base's name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.labelled import Array, digits
from tests.support.pairs import NO_HELP, help_pairs, test_half

import adjoin
from adjoin.embed.identity import with_canaries
from adjoin.embed.train.head import HeadEmbedder, _sample, discriminants
from adjoin.embed.train.report import TrainReport
from adjoin.errors import IdentityMismatch, InvalidContent, InvalidInput, InvalidOption, InvalidVector, NotFitted

pytest.importorskip("sklearn")


class Pixels:
    """The items' own numbers."""

    identity = "pixels of the test"
    dim = 64
    takes = "image"
    takes_arrays = True
    canary_items = (np.eye(8, dtype=np.uint8) * 255,)

    def embed(self, items: Sequence[Any], kind: str = "document") -> Array:
        return np.array([np.asarray(item, np.float32).ravel() / 255 for item in items], np.float32)


def texts() -> tuple[list[str], list[str]]:
    """Help pages and the program that each is about."""
    kept = [
        pair for pair in test_half(help_pairs()) if pair.key.split("/")[1] in ("scalc", "swriter", "sbasic", "simpress")
    ]
    return [pair.ko.body[:200] for pair in kept], [pair.key.split("/")[1] for pair in kept]


@pytest.mark.skipif(not help_pairs(), reason=NO_HELP)
@pytest.mark.parametrize("method", ["blend", "lda", "nca"])
def test_a_head_brings_pages_of_one_program_nearer(method: str) -> None:
    items, labels = texts()
    head: Any = adjoin.embedder("head", embedder="fast", method=method, **{} if method == "blend" else {"dim": 3}).fit(
        items, labels
    )  # type: ignore[attr-defined]
    before, after = head.report.rows["frozen embedder"], head.report.rows["after"]
    assert after.ratio < (0.96 if method == "blend" else 0.8) * before.ratio
    assert after.knn_accuracy > before.knn_accuracy - 0.08
    assert head.dim == (256 if method == "blend" else 3)
    assert head.labels == ("sbasic", "scalc", "simpress", "swriter")
    vectors = head.embed(items[:9])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(np.vstack([head.embed([item]) for item in items[:9]]), vectors)
    assert head.max_tokens == 512  # the frozen one's


def test_discriminants_are_scikit_learn_s() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    items, labels = digits(900)
    rows = np.array([item.ravel() for item in items], np.float64)
    rows = rows[:, rows.std(axis=0) > 5]
    mean, mapped = discriminants(rows, np.array(labels), 9, shrinkage=0)
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(rows, labels).transform(rows[:60])
    ours = (rows[:60] - mean) @ mapped
    gaps = [np.linalg.norm(given[:, None] - given[None], axis=2)[np.triu_indices(60, 1)] for given in (ours, theirs)]
    ratios = gaps[0] / gaps[1]
    assert ratios.max() / ratios.min() < 1 + 1e-8
    assert ratios.mean() == pytest.approx(1, rel=0.01)  # they divide by n - labels


def test_nca_is_scikit_learn_s_and_the_same_again() -> None:
    items, labels = digits(200)
    first, second = (
        adjoin.embedder("head", embedder=Pixels(), method="nca", dim=8).fit(items, labels) for _ in range(2)
    )  # type: ignore[attr-defined]
    assert first.identity == second.identity
    np.testing.assert_array_equal(first.embed(items), second.embed(items))
    assert first.report.rows["after"].recall[1] > 0.8


def test_a_saved_head_finds_its_base_by_name(tmp_path: Path) -> None:
    items = [f"{subject} {n}" for n in range(12) for subject in ("the cat sleeps", "stocks fell again")]
    head: Any = adjoin.embedder("head", embedder="fast").fit(items, ["cats", "stocks"] * 12)  # type: ignore[attr-defined]
    assert head.reopened_by is None
    loaded = adjoin.embedder(head.save(tmp_path / "head"))
    assert isinstance(loaded, HeadEmbedder)
    np.testing.assert_array_equal(loaded.embed(items), head.embed(items))
    assert with_canaries(loaded).differences(with_canaries(head)) == []
    assert loaded.report == head.report
    assert TrainReport.from_dict(head.report.to_dict()) == head.report
    with adjoin.open(tmp_path / "db.adjoin") as db:
        db.collection("notes", embedder=loaded).add(items)
    with adjoin.open(tmp_path / "db.adjoin") as db:
        assert "cat" in db.collection("notes").search("a kitten sleeps", k=1)[0].content
    with pytest.raises(IdentityMismatch, match="learned over another embedder"):
        adjoin.embedder(tmp_path / "head", embedder=adjoin.embedder("fast", dim=64))


def test_the_base_is_part_of_the_identity() -> None:
    items = [f"{subject} {n}" for n in range(6) for subject in ("the cat sleeps", "stocks fell again")]
    heads = [
        adjoin.embedder("head", embedder=base).fit(items, [0, 1] * 6)
        for base in ("fast", adjoin.embedder("fast", dim=32))
    ]  # type: ignore[attr-defined]
    assert any("over_fingerprint" in line for line in heads[0].identity.differences(heads[1].identity))


def test_a_head_over_pictures_takes_pictures() -> None:
    items, labels = digits(300)
    head: Any = adjoin.embedder("head", embedder=Pixels()).fit(items, labels)  # type: ignore[attr-defined]
    assert (head.takes, head.takes_arrays, head.dim) == ("image", True, 64)
    assert len(with_canaries(head).canary) == 2
    assert head.report.rows["after"].ratio < head.report.rows["frozen embedder"].ratio
    with pytest.raises(InvalidOption, match="cannot be found again by a name"):
        head.save("nowhere")


def test_progress_rises_to_its_total() -> None:
    items, labels = digits(60)
    for method in ("blend", "lda", "nca"):
        told: list[tuple[int, int | None]] = []
        adjoin.embedder("head", embedder=Pixels(), method=method).fit(
            items, labels, progress=lambda *step, told=told: told.append(step)
        )  # type: ignore[attr-defined]
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1][0] == told[-1][1]


def test_a_sample_keeps_every_label() -> None:
    codes = np.repeat([0, 1, 2], [5_000, 900, 3])
    chosen = _sample(codes, 500, seed=0)
    assert len(chosen) < 520
    assert (np.bincount(codes[chosen]) >= 2).all()
    assert len(np.unique(chosen)) == len(chosen)


def test_what_cannot_be_learned_from_is_refused() -> None:
    items, labels = digits(40)
    fit = lambda given, of, **options: adjoin.embedder("head", embedder=Pixels(), **options).fit(given, of)  # type: ignore[attr-defined]  # noqa: E731
    for given, of, said in (
        (items, None, "learns from labels"),
        ([], [], "no items"),
        (items, [1] * 40, "all items have the label 1"),
        (items, [*labels[:39], "odd"], "only one item has the label 'odd'"),
        (items, labels[:9], "40 items and 9 labels"),
    ):
        with pytest.raises(InvalidInput, match=said):
            fit(given, of)
    with pytest.raises(InvalidOption, match="dim=10 is more than 9, the number of labels less one"):
        fit(items, labels, dim=10, method="lda")
    with pytest.raises(InvalidOption, match="'blend' keeps all 64 dimensions"):
        fit(items, labels, dim=10)
    with pytest.raises(InvalidOption, match="dim=65 is more than 64"):
        fit(items, labels, dim=65, method="nca")
    with pytest.raises(InvalidInput, match="the same vector"):
        fit([items[0]] * 8, [0, 0, 0, 0, 1, 1, 1, 1])
    with pytest.raises(InvalidVector, match="item 2"):
        fit([*items[:2], np.full((8, 8), np.nan), *items[3:]], labels)
    with pytest.raises(InvalidContent, match="item 1 is int"):
        adjoin.embedder("head", embedder="fast").fit(["a", 2, "b", "c", "d", "e"], [0, 0, 0, 1, 1, 1])  # type: ignore[attr-defined]
    with pytest.raises(InvalidOption, match="unknown method 'lmnn'"):
        adjoin.embedder("head", method="lmnn")
    with pytest.raises(NotFitted, match="'head' has not seen any data"):
        adjoin.embedder("head").embed(["a"])
