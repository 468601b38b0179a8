"""Reductions against scikit-learn, on real vectors; streams, folders, and what passes through to the inner embedder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.random_projection import GaussianRandomProjection

import adjoin
from adjoin.embed import Identity, ReducedEmbedder, reduce, saved
from adjoin.errors import (
    IdentityMismatch,
    InvalidContent,
    InvalidInput,
    InvalidOption,
    NotFitted,
    UnreadableFile,
    Unsupported,
)

Array = np.ndarray[Any, np.dtype[Any]]

DIGITS = load_digits().data.astype(np.float32)  # 1,797 pictures of 64 pixels, of which three are always empty
ITEMS = [str(n) for n in range(len(DIGITS))]


class Digits:
    """Looks a picture up by its number. Queries are the pictures one to the right."""

    dim = 64

    def __init__(self, *, unit: bool = False) -> None:
        self.vectors = DIGITS / np.linalg.norm(DIGITS, axis=1, keepdims=True) if unit else DIGITS
        self.identity = Identity("digits", "digits", 64, normalize=unit)
        self.reopened_by: str | None = None

    def embed(self, items: Sequence[str], kind: str = "document") -> Array:
        for n, item in enumerate(items):
            if not item.isdigit():
                raise InvalidContent(f"item {n} is no number")
        found = self.vectors[[int(item) for item in items]]
        return np.roll(found, 1, axis=1) if kind == "query" else found

    def hash_of(self, item: str) -> bytes:
        return item.encode().ljust(16)

    def kept(self, item: str) -> str:
        return item.lstrip("0")


def distances(vectors: Array) -> Array:
    given = vectors[:300].astype(np.float64)
    return np.asarray(np.sqrt(((given[:, None] - given[None]) ** 2).sum(-1)))


def test_pca_is_that_of_scikit_learn() -> None:
    ours = reduce(Digits(), 12).fit(ITEMS)
    theirs = PCA(12, svd_solver="full").fit(DIGITS.astype(np.float64))
    expected = theirs.transform(DIGITS)
    found = ours.embed(ITEMS)
    assert found.dtype == np.float32
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)
    assert ours.chosen.variance == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-9)


def test_svd_is_that_of_scikit_learn() -> None:
    found = reduce(Digits(), 12, method="svd").fit(ITEMS).embed(ITEMS)
    expected = TruncatedSVD(12, algorithm="arpack").fit_transform(DIGITS.astype(np.float64))
    np.testing.assert_allclose(found * np.sign((found * expected).sum(0)), expected, atol=1e-3)


def test_whitening_is_that_of_scikit_learn() -> None:
    found = reduce(Digits(), 20, whiten=True).fit(ITEMS).embed(ITEMS)
    expected = PCA(20, svd_solver="full", whiten=True).fit_transform(DIGITS.astype(np.float64))
    np.testing.assert_allclose(found * np.sign((found * expected).sum(0)), expected, atol=1e-4)
    np.testing.assert_allclose(np.cov(found.T), np.eye(20), atol=1e-4)


@pytest.mark.parametrize("method", ["pca", "svd"])
def test_all_dimensions_keep_all_distances(method: Any) -> None:
    for unit in (False, True):
        inner = Digits(unit=unit)
        found = reduce(inner, 61, method).fit(ITEMS).embed(ITEMS)  # three of the 64 are always empty
        np.testing.assert_allclose(distances(found), distances(inner.vectors), atol=1e-4)


def test_cosines_are_kept_where_the_inner_vectors_are_of_unit_length() -> None:
    inner = Digits(unit=True)
    found = reduce(inner, 61).fit(ITEMS).embed(ITEMS[:200]).astype(np.float64)
    np.testing.assert_allclose(found @ found.T, inner.vectors[:200] @ inner.vectors[:200].T, atol=1e-5)
    centred = reduce(inner, 61, center=True).fit(ITEMS).embed(ITEMS)
    assert np.abs(centred.mean(0)).max() < 1e-6
    np.testing.assert_allclose(distances(centred)[:200, :200], distances(found), atol=1e-5)


def test_a_stream_is_learned_like_a_list_and_better_than_incremental_pca() -> None:
    listed = reduce(Digits(), 10).fit(ITEMS)
    streamed = reduce(Digits(), 10).fit(item for item in ITEMS)
    assert streamed.identity.fingerprint == listed.identity.fingerprint
    theirs = IncrementalPCA(10, batch_size=300).fit(DIGITS.astype(np.float64)).explained_variance_ratio_.sum()
    assert streamed.chosen.variance == pytest.approx(theirs, rel=0.01)
    assert streamed.chosen.variance is not None
    assert streamed.chosen.variance >= theirs


@pytest.mark.parametrize("method", ["pca", "svd"])
def test_more_items_join_as_if_all_had_come_at_once(method: Any, tmp_path: Path) -> None:
    at_once = reduce(Digits(), 10, method).fit(ITEMS).embed(ITEMS)
    in_parts = reduce(Digits(), 10, method).fit(ITEMS[:400]).partial_fit(ITEMS[400:900])
    first = in_parts.identity.fingerprint
    in_parts.inner.reopened_by = "default"  # type: ignore[attr-defined]  # it is given again below
    loaded = adjoin.embedder(in_parts.save(tmp_path / "m"), embedder=in_parts.inner)
    loaded.partial_fit(i for i in ITEMS[900:])  # type: ignore[attr-defined]
    np.testing.assert_allclose(loaded.embed(ITEMS), at_once, atol=1e-4)
    assert loaded.identity.fingerprint != first
    assert loaded.reopened_by is None  # type: ignore[attr-defined]


def test_the_dimension_follows_from_the_variance_to_keep() -> None:
    ratios = PCA(svd_solver="full").fit(DIGITS.astype(np.float64)).explained_variance_ratio_.cumsum()
    for share in (0.5, 0.9, 0.99, 1.0):
        made = reduce(Digits(), variance=share).fit(ITEMS)
        assert made.dim == int(np.searchsorted(ratios, share - 1e-9)) + 1
        assert made.chosen.variance == pytest.approx(ratios[made.dim - 1])


@pytest.mark.parametrize("method", ["pca", "svd"])
def test_the_dimension_is_the_least_that_keeps_the_recall_on_items_held_out(method: Any) -> None:
    made = reduce(Digits(), recall=0.9, method=method).fit(ITEMS[:1500])
    assert 5 < made.dim < 40
    assert made.chosen.recall is not None
    assert made.chosen.recall >= 0.9
    assert dict(made.chosen.tried)[made.dim - 1] < 0.9
    new, full = made.embed(ITEMS).astype(float), DIGITS.astype(float)
    hits = 0
    for row in range(1500, 1797):  # none of these was seen
        near, true = (np.argsort(((x[:1500] - x[row]) ** 2).sum(1))[:10] for x in (new, full))
        hits += len(set(near) & set(true))
    assert hits / 2970 == pytest.approx(0.9, abs=0.03)
    assert str(made.chosen).startswith(f"{made.dim} of 64 dimensions by {method}, ")


def test_a_recall_that_cannot_be_kept_is_told() -> None:
    with pytest.raises(
        InvalidOption, match=r"no dimension up to 64 keeps a recall of 0\.99 with random: 0\.\d+ is reached.*pca"
    ):
        reduce(Digits(), recall=0.99, method="random").fit(ITEMS)
    with pytest.raises(InvalidOption, match="on 40 items or more, and there are 30"):
        reduce(Digits(), recall=0.9).fit(ITEMS[:30])


def test_a_random_projection_is_scikit_learn_s_and_needs_no_data() -> None:
    made = reduce(Digits(), 16, method="random", seed=4)
    expected = GaussianRandomProjection(16, random_state=4).fit(DIGITS).transform(DIGITS)
    np.testing.assert_allclose(made.embed(ITEMS), expected, atol=1e-4)
    assert made.identity.fingerprint == reduce(Digits(), 16, method="random", seed=4).fit(ITEMS).identity.fingerprint
    assert made.identity.fingerprint != reduce(Digits(), 16, method="random", seed=5).identity.fingerprint
    named = adjoin.embedder("reduce", embedder="default", dim=16, method="random", seed=4)
    assert isinstance(named, ReducedEmbedder)
    assert named.reopened_by is not None
    assert adjoin.embedder(named.reopened_by).identity.fingerprint == named.identity.fingerprint
    sparse = reduce(Digits(), 48, method="sparse")
    for one in (sparse, reduce(Digits(), 48, method="random")):  # distances on average (Johnson and Lindenstrauss)
        ratios = (distances(one.embed(ITEMS)) + np.eye(300)) / (distances(DIGITS) + np.eye(300))
        assert ratios.mean() == pytest.approx(1, abs=0.1)


def test_queries_are_reduced_as_queries() -> None:
    made = reduce(Digits(), 64, method="svd", center=False).fit([*ITEMS])
    turned = made.embed(ITEMS[:50], "query").astype(float) @ made.embed(ITEMS[:50]).astype(float).T
    np.testing.assert_allclose(turned, np.roll(DIGITS, 1, axis=1)[:50] @ DIGITS[:50].T, rtol=1e-4, atol=0.5)


def test_a_vector_depends_on_its_item_alone() -> None:
    made = reduce(Digits(), 7).fit(ITEMS)
    np.testing.assert_array_equal(np.concatenate([made.embed([item]) for item in ITEMS[:100]]), made.embed(ITEMS)[:100])
    assert made.embed([]).shape == (0, 7)


def test_what_the_inner_embedder_has_passes_through(default: Any) -> None:
    made = reduce(Digits(), 7)
    assert made.hash_of("5") == b"5".ljust(16)
    assert made.kept("005") == "5"
    assert not hasattr(made, "is_cut")
    assert not hasattr(made, "takes")
    of_text = reduce(default, 7, method="random")
    assert (of_text.max_tokens, of_text.is_cut(["x", "y " * 2000])) == (512, [False, True])


def test_identity_follows_each_part() -> None:
    fitted = reduce(Digits(), 7).fit(ITEMS)
    others = [
        reduce(Digits(), 8).fit(ITEMS), reduce(Digits(), 7, "svd").fit(ITEMS), reduce(Digits(), 7, whiten=True).fit(ITEMS),
        reduce(Digits(), 7).fit(ITEMS[:900]), reduce(Digits(unit=True), 7).fit(ITEMS), reduce(Digits(), 7, center=False).fit(ITEMS),
    ]  # fmt: skip
    inner = Digits()
    inner.identity = replace(inner.identity, settings={"version": 2})
    others.append(reduce(inner, 7).fit(ITEMS))
    assert len({one.identity.fingerprint for one in (fitted, *others)}) == 8
    assert fitted.identity.fingerprint == reduce(Digits(), 7).fit(ITEMS).identity.fingerprint
    assert fitted.identity.settings["inner"] == Digits().identity.fingerprint


def test_a_saved_reduction_of_the_default_comes_back(tmp_path: Path, default: Any) -> None:
    texts = [f"{word} {n}" for word in ("rain", "비", "storm", "snow") for n in range(15)]
    made = adjoin.embedder("reduce", embedder="default", dim=12)
    assert isinstance(made, ReducedEmbedder)
    vectors = made.fit(texts).embed(texts)
    one, two = made.save(tmp_path / "one"), made.save(tmp_path / "two")
    assert saved.load(one).digest == saved.load(two).digest
    again = adjoin.embedder(str(one))
    np.testing.assert_array_equal(again.embed(texts), vectors)
    np.testing.assert_array_equal(again.embed(texts, "query"), made.embed(texts, "query"))
    assert again.identity.fingerprint == made.identity.fingerprint
    assert str(again.chosen) == str(made.chosen)  # type: ignore[attr-defined]
    assert again.reopened_by == str(one)  # type: ignore[attr-defined]
    with adjoin.open(tmp_path / "db") as db:
        db.collection("t", embedder=again).add(texts)
    with adjoin.open(tmp_path / "db") as db:
        assert db.collection("t").search("rain 3", k=1)[0].content == "rain 3"


def test_another_inner_embedder_is_refused(tmp_path: Path) -> None:
    made = reduce(Digits(), 5).fit(ITEMS)
    with pytest.raises(InvalidOption, match="no name finds again"):
        made.save(tmp_path / "m")
    made.inner.reopened_by = "default"  # type: ignore[attr-defined]
    path = made.save(tmp_path / "m")
    with pytest.raises(IdentityMismatch, match="was learned with the embedder 'digits'"):
        adjoin.embedder(path)
    np.testing.assert_array_equal(adjoin.embedder(path, embedder=Digits()).embed(ITEMS), made.embed(ITEMS))
    held = json.loads((path / "embedder.json").read_text("utf-8"))
    del held["settings"]["wanted"]
    (path / "embedder.json").write_text(json.dumps(held), "utf-8")
    with pytest.raises(UnreadableFile, match="does not describe a reduction"):
        adjoin.embedder(path, embedder=Digits())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "one of dim=, variance= and recall=, not none"), ({"dim": 3, "recall": 0.9}, "not dim and recall"),
        ({"dim": 65}, "from 1 to the inner embedder's 64"), ({"dim": 0}, "from 1"), ({"dim": True}, "from 1"),
        ({"variance": 1.5}, "variance is a share"), ({"recall": 0}, "recall is a share"), ({"dim": 3, "method": "umap"}, "unknown method"),
        ({"variance": 0.9, "method": "random"}, "looks at no variance"), ({"dim": 3, "method": "sparse", "whiten": True}, "no variance"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        reduce(Digits(), **options)


def test_too_little_data_is_told(tmp_path: Path) -> None:
    made = reduce(Digits(), 30)
    for use in (lambda: made.embed(ITEMS), lambda: made.identity, lambda: made.dim, lambda: made.save(tmp_path / "x")):
        with pytest.raises(NotFitted, match="'reduce' has not seen any data"):
            use()
    with pytest.raises(InvalidInput, match="nothing to learn a reduction from"):
        made.fit([])
    with pytest.raises(InvalidOption, match="10 items vary in 10 directions at most, and dim is 30"):
        made.fit(ITEMS[:10])
    with pytest.raises(InvalidOption, match="whitening would stretch the noise"):
        reduce(Digits(), 64, whiten=True).fit(ITEMS)
    with pytest.raises(InvalidContent, match="item 1 is no number"):
        made.fit(["1", "x"])
    with pytest.raises(InvalidContent, match=r"in the 1024 items from 1024 on: item 6 is no number"):
        made.fit([*ITEMS[:1030], "x"])


@pytest.mark.slow
def test_wide_vectors_are_reduced_by_scikit_learn_and_streams_of_them_are_refused() -> None:
    rng = np.random.default_rng(0)
    held = (rng.normal(size=(120, 8)) @ rng.normal(size=(8, 5000))).astype(np.float32)

    class Wide:
        identity, dim = "wide", 5000

        def embed(self, items: Sequence[str], kind: str = "document") -> Array:
            return held[[int(item) for item in items]]

    for method in ("pca", "svd"):
        made = reduce(Wide(), 8, method).fit(ITEMS[:120])  # type: ignore[arg-type]
        np.testing.assert_allclose(distances(made.embed(ITEMS[:120])), distances(held), rtol=1e-3, atol=0.05)
        assert reduce(Wide(), recall=0.9, method=method).fit(ITEMS[:120]).dim <= 8  # type: ignore[arg-type]
        with pytest.raises(Unsupported, match="a stream of vectors of 5,000 dimensions"):
            reduce(Wide(), 8, method).fit(item for item in ITEMS[:120])  # type: ignore[arg-type]
    assert reduce(Wide(), 8, "random").fit(item for item in ITEMS[:5]).dim == 8  # type: ignore[arg-type]


def test_progress_and_records_and_frames_pass(tmp_path: Path) -> None:
    import pandas as pd

    told: list[tuple[int, int | None]] = []
    reduce(Digits(), 3).fit(ITEMS, progress=lambda done, total: told.append((done, total)))
    assert told == [(1024, 1797), (1797, 1797)]
    frame = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30.0) ** 2 % 7, "c": ["x", "y", "z"] * 10})
    inner = adjoin.embedder("records").fit(frame)  # type: ignore[attr-defined]
    with pytest.raises(InvalidOption, match="Save that one first"):
        reduce(inner, 2).fit(frame).save(tmp_path / "r")
    inner.save(tmp_path / "inner")
    made = reduce(inner, 2).fit(frame)
    again = adjoin.embedder(made.save(tmp_path / "r"))
    np.testing.assert_array_equal(again.embed(frame.to_dict("records")), made.embed(frame))
    assert again.takes == "record"  # type: ignore[attr-defined]
