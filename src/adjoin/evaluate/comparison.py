"""What a comparison of indexes gives: figures, a choice among them, and the reasons for it in plain words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import InvalidOption
from adjoin.types import as_html

if TYPE_CHECKING:
    import pandas as pd

FLAT: Final = "flat"
_MANY_MORE: Final = 1.3  # times as many rows as were measured
_ALIKE: Final = 1.1  # times as long, and less: no one would feel the difference


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One index at one effort. `flat` is exact search, without an index.

    recall: the mean share of the true k nearest that were found; low, high: its Wilson interval at 90 %, so that recall
    is at least `low` with a confidence of 95 %. us: microseconds of a whole search, the median. effort: of the index
    (`ef`, `nprobe`, candidates); None for flat. bytes_per_vector: of the index, beside the vector itself.
    """

    family: str
    effort: int | None
    recall: float
    low: float
    high: float
    us: float
    build_s: float
    bytes_per_vector: float
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`hnsw at effort 64`."""
        return self.family if self.effort is None else f"{self.family} at effort {self.effort}"


@dataclass(frozen=True, slots=True)
class IndexComparison:
    """Recall against speed of every index that serves a collection, on a sample of its rows.

    rows: by family, each with its efforts rising. measured: rows that were searched; stored: rows there are.
    vector_bytes: of one vector as it is kept. queries: how many; asked_by: what they were. recall: what was asked.
    auto: what `index="auto"` builds for all the rows there are.
    """

    collection: str
    metric: str
    dim: int
    k: int
    recall: float
    stored: int
    measured: int
    queries: int
    asked_by: str
    vector_bytes: int
    auto: str
    rows: tuple[IndexRow, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.family for row in self.rows))

    def best(self, recall: float | None = None) -> IndexRow | None:
        """The fastest that keeps a recall, by default the one asked for; flat keeps every one. None without rows."""
        return next(iter(self.kept(recall)), None)

    def kept(self, recall: float | None = None) -> list[IndexRow]:
        """Each family's fastest row whose `low` is at least this recall, fastest first."""
        wanted = self.recall if recall is None else recall
        if not 0 < wanted <= 1:
            raise InvalidOption(f"recall is a share above 0 and up to 1, not {wanted!r}.")
        fastest: dict[str, IndexRow] = {}
        for row in sorted(self.rows, key=lambda row: row.us):
            if row.low >= wanted:
                fastest.setdefault(row.family, row)
        return list(fastest.values())

    def advice(self, recall: float | None = None) -> str:
        """Which to take and why, in a few sentences."""
        wanted = self.recall if recall is None else recall
        kept = self.kept(recall)
        if not kept:
            return "There are no rows to measure with. Add some, and look again; until then index='auto' is right."
        best = kept[0]
        flat = next((row for row in kept if row.family == FLAT), None)
        if best.family == FLAT:
            said = [
                f"Exact search is best here: no index keeps a recall of {wanted:g} in less than its {_time(best.us)}."
                if len(self.families) > 1
                else f"Exact search is best here: it takes {_time(best.us)}, and finds all."
            ]
            if self.stored > _MANY_MORE * self.measured:
                said.append(
                    f"But its time grows with the rows, and an index's hardly: measure with more of the {self.stored:,}."
                )
        else:
            said = [
                f"Choose {best.name}: it finds {best.recall:.1%} of the {self.k} nearest (at least {best.low:.1%}) "
                f"in {_time(best.us)}" + _faster_than(best, kept, flat) + "."
            ]
            said += _cost_in_bytes(best, kept, self.vector_bytes)
        said += self._missed(wanted, {row.family for row in kept})
        said.append(self._how(best))
        return " ".join(said)

    def _missed(self, wanted: float, kept: set[str]) -> list[str]:
        """Families that were not shown to keep the recall, and why."""
        found = {row.family for row in self.rows if row.recall >= wanted} - kept
        unsure = [family for family in self.families if family in found]
        short = [family for family in self.families if family not in kept | found]
        said = [f"Not within reach of {wanted:g}, or not in useful time: {', '.join(short)}."] if short else []
        if unsure:
            said.append(f"Too few queries to be sure that {wanted:g} is kept: {', '.join(unsure)}.")
        return said

    def _how(self, best: IndexRow) -> str:
        if self.auto == best.family:
            return f"index='auto' takes {self.auto} for {self.stored:,} rows by itself."
        return f"To have it: db.collection(NAME, index={best.family!r}); index='auto' would take {self.auto}."

    def __str__(self) -> str:
        from adjoin.evaluate.plots import in_text

        head = (
            f"{self.collection}: {self.measured:,} of {self.stored:,} rows, {self.metric}, {self.dim} dimensions; "
            f"{self.queries:,} queries ({self.asked_by}), k = {self.k}"
        )
        parts = [head, *(f"note: {note}" for note in self.notes)]
        if self.rows:
            parts += ["", self.table()]
        if len(self.rows) > 1:
            parts += ["", in_text(self)]
        return "\n".join([*parts, "", self.advice()])

    def _repr_html_(self) -> str:
        return as_html(str(self))

    def table(self) -> str:
        """A line for each family: the effort that keeps the asked recall, or else its best."""
        kept = self.kept()
        shown = kept + [
            max((row for row in self.rows if row.family == family), key=lambda row: (row.low, -row.us))
            for family in self.families
            if family not in {row.family for row in kept}
        ]
        lines = [
            f"{'index':8}{'effort':>7}{'recall':>9}{'at least':>10}{'a search':>11}{'build':>9}{'bytes a vector':>16}"
        ]
        for row in shown:
            mark = "  ← the choice" if kept and row is kept[0] else "" if row in kept else f"  below {self.recall:g}"
            lines.append(
                f"{row.family:8}{row.effort or '':>7}{row.recall:>9.4f}{row.low:>10.4f}{_time(row.us):>11}"
                f"{row.build_s:>7.1f} s{row.bytes_per_vector:>16,.0f}{mark}"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the choice and the advice."""
        best = self.best()
        return {**asdict(self), "best": None if best is None else asdict(best), "advice": self.advice()}

    def to_pandas(self) -> pd.DataFrame:
        """One row for each index and effort. Needs pandas."""
        from adjoin.errors import MissingExtra

        try:
            import pandas as pd
        except ImportError as exc:
            raise MissingExtra.of("pandas", "plots", "IndexComparison.to_pandas()") from exc
        names = ["family", "effort", "recall", "low", "high", "us", "build_s", "bytes_per_vector", "params"]
        return pd.DataFrame([asdict(row) for row in self.rows], columns=names)

    def plot(self, path: str | os.PathLike[str]) -> None:
        """Draw recall against time into a file: .png, .svg or .pdf. Needs matplotlib."""
        from adjoin.evaluate.plots import draw

        draw(self, path)


def _faster_than(best: IndexRow, kept: list[IndexRow], flat: IndexRow | None) -> str:
    """`: 2.1 times as fast as hnsw, 45 times as fast as comparing all rows`."""
    told = []
    if len(kept) > 1 and kept[1].family != FLAT:
        ratio = kept[1].us / best.us
        told.append(
            f"about as fast as {kept[1].family}" if ratio < _ALIKE else f"{ratio:.1f} times as fast as {kept[1].family}"
        )
    if flat is not None:
        told.append(f"{flat.us / best.us:.1f} times as fast as comparing all rows")
    return ": " + ", ".join(told) if told else ""


def _cost_in_bytes(best: IndexRow, kept: list[IndexRow], vector_bytes: int) -> list[str]:
    said = [f"It takes {best.bytes_per_vector:,.0f} bytes a vector, beside the {vector_bytes:,} of the vector itself."]
    least, smaller = best.bytes_per_vector, []
    for row in kept[1:]:
        if row.bytes_per_vector < least:
            least = row.bytes_per_vector
            taken = f"{least:,.0f}" if least else "no"
            smaller.append(f"{row.family} ({taken} bytes, {row.us / best.us:.1f} times the time)")
    return [*said, f"Smaller: {', '.join(smaller)}."] if smaller else said


def _time(us: float) -> str:
    return f"{us:,.0f} µs" if us < 1000 else f"{us / 1000:.1f} ms" if us < 1e6 else f"{us / 1e6:.1f} s"
