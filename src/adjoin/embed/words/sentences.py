"""Sentences as weighted means of their words: SIF.

Arora, Liang and Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

_FEW: Final = 24


def word_weights(counts: NDArray[np.int64] | None, words: int, a: float) -> Floats:
    """a / (a + p) for each word, p being its share of all words.

    Without counts p follows the rank, as 1 / (rank + 2.7) (Zipf and Mandelbrot): files of vectors list frequent words first.
    """
    import numpy as np

    if counts is None:
        shares = 1 / (np.arange(words) + 3.7)
    else:
        shares = counts.astype(np.float64)
    shares = shares / max(shares.sum(), 1e-300)
    weights: Floats = np.asarray(a / (a + shares), np.float32)
    return weights


def common_components(vectors: Floats, number: int) -> Floats:
    """The first right singular vectors of sentence vectors (n, dim), not centred: (number, dim), of unit length."""
    import numpy as np

    # Neither product nor solver is large enough for BLAS to share it out: its threads would spin on, for longer than
    # all of this takes.
    square = np.zeros((vectors.shape[1], vectors.shape[1]))  # dim × dim, whatever the number of sentences
    for start in range(0, len(vectors), _FEW):
        part = vectors[start : start + _FEW].astype(np.float64)
        square += part.T @ part
    values, directions = _greatest(square, number)
    kept: Any = directions.T[values > 1e-12]
    return np.ascontiguousarray(kept, np.float32)


def _greatest(square: Any, number: int) -> tuple[Any, Any]:
    """Eigenvalues of a symmetric matrix, the greatest first, and their vectors as columns."""
    import numpy as np

    if 0 < 4 * number < len(square) and square.any():
        from scipy.sparse.linalg import ArpackError, eigsh

        begin = np.random.default_rng(0).normal(size=len(square))
        with suppress(ArpackError):
            values, directions = eigsh(square, k=number, v0=begin)
            return values[::-1], directions[:, ::-1]
    values, directions = np.linalg.eigh(square)
    return values[::-1][:number], directions[:, ::-1][:, :number]


def sums_of(vectors: Floats, rows: Any, lengths: Any, weights: Floats) -> Floats:
    """For each text the weighted sum of its words' vectors: (texts, dim).

    rows, weights: of each word, text after text, its row of vectors (words, dim) and its weight. lengths: of the texts.
    """
    import numpy as np
    from scipy import sparse

    ends = np.concatenate([[0], np.cumsum(lengths)])
    matrix = sparse.csr_matrix((weights, rows, ends), shape=(len(lengths), len(vectors)))
    sums: Floats = np.asarray(matrix @ vectors, np.float32)
    return sums


def without(vectors: Floats, common: Floats) -> Floats:
    """The vectors without their share in the common components."""
    for direction in common:  # no matrix product: its rounding of a row depends on the other rows
        vectors = vectors - (vectors * direction).sum(axis=1, keepdims=True) * direction
    return vectors
