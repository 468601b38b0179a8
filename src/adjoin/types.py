"""The words that every room uses: items going in, documents kept, hits coming out.

Filters, which are a language of their own, live beside this in `filters.py`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, overload

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float32]

Id: TypeAlias = str | int
Content: TypeAlias = str | bytes | Mapping[str, Any] | None
Metadata: TypeAlias = Mapping[str, Any]
Where: TypeAlias = Mapping[str, Any]
Metric: TypeAlias = Literal["cosine", "euclidean", "manhattan", "chebyshev", "dot", "hamming"]
Kind: TypeAlias = Literal["document", "query"]
Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with (done, total); total is None while it is not known."""

METRICS: tuple[Metric, ...] = ("cosine", "euclidean", "manhattan", "chebyshev", "dot", "hamming")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a piece of content came from.

    file: its path. name: a dotted name inside it (`json.loads`), where it has one.
    line: the first line, from 1. page: from 1. offset: the first character, from 0, in the decoded text.
    length: characters. heading: the titles above it, outermost first.
    seconds: (start, end) in a clip. row: the record's number in a table, from 1.
    """

    file: str | None = None
    name: str | None = None
    line: int | None = None
    page: int | None = None
    offset: int | None = None
    length: int | None = None
    heading: tuple[str, ...] = ()
    seconds: tuple[float, float] | None = None
    row: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Only the fields that are known."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value not in (None, ())
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Origin:
        known = dict(fields)
        if "heading" in known:
            known["heading"] = tuple(known["heading"])
        if "seconds" in known:
            start, end = known["seconds"]
            known["seconds"] = (start, end)
        return cls(**known)

    def __str__(self) -> str:
        """`path:line`, which editors and terminals open."""
        place = self.file or self.name or ""
        if self.line is not None:
            place += f":{self.line}"
        if self.page is not None:
            place += f" p. {self.page}"
        return place


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to add, with all that may be said of it at once.

    context: words that are embedded before the content but are not part of it, such as the headings above it.
    """

    content: Content
    id: Id | None = None
    metadata: Metadata = field(default_factory=dict)
    vector: Sequence[float] | NDArray[Any] | None = None
    origin: Origin | None = None
    context: str = ""


class Document(NamedTuple):
    """A row as it is kept. Two are equal when all but their vectors is."""

    id: Id
    content: Content
    metadata: dict[str, Any]
    origin: Origin | None = None
    vector: Floats | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Document) and self[:4] == other[:4]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        raise TypeError("a Document has a dict, and so no hash")


@dataclass(frozen=True, slots=True)
class Like:
    """A query by example: near to these ids, away from those.

    >>> Like(["a", "b"], unlike=["c"])
    Like(ids=('a', 'b'), unlike=('c',))
    """

    ids: Sequence[Id]
    unlike: Sequence[Id] = ()

    def __init__(self, ids: Id | Sequence[Id], unlike: Id | Sequence[Id] = ()) -> None:
        object.__setattr__(self, "ids", _as_ids(ids))
        object.__setattr__(self, "unlike", _as_ids(unlike))


def _as_ids(ids: Id | Sequence[Id]) -> tuple[Id, ...]:
    return (ids,) if isinstance(ids, str | int) else tuple(ids)


class Hit(NamedTuple):
    """One neighbour.

    score rises with likeness; distance is the metric's own and falls with it; rank counts from 1.
    """

    id: Id
    content: Content
    metadata: dict[str, Any]
    score: float
    distance: float
    rank: int
    origin: Origin | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps(…, default=str)`."""
        return {
            "rank": self.rank,
            "id": self.id,
            "score": self.score,
            "distance": self.distance,
            "content": self.content,
            "metadata": self.metadata,
            "origin": self.origin.to_dict() if self.origin else None,
        }


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """How one part of a collection was searched.

    place: the segment's id, or `tail` for rows not sealed yet. strategy: `exact`, or the family of the index.
    estimated, matching: rows that the filter was expected to leave, and that it left. candidates: rows looked at.
    effort: of the index (`ef`, `nprobe` …); None where it was not asked. ms: milliseconds.
    """

    place: str
    strategy: str
    reason: str
    rows: int
    estimated: int
    matching: int
    candidates: int
    effort: int | None
    ms: float

    def __str__(self) -> str:
        return (
            f"  {self.place}: {self.strategy}: {self.reason}; {self.matching:,} of {self.rows:,} match, "
            f"{self.candidates:,} compared, {self.ms:.2f} ms"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search was carried out.

    strategy: `exact` or the index's family. reason: why the planner chose it.
    candidates: rows that were looked at. matching: rows that passed the filter. rows: rows in the collection.
    recall_asked, recall_promised: in (0, 1]; promised is a lower bound. stages_ms: stage → milliseconds, in order.
    estimated: rows that were expected to pass the filter when the way was chosen. segments: each part's own plan.
    """

    strategy: str
    reason: str
    rows: int
    matching: int
    candidates: int
    recall_asked: float
    recall_promised: float
    stages_ms: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    estimated: int | None = None
    segments: tuple[SegmentPlan, ...] = ()

    @property
    def selectivity(self) -> float:
        """The share of the rows that passed the filter."""
        return self.matching / self.rows if self.rows else 0.0

    @property
    def selectivity_estimated(self) -> float:
        """The share that the planner expected."""
        return self.selectivity if self.estimated is None else self.estimated / max(1, self.rows)

    def with_stages(self, before: Mapping[str, float], after: Mapping[str, float]) -> Plan:
        """The same plan with stages that ran before and after it."""
        return replace(self, stages_ms={**before, **self.stages_ms, **after})

    def __str__(self) -> str:
        filtered = (
            f", {self.matching:,} match the filter ({self.selectivity:.2%}; {self.selectivity_estimated:.2%} were expected)"
            if self.matching != self.rows
            else ""
        )
        lines = [
            f"{self.strategy}: {self.reason}",
            f"rows: {self.rows:,}{filtered}; compared: {self.candidates:,}",
            f"recall: asked {self.recall_asked:g}, promised {self.recall_promised:g}"
            + (" (exact)" if self.recall_promised >= 1 else ""),
            "time: "
            + " + ".join(f"{name} {ms:.2f}" for name, ms in self.stages_ms.items())
            + f" = {sum(self.stages_ms.values()):.2f} ms",
        ]
        parts = map(str, self.segments) if len(self.segments) > 1 else ()
        return "\n".join([*lines, *parts, *self.notes])

    def _repr_html_(self) -> str:
        return as_html(str(self))


@dataclass(frozen=True, slots=True)
class Erased:
    """What `erase` did. deleted: rows. searched_bytes: bytes of files that were read to see that nothing is left.
    found: places where something of them still stood; empty, or the erasure failed."""

    deleted: int
    searched_bytes: int = 0
    found: tuple[str, ...] = ()

    def __int__(self) -> int:
        return self.deleted


@dataclass(frozen=True, slots=True)
class RecallLine:
    """Recall within one range of filter selectivity.

    selectivity: (above, up to), shares of the rows that matched; (0, 1) for all. queries: how many were measured.
    right, wanted: true neighbours returned, and all there were. recall: their ratio, with its Wilson interval at 95 %.
    """

    selectivity: tuple[float, float]
    queries: int
    right: int
    wanted: int
    recall: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RecallReport:
    """Recall of live queries, measured against exact search. lines: all first, then by filter selectivity."""

    asked: float
    lines: tuple[RecallLine, ...]
    seconds: float

    @property
    def queries(self) -> int:
        return self.lines[0].queries if self.lines else 0

    @property
    def recall(self) -> float | None:
        """None while no query has been measured."""
        return self.lines[0].recall if self.queries else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return (self.lines[0].low, self.lines[0].high) if self.queries else None

    def __str__(self) -> str:
        if not self.queries:
            return "recall: no query to measure yet; search first"
        shown = [
            f"{'all queries' if line.selectivity == (0.0, 1.0) else f'{line.selectivity[0]:.1%} to {line.selectivity[1]:.1%} match':>24}"
            f"  {line.recall:.4f}  [{line.low:.4f}, {line.high:.4f}]  {line.queries:,} queries"
            for line in self.lines
        ]
        return "\n".join([f"recall of live queries (asked {self.asked:g}), measured in {self.seconds:.2f} s", *shown])

    def _repr_html_(self) -> str:
        return as_html(str(self))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `doctor` found. place: a file or a collection. repairable: from what is true.
    repaired: done in this run. level: `damage`, or `note` for what is no damage.
    collection, ids: the rows that it is about, where it is about rows."""

    place: str
    what: str
    level: Literal["damage", "note"] = "damage"
    repairable: bool = False
    repaired: bool = False
    collection: str | None = None
    ids: tuple[Id, ...] = ()

    def __str__(self) -> str:
        end = " (repaired)" if self.repaired else " (can be repaired: doctor --repair)" if self.repairable else ""
        return f"{self.level}: {self.place}: {self.what}{end}"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` looked at and found."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...] = ()

    @property
    def healthy(self) -> bool:
        """No damage, or none left."""
        return all(finding.level == "note" or finding.repaired for finding in self.findings)

    def __str__(self) -> str:
        lines = [*map(str, self.findings)] or ["no damage found"]
        return "\n".join([*lines, f"checked: {', '.join(self.checked)}"] if self.checked else lines)

    def _repr_html_(self) -> str:
        return as_html(str(self))


class Hits(Sequence[Hit]):
    """The neighbours of one query, nearest first.

    A sequence of `Hit`. Prints as a table, shows as one in a notebook, and explains itself.
    """

    def __init__(self, hits: Sequence[Hit], plan: Plan | Callable[[], Plan], query: str = "") -> None:
        """plan: the plan, or what makes it when someone asks."""
        self._hits = tuple(hits)
        self._plan = plan
        self.query = query

    @property
    def plan(self) -> Plan:
        if not isinstance(self._plan, Plan):
            self._plan = self._plan()
        return self._plan

    def __len__(self) -> int:
        return len(self._hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self._hits[index]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hits) and self._hits == other._hits

    __hash__ = None  # type: ignore[assignment]  # hits hold dicts

    @property
    def ids(self) -> list[Id]:
        return [hit.id for hit in self._hits]

    def to_list(self) -> list[Hit]:
        return list(self._hits)

    def to_dicts(self) -> list[dict[str, Any]]:
        """One plain dict a hit."""
        return [hit.to_dict() for hit in self._hits]

    def to_pandas(self) -> pd.DataFrame:
        """One row a hit; metadata keys become columns `metadata.<key>`. Needs pandas."""
        from adjoin.errors import MissingExtra

        try:
            import pandas as pd
        except ImportError as exc:
            raise MissingExtra.of("pandas", "plots", "Hits.to_pandas()") from exc
        rows = [
            {
                "rank": hit.rank,
                "id": hit.id,
                "score": hit.score,
                "distance": hit.distance,
                "content": hit.content,
                "origin": str(hit.origin) if hit.origin else None,
            }
            | {f"metadata.{key}": value for key, value in hit.metadata.items()}
            for hit in self._hits
        ]
        return pd.DataFrame(rows, columns=None if rows else ["rank", "id", "score", "distance", "content", "origin"])

    def explain(self) -> Plan:
        """The plan that was carried out; `print` it, or read its fields."""
        return self.plan

    def __repr__(self) -> str:
        title = f"Hits({len(self)}" + (f" for {_one_line(self.query, 60)!r}" if self.query else "") + ")"
        return "\n".join([title, *(_row(hit) for hit in self._hits)])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{hit.rank}</td><td>{hit.score:.3f}</td><td style='text-align:left'>{html.escape(shown(hit.content, 240))}"
            f"</td><td style='text-align:left'>{html.escape(_place(hit))}</td>"
            f"<td style='text-align:left'>{html.escape(shown(hit.metadata, 160))}</td></tr>"
            for hit in self._hits
        )
        head = "".join(f"<th>{name}</th>" for name in ("rank", "score", "content", "origin", "metadata"))
        caption = f"<caption>{html.escape(_one_line(self.query, 120))}</caption>" if self.query else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{cells}</tbody></table>"


def as_html(text: str) -> str:
    """Text for a notebook, line by line."""
    return f"<pre>{html.escape(text)}</pre>"


def shown(value: object, most: int) -> str:
    """A value on one line, cut to `most` characters."""
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    text = (
        value
        if isinstance(value, str)
        else ""
        if value is None or (isinstance(value, Mapping) and not value)  # an array has no truth to compare
        else json.dumps(value, ensure_ascii=False, default=str)
    )
    return _one_line(text, most)


def _one_line(text: str, most: int) -> str:
    text = " ".join(text[: most * 4].split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _row(hit: Hit) -> str:
    return f"{hit.rank:>3}  {hit.score:.3f}  {shown(hit.content, 80)}  [{_place(hit)}]"


def _place(hit: Hit) -> str:
    return str(hit.origin) if hit.origin else repr(hit.id)
