"""Sentences as weighted means of their words: SIF.

Arora, Liang and Ma, "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats


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

    square = vectors.astype(np.float64).T @ vectors.astype(np.float64)  # dim × dim, whatever the number of sentences
    values, directions = np.linalg.eigh(square)
    found = directions[:, ::-1][:, :number].T
    kept: Any = found[values[::-1][:number] > 1e-12]
    return np.ascontiguousarray(kept, np.float32)


def sums_of(vectors: Floats, text: Any, rows: Any, weights: Floats, texts: int) -> Floats:
    """For each of so many texts the weighted sum of its words' vectors: (texts, dim).

    text, rows, weights: of each word, its text, its row of vectors (words, dim) and its weight.
    """
    import numpy as np
    from scipy import sparse

    matrix = sparse.coo_matrix((weights, (text, rows)), shape=(texts, len(vectors))).tocsr()
    sums: Floats = np.asarray(matrix @ vectors, np.float32)
    return sums


def without(vectors: Floats, common: Floats) -> Floats:
    """The vectors without their share in the common components."""
    for direction in common:  # no matrix product: its rounding of a row depends on the other rows
        vectors = vectors - (vectors * direction).sum(axis=1, keepdims=True) * direction
    return vectors
