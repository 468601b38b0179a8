"""Indexes that are built once and never change: what they all do, and the families by name.

A family is one module with one class: `family`, `metrics`, `options`, `build` and `load`. Kernels are imported when a
family is first used. What a search returns are candidates; the caller, who has the vectors, measures them exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from adjoin.distance import check_metric
from adjoin.errors import InvalidOption, Unsupported
from adjoin.index.graph import Graph
from adjoin.index.hnsw import Hnsw
from adjoin.index.ivf import Ivf, IvfPq
from adjoin.index.lsh import Lsh
from adjoin.index.measure import Rows
from adjoin.index.options import Option, Params, filled_in
from adjoin.index.pq import Pq
from adjoin.index.small import MOST_ROWS, Small
from adjoin.types import METRICS, Metric, Progress

if TYPE_CHECKING:
    from adjoin.types import Floats


class Built(Protocol):
    """An index over n rows, numbered from 0 in the order of the matrix it was built from. Threads may share it.

    efforts: the positions of its dial, rising: more effort finds more of the nearest rows and takes longer.
    params: what it was built with, as `check` gives them; `load` takes them again.
    nested: whether less effort finds the first of what more effort finds, so that effort is but a number of candidates.
    memory_bytes: about what it holds in memory.
    """

    @property
    def family(self) -> str: ...

    n: int
    dim: int
    metric: Metric
    efforts: tuple[int, ...]
    memory_bytes: int
    params: dict[str, Any]

    @property
    def nested(self) -> bool: ...

    def pool(self, depth: int, effort: int) -> int:
        """How many rows to ask `search` for, so that the `depth` nearest come out right once measured exactly.

        Below `depth` where this effort cannot bring so many.
        """
        ...

    def search(self, query: Floats, k: int, effort: int) -> Rows:
        """Rows near the query, nearest first by the index's own estimate, at most k of them and no row twice.

        query: float32 (dim,), without NaN; of length 1 under cosine. k: at least 1.
        Fewer than k where the index reaches no more; who needs k rows then compares them all.
        """
        ...

    def search_many(self, queries: Floats, k: int, effort: int, *, threads: int = 1) -> Rows:
        """The answers of `search`, shape (q, k), each filled up with -1 at its end."""
        ...

    def save(self, path: Path) -> None:
        """Write one file, whole; the caller syncs it."""
        ...


class Family(Protocol):
    """How indexes of one kind are made."""

    family: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    options: ClassVar[Mapping[str, Option]]

    @classmethod
    def build(
        cls, vectors: Floats, metric: Metric, params: Params, *, seed: int, threads: int, progress: Progress | None
    ) -> Built: ...

    @classmethod
    def load(cls, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> Built: ...


_KINDS: Final[dict[str, Any]] = {kind.family: kind for kind in (Graph, Hnsw, Lsh, Pq, Ivf, IvfPq)}
FAMILIES: Final = ("flat", *_KINDS)
"""All names that `check` knows, but `auto`. `flat` is no index: the rows are compared one and all."""


def families_for(metric: Metric) -> tuple[str, ...]:
    """The families that serve a metric; `flat` serves all."""
    return ("flat", *(name for name, kind in _KINDS.items() if metric in kind.metrics))


def options_of(family: str) -> Mapping[str, Option]:
    """The parameters that a family declares; none of `flat`."""
    return {} if family == "flat" else dict(_KINDS[family].options)


def choose(metric: Metric, n: int, dim: int) -> str:
    """What `auto` is for so many rows: the fastest family there is at equal recall."""
    check_metric(metric)
    if n <= MOST_ROWS:
        return "flat"
    if metric in Graph.metrics:
        return "graph" if has_graph() else "hnsw"
    return next((name for name in ("hnsw", "lsh") if name in families_for(metric)), "flat")


@cache
def has_graph() -> bool:
    """Whether the kernel of `graph` is installed; it is not loaded to find out."""
    return find_spec("rabitqlib") is not None


def fallback_note() -> str | None:
    """What to tell a user where `graph` is served by `hnsw`; None where nothing is missing."""
    if has_graph():
        return None
    return (
        "rabitqlib is not installed, so the index 'graph' is built as 'hnsw', which takes several times longer "
        "a search at equal recall. Where there is a wheel for this platform: pip install rabitqlib"
    )


def check(family: str, metric: Metric, params: Params, dim: int | None = None) -> dict[str, Any]:
    """The parameters of a family, with its defaults; None stands for what is chosen from the data.

    family: one of FAMILIES or `auto`; these two ask for no parameters of `auto` and `flat`.
    Raises InvalidOption for a family or parameter that is not known, or a value out of its range; Unsupported where
    the family does not serve the metric, naming those that do.
    """
    check_metric(metric)
    if family not in ("auto", *FAMILIES):
        raise InvalidOption.unknown("index", family, ("auto", *FAMILIES))
    if family in ("auto", "flat"):
        return filled_in(family, {}, params)
    if metric not in _KINDS[family].metrics:
        raise Unsupported(
            f"the index {family!r} does not serve the metric {metric!r}; "
            f"these do: {', '.join(families_for(metric))}. The metrics of {family!r}: "
            f"{', '.join(name for name in METRICS if name in _KINDS[family].metrics)}."
        )
    found = filled_in(family, _KINDS[family].options, params)
    if dim is not None and found.get("m") and family in ("pq", "ivfpq") and found["m"] > dim:
        raise InvalidOption(f"m is {found['m']}: vectors of {dim} components cannot be cut into so many parts.")
    return found


def build(
    family: str,
    vectors: Floats,
    metric: Metric,
    params: Params,
    *,
    seed: int = 0,
    threads: int = 0,
    progress: Progress | None = None,
) -> Built:
    """An index over rows as they are stored: float32 (n, dim), an array or a memory map, finite, n at least 1.

    family: any but `flat` and `auto`. params: as `check` takes them. threads: 0 for all cores.
    Other threads run on while it builds. Memory beside the index: one copy of the rows for `graph`, a block for others.
    """
    params = check(family, metric, params, vectors.shape[1])
    built: Built
    if len(vectors) <= MOST_ROWS:
        built = Small(family, vectors, metric)
    else:
        built = _kind(family).build(vectors, metric, params, seed=seed, threads=threads, progress=progress)
    built.params = params
    return built


def load(family: str, path: Path, *, n: int, dim: int, metric: Metric, params: Params) -> Built:
    """An index that `save` wrote. Raises StoreCorrupted where the file is not whole, or is of other rows."""
    params = check(family, metric, params, dim)
    built: Built
    if n <= MOST_ROWS:
        built = Small.load(family, path, n=n, dim=dim, metric=metric)
    else:
        built = _kind(family).load(path, n=n, dim=dim, metric=metric, params=params)
    built.params = params
    return built


def _kind(family: str) -> Any:
    if family in ("auto", "flat"):
        raise InvalidOption(f"{family!r} is no index that is built; build one of {', '.join(_KINDS)}.")
    if family == "graph" and not has_graph():
        raise Unsupported(str(fallback_note()))
    return _KINDS[family]
