"""The directions that a reduction keeps: what they are learned from, and the recall by which their number is chosen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import InvalidOption, MissingExtra

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats

    Array = NDArray[Any]

MOST_SAMPLED: Final = 20_000
MOST_HELD_OUT: Final = 500
NEIGHBOURS: Final = 10


class Sums:
    """Count, sum and sum of products of vectors, taken about the first batch's mean so that nothing cancels."""

    def __init__(self, dim: int) -> None:
        import numpy as np

        self.n = 0
        self.about: Array = np.zeros(dim)
        self.first: Array = np.zeros(dim)
        self.second: Array = np.zeros((dim, dim))

    def add(self, vectors: Floats) -> None:
        import numpy as np

        given = np.asarray(vectors, np.float64)
        if not len(given):
            return
        if not self.n:
            self.about = given.mean(axis=0)
        given = given - self.about
        self.n += len(given)
        self.first = self.first + given.sum(axis=0)
        self.second = self.second + given.T @ given

    @property
    def mean(self) -> Array:
        mean: Array = self.about + self.first / self.n
        return mean

    def scatter(self, *, centered: bool) -> Array:
        """The sum of products of the vectors, about their mean or about the origin, (dim, dim)."""
        import numpy as np

        delta = self.first / self.n
        scatter: Array = self.second - self.n * np.outer(delta, delta)
        return scatter if centered else scatter + self.n * np.outer(self.mean, self.mean)

    def without(self, vectors: Array) -> Sums:
        """The sums of the others, where these are among them."""
        given = vectors - self.about
        other = self.copy()
        other.n = self.n - len(given)
        other.first, other.second = self.first - given.sum(axis=0), self.second - given.T @ given
        return other

    def copy(self) -> Sums:
        other = Sums(1)
        other.n, other.about, other.first, other.second = self.n, self.about, self.first, self.second
        return other


def draw(vectors: Floats, sample: list[Floats], seen: int, draw: random.Random) -> None:
    """Keep MOST_SAMPLED vectors of a stream, each as likely (algorithm R; Vitter, 1985)."""
    for place, vector in enumerate(vectors):
        if len(sample) < MOST_SAMPLED:
            sample.append(vector.copy())
        elif (at := draw.randrange(seen + place + 1)) < MOST_SAMPLED:
            sample[at] = vector.copy()


def learned_directions(data: Sums | Array, method: str, dim: int | None, seed: int) -> tuple[Array, Array, float]:
    """Columns by falling power, (inner dim, k), the power of each, and that of all.

    By the eigenvectors of the products' sum; of vectors beyond MOST_EXACT dimensions by scikit-learn's randomised methods.
    """
    import numpy as np

    if isinstance(data, Sums):
        powers, columns = np.linalg.eigh(data.scatter(centered=method == "pca"))
        order = np.argsort(-powers, kind="stable")[: max(1, min(data.n, len(powers)))]
        columns, whole = columns[:, order], float(np.maximum(powers, 0).sum())
        return _turned(columns), np.maximum(powers[order], 0), whole
    made = _sklearn("decomposition")
    k = min(dim or 512, *data.shape)
    if method == "pca":
        fitted = made.PCA(k, svd_solver="randomized", random_state=seed).fit(data)
        whole = float(np.asarray(data, np.float64).var(axis=0).sum() * len(data))
    else:
        fitted = made.TruncatedSVD(k, random_state=seed).fit(data)
        whole = float((np.asarray(data, np.float64) ** 2).sum())
    return _turned(fitted.components_.T.astype(np.float64)), fitted.singular_values_.astype(np.float64) ** 2, whole


def _turned(columns: Array) -> Array:
    """Each column with its greatest entry above 0, so that its sign does not hang on rounding."""
    import numpy as np

    at = np.abs(columns).argmax(axis=0)
    signs = np.sign(columns[at, np.arange(columns.shape[1])])
    turned: Array = columns * np.where(signs == 0, 1, signs)
    return turned


def random_directions(method: str, inner: int, dim: int, seed: int) -> Array:
    """A random projection (Johnson and Lindenstrauss, 1984; sparse: Li, Hastie and Church, 2006), (inner, dim)."""
    import numpy as np

    made = _sklearn("random_projection")
    kind = made.GaussianRandomProjection if method == "random" else made.SparseRandomProjection
    options = {"dense_output": True} if method == "sparse" else {}
    fitted = kind(dim, random_state=seed, **options).fit(np.zeros((1, inner)))
    components = fitted.components_
    return np.asarray(components.toarray() if method == "sparse" else components, np.float64).T


def _sklearn(module: str) -> Any:
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError as exc:
        raise MissingExtra.of("scikit-learn", "learn", "The embedder 'reduce'") from exc


def split(sample: Sequence[Floats], seed: int) -> tuple[Array, Array]:
    """Vectors held out, and the others. Raises InvalidOption where there are too few."""
    import numpy as np

    if len(sample) < 4 * NEIGHBOURS:
        raise InvalidOption(
            f"a dimension is chosen by recall on {4 * NEIGHBOURS} items or more, and there are {len(sample)}. Give dim=."
        )
    vectors = np.asarray(sample, np.float64)
    order = np.random.default_rng(seed).permutation(len(vectors))
    held_out = min(MOST_HELD_OUT, len(vectors) // 5)
    return vectors[order[:held_out]], vectors[order[held_out:]]


def without(data: Sums | Array, vectors: Array) -> Sums | Array:
    """What was learned from all but these."""
    import numpy as np

    if isinstance(data, Sums):
        return data.without(vectors)
    out = {vector.astype(np.float32).tobytes() for vector in vectors}
    rest: Array = data[[vector.tobytes() not in out for vector in data.astype(np.float32)]]
    return rest if len(rest) else data


def _projected(vectors: Array, directions: Array, mean: Array | None, deviations: Array | None) -> Array:
    projected: Array = (vectors if mean is None else vectors - mean) @ directions
    return projected if deviations is None else projected / deviations


class Recall:
    """What share of the full vectors' neighbours the first dimensions find, of vectors held out."""

    def __init__(
        self,
        queries: Array,
        rows: Array,
        directions: Array,
        mean: Array | None,
        deviations: Array | None,
        *,
        by_cosine: bool,
    ) -> None:
        """queries, rows: full vectors. directions: columns, the first ones first. deviations: of each, by which it is divided."""
        self._cosine = by_cosine
        self._truth = self._nearest(queries, rows)
        self._queries, self._rows = (_projected(one, directions, mean, deviations) for one in (queries, rows))
        self.tried: dict[int, float] = {}

    def of(self, dim: int) -> float:
        import numpy as np

        if dim not in self.tried:
            found = self._nearest(self._queries[:, :dim], self._rows[:, :dim])
            hits = [len(np.intersect1d(a, b)) for a, b in zip(found, self._truth, strict=True)]
            self.tried[dim] = float(np.mean(hits) / NEIGHBOURS)
        return self.tried[dim]

    def smallest(self, wanted: float) -> int:
        """The least dimension that reaches it, by halving: recall rises with the dimension, but for noise."""
        low, high = 1, self._rows.shape[1]
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.of(middle) >= wanted else (middle + 1, high)
        return low

    def _nearest(self, queries: Array, rows: Array) -> Array:
        import numpy as np

        if self._cosine:
            queries, rows = (
                one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-30) for one in (queries, rows)
            )
        distances = (rows**2).sum(axis=1) - 2 * queries @ rows.T
        return np.argpartition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
