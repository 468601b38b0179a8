"""A collection: things, their vectors, and their neighbours. It embeds, asks the engine, and dresses what comes back."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

from adjoin import ingest, swap
from adjoin.engine import CollectionSpec, Engine, Mode, SearchRequest
from adjoin.errors import (
    CollectionReplaced,
    IdentityMismatch,
    InvalidInput,
    InvalidMetadata,
    InvalidOption,
    NotFound,
)
from adjoin.frames import frame_rows, is_frame
from adjoin.held import KEEP, matching, reopening_name
from adjoin.query.ask import Options, Query, as_requested, query_vectors
from adjoin.query.hits import dress
from adjoin.strict import strict
from adjoin.swap import COPY_OF, Judgements, ReEmbedReport, hidden
from adjoin.types import Content, Document, Erased, Hits, Id, Item, Metadata, Progress, RecallReport, Where

if TYPE_CHECKING:
    from adjoin.embed import Embedder
    from adjoin.read import ReadSettings
    from adjoin.sync import IndexReport, Told
    from adjoin.types import Floats

_log = logging.getLogger(__name__)


class Collection:
    """Rows of one kind, embedded by one model and compared by one metric. `Database.collection` makes them.

    Reading sees what had been committed when the call began; a write that returned is on disk.
    """

    def __init__(self, engine: Engine, spec: CollectionSpec, embedder: Callable[[], Embedder | None]) -> None:
        """spec: as the engine has it. embedder: gives the collection's, loading it when it is first needed."""
        self._engine = engine
        self._spec = spec
        self._embedder = embedder

    @property
    def name(self) -> str:
        return self._spec.name

    @property
    def metric(self) -> str:
        return self._spec.metric

    @property
    def dim(self) -> int | None:
        """Of the vectors; None until the first arrives, where the user brings them."""
        return self._spec_with_dim().dim

    def _spec_with_dim(self) -> CollectionSpec:
        """The spec, looked at again while the dimension is not known."""
        if self._spec.dim is None:
            self._spec = self._engine.spec(self.name) or self._spec
        return self._spec

    @property
    def embedder(self) -> Embedder | None:
        """The model, loaded when it is first used; None where the user brings the vectors."""
        return self._embedder()

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        embedder = self._spec.embedder or "vectors brought"
        return f"Collection({self.name!r}, {self.count():,} documents, {embedder}, {self.metric}, {self.dim or '?'} dimensions)"

    @strict
    def add(
        self,
        items: Iterable[Content | Item] | Content | Item | None = None,
        ids: Iterable[Id] | Id | None = None,
        metadata: Iterable[Metadata] | Metadata | None = None,
        vectors: ingest.Vectors | None = None,
        *,
        progress: Progress | None = None,
        on_refused: ingest.OnRefused | None = None,
    ) -> list[Id]:
        """Store new items and return their ids, made up where none are given. When it returns, they are on disk.

        items: texts, records (dicts), paths, bytes, whatever else the embedder takes, or `Item`s; None with `vectors`.
        A generator streams in bounded memory. Of a data frame (pandas, polars, Arrow) every row is a record.
        metadata: one dict for each item, or one for all. vectors: (n, dim); items without one are embedded.
        on_refused: called with a `Refused` (position, item, error) for each item that cannot be embedded, such as a picture
        that cannot be read; the rest is stored. Without it such an item ends the call.
        Raises DuplicateId for an id that exists, and InvalidInput and its kin; nothing of the call is then stored.
        """
        return self._write(items, ids, metadata, vectors, progress, "add", on_refused)

    @strict
    def upsert(
        self,
        items: Iterable[Content | Item] | Content | Item | None = None,
        ids: Iterable[Id] | Id | None = None,
        metadata: Iterable[Metadata] | Metadata | None = None,
        vectors: ingest.Vectors | None = None,
        *,
        progress: Progress | None = None,
        on_refused: ingest.OnRefused | None = None,
    ) -> list[Id]:
        """Like `add`, but an id that exists is replaced, and a row that is the same already is left alone."""
        return self._write(items, ids, metadata, vectors, progress, "upsert", on_refused)

    def _write(
        self,
        items: Any,
        ids: Any,
        metadata: Any,
        vectors: Any,
        progress: Progress | None,
        mode: Mode,
        on_refused: ingest.OnRefused | None = None,
        *,
        anew: bool = False,
    ) -> list[Id]:
        """anew: write also those that are there already to the last bit; their vectors may be lost."""
        given = (items, ids, metadata, vectors)
        while True:
            self._refuse_another()
            try:
                return self._written(*given, progress, mode, on_refused, anew=anew)
            except CollectionReplaced:  # between the look and the write
                now = self._engine.spec(self.name)
                if now is None or now.key == self._spec.key or any(isinstance(one, Iterator) for one in given):
                    raise

    def _written(
        self,
        items: Any,
        ids: Any,
        metadata: Any,
        vectors: Any,
        progress: Progress | None,
        mode: Mode,
        on_refused: ingest.OnRefused | None,
        *,
        anew: bool,
    ) -> list[Id]:
        given = ingest.gather(items, ids, metadata, vectors)
        total = next(
            (len(x) for x in (items, vectors) if hasattr(x, "__len__") and not isinstance(x, str | bytes)), None
        )
        tally, written = ingest.Tally(), list[Id]()

        def remembering() -> Iterator[Any]:
            for batch in ingest.batches(
                given, self._spec, self._engine, self._embedder, tally, total=total, progress=progress,
                on_refused=on_refused,
            ):  # fmt: skip
                written.extend(row.id for row in batch.rows)
                yield dataclasses.replace(batch, delete=[row.id for row in batch.rows]) if anew else batch

        self._engine.write(self.name, remembering(), mode=mode, key=self._spec.key)
        if tally.truncated:
            _log.warning(
                "%d of %d texts are longer than the embedder reads; what lies beyond is stored but not searched. "
                "Split them, or use index().", tally.truncated, len(written),
            )  # fmt: skip
        return written

    def _refuse_another(self) -> None:
        """Refuse to write through a handle whose collection was dropped and made anew as something else."""
        now, held = self._engine.spec(self.name), self._spec
        if now is None:
            raise NotFound(
                f"there is no collection {self.name!r} any more: it was dropped. Get it with db.collection(…)."
            )
        if now.key == held.key:
            self._spec = now
        else:
            self._follow(now)

    def _follow(self, now: CollectionSpec) -> None:
        """Go on with the collection that has the name now, if it has the same rows or the same embedder."""
        held = self._spec
        if now.metric != held.metric:
            raise CollectionReplaced.named(self.name)
        if (now.embedder, now.identity) != (held.embedder, held.identity):
            if self._engine.notes(self.name, COPY_OF).get(COPY_OF) != str(held.key):
                raise CollectionReplaced.named(self.name)
            self._embedder = matching(now, KEEP)
        self._spec = now

    @strict
    def update(self, ids: Iterable[Id] | Id, metadata: Iterable[Metadata] | Metadata, *, replace: bool = False) -> int:
        """Merge metadata into rows that exist, or replace theirs; returns how many.

        metadata: one dict for all ids, or one for each. Raises NotFound for a missing id; nothing is then changed.
        """
        checked = ingest.check_ids(ids)
        changes = [metadata] * len(checked) if isinstance(metadata, Mapping) else _dicts(metadata)
        if len(changes) != len(checked):
            raise InvalidInput(f"{len(checked)} ids and {len(changes)} metadata. Give one dict, or one for each id.")
        return self._engine.update(self.name, list(zip(checked, changes, strict=True)), replace=replace)

    @strict
    def delete(self, ids: Iterable[Id] | Id | None = None, *, where: Where | None = None) -> int:
        """Remove rows by id or by filter, and return how many there were. Unknown ids do not count.

        `where={}` matches every row.
        """
        if (ids is None) == (where is None):
            raise InvalidOption(
                "delete() takes either ids or where=, so that nothing goes by mistake. where={} is every row."
            )
        return self._engine.delete(self.name, ids=None if ids is None else ingest.check_ids(ids), where=where)

    @overload
    def get(self, ids: Id, *, vectors: bool = False) -> Document | None: ...  # type: ignore[overload-overlap]  # a str is one id
    @overload
    def get(self, ids: Iterable[Id], *, vectors: bool = False) -> list[Document]: ...
    @strict
    def get(self, ids: Iterable[Id] | Id, *, vectors: bool = False) -> list[Document] | Document | None:
        """Rows by id: one or None for a single id; for several, those that exist, in the order asked."""
        documents = self._engine.get(self.name, ingest.check_ids(ids), with_vectors=vectors)
        if not isinstance(ids, Iterable) or isinstance(ids, str):
            return documents[0] if documents else None
        return documents

    @strict
    def count(self, where: Where | None = None) -> int:
        """How many rows there are, or match."""
        return self._engine.count(self.name, where)

    @strict
    def scan(self, where: Where | None = None, *, vectors: bool = False) -> Iterator[Document]:
        """Every row, or those that match, in the order of storing, as of the first `next`, in bounded memory."""
        return self._engine.scan(self.name, where, with_vectors=vectors)

    @strict
    def search(
        self,
        query: Query,
        k: int = 10,
        where: Where | None = None,
        recall: float = 0.95,
        mode: str = "auto",
        *,
        offset: int = 0,
        max_distance: float | None = None,
        exact: bool = False,
    ) -> Hits:
        """The k nearest rows, nearest first, ties by id; fewer only when fewer match.

        query: a text, a vector, or `Like(ids, unlike=ids)`, which leaves its own ids out.
        where: see docs/filters.md. recall: the share of the true neighbours that is promised, in (0, 1]; 1.0, or
        `exact=True`, is exact. offset: skip so many. max_distance: the metric's own, inclusive.
        """
        options = as_requested(k, recall, mode, offset, max_distance, exact)
        return self._search([query], options, where)[0]

    @strict
    def search_many(
        self,
        queries: Sequence[Query] | Any,
        k: int = 10,
        where: Where | None = None,
        recall: float = 0.95,
        mode: str = "auto",
        *,
        offset: int = 0,
        max_distance: float | None = None,
        exact: bool = False,
    ) -> list[Hits]:
        """`search` for many queries on one snapshot, and faster than one by one. queries: a list, a matrix (q, dim), or a data frame."""
        if isinstance(queries, str | bytes | Mapping):
            raise InvalidInput(
                f"search_many() takes a list of queries, not one {type(queries).__name__}. Use search()."
            )
        options = as_requested(k, recall, mode, offset, max_distance, exact)
        return self._search(list(frame_rows(queries) if is_frame(queries) else queries), options, where)

    def _search(self, queries: Sequence[Query], options: Options, where: Where | None) -> list[Hits]:
        if not queries:
            return []
        began = time.perf_counter()
        spec = self._spec_with_dim()
        vectors, left_out = query_vectors(queries, self._engine, spec, self._embedder)
        embed_ms = (time.perf_counter() - began) * 1000 / len(queries)
        request = SearchRequest(
            vectors, options.offset + options.k + max(map(len, left_out)), where, options.recall, options.max_distance,
            key=spec.key,
        )  # fmt: skip
        try:
            found = self._engine.search(self.name, request)
        except CollectionReplaced:  # embedded again since: the query has to be, too
            now = self._engine.spec(self.name)
            if now is None or now.key == spec.key:
                raise
            self._follow(now)
            return self._search(queries, options, where)
        return [
            dress(one, query, self._spec.metric, options, leave_out, embed_ms)
            for one, query, leave_out in zip(found, queries, left_out, strict=True)
        ]

    @strict
    def index(
        self,
        paths: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        settings: ReadSettings | None = None,
        progress: Progress | None = None,
        tell: Told | None = None,
    ) -> IndexReport:
        """Bring the collection in step with files and folders: read what changed, remove what has gone.

        Interrupted at any moment, it goes on where it was the next time. Unreadable files are in the report.
        """
        from adjoin.sync import sync

        chosen = [paths] if isinstance(paths, str | PathLike) else list(paths)
        return sync(self._engine, self._spec, self._embedder, chosen, settings=settings, progress=progress, tell=tell)

    @strict
    def index_items(
        self,
        items: Iterable[Item],
        *,
        total: int | None = None,
        source: str | None = None,
        fingerprint: str | None = None,
        progress: Progress | None = None,
    ) -> IndexReport:
        """Bring items that have ids of their own into the collection; those that are there already are left alone.

        Unlike `upsert` it commits every few hundred, so that an interrupted run goes on where it was, and reports.
        source, fingerprint: with them, items whose source is as it was at the end of the last run are not read at all.
        """
        from adjoin.sync import sync_items

        return sync_items(
            self._engine, self._spec, self._embedder, items,
            total=total, source=source, fingerprint=fingerprint, progress=progress,
        )  # fmt: skip

    @strict
    def optimize(self, *, progress: Progress | None = None) -> None:
        """Seal and merge now what the background would bring into an index by and by, and give unused space back.

        Searching goes on meanwhile. progress: called with (done, total) of the rows in the build.
        """
        self._engine.optimize(self.name, progress=progress)

    @strict
    def erase(self, ids: Iterable[Id] | Id | None = None, *, where: Where | None = None) -> Erased:
        """Delete rows so that neither content, metadata nor vector is left in any file, and read all files to see it.

        Returns how many there were and how many bytes were searched; `int(…)` is the count. Raises StoreError, after
        the rows are deleted, if something of them is still found, naming where.
        Cost: the database and every segment that had such a row are written anew.
        """
        if (ids is None) == (where is None):
            raise InvalidOption(
                "erase() takes either ids or where=, so that nothing goes by mistake. where={} is every row."
            )
        return self._engine.erase(self.name, ids=None if ids is None else ingest.check_ids(ids), where=where)

    @strict
    def re_embed(
        self,
        embedder: str | PathLike[str] | Embedder,
        *,
        switch: bool = True,
        without_refused: bool = False,
        judgements: Judgements = (),
        sample: int = 100,
        progress: Progress | None = None,
    ) -> ReEmbedReport:
        """Embed every row again with another model, compare the two, and change over to it.

        The collection goes on serving the old vectors meanwhile, to all processes. Interrupted, even killed, the same call goes
        on where it was; a text that was embedded already is not embedded again. The change is one transaction, and other
        processes follow it. The old vectors are kept for `roll_back` until `discard_copies`.
        switch: False fills the copy and compares; a later call changes over. judgements: queries with the ids that answer them,
        to compare recall@10 and MRR@10. sample: rows whose neighbours are compared. without_refused: change over although some
        items cannot be embedded by the new model, and are left out.
        Raises InvalidOption where another re-embedding is under way or items are refused, Unsupported for rows without content.
        """
        from adjoin.embed import embedder as find
        from adjoin.embed import with_canaries

        self._refuse_another()
        spec = self._spec
        model = find(embedder)  # type: ignore[arg-type]  # a path is one that finds it
        copy = self._engine.spec(hidden(self.name, "new"))
        if copy is None:
            copy = self._engine.create(
                dataclasses.replace(
                    spec, name=hidden(self.name, "new"), dim=model.dim, embedder=reopening_name(embedder),
                    identity=with_canaries(model).to_json(), key=None,
                )
            )  # fmt: skip
        try:
            get = matching(copy, model)
        except IdentityMismatch as exc:
            raise InvalidOption(
                f"{self.name!r} is being embedded again with {copy.embedder!r} already. Go on with that one, or call "
                f"discard_copies() first. {exc}"
            ) from exc
        report = swap.re_embed(
            self._engine, spec, self._embedder, copy, get, switch=switch, without_refused=without_refused,
            judgements=judgements, sample=sample, progress=progress,
        )  # fmt: skip
        if report.switched:
            self._spec, self._embedder = self._engine.spec(self.name) or spec, get
        return report

    @strict
    def roll_back(
        self, embedder: str | PathLike[str] | Embedder | None = None, *, progress: Progress | None = None
    ) -> ReEmbedReport:
        """Go back to the vectors from before the last `re_embed`, in one transaction.

        What was written since is embedded by the former model first. embedder: the former one, where it was an object.
        The newer vectors are kept, so that `re_embed` changes over again at little cost. Raises NotFound where nothing is left
        to go back to.
        """
        self._refuse_another()
        spec, copy = self._spec, swap.copy_spec(self._engine, self.name, "old")
        get = matching(copy, KEEP if embedder is None else embedder)
        report = swap.roll_back(self._engine, spec, copy, get, progress)
        self._spec, self._embedder = self._engine.spec(self.name) or spec, get
        return report

    @strict
    def discard_copies(self) -> int:
        """Give up what `re_embed` keeps beside the collection: the new vectors before the change, the old ones after it.

        Returns how many copies there were.
        """
        return swap.discard(self._engine, self.name)

    @strict
    def recall(self, *, k: int = 10, budget_s: float = 1.0) -> RecallReport:
        """The recall of live queries, by filter selectivity: a sample of them searched again both ways, as time allows.

        Queries of this process are sampled, at the recall they were asked with. What is found also corrects later
        searches. Wilson intervals at 95 %.
        """
        if k < 1 or not budget_s > 0:
            raise InvalidOption(f"k is 1 or more and budget_s a number of seconds above 0, not {k!r} and {budget_s!r}.")
        return self._engine.recall(self.name, k=k, budget_s=budget_s)

    def live_queries(self) -> Floats | None:
        """A fair sample of the vectors that this process has searched for without a filter, (q, dim); None for few."""
        return self._engine.live_queries(self.name)

    def embed_again(self, ids: Sequence[Id]) -> list[Id]:
        """Embed the stored texts of rows whose vectors are lost, and store them so; returns the ids of those that could be."""
        if self._spec.embedder is None:
            return []
        rows = [row for row in self._engine.rows_without_vectors(self.name, ids) if isinstance(row.content, str)]
        items = [Item(row.content, row.id, row.metadata, origin=row.origin) for row in rows]
        return self._write(items, None, None, None, None, "upsert", anew=True) if items else []

    def stats(self) -> dict[str, Any]:
        """Counts and bytes, with what the collection is."""
        spec = self._engine.spec(self.name)
        if spec is None:
            raise NotFound(f"the collection {self.name!r} was dropped.")
        return {
            "collection": spec.name, "metric": spec.metric, "dim": spec.dim, "embedder": spec.embedder, "index": spec.index,
            "params": dict(spec.params), "storage": spec.storage, **self._engine.stats(self.name),
            "copies": {
                which: {"embedder": copy.embedder, "documents": self._engine.count(copy.name)}
                for which in ("new", "old")
                if (copy := self._engine.spec(hidden(self.name, which))) is not None
            },
        }  # fmt: skip


def _dicts(metadata: Any) -> list[Metadata]:
    """Several dicts, checked before any is merged."""
    several = isinstance(metadata, Iterable) and not isinstance(metadata, str | bytes)
    changes: list[Any] = list(metadata) if several else [metadata]
    for change in changes:
        if not isinstance(change, Mapping):
            raise InvalidMetadata(
                f"metadata is a dict, or a list of dicts, not {type(change).__name__} ({change!r:.80})."
            )
    return changes
