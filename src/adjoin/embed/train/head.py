"""`head`: a linear map over any frozen embedder, learned from labels, without PyTorch."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from adjoin.embed import saved
from adjoin.embed.base import Embedder, check_kind
from adjoin.embed.identity import Identity
from adjoin.embed.train.labels import check_labels, split
from adjoin.embed.train.report import TrainReport, judge
from adjoin.errors import (
    IdentityMismatch,
    InvalidInput,
    InvalidOption,
    InvalidVector,
    MissingExtra,
    NotFitted,
    UnreadableFile,
)
from adjoin.types import Content, Kind, Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.embed.train.labels import Places
    from adjoin.types import Floats

FAMILY: Final = "head"
METHODS: Final = ("blend", "lda", "nca")
NCA_ITEMS: Final = 2_000
"""More are not compared with each other, which is quadratic; a fixed sample of every label is."""
NCA_ITERATIONS: Final = 60
LEAST_SHRINKAGE: Final = 1e-3
BLENDED: Final = 0.5
"""How long the part of a vector that tells labels apart is, beside the vector as it was: of 0.5, 1, 2 and 4 the best on pages of
text."""
AT_ONCE: Final = 512
_PASSED_ON: Final = frozenset(
    {"takes", "takes_arrays", "canary_items", "kept", "hash_of", "max_tokens", "count_tokens", "is_cut", "truncated"}
)
"""What the frozen embedder may have besides, and what stays true of the head."""


class HeadEmbedder:
    """Vectors of a frozen embedder, mapped so that items of the same label lie near each other; of unit length.

    The frozen embedder is part of the identity. `report` tells of what was held out.
    """

    def __init__(self, base: Embedder, options: Mapping[str, Any]) -> None:
        self.base = base
        self._options = dict(options)
        self.reopened_by: str | None = None
        self.report: TrainReport | None = None
        self._mean: Floats | None = None
        self._map: Floats | None = None
        self._facts: dict[str, Any] = {}

    @property
    def identity(self) -> Identity:
        mean, mapped = self._fitted()
        base = self.base.identity
        return Identity(
            name=self.reopened_by or FAMILY, model=FAMILY, dim=int(mapped.shape[1]), prompts=base.prompts,
            weights=saved.digest_of(FAMILY, self._facts, {"mean": mean, "map": mapped}),
            max_tokens=base.max_tokens, settings={"over": base.model, "over_fingerprint": base.fingerprint},
        )  # fmt: skip

    @property
    def dim(self) -> int:
        return int(self._fitted()[1].shape[1])

    @property
    def labels(self) -> tuple[str, ...]:
        """The different labels that it learned from."""
        self._fitted()
        return tuple(self._facts["labels"])

    def fit(
        self, items: Iterable[Any], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Embed the items once, hold some out, and learn the map from the others; returns itself.

        labels: one for each, of two or more kinds, and two or more items of each.
        progress: called with (done, total): items embedded, and then iterations.
        Raises InvalidInput, what the frozen embedder raises, InvalidOption for a dim that cannot be had, and MissingExtra
        without scikit-learn. Cost: the embedder once over the items; blend and lda O(n·d² + d³), nca up to 60 times O(m²·d), where m is at
        most 2,000 of the items.
        """
        import numpy as np

        _learn()
        began = time.perf_counter()
        given = list(items)
        found = check_labels(len(given), labels, doing=FAMILY)
        parts = split(found, self._options["held_out"], self._options["seed"], watch=False)
        learned = parts.learned
        total = len(given) + NCA_ITERATIONS
        rows = []
        for start in range(0, len(given), AT_ONCE):
            rows.append(self._of_base(given[start : start + AT_ONCE], start))
            if progress:
                progress(min(start + AT_ONCE, len(given)), total)
        vectors = np.concatenate(rows)
        if not np.ptp(vectors[learned], axis=0).any():
            raise InvalidInput(
                "the frozen embedder gives all items the same vector, so that there is nothing to learn from."
            )
        limit = _most(self._options["method"], vectors.shape[1], len(found.names))
        blend = self._options["method"] == "blend"
        dim = self._options["dim"] or (limit if blend else min(limit, 64))
        if blend and dim < limit:
            raise InvalidOption(f"'blend' keeps all {limit} dimensions. For {dim} choose 'lda' or 'nca'.")
        if dim > limit:
            why = "the number of labels less one" if limit < vectors.shape[1] else "the frozen embedder's"
            raise InvalidOption(
                f"dim={dim} is more than {limit}, {why}, which is the most that {self._options['method']!r} has."
            )
        tell = (lambda step: progress(len(given) + min(step, NCA_ITERATIONS), total)) if progress else lambda step: None
        fit = {"blend": _blend, "lda": _lda, "nca": _nca}[self._options["method"]]
        mean, mapped = fit(vectors[learned], found.codes[learned], dim, self._options["seed"], tell)
        self._mean, self._map = mean.astype(np.float32), mapped.astype(np.float32)
        self._facts = {
            "method": self._options["method"], "dim": dim, "labels": list(found.names), "seed": self._options["seed"],
            "held_out": self._options["held_out"],
        }  # fmt: skip
        self.reopened_by = None

        def judged(rows: Floats) -> Any:
            told = parts.reported
            return judge(rows[learned], found.codes[learned], rows[told], found.codes[told])

        self.report = TrainReport(
            {"frozen embedder": judged(vectors), "after": judged(self._mapped(vectors))},
            len(found.names), len(learned), len(parts.reported), time.perf_counter() - began,
        )  # fmt: skip
        if progress:
            progress(total, total)
        return self

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim), of unit length.

        Raises NotFitted, and what the frozen embedder raises. Cost: the frozen embedder's and d·dim products an item.
        """
        check_kind(kind)
        self._fitted()
        return self._mapped(self.base.embed(items, kind))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads. The frozen embedder is kept by its name, not copied.

        Raises InvalidOption where it has none by which it can be found again.
        """
        mean, mapped = self._fitted()
        name = getattr(self.base, "reopened_by", None)
        if name is None:
            raise InvalidOption(
                f"the embedder {self.base.identity.name!r} below this head cannot be found again by a name. Save it first, "
                "or use one that adjoin.embedder knows."
            )
        settings = self._facts | {"base": name, "base_fingerprint": self.base.identity.fingerprint}
        target = saved.save(path, FAMILY, settings, {"mean": mean, "map": mapped})
        if self.report is not None:
            text = json.dumps({"history": None, "report": self.report.to_dict()}, indent=1, ensure_ascii=False)
            (target / "training.json").write_text(text, encoding="utf-8")
        self.reopened_by = str(target)
        return target

    def __getattr__(self, name: str) -> Any:
        if name in _PASSED_ON:
            return getattr(self.base, name)
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity if self._map is not None else f'{self.base!r}, not fitted'})"

    def _fitted(self) -> tuple[Floats, Floats]:
        if self._mean is None or self._map is None:
            raise NotFitted.of(FAMILY)
        return self._mean, self._map

    def _mapped(self, vectors: Floats) -> Floats:
        """A vector that the map takes to nothing gets the first axis, since zero has no direction."""
        import numpy as np

        mean, mapped = self._fitted()
        # One product a row: BLAS rounds differently by the number of rows, and a vector is the same in any company.
        moved = np.stack([row @ mapped for row in vectors - mean]) if len(vectors) else np.empty((0, mapped.shape[1]))
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        unit = np.where(lengths > 1e-9, moved / np.maximum(lengths, 1e-9), np.eye(1, mapped.shape[1]))
        return np.asarray(unit, dtype=np.float32)

    def _of_base(self, items: list[Any], first: int) -> Floats:
        import numpy as np

        vectors = np.asarray(self.base.embed(items), dtype=np.float32)
        if not np.isfinite(vectors).all():
            place = first + int((~np.isfinite(vectors)).any(axis=1).argmax())
            raise InvalidVector(f"item {place} has a vector with NaN or infinity.")
        return vectors


def _most(method: str, dim: int, labels: int) -> int:
    return min(dim, labels - 1) if method == "lda" else dim


def _lda(vectors: Floats, codes: Places, dim: int, seed: int, tell: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    from sklearn.covariance import ledoit_wolf_shrinkage

    residuals = vectors.astype("f8") - _means(vectors, codes)[codes]
    shrinkage = float(ledoit_wolf_shrinkage(residuals, assume_centered=True))
    return discriminants(vectors, codes, dim, shrinkage=max(shrinkage, LEAST_SHRINKAGE))


def _blend(vectors: Floats, codes: Places, dim: int, seed: int, tell: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """The likeness there was, and half as much of that by linear discriminants: (d,) and (d, d).

    The squared distance is the sum of both, each scaled to a mean of 1 and of BLENDED²; the map is the symmetric root of it.
    """
    import numpy as np

    mean, directions = _lda(vectors, codes, min(int(codes.max()), dim), seed, tell)
    moved = vectors - mean
    told = ((moved @ directions) ** 2).sum(axis=1).mean()
    metric = np.eye(dim) / (moved**2).sum(axis=1).mean() + BLENDED**2 * directions @ directions.T / max(told, 1e-300)
    spread, axes = np.linalg.eigh(metric)
    return mean, (axes * np.sqrt(np.maximum(spread, 0))) @ axes.T


def discriminants(
    vectors: Floats, codes: Places, dim: int, *, shrinkage: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear discriminants: the mean (d,) and a map (d, dim) to the directions in which labels differ most, best first, in
    which a distance of 1 is a standard deviation within a label.

    shrinkage: 0…1, how far the covariance within labels is drawn to a multiple of the identity; Ledoit and Wolf, 2004, say how
    far where there are few items. Cost: O(n·d² + d³).
    Source: Fisher, 1936; Rao, 1948.
    """
    import numpy as np

    means = _means(vectors, codes)
    residuals = vectors.astype(np.float64) - means[codes]
    within = residuals.T @ residuals / len(vectors)
    within = (1 - shrinkage) * within
    within[np.diag_indices_from(within)] += shrinkage * (residuals**2).mean()
    spread, axes = np.linalg.eigh(within)
    sound = spread > max(float(spread[-1]), 1e-300) * 1e-10
    whiten = axes[:, sound] / np.sqrt(spread[sound])
    mean = vectors.mean(axis=0, dtype=np.float64)
    between = np.sqrt(np.bincount(codes, minlength=len(means)) / len(vectors))[:, None] * ((means - mean) @ whiten)
    directions = np.linalg.svd(between, full_matrices=False)[2][:dim]
    return mean, whiten @ directions.T


def _means(vectors: Floats, codes: Places) -> NDArray[np.float64]:
    """The mean of each label, (labels, d)."""
    import numpy as np

    sums = np.zeros((int(codes.max()) + 1, vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    return np.asarray(sums / np.maximum(np.bincount(codes), 1)[:, None])


def _nca(vectors: Floats, codes: Places, dim: int, seed: int, tell: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Neighbourhood components, which raise the chance that a random near neighbour has the same label: (d,) and (d, dim).

    Source: Goldberger, Roweis, Hinton and Salakhutdinov, NIPS 2004.
    """
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    chosen = _sample(codes, NCA_ITEMS, seed)
    mean = vectors[chosen].mean(axis=0, dtype=np.float64)
    # Of one scale, since the chances are of distances as they are: unit vectors of 384 numbers are all about equally far.
    scale = max(float(vectors[chosen].std()), 1e-12)
    steps = iter(range(1, NCA_ITERATIONS + 1))
    model = NeighborhoodComponentsAnalysis(
        n_components=dim, init="pca" if dim <= min(len(chosen), vectors.shape[1]) else "identity", max_iter=NCA_ITERATIONS,
        random_state=seed, callback=lambda transformation, number: tell(next(steps, NCA_ITERATIONS)),
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 60 iterations are what was asked for
        model.fit((vectors[chosen].astype(np.float64) - mean) / scale, codes[chosen])
    return mean, model.components_.T / scale


def _sample(codes: Places, most: int, seed: int) -> Places:
    """Places of at most so many items, of each label its share and two at least."""
    import numpy as np

    if len(codes) <= most:
        return np.arange(len(codes))
    random = np.random.default_rng(seed)
    chosen = []
    for code in np.unique(codes):
        places = np.flatnonzero(codes == code)
        chosen.append(random.choice(places, max(2, round(most * len(places) / len(codes))), replace=False))
    return np.sort(np.concatenate(chosen))


def _learn() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError as exc:
        raise MissingExtra.of("scikit-learn", "learn", "Training a head over an embedder") from exc


def head_embedder(
    *,
    embedder: str | Path | Embedder = "default",
    method: str = "blend",
    dim: int | None = None,
    held_out: float = 0.2,
    seed: int = 0,
) -> HeadEmbedder:
    """A linear map over a frozen embedder, to be learned by `fit(items, labels)`.

    embedder: the frozen one, or its name. method: `blend` (as many dimensions as it has: the likeness that there was, and half
    as much of that by discriminants), `lda` (linear discriminants: quick, closed, at most one dimension less
    than there are labels) or `nca` (neighbourhood components: slower, any dimension, for labels that lie in several places).
    dim: of lda and nca, 64 if None, or the most that can be had. held_out: the share kept for the report.
    """
    if method not in METHODS:
        raise InvalidOption.unknown("method", method, METHODS)
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or dim < 1):
        raise InvalidOption(f"dim={dim!r} is no whole number of at least 1.")
    if not 0.01 <= held_out <= 0.9:
        raise InvalidOption(f"held_out={held_out!r} is not between 0.01 and 0.9.")
    return HeadEmbedder(_found(embedder), {"method": method, "dim": dim, "held_out": held_out, "seed": seed})


def load_head(path: Path, *, embedder: str | Path | Embedder | None = None) -> HeadEmbedder:
    """One that was saved. embedder: the frozen one, where it is no longer found by the name it had.

    Raises IdentityMismatch where the frozen embedder is not the one it was learned over.
    """
    content = saved.load(path)
    settings = dict(content.settings)
    base = _found(settings["base"] if embedder is None else embedder)
    if base.identity.fingerprint != settings["base_fingerprint"]:
        raise IdentityMismatch(
            f"the head in {path} was learned over another embedder than {base.identity}. Give that one with embedder=."
        )
    head = HeadEmbedder(base, {"method": settings["method"], "dim": settings["dim"], "held_out": settings["held_out"],
                               "seed": settings["seed"]})  # fmt: skip
    head._mean, head._map = content.arrays["mean"], content.arrays["map"]
    if head._map.shape != (base.dim, settings["dim"]) or head._mean.shape != (base.dim,):
        raise UnreadableFile(
            f"{path} holds a map of shape {head._map.shape} over {base.dim} dimensions. Save it again."
        )
    head._facts = {name: settings[name] for name in ("method", "dim", "labels", "seed", "held_out")}
    head.reopened_by = str(path.absolute())
    try:
        told = json.loads((path / "training.json").read_text(encoding="utf-8"))
        head.report = TrainReport.from_dict(told["report"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it embeds as well without
    return head


def _found(given: str | Path | Embedder) -> Embedder:
    from adjoin.embed.registry import embedder

    return embedder(given)
