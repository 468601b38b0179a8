"""Fewer dimensions for any embedder's vectors: PCA, truncated SVD and random projection, as part of the identity.

What PCA and SVD need of the data are its sums and the sums of its products, which are kept: so a stream of any length is learned
in bounded memory, further data join without the first, and the result is that of all at once.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, get_args

from adjoin.embed import saved
from adjoin.embed.base import Embedder, check_kind
from adjoin.embed.directions import (
    NEIGHBOURS,
    Recall,
    Sums,
    draw,
    learned_directions,
    random_directions,
    split,
    without,
)
from adjoin.embed.identity import Identity
from adjoin.errors import (
    IdentityMismatch,
    InvalidInput,
    InvalidOption,
    NotFitted,
    UnreadableFile,
    Unsupported,
)
from adjoin.types import Content, Kind, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats, Metric

    Array = NDArray[Any]

Method: TypeAlias = Literal["pca", "svd", "random", "sparse"]
METHODS: tuple[Method, ...] = get_args(Method)
FAMILY: Final = "reduce"
BATCH: Final = 1024
MOST_EXACT: Final = 4096
"""Dimensions up to which the sums of products are kept: 128 MiB at most."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How many dimensions were kept, and what of.

    variance: share of the variance that is kept in [0, 1], about the origin for SVD; None for random projections.
    recall: share of the 10 nearest neighbours by the full vectors that the reduced ones find, of items held out; None unless the
    dimension was chosen by it. tried: (dim, recall) in the order of trying.
    """

    dim: int
    inner_dim: int
    method: str
    variance: float | None = None
    recall: float | None = None
    tried: tuple[tuple[int, float], ...] = ()

    def __str__(self) -> str:
        told = [f"{self.dim} of {self.inner_dim} dimensions by {self.method}"]
        if self.variance is not None:
            told.append(f"{self.variance:.1%} of the variance")
        if self.recall is not None:
            told.append(f"recall@{NEIGHBOURS} {self.recall:.3f} on held-out items")
        return ", ".join(told)


class ReducedEmbedder:
    """Another embedder's vectors in fewer dimensions; queries go the same way.

    It takes what the inner one takes, and keeps and hashes items as that does.
    """

    def __init__(
        self,
        inner: Embedder,
        *,
        dim: int | None = None,
        variance: float | None = None,
        recall: float | None = None,
        method: Method = "pca",
        whiten: bool = False,
        center: bool | None = None,
        seed: int = 0,
    ) -> None:
        _check(inner, dim, variance, recall, method, whiten)
        self._inner = inner
        self._wanted: dict[str, Any] = {"dim": dim, "variance": variance, "recall": recall}
        self._method: Method = method
        self._whiten = whiten
        self._center = center
        self._seed = seed
        self._sums: Sums | None = None
        self._sample: list[Floats] = []
        self._seen = 0
        self._matrix: Array | None = None
        self._mean: Array | None = None
        self._chosen: Chosen | None = None
        self._identity: Identity | None = None
        self.reopened_by: str | None = self._name_without_data()

    @property
    def inner(self) -> Embedder:
        return self._inner

    @property
    def chosen(self) -> Chosen:
        """How many dimensions, and what they keep. Raises NotFitted."""
        self._ready()
        assert self._chosen is not None
        return self._chosen

    @property
    def dim(self) -> int:
        return int(self._ready().shape[1])

    @property
    def identity(self) -> Identity:
        matrix = self._ready()
        if self._identity is None:
            inner = self._inner.identity
            settings = self._settings()
            self._identity = Identity(
                self.reopened_by or FAMILY, f"{FAMILY}({inner.model})", int(matrix.shape[1]),
                weights=saved.digest_of(FAMILY, settings, self._arrays()), normalize=False, settings=settings,
            )  # fmt: skip
        return self._identity

    @property
    def metric(self) -> Metric:
        """The inner embedder's own where a turn keeps it; bits are bits no more."""
        inner: Metric = getattr(self._inner, "metric", "cosine")
        return "cosine" if inner == "hamming" else inner

    def __getattr__(self, name: str) -> Any:
        """What else the inner embedder has: `takes`, `kept`, `hash_of`, `max_tokens` …"""
        if name.startswith("_") or name in ("fit", "partial_fit", "save"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    # ── Learning ──

    def fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn from items, which the inner embedder embeds as documents. labels are not looked at.

        A generator is read once, in batches, and its vectors are not kept but for a sample where `recall` chooses.
        Cost: that of embedding, and O(n·d²) once, d being the inner dimension.
        Raises InvalidOption where there are too few items for `dim`, or no dimension reaches `recall`.
        """
        return self._learn(items, None, [], 0, progress)

    def partial_fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn from further items too: what comes out is what `fit` on all of them gives. The identity changes.

        Raises Unsupported for one that was loaded and chooses by recall, for which the first items would have to be there.
        """
        if self._wanted["recall"] is not None and self._matrix is not None and not self._sample:
            raise Unsupported(
                "the items by which the recall is measured are not in the folder. Call fit with all of them."
            )
        return self._learn(items, self._sums, self._sample, self._seen, progress)

    def _learn(
        self, items: Iterable[Content], sums: Sums | None, sample: list[Floats], seen: int, progress: Progress | None
    ) -> Self:
        import numpy as np

        total = len(items) if isinstance(items, Sized) else None
        exact = self._inner.dim <= MOST_EXACT
        if not exact and total is None and self._method in ("pca", "svd"):
            raise Unsupported(
                f"a stream of vectors of {self._inner.dim:,} dimensions, more than {MOST_EXACT:,}, is not reduced by "
                f"{self._method}. Give a list, or method='random'."
            )
        keeps = self._wanted["recall"] is not None
        sums = sums.copy() if sums is not None else Sums(self._inner.dim if exact else 1)
        sample, chance = list(sample), random.Random(f"{self._seed} {seen}")
        everything: list[Floats] = []
        done = 0
        for batch in _batches(items):
            try:
                vectors = self._inner.embed(batch, "document")
            except InvalidInput as exc:
                if done == 0:
                    raise
                raise type(exc)(f"in the {BATCH} items from {done} on: {exc}") from exc
            if exact:
                sums.add(vectors)
            else:
                everything.append(vectors)
            if keeps:
                draw(vectors, sample, seen + done, chance)
            done += len(vectors)
            if progress:
                progress(done, total)
        made = self._made(
            sums if exact else np.concatenate([np.empty((0, self._inner.dim), np.float32), *everything]), sample
        )
        self._matrix, self._mean, self._chosen = made
        self._sums, self._sample, self._seen = (sums if exact else None), sample, seen + done
        self._identity, self.reopened_by = None, self._name_without_data()
        return self

    def _name_without_data(self) -> str | None:
        """The name by which a reduction that no data decide is found again."""
        inner = getattr(self._inner, "reopened_by", None)
        if inner is None or self._center or self._wanted["dim"] is None or self._method in ("pca", "svd"):
            return None
        options = {"embedder": inner, "dim": self._wanted["dim"], "method": self._method, "seed": self._seed}
        return f"{FAMILY} {json.dumps(options, ensure_ascii=False, sort_keys=True)}"

    def _made(self, data: Sums | Array, sample: Sequence[Floats]) -> tuple[Array, Array | None, Chosen]:
        """The matrix, what is subtracted before it, and how its dimension was chosen."""
        import numpy as np

        n = data.n if isinstance(data, Sums) else len(data)
        if self._method in ("random", "sparse"):
            directions = random_directions(
                self._method, self._inner.dim, self._wanted["dim"] or self._inner.dim, self._seed
            )
            powers, whole = None, 0.0
        else:
            if not n:
                raise InvalidInput("there is nothing to learn a reduction from. Give some items.")
            directions, powers, whole = learned_directions(data, self._method, self._wanted["dim"], self._seed)
        mean = self._subtracted(data) if n and self._centers else None
        dim, recall, tried = self._choose(data, directions, powers, whole, mean, sample)
        if dim > directions.shape[1]:
            raise InvalidOption(
                f"{n} items vary in {directions.shape[1]} directions at most, and dim is {dim}. Give more items, or a smaller dim."
            )
        matrix = directions[:, :dim]
        if self._method == "random" or self._method == "sparse":
            matrix = matrix * (directions.shape[1] / dim) ** 0.5  # each column was drawn for all of them
        if self._whiten:
            assert powers is not None
            matrix = matrix / self._deviations(powers[:dim], n)
        kept = None if powers is None else (float(powers[:dim].sum() / whole) if whole else 1.0)
        return np.ascontiguousarray(matrix), mean, Chosen(dim, self._inner.dim, self._method, kept, recall, tried)

    @property
    def _centers(self) -> bool:
        if self._center is not None:
            return self._center
        return self._method == "pca" and (self._whiten or not self._inner.identity.normalize)

    @staticmethod
    def _subtracted(data: Sums | Array) -> Array:
        import numpy as np

        return data.mean if isinstance(data, Sums) else np.asarray(data.mean(axis=0), np.float64)

    def _deviations(self, powers: Array, n: int) -> Array:
        """The standard deviations by which whitening divides, as scikit-learn does."""
        if not powers[-1] > 1e-9 * powers[0]:
            raise InvalidOption(
                f"the items vary in {int((powers > 1e-9 * powers[0]).sum())} directions alone, and whitening would stretch the noise "
                f"of {len(powers)}. Give a smaller dim, or more items."
            )
        deviations: Array = (powers / max(1, n - 1 if self._method == "pca" else n)) ** 0.5
        return deviations

    def _choose(
        self,
        data: Sums | Array,
        directions: Array,
        powers: Array | None,
        whole: float,
        mean: Array | None,
        sample: Sequence[Floats],
    ) -> tuple[int, float | None, tuple[tuple[int, float], ...]]:
        import numpy as np

        if self._wanted["dim"] is not None:
            return int(self._wanted["dim"]), None, ()
        if self._wanted["variance"] is not None:
            assert powers is not None
            shares = np.cumsum(powers) / (whole or 1.0)
            return min(int((shares < self._wanted["variance"] - 1e-12).sum()) + 1, len(powers)), None, ()
        wanted = float(self._wanted["recall"] or 0)
        queries, rows = split(sample, self._seed)
        if powers is not None:  # those held out are not learned from
            directions, powers, _ = learned_directions(without(data, queries), self._method, None, self._seed)
        deviations = self._deviations_or_none(powers)
        by_cosine = self._inner.identity.normalize
        measured = Recall(queries, rows, directions, mean, deviations, by_cosine=by_cosine)
        best = measured.smallest(wanted)
        if measured.of(best) < wanted:
            raise InvalidOption(
                f"no dimension up to {best} keeps a recall of {wanted:g} with {self._method}"
                f"{' and whitening' if self._whiten else ''}: {measured.of(best):.3f} is reached."
                + (" Try method='pca'." if self._method != "pca" else "")
            )
        return best, measured.of(best), tuple(measured.tried.items())

    def _deviations_or_none(self, powers: Array | None) -> Array | None:
        import numpy as np

        if not self._whiten or powers is None:
            return None
        return np.asarray(np.maximum(powers, 1e-9 * powers[0]) ** 0.5, np.float64)

    # ── Embedding ──

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """The inner embedder's vectors, reduced: float32 of shape (len(items), dim). Raises what that raises, and NotFitted.

        Cost: that of the inner one and O(inner dim · dim) an item.
        """
        import numpy as np

        check_kind(kind)
        matrix = self._ready()
        given = np.asarray(self._inner.embed(items, kind), np.float64)
        if self._mean is not None:
            given = given - self._mean
        vectors = np.empty((len(given), matrix.shape[1]), np.float32)
        for row, vector in enumerate(given):  # one by one: a product of matrices rounds by how many rows it has
            vectors[row] = vector @ matrix
        return vectors

    def _ready(self) -> Array:
        if self._matrix is None and self._method in ("random", "sparse") and self._wanted["dim"] is not None:
            self._matrix, self._mean, self._chosen = self._made(Sums(1), [])  # nothing of it depends on data
        if self._matrix is None:
            raise NotFitted.of(FAMILY)
        return self._matrix

    # ── Keeping ──

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads: the reduction, and by what name the inner embedder is found.

        Raises InvalidOption where no name finds the inner one again: save that first.
        """
        import numpy as np

        self._ready()
        name = getattr(self._inner, "reopened_by", None)
        if name is None:
            raise InvalidOption(
                "the inner embedder is an object that no name finds again, so this cannot be saved. Save that one first, or make this "
                "with its name."
            )
        chosen = self.chosen
        arrays = self._arrays()
        if self._sums is not None and self._sums.n:
            arrays |= {"about": self._sums.about, "first": self._sums.first, "second": self._sums.second}
        more = {
            "reopened_by": name, "wanted": self._wanted, "center_option": self._center, "seed": self._seed,
            "n": self._sums.n if self._sums is not None else 0, "seen": self._seen,
            "chosen": {"variance": chosen.variance, "recall": chosen.recall, "tried": [list(one) for one in chosen.tried]},
        }  # fmt: skip
        arrays = {key: np.asarray(array) for key, array in arrays.items()}
        folder = saved.save(path, FAMILY, {**self._settings(), **more}, arrays)
        self.reopened_by, self._identity = str(folder), None
        return folder

    def _settings(self) -> dict[str, Any]:
        return {
            "inner": self._inner.identity.fingerprint, "inner_model": self._inner.identity.model, "method": self._method,
            "whiten": self._whiten, "centered": self._mean is not None,
        }  # fmt: skip

    def _arrays(self) -> dict[str, Array]:
        return {"matrix": self._ready()} | ({} if self._mean is None else {"mean": self._mean})

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Take up what was saved."""
        self._matrix, self._mean = arrays["matrix"], arrays.get("mean")
        if "second" in arrays:
            self._sums = Sums(1)
            self._sums.n, self._sums.about = settings["n"], arrays["about"]
            self._sums.first, self._sums.second = arrays["first"], arrays["second"]
        self._seen = settings["seen"]
        told = settings["chosen"]
        self._chosen = Chosen(
            int(self._matrix.shape[1]), int(self._matrix.shape[0]), self._method, told["variance"], told["recall"],
            tuple((dim, recall) for dim, recall in told["tried"]),
        )  # fmt: skip
        return self

    def __repr__(self) -> str:
        told = f"not fitted, {self._method}" if self._matrix is None else str(self._chosen)
        return f"ReducedEmbedder({told}, of {self._inner!r})"


def _check(inner: Embedder, dim: Any, variance: float | None, recall: float | None, method: str, whiten: bool) -> None:
    if method not in METHODS:
        raise InvalidOption.unknown("method of reducing", method, METHODS)
    given = [name for name, value in (("dim", dim), ("variance", variance), ("recall", recall)) if value is not None]
    if len(given) != 1:
        raise InvalidOption(
            f"a reduction is given one of dim=, variance= and recall=, not {' and '.join(given) or 'none of them'}."
        )
    for name, share in (("variance", variance), ("recall", recall)):
        if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1):
            raise InvalidOption(f"{name} is a share above 0 and up to 1, not {share!r}.")
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= inner.dim):
        raise InvalidOption(f"dim is a whole number from 1 to the inner embedder's {inner.dim}, not {dim!r}.")
    if method in ("random", "sparse") and (variance is not None or whiten):
        raise InvalidOption(f"method={method!r} looks at no variance: give dim= or recall=, and no whiten.")


def _batches(items: Iterable[Content]) -> Iterable[Sequence[Content]]:
    if hasattr(items, "iloc"):  # a data frame, whose slices are one too
        for start in range(0, len(items), BATCH):  # type: ignore[arg-type]
            yield items.iloc[start : start + BATCH]
        return
    stream = iter(items)
    while batch := list(itertools.islice(stream, BATCH)):
        yield batch


def reduced_embedder(
    *,
    embedder: Any = "default",
    dim: int | None = None,
    variance: float | None = None,
    recall: float | None = None,
    method: Method = "pca",
    whiten: bool = False,
    center: bool | None = None,
    seed: int = 0,
) -> ReducedEmbedder:
    """One that reduces another's vectors; it has to see data first, but for a random projection to a given dim.

    embedder: a name, or an embedder. dim, variance, recall: one of them. variance: the share of it to keep; recall: the share of the
    10 nearest neighbours by the full vectors to find again on held-out items. method: `pca`; `svd`, the same about the origin;
    `random`, a Gaussian random projection; `sparse`, mostly zeros. whiten: each dimension of variance 1. center: whether the mean is
    subtracted; by default for PCA where the inner vectors are not of unit length. Distances do not hang on it, but cosines do:
    vectors compared by their direction keep it only if they are turned about the origin.
    """
    from adjoin.embed.registry import embedder as find

    return ReducedEmbedder(
        find(embedder),
        dim=dim,
        variance=variance,
        recall=recall,
        method=method,
        whiten=whiten,
        center=center,
        seed=seed,
    )


def load_saved(path: str | os.PathLike[str], *, embedder: Any = None) -> ReducedEmbedder:
    """The saved one. embedder: the inner one, where it is no longer found by its name.

    Raises IdentityMismatch where the inner embedder is not the one it was learned with.
    """
    from adjoin.embed.registry import embedder as find

    found = saved.load(path)
    settings = found.settings
    try:
        inner = find(settings["reopened_by"] if embedder is None else embedder)
        if inner.identity.fingerprint != settings["inner"]:
            raise IdentityMismatch(
                f"this reduction was learned with the embedder {settings['inner_model']!r}, of the fingerprint "
                f"{settings['inner'][:12]}, and {inner.identity} is at hand. Bring that one back, or fit again."
            )
        made = ReducedEmbedder(
            inner, **settings["wanted"], method=settings["method"], whiten=settings["whiten"], center=settings["center_option"],
            seed=settings["seed"],
        )  # fmt: skip
        return made.restore(settings, found.arrays)
    except (KeyError, TypeError, IndexError) as exc:
        if isinstance(exc, InvalidInput):
            raise
        raise UnreadableFile(f"{path} does not describe a reduction: {exc!r}. Save it again.") from exc


def reduce(
    embedder: Embedder | str,
    dim: int | None = None,
    method: Method = "pca",
    *,
    variance: float | None = None,
    recall: float | None = None,
    whiten: bool = False,
    center: bool | None = None,
    seed: int = 0,
) -> ReducedEmbedder:
    """`adjoin.embedder("reduce", embedder=…, dim=…)` as a function."""
    return reduced_embedder(
        embedder=embedder,
        dim=dim,
        variance=variance,
        recall=recall,
        method=method,
        whiten=whiten,
        center=center,
        seed=seed,
    )
