"""What adjoin asks of a database: the `Engine` protocol, what passes through it, and what an engine can do.

An engine keeps rows and finds neighbours. It knows nothing of embedders: vectors come in ready, and the
embedder's name and identity are two texts that it keeps with a collection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias

from adjoin.types import Content, Diagnosis, Document, Erased, Id, Metric, Origin, Plan, Progress, RecallReport, Where

if TYPE_CHECKING:
    from pathlib import Path

    from adjoin.types import Floats

Mode: TypeAlias = Literal["add", "upsert"]
Absence: TypeAlias = Literal["notimpl", "notyet", "never"]
"""Why an engine lacks something: we have not built it, they have not, or it cannot be."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an engine can do by itself, stated once.

    metrics: those it computes. filters: the operators it evaluates. durable: what it acknowledges survives the process.
    writers: how many processes may write at once. atomic: a call is stored whole or not at all.
    indexes: the families a user may name. storage: how it can keep vectors. exact: whether recall=1.0 is kept.
    gaps: what it lacks of the contract (`docs/engine-contract.md`), by behaviour, each with its kind and its reason.
    """

    metrics: frozenset[Metric]
    filters: frozenset[str]
    durable: bool
    atomic: bool
    writers: Literal["one", "many"]
    indexes: frozenset[str] = frozenset({"auto", "flat"})
    storage: frozenset[str] = frozenset({"float32"})
    exact: bool = True
    gaps: Mapping[str, tuple[Absence, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CollectionSpec:
    """What a collection is, apart from its rows.

    dim: None until the first vector arrives, where the user brings the vectors.
    embedder: the name that opens it again, None where the user brings the vectors. identity: its identity as JSON.
    index: the family of its index, `auto` to let the engine choose. params: that family's own, by their usual names.
    storage: how vectors are kept; with less than float32 they are rounded when they come in.
    key: the engine's own number of it, which no other collection ever has; None before it is made.
    """

    name: str
    metric: Metric = "cosine"
    dim: int | None = None
    embedder: str | None = None
    identity: str | None = None
    index: str = "auto"
    params: Mapping[str, Any] = field(default_factory=dict)
    storage: str = "float32"
    key: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Row:
    """A document on its way in. text_hash: of what was embedded, so that its vector can be found again."""

    id: Id
    content: Content
    metadata: Mapping[str, Any]
    origin: Origin | None = None
    text_hash: bytes | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows with their vectors, float32 (n, dim), and what else changes with them.

    delete: ids that go, before the rows come. notes: what the caller wants to remember; None forgets a key.
    """

    rows: Sequence[Row] = ()
    vectors: Floats | None = None
    delete: Sequence[Id] = ()
    notes: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did. unchanged: rows that were there already, to the last bit, and were left alone."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """vectors: queries, float32 (q, dim). recall: in (0, 1]; 1.0 is exact. max_distance: the metric's own, inclusive.

    key: of the collection that the vectors were made for; an engine raises CollectionReplaced when it is another by now.
    """

    vectors: Floats
    k: int
    where: Where | None = None
    recall: float = 0.95
    max_distance: float | None = None
    with_vectors: bool = False
    key: int | None = None


class Neighbour(NamedTuple):
    document: Document
    distance: float


class Found:
    """One query's neighbours, by distance and then by id, and how they were found.

    plan: the plan, or what makes it when someone asks; few do, and a search should not wait for it.
    """

    __slots__ = ("_plan", "neighbours")

    def __init__(self, neighbours: list[Neighbour], plan: Plan | Callable[[], Plan]) -> None:
        self.neighbours = neighbours
        self._plan = plan

    @property
    def plan(self) -> Plan:
        if not isinstance(self._plan, Plan):
            self._plan = self._plan()
        return self._plan


class Engine(Protocol):
    """A database that adjoin can keep collections in.

    Every method that names a collection raises NotFound when there is none of that name, but `spec`.
    Driver errors are translated into `adjoin.errors`, with the cause kept.
    """

    abilities: ClassVar[Abilities]
    location: str

    def collections(self) -> list[CollectionSpec]: ...

    def spec(self, name: str) -> CollectionSpec | None: ...

    def create(self, spec: CollectionSpec) -> CollectionSpec:
        """Make the collection and return its spec; one that exists is returned as it is."""
        ...

    def drop(self, name: str) -> None: ...

    def version(self, name: str) -> str:
        """A text that is another one after any change of the collection's rows or notes."""
        ...

    def rename(self, names: Mapping[str, str], *, unchanged: Mapping[str, str]) -> bool:
        """Give collections other names, all at once; names may be exchanged.

        unchanged: name → version; where one is not that any more, nothing is done and False returned.
        Raises DuplicateId where a new name is another collection's already.
        """
        ...

    def write(self, name: str, batches: Iterable[Batch], *, mode: Mode, key: int | None = None) -> Written:
        """Store all batches, or nothing. Streams: holds one batch at a time. Returns when it is durable.

        key: of the collection that the vectors were made for; CollectionReplaced is raised when it is another by now.
        Raises DuplicateId for an id that exists (`add`) or stands twice in the call (both modes),
        DimensionMismatch for a vector of another length.
        """
        ...

    def update(self, name: str, changes: Iterable[tuple[Id, Mapping[str, Any]]], *, replace: bool) -> int:
        """Merge into, or replace, the metadata of rows. Raises NotFound, with nothing changed, if one is missing."""
        ...

    def delete(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> int:
        """Remove rows by id or by filter; returns how many there were."""
        ...

    def get(self, name: str, ids: Sequence[Id], *, with_vectors: bool = False) -> list[Document]:
        """Those of the ids that exist, in the order asked."""
        ...

    def count(self, name: str, where: Where | None = None) -> int: ...

    def scan(self, name: str, where: Where | None = None, *, with_vectors: bool = False) -> Iterator[Document]:
        """Every row as of the moment of the first `next`, in the order of storing, in bounded memory."""
        ...

    def search(self, name: str, request: SearchRequest) -> list[Found]:
        """The neighbours of each query, all queries on one snapshot. Never fewer than k while k match."""
        ...

    def known_vectors(self, name: str, text_hashes: Sequence[bytes]) -> dict[bytes, Floats]:
        """Stored vectors of texts that were embedded before; a hash that is not known is left out."""
        ...

    def notes(self, name: str, prefix: str = "") -> dict[str, str]:
        """What was remembered through `Batch.notes`, by key."""
        ...

    def stats(self, name: str) -> dict[str, Any]: ...

    def optimize(self, name: str, *, progress: Progress | None = None) -> None:
        """Bring the index up to date now rather than in the background, and give unused space back."""
        ...

    def erase(self, name: str, *, ids: Sequence[Id] | None = None, where: Where | None = None) -> Erased:
        """Delete so that neither content, metadata nor vector is left on disk, and look whether that is so."""
        ...

    def recall(self, name: str, *, k: int, budget_s: float) -> RecallReport:
        """What share of the true neighbours live queries got, measured against exact search."""
        ...

    def live_queries(self, name: str) -> Floats | None:
        """A fair sample of the vectors that this process has asked for without a filter; None while there are few."""
        ...

    def backup(self, path: Path) -> None:
        """A copy of the whole database as it is at one moment, while it is in use."""
        ...

    def doctor(self, *, repair: bool = False) -> Diagnosis:
        """Look at all there is, name each damage, and with `repair` rebuild what follows from the rest."""
        ...

    def rows_without_vectors(self, name: str, ids: Sequence[Id]) -> list[Document]:
        """Rows by id, without looking at their vectors: for repair, where these may be lost."""
        ...

    def close(self) -> None: ...
