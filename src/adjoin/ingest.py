"""From what a user passes to rows with vectors: ids checked, texts embedded once, batches of bounded size."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoin.distance import check_vectors
from adjoin.embed.base import Refused, embed_all, renumbered
from adjoin.engine import Batch, CollectionSpec, Engine, Row
from adjoin.errors import (
    DimensionMismatch,
    InvalidContent,
    InvalidId,
    InvalidInput,
    InvalidMetadata,
    InvalidVector,
    UnreadableFile,
)
from adjoin.frames import frame_rows, is_frame, without_missing
from adjoin.hashing import hash_text
from adjoin.types import Content, Id, Item, Kind, Metadata, Progress, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.embed import Embedder
    from adjoin.types import Floats

EMBED_ROWS = 256  # texts embedded between two looks at the clock
GIVEN_ROWS = 32_768  # a call of so many rows is written at once; a longer one is spooled first

OnRefused = Callable[[Refused], None]

GetEmbedder = Callable[[], "Embedder | None"]
"""Gives the collection's embedder, loading it when it is first needed."""

Vectors = Sequence[Sequence[float]] | Iterable[Sequence[float]] | Any


def gather(
    items: Iterable[Content | Item] | Content | Item | None,
    ids: Iterable[Id] | Id | None,
    metadata: Iterable[Metadata] | Metadata | None,
    vectors: Vectors | None,
) -> Iterator[Item]:
    """One Item for each thing passed, in order; streams when the arguments do.

    A single str, bytes, dict or Item is one item. A single metadata dict goes to every item. Of a data frame every row is an
    item, or an item's metadata, of which missing values are left out.
    Raises InvalidInput when the arguments differ in length.
    """
    if isinstance(items, str | bytes | Mapping | Item | PurePath):
        items = [items]
        vectors = None if vectors is None else check_vectors(vectors)
    items = list(frame_rows(items)) if is_frame(items) else items
    metadata = [without_missing(row) for row in frame_rows(metadata)] if is_frame(metadata) else metadata
    if is_frame(vectors) and (to_numpy := getattr(vectors, "to_numpy", None)) is not None:
        vectors = to_numpy()
    _refuse_unordered(items=items, ids=ids, metadata=metadata, vectors=vectors)
    ids = [ids] if isinstance(ids, str | int | np.integer) else ids
    lengths = {
        name: len(value)
        for name, value in (("items", items), ("ids", ids), ("metadata", metadata), ("vectors", vectors))
        if isinstance(value, Sized) and not isinstance(value, Mapping)
    }
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{count} {name}" for name, count in lengths.items())
        raise InvalidInput(f"the arguments differ in length: {counted}. Give one of each for every item.")
    if items is None and vectors is None:
        raise InvalidInput("nothing to store: give items=, vectors=, or both.")
    return _zipped(items, ids, metadata, vectors)


def _refuse_unordered(**given: Any) -> None:
    """A set has no order by which its members could be matched with those of the other arguments."""
    columns = {name: value for name, value in given.items() if value is not None}
    if isinstance(columns.get("metadata"), Mapping):  # one for all
        del columns["metadata"]
    for name, value in columns.items():
        if isinstance(value, set | frozenset) and len(columns) > 1:
            raise InvalidInput(f"{name} is a set, which has no order. Give a list, one for each item.")
        if name == "ids" and (
            isinstance(value, bytes | bytearray | Mapping) or not isinstance(value, str | int | np.integer | Iterable)
        ):
            raise InvalidId(f"an id is a str or an int, not {type(value).__name__} ({value!r:.80}).")
        if name != "ids" and (isinstance(value, str | Mapping) or not isinstance(value, Iterable)):
            raise InvalidInput(f"{name} is a {type(value).__name__}. Give a list or a generator, one for each item.")


_END = object()


def _zipped(items: Any, ids: Any, metadata: Any, vectors: Any) -> Iterator[Item]:
    same = (
        itertools.repeat(metadata if metadata is not None else {})
        if metadata is None or isinstance(metadata, Mapping)
        else None
    )
    columns = {"items": items, "ids": ids, "metadata": None if same else metadata, "vectors": vectors}
    given = {name: iter(column) for name, column in columns.items() if column is not None}
    for number in itertools.count():
        values = {name: next(column, _END) for name, column in given.items()}
        ended = [name for name, value in values.items() if value is _END]
        if len(ended) == len(values):
            return
        if ended:
            raise InvalidInput(f"{ended[0]} ended after {number}, before the rest. Give one of each for every item.")
        yield _item(values, next(same) if same else values["metadata"])


def _item(values: Mapping[str, Any], metadata: Any) -> Item:
    """One Item from what stands beside each other; what an Item says itself gives way to what the call says."""
    content = values.get("items")
    for given in (metadata, content.metadata if isinstance(content, Item) else None):
        if given is not None and not isinstance(given, Mapping):
            raise InvalidMetadata(f"metadata of an item is a dict, not {type(given).__name__} ({given!r:.80}).")
    if not isinstance(content, Item):
        return Item(content, values.get("ids"), metadata or {}, values.get("vectors"))
    changed = {name: values[key] for key, name in (("ids", "id"), ("vectors", "vector")) if key in values}
    return replace(content, metadata={**(content.metadata or {}), **(metadata or {})}, **changed)


def check_id(id_: object) -> Id:
    """The id as it is kept: a str as it came, an int of 64 bits. NumPy's scalars become Python's."""
    if isinstance(id_, np.integer | np.str_):
        id_ = id_.item()
    if isinstance(id_, bool) or not isinstance(id_, str | int):
        raise InvalidId(f"an id is a str or an int, not {type(id_).__name__} ({id_!r:.80}).")
    if isinstance(id_, int):
        if not -(2**63) <= id_ < 2**63:
            raise InvalidId(f"an int id has 64 bits with its sign; this one needs {id_.bit_length() + 1:,}. Use a str.")
        return int(id_)
    try:
        id_.encode()
    except UnicodeEncodeError as exc:
        raise InvalidId(f"the id {id_!r:.80} has a lone surrogate, which no encoding can keep.") from exc
    return str.__str__(id_)


def check_ids(ids: Iterable[Id] | Id) -> list[Id]:
    if isinstance(ids, str | bytes | bytearray | Mapping) or not isinstance(ids, Iterable):
        return [check_id(ids)]
    return [check_id(id_) for id_ in ids]


@dataclass(slots=True)
class Tally:
    """What became of the texts: computed anew, or found among those stored; cut at the model's limit."""

    embedded: int = 0
    reused: int = 0
    truncated: int = 0


def batches(
    items: Iterator[Item],
    spec: CollectionSpec,
    engine: Engine,
    embedder: GetEmbedder,
    tally: Tally,
    *,
    total: int | None = None,
    progress: Progress | None = None,
    on_refused: OnRefused | None = None,
) -> Iterator[Batch]:
    """Rows with their vectors, a bounded number at a time, embedding those that came without.

    on_refused: is told of each item that cannot be embedded, and the rest goes on; None lets the first end the call.
    """
    done = 0
    for block in blocks(items):
        if on_refused is None:
            with renumbered(range(done, done + len(block))):
                yield batch(block, spec, engine, embedder, tally)
        else:
            yield batch_of_embeddable(block, spec, engine, embedder, tally, done, on_refused)
        done += len(block)
        if progress:
            progress(done, total)


def batch_of_embeddable(
    items: list[Item], spec: CollectionSpec, engine: Engine, embedder: GetEmbedder, tally: Tally,
    before: int, on_refused: OnRefused,
) -> Batch:  # fmt: skip
    """One batch of those that can be embedded; the others are told of by their place, from `before`, in the call."""
    try:
        return batch(items, spec, engine, embedder, tally)
    except (InvalidInput, UnreadableFile):
        return batch(_embeddable(items, spec, embedder, before, on_refused, tally), spec, engine, embedder, tally)


def _embeddable(
    block: list[Item], spec: CollectionSpec, embedder: GetEmbedder, before: int, on_refused: OnRefused, tally: Tally
) -> list[Item]:
    """The items that can be embedded, with their vectors."""
    places = [n for n, item in enumerate(block) if item.vector is None]
    model = embedder() if places else None
    if model is None:
        return block

    vectors, done, refused = embed_all(_ForSpec(model, spec), [embedded_text(block[n]) for n in places])
    found = {places[at]: vector for at, vector in zip(done, vectors, strict=True)}
    for one in refused:
        on_refused(replace(one, position=before + places[one.position]))
    tally.embedded += len(found)
    left_out = {places[one.position] for one in refused}
    keep = getattr(model, "kept", None) or (lambda content: content)
    return [
        replace(item, vector=found[n], content=keep(item.content)) if n in found else item
        for n, item in enumerate(block)
        if n not in left_out
    ]


class _ForSpec:
    """An embedder whose vectors are refused where the collection could not hold them."""

    def __init__(self, model: Embedder, spec: CollectionSpec) -> None:
        self._model, self._spec = model, spec
        self.identity, self.dim = model.identity, model.dim

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        return _computed(items, self._spec, self._model)


def blocks(items: Iterator[Item]) -> Iterator[list[Item]]:
    """Large blocks of items that bring their vectors, small ones of those to be embedded."""
    for first in items:
        most = EMBED_ROWS if first.vector is None else GIVEN_ROWS
        yield [first, *itertools.islice(items, most - 1)]


def batch(items: Sequence[Item], spec: CollectionSpec, engine: Engine, embedder: GetEmbedder, tally: Tally) -> Batch:
    """One batch of rows. Raises InvalidInput and its kin for what cannot be stored or embedded."""
    texts = {n: embedded_text(item) for n, item in enumerate(items) if item.vector is None}
    model = embedder() if texts else None
    hashes = {n: digest for n, text in texts.items() if (digest := _hash_of(text, model)) is not None}
    vectors = _Assembly(len(items))
    vectors.put_given([(n, item.vector) for n, item in enumerate(items) if item.vector is not None], spec)
    truncated = _embed(texts, hashes, spec, engine, model, vectors, tally) if texts else set()
    rows = [
        Row(
            id=uuid.uuid4().hex if item.id is None else check_id(item.id),
            content=_kept(item.content, model),
            metadata=item.metadata,
            origin=item.origin,
            text_hash=hashes.get(n),
            truncated=n in truncated,
        )
        for n, item in enumerate(items)
    ]
    return Batch(rows, vectors.matrix)


def _hash_of(item: Content, embedder: Embedder | None) -> bytes | None:
    """By which the vector of an equal item is found again; None where there is no telling."""
    own = getattr(embedder, "hash_of", None)
    if own is not None:
        digest: bytes | None = own(item)
        return digest
    return hash_text(item) if isinstance(item, str) and getattr(embedder, "takes", "text") == "text" else None


def _kept(content: Any, embedder: Embedder | None) -> Content:
    """What is stored of an item."""
    keep = getattr(embedder, "kept", None)
    if keep is not None:
        content = keep(content)
    if isinstance(content, Mapping):
        return dict(content)
    return str(content) if isinstance(content, PurePath) else content


def embedded_text(item: Item) -> Content:
    """What the embedder sees: the context above the content, where there is one."""
    return f"{item.context}\n{item.content}" if item.context and isinstance(item.content, str) else item.content


def _refuse_other_lengths(vectors: Sequence[Any], spec: CollectionSpec) -> None:
    lengths = [len(vector) if isinstance(vector, Sized) else 1 for vector in vectors]
    needed = spec.dim or lengths[0]
    for n, length in enumerate(lengths):
        if length != needed:
            where = f"vector {n} of this call" if len(vectors) > 1 else "this one"
            raise DimensionMismatch(
                f"collection {spec.name!r} holds {needed}-dimensional vectors; {where} has {length}. "
                "Nothing of this call was stored. Embed with the model that the others were embedded with."
            )


class _Assembly:
    """Collects the rows of a matrix whose width the first of them decides."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.matrix: Floats | None = None

    def put(self, places: Sequence[int], vectors: NDArray[np.float32]) -> None:
        if self.matrix is None:
            self.matrix = np.empty((self._count, vectors.shape[1]), np.float32)
        self.matrix[list(places)] = vectors

    def put_given(self, given: list[tuple[int, Any]], spec: CollectionSpec) -> None:
        if given:
            rows = [vector for _, vector in given]
            if np.ndim(rows[0]) == 0:
                raise InvalidVector(f"vectors is a list of vectors, and {rows[0]!r:.40} is none. Write [[…], […]].")
            _refuse_other_lengths(rows, spec)
            self.put([n for n, _ in given], check_vectors(rows, dim=spec.dim, metric=spec.metric))


def _embed(
    texts: dict[int, Content],
    hashes: dict[int, bytes],
    spec: CollectionSpec,
    engine: Engine,
    embedder: Embedder | None,
    vectors: _Assembly,
    tally: Tally,
) -> set[int]:
    """Put the vector of every text in its place; returns the places whose text was cut at the model's limit."""
    if embedder is None:
        raise InvalidContent(
            f"collection {spec.name!r} has no embedder, so every item needs a vector. Pass vectors=, or make a collection "
            "with embedder='default'."
        )
    known = engine.known_vectors(spec.name, list(hashes.values()))
    new: dict[bytes | int, int] = {}
    for n in texts:
        if hashes.get(n) not in known:
            new.setdefault(hashes.get(n, n), n)
    with renumbered(list(new.values())):
        computed = _computed([texts[n] for n in new.values()], spec, embedder) if new else None
    place = {key: row for row, key in enumerate(new)}
    for n in texts:
        held = known.get(hashes[n]) if n in hashes else None
        if held is None:
            assert computed is not None
            held = computed[place[hashes.get(n, n)]]
        vectors.put([n], held[None, :])
    tally.embedded += len(new)
    tally.reused += len(texts) - len(new)
    truncated = _truncated(texts, embedder)
    tally.truncated += len(truncated)
    return truncated


def _computed(texts: Sequence[Content], spec: CollectionSpec, embedder: Embedder) -> Floats:
    """The embedder's vectors, refused where they could not be searched: some give zeros for a text they know nothing of."""
    vectors = embedder.embed(texts, kind="document")
    try:
        return check_vectors(vectors, dim=spec.dim, metric=spec.metric)
    except InvalidVector:
        for text, vector in zip(texts, vectors, strict=True):
            check_vectors(
                vector, dim=spec.dim, metric=spec.metric, what=f"the embedder's vector of {shown(text, 60)!r}"
            )
        raise


def _truncated(texts: dict[int, Content], embedder: Embedder) -> set[int]:
    """The places of texts longer than the embedder reads, where it can tell."""
    is_cut = getattr(embedder, "is_cut", None)
    if is_cut is None:
        return set()
    return {n for n, cut in zip(texts, is_cut(list(texts.values())), strict=True) if cut}
