"""Embeds a collection again with another model, beside the old vectors, and changes over in one transaction.

The copy is a collection of its own under a hidden name, filled block by block, each block committed: a run that was killed
goes on where it was. Until the change nothing of the collection itself is touched, so it goes on serving. What was written to
it meanwhile is brought over by further passes; the change is made only if nothing was written since the last one began.
Afterwards the old one stays as a copy, to go back to, until it is discarded.
"""

from __future__ import annotations

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from adjoin import ingest
from adjoin.engine import Batch, CollectionSpec, Engine, SearchRequest
from adjoin.errors import InvalidOption, NotFound, StoreLocked, Unsupported
from adjoin.types import Document, Id, Item, Progress, as_html

if TYPE_CHECKING:
    import numpy as np

    from adjoin.embed import Embedder, Refused

MARK: Final = "\x1f"
"""What hidden names have, and names that users give have not."""
COPY_OF: Final = "copy:of"
"""The note in which a copy says of which collection, by the engine's key, it holds the rows."""

_COPIES: Final[tuple[Literal["new", "old", "gone"], ...]] = ("new", "old", "gone")
BLOCK: Final = 256
_PASSES: Final = 50
_K: Final = 10

Judgements: TypeAlias = Mapping[str, Iterable[Id]] | Sequence[tuple[Any, Iterable[Id]]]
"""Queries with the ids that answer them."""


def hidden(name: str, which: Literal["new", "old", "gone"]) -> str:
    return f"{name}{MARK}{which}"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two embedders. ms_per_query: to embed a query and search, the median, None where there was nothing to ask.

    recall, mrr: of the judged queries at 10, None where none were given.
    """

    embedder: str
    dim: int | None
    ms_per_query: float | None = None
    recall: float | None = None
    mrr: float | None = None


@dataclass(slots=True)
class ReEmbedReport:
    """What embedding again did, and how the two embedders compare on the collection's own rows.

    rows: in the copy. embedded: texts whose vector was computed in this run; reused: found in the copy by their content.
    refused: items that the new embedder cannot embed. overlap: the mean share of the `sampled` rows' 10 nearest neighbours that
    both have. seconds: of embedding and writing. judged: how many queries with known answers. switched: whether the collection
    is embedded by the new one now.
    """

    before: Side
    after: Side
    rows: int = 0
    embedded: int = 0
    reused: int = 0
    tokens: int | None = None
    seconds: float = 0.0
    overlap: float | None = None
    sampled: int = 0
    judged: int = 0
    switched: bool = False
    refused: list[Refused] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name not in ("before", "after", "refused")}
        return plain | {
            "before": asdict(self.before), "after": asdict(self.after), "refused": [str(one) for one in self.refused],
        }  # fmt: skip

    def __str__(self) -> str:
        tokens = f", {self.tokens:,} tokens" if self.tokens is not None else ""
        lines = [
            f"{self.rows:,} rows: {self.embedded:,} embedded, {self.reused:,} found by their content, in {self.seconds:.1f} s{tokens}",
            f"{'':10} {'before':>28} {'after':>28}",
            *(
                f"{name:10} {_cell(getattr(self.before, key)):>28} {_cell(getattr(self.after, key)):>28}"
                for name, key in (
                    ("embedder", "embedder"), ("dimensions", "dim"), ("ms a query", "ms_per_query"),
                    ("recall@10", "recall"), ("MRR@10", "mrr"),
                )
                if getattr(self.before, key) is not None or getattr(self.after, key) is not None
            ),
        ]  # fmt: skip
        if self.overlap is not None:
            lines.append(
                f"of the 10 nearest neighbours of {self.sampled:,} rows, {self.overlap:.1%} are the same under both"
            )
        if self.refused:
            lines += [f"{len(self.refused):,} cannot be embedded:", *(f"  {one}" for one in self.refused[:20])]
        lines.append(
            "switched: the collection is embedded by the new one; roll_back() goes back"
            if self.switched
            else "not switched: the collection is embedded as before"
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(str(self))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "–" if value is None else str(value)[-28:]


@dataclass(frozen=True, slots=True)
class _Model:
    """A spec and what embeds for it."""

    spec: CollectionSpec
    get: Callable[[], Embedder | None]

    @property
    def embedder(self) -> Embedder:
        model = self.get()
        assert model is not None
        return model


def re_embed(
    engine: Engine,
    spec: CollectionSpec,
    old: Callable[[], Embedder | None],
    target: CollectionSpec,
    new: Callable[[], Embedder | None],
    *,
    switch: bool,
    without_refused: bool,
    judgements: Judgements,
    sample: int,
    progress: Progress | None,
) -> ReEmbedReport:
    """Fill the copy `target`, compare, and change over. Raises as `Collection.re_embed` says."""
    report = ReEmbedReport(
        Side(str(spec.embedder or "vectors brought"), spec.dim), Side(str(target.embedder), target.dim)
    )
    copy = _Model(target, new)
    version = _level(engine, spec, copy, report, progress)
    _compare(engine, _Model(spec, old), copy, report, judgements, sample)
    if not switch:
        return report
    if report.refused and not without_refused:
        raise InvalidOption(
            f"{len(report.refused):,} items cannot be embedded by {target.embedder!r}, and would be lost by the change: "
            f"{report.refused[0]}. The copy is kept; delete or mend them and call again, or allow it with without_refused=True."
        )
    _change_over(engine, spec, copy, hidden(spec.name, "old"), report, version, progress)
    report.switched = True
    return report


def roll_back(
    engine: Engine,
    spec: CollectionSpec,
    copy: CollectionSpec,
    old: Callable[[], Embedder | None],
    progress: Progress | None,
) -> ReEmbedReport:
    """Bring the old copy up to date and let it take its place again; the newer one stays as the copy `new`."""
    report = ReEmbedReport(Side(str(spec.embedder), spec.dim), Side(str(copy.embedder), copy.dim))
    model = _Model(copy, old)
    version = _level(engine, spec, model, report, progress)
    _change_over(engine, spec, model, hidden(spec.name, "new"), report, version, progress)
    report.switched = True
    return report


def discard(engine: Engine, name: str) -> int:
    """Drop the copies; returns how many there were."""
    found = 0
    for which in _COPIES:
        copy = hidden(name, which)
        if engine.spec(copy) is not None:
            engine.drop(copy)
            found += 1
    return found


def _change_over(
    engine: Engine,
    spec: CollectionSpec,
    copy: _Model,
    aside: str,
    report: ReEmbedReport,
    version: str,
    progress: Progress | None,
) -> None:
    """Let the copy take the collection's name, and the collection that of `aside`, once nothing was written meanwhile."""
    gone = hidden(spec.name, "gone")
    for _ in range(_PASSES):
        if engine.spec(gone) is not None:
            engine.drop(gone)
        names = {spec.name: aside, copy.spec.name: spec.name}
        if aside not in names and engine.spec(aside) is not None:
            names[aside] = gone
        if engine.rename(names, unchanged={spec.name: version}):
            if engine.spec(gone) is not None:
                engine.drop(gone)
            return
        version = _level(engine, spec, copy, report, progress)
    raise StoreLocked(
        f"{spec.name!r} was written to during each of {_PASSES} attempts to change over, faster than {copy.spec.embedder!r} "
        "embeds. Nothing is lost and the copy is kept; call again when there is less to do."
    )


def _level(engine: Engine, spec: CollectionSpec, copy: _Model, report: ReEmbedReport, progress: Progress | None) -> str:
    """Bring the copy in step with the collection; returns the version that it is in step with."""
    began = time.perf_counter()
    version = engine.version(spec.name)
    total, done, tally = engine.count(spec.name), 0, ingest.Tally()
    report.refused.clear()
    documents = engine.scan(spec.name)
    while block := list(itertools.islice(documents, BLOCK)):
        held = {document.id: document for document in engine.get(copy.spec.name, [one.id for one in block])}
        changed = [document for document in block if held.get(document.id) != document]
        if changed:
            _write(engine, copy, changed, done, report, tally)
        done += len(block)
        if progress:
            progress(done, max(done, total))
    if engine.count(copy.spec.name) + len(report.refused) != engine.count(spec.name):
        _remove_gone(engine, spec.name, copy.spec.name)
    _copy_notes(engine, spec, copy.spec.name)
    report.rows = engine.count(copy.spec.name)
    report.embedded += tally.embedded
    report.reused += tally.reused
    report.seconds += time.perf_counter() - began
    return version


def _write(
    engine: Engine, copy: _Model, documents: list[Document], done: int, report: ReEmbedReport, tally: ingest.Tally
) -> None:
    for document in documents:
        if document.content is None:
            raise Unsupported(
                f"row {document.id!r} has no content to embed: its vector was brought without one. Update it with its content, "
                "or delete it, and call again."
            )
    # What stood above a chunk is embedded with it, as it was when it was read.
    items = [
        Item(
            one.content,
            one.id,
            one.metadata,
            origin=one.origin,
            context=" > ".join(one.origin.heading) if one.origin else "",
        )
        for one in documents
    ]

    def refuse(one: Refused) -> None:
        report.refused.append(replace(one, position=done + one.position, item=f"id {documents[one.position].id!r}"))

    batch = ingest.batch_of_embeddable(items, copy.spec, engine, copy.get, tally, 0, refuse)
    written = {row.id for row in batch.rows}
    gone = [one.id for one in documents if one.id not in written]
    engine.write(copy.spec.name, [replace(batch, delete=gone)], mode="upsert", key=copy.spec.key)


def _remove_gone(engine: Engine, name: str, copy: str) -> None:
    documents = engine.scan(copy)
    while block := list(itertools.islice(documents, BLOCK)):
        ids = [document.id for document in block]
        there = {document.id for document in engine.get(name, ids)}
        gone = [id_ for id_ in ids if id_ not in there]
        if gone:
            engine.delete(copy, ids=gone)


def _copy_notes(engine: Engine, spec: CollectionSpec, copy: str) -> None:
    wanted, held = engine.notes(spec.name) | {COPY_OF: str(spec.key)}, engine.notes(copy)
    changed: dict[str, str | None] = {key: value for key, value in wanted.items() if held.get(key) != value}
    changed |= dict.fromkeys(held.keys() - wanted.keys())
    if changed:
        engine.write(copy, [Batch(notes=changed)], mode="upsert")


def _compare(
    engine: Engine, before: _Model, after: _Model, report: ReEmbedReport, judgements: Judgements, sample: int
) -> None:
    ids = _sampled(engine, after.spec.name, sample)
    if len(ids) > 1:
        near = [_neighbours(engine, model.spec.name, ids) for model in (before, after)]
        shares = [
            len(near[0][id_] & near[1][id_]) / max(1, min(_K, len(near[0][id_]), len(near[1][id_]))) for id_ in near[1]
            if id_ in near[0]
        ]  # fmt: skip
        report.overlap, report.sampled = sum(shares) / max(1, len(shares)), len(shares)
    judged = [
        (query, set(ids)) for query, ids in (judgements.items() if isinstance(judgements, Mapping) else judgements)
    ]
    report.judged = len(judged)
    sides = []
    for side, model in ((report.before, before), (report.after, after)):
        queries = [query for query, _ in judged] or _as_queries(engine, after.spec.name, ids)
        sides.append(_asked(engine, side, model, queries, [wanted for _, wanted in judged]))
    report.before, report.after = sides


def _sampled(engine: Engine, name: str, count: int) -> list[Id]:
    """Some rows, the same each time (reservoir sampling, Vitter 1985)."""
    pick, kept = random.Random(0), list[Id]()
    if count < 1:
        return kept
    for n, document in enumerate(engine.scan(name)):
        if n < count:
            kept.append(document.id)
        elif (place := pick.randrange(n + 1)) < count:
            kept[place] = document.id
    return kept


def _neighbours(engine: Engine, name: str, ids: list[Id]) -> dict[Id, set[Id]]:
    import numpy as np

    found: dict[Id, set[Id]] = {}
    documents = [one for one in engine.get(name, ids, with_vectors=True) if one.vector is not None]
    if documents:
        vectors = np.stack([one.vector for one in documents if one.vector is not None])
        for document, near in zip(documents, _search(engine, name, vectors, _K + 1, 1.0), strict=True):
            found[document.id] = set([id_ for id_ in near if id_ != document.id][:_K])
    return found


def _as_queries(engine: Engine, name: str, ids: list[Id]) -> list[Any]:
    """Contents of a few rows, for the clock alone."""
    texts = [one.content for one in engine.get(name, ids[:10])]
    return [text[:200] if isinstance(text, str) else text for text in texts]


def _asked(engine: Engine, side: Side, model: _Model, queries: list[Any], wanted: list[set[Id]]) -> Side:
    if not queries or model.spec.embedder is None:
        return side
    found: list[list[Id]] = []
    spent = []
    for query in queries:
        began = time.perf_counter()
        vectors = model.embedder.embed([query], "query")
        found += _search(engine, model.spec.name, vectors, _K, 0.95)
        spent.append(time.perf_counter() - began)
    side = replace(side, ms_per_query=statistics.median(spent) * 1000)  # the first one loads the model
    if not wanted:
        return side
    recalls = [len(set(near) & right) / min(_K, len(right)) for near, right in zip(found, wanted, strict=True) if right]
    ranks = [
        next((1 / rank for rank, id_ in enumerate(near, 1) if id_ in right), 0.0)
        for near, right in zip(found, wanted, strict=True)
        if right
    ]
    if not recalls:
        return side
    return replace(side, recall=sum(recalls) / len(recalls), mrr=sum(ranks) / len(ranks))


def _search(engine: Engine, name: str, vectors: np.ndarray[Any, Any], k: int, recall: float) -> Iterator[list[Id]]:
    for found in engine.search(name, SearchRequest(vectors, k, recall=recall)):
        yield [neighbour.document.id for neighbour in found.neighbours]


def copy_spec(engine: Engine, name: str, which: Literal["new", "old"]) -> CollectionSpec:
    """The spec of a copy. Raises NotFound where there is none."""
    spec = engine.spec(hidden(name, which))
    if spec is None:
        raise NotFound(
            f"there is no former state of {name!r} to go back to: it was not embedded again, or its copies were discarded."
        )
    return spec
