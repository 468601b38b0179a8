"""From what the user asks to what an engine is asked: options checked, queries made vectors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from adjoin.distance import check_vectors
from adjoin.engine import CollectionSpec, Engine
from adjoin.errors import InvalidInput, InvalidOption, InvalidVector, NotFound, Unsupported, listed
from adjoin.types import Content, Id, Like

if TYPE_CHECKING:
    from adjoin.embed import Embedder
    from adjoin.types import Floats

Query: TypeAlias = str | bytes | Mapping[str, Any] | Like | Sequence[float] | Any
"""A text, a vector, ids to be like, or whatever else the collection's embedder takes."""

_NO_IDS: frozenset[Id] = frozenset()
MODES = ("auto", "vector", "lexical", "hybrid")


@dataclass(frozen=True, slots=True)
class Options:
    """What a search was asked for, checked."""

    k: int
    recall: float
    offset: int
    max_distance: float | None


def as_requested(k: int, recall: float, mode: str, offset: int, max_distance: float | None, exact: bool) -> Options:
    """The options, or InvalidOption naming the one that is out of its range."""
    if mode not in MODES:
        raise InvalidOption.unknown("mode", mode, MODES)
    if mode in ("lexical", "hybrid"):
        raise Unsupported(f"this version searches by vectors only; mode={mode!r} is not built yet. Use mode='auto'.")
    if not _is_number(recall) or not 0 < recall <= 1:
        raise InvalidOption(f"recall is a share above 0 and up to 1, not {recall!r}. 0.95 is usual, 1.0 is exact.")
    if max_distance is not None and not _is_number(max_distance):
        raise InvalidOption(f"max_distance is a number, not {max_distance!r}.")
    return Options(
        k=_whole("k", k, 1), recall=1.0 if exact else float(recall), offset=_whole("offset", offset, 0),
        max_distance=None if max_distance is None else float(max_distance),
    )  # fmt: skip


def _is_number(value: object) -> bool:
    """An int or a float, NumPy's too, that is one: neither a bool nor NaN."""
    is_real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return is_real and value == value


def _whole(name: str, value: object, least: int) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidOption(f"{name} is a whole number, not {value!r}.") from None
    if number < least:
        raise InvalidOption(f"{name} is {least} or more, not {number}.")
    return number


def query_vectors(
    queries: Sequence[Query], engine: Engine, spec: CollectionSpec, embedder: Callable[[], Embedder | None]
) -> tuple[Floats, list[frozenset[Id]]]:
    """A vector for each query, (q, dim), and the ids that its answer leaves out."""
    if (
        len(queries) == 1 and isinstance(queries[0], np.ndarray) and queries[0].ndim < 2
    ):  # the shortest way for what is asked most often
        return check_vectors(
            queries[0][None, :] if queries[0].ndim else [queries[0]],
            dim=spec.dim,
            metric=spec.metric,
            what="query",
        ), [_NO_IDS]
    arrays = any(isinstance(query, np.ndarray) and query.ndim > 1 for query in queries)
    arrays = arrays and getattr(embedder(), "takes_arrays", False)

    def is_vector(query: Query) -> bool:
        return _is_vector(query) and not (arrays and isinstance(query, np.ndarray) and query.ndim > 1)

    to_embed = [n for n, query in enumerate(queries) if not isinstance(query, Like) and not is_vector(query)]
    embedded = iter(_embed([queries[n] for n in to_embed], spec, embedder)) if to_embed else iter(())
    vectors: list[Any] = []
    left_out: list[frozenset[Id]] = []
    for query in queries:
        if isinstance(query, Like):
            vectors.append(_like(query, engine, spec))
            left_out.append(frozenset((*query.ids, *query.unlike)))
        else:
            vectors.append(check_vectors([query], dim=spec.dim, metric=spec.metric, what="query")[0]
                           if is_vector(query) else next(embedded))  # fmt: skip
            left_out.append(frozenset())
    return np.stack(vectors), left_out


def _is_vector(query: Query) -> bool:
    return isinstance(query, np.ndarray) or (
        isinstance(query, Sequence)
        and not isinstance(query, str | bytes)
        and all(isinstance(x, int | float | np.number) for x in query)
    )


def _embed(queries: list[Query], spec: CollectionSpec, embedder: Callable[[], Embedder | None]) -> Floats:
    model = embedder()
    if model is None:
        raise InvalidInput(
            f"collection {spec.name!r} has no embedder, so a query is a vector or Like(ids), not {type(queries[0]).__name__}."
        )
    for query in queries:
        if isinstance(query, str) and not query.strip():
            raise InvalidInput("the query is empty. Ask for something, or use scan() to list rows.")
    vectors: Floats = model.embed(cast("list[Content]", queries), kind="query")
    return vectors


def _like(query: Like, engine: Engine, spec: CollectionSpec) -> Floats:
    """The mean of the wanted less the mean of the unwanted, each of unit length under cosine (Rocchio, 1971)."""
    if not query.ids:
        raise InvalidInput("Like() needs one id at least.")
    wanted = _mean(query.ids, engine, spec)
    vector = wanted - 0.5 * _mean(query.unlike, engine, spec) if query.unlike else wanted
    if spec.metric == "cosine" and not np.any(vector):
        raise InvalidVector(
            "the wanted and the unwanted rows cancel out, so that no direction is left. Give other ids."
        )
    direction: Floats = vector.astype(np.float32)
    return direction


def _mean(ids: Sequence[Id], engine: Engine, spec: CollectionSpec) -> Any:
    documents = engine.get(spec.name, ids, with_vectors=True)
    if len(documents) < len(set(ids)):
        missing = set(ids) - {document.id for document in documents}
        raise NotFound(f"collection {spec.name!r} has no {listed(sorted(missing, key=str))}.")
    matrix = np.stack([document.vector for document in documents if document.vector is not None]).astype(np.float64)
    if spec.metric == "cosine":
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix.mean(axis=0)
