"""Recall against time, as a picture and as text. Recall is drawn so that .9, .99 and .999 are equally far apart."""

from __future__ import annotations

import math
import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import InvalidOption, MissingExtra, NotFound, StoreError

if TYPE_CHECKING:
    from adjoin.evaluate.comparison import IndexComparison, IndexRow

_WIDTH, _HEIGHT = 66, 15
_ENDS: Final = 0.0008  # how far from 1 the axis ends, so that 1 has a place on it
_TICKS: Final = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
_LETTERS: Final = {"flat": "f", "graph": "g", "hnsw": "h", "lsh": "l", "pq": "p", "ivf": "i", "ivfpq": "q"}
_COLOURS: Final = {
    "flat": "#444444", "graph": "#0072b2", "hnsw": "#d55e00", "lsh": "#cc79a7", "pq": "#e69f00", "ivf": "#009e73",
    "ivfpq": "#56b4e9",
}  # fmt: skip
_MARKS: Final = {"flat": "X", "graph": "o", "hnsw": "s", "lsh": "v", "pq": "D", "ivf": "^", "ivfpq": "P"}
_KOREAN: Final = ("Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Malgun Gothic", "Apple SD Gothic Neo")
_KINDS: Final = (".png", ".svg", ".pdf")


def place(recall: float) -> float:
    """Where a recall stands on the axis."""
    return -math.log10(1 - min(recall, 1.0) * (1 - _ENDS))


def in_text(comparison: IndexComparison) -> str:
    """A plot of letters, one for each index and effort; ● is the choice, ┊ the recall that was asked for."""
    left, right = place(_least(comparison)), place(1.0)
    bottom, top = _decades(comparison)
    canvas = [[" "] * _WIDTH for _ in range(_HEIGHT)]

    def column(recall: float) -> int:
        return round((place(recall) - left) / (right - left) * (_WIDTH - 1))

    def line(us: float) -> int:
        return round((top - math.log10(us)) / (top - bottom) * (_HEIGHT - 1))

    for each in canvas:
        each[column(comparison.recall)] = "┊"
    for row in sorted(comparison.rows, key=lambda row: -row.us):
        if row.recall >= _least(comparison):
            canvas[line(row.us)][column(row.recall)] = _LETTERS[row.family]
    best = comparison.best()
    if best is not None:
        canvas[line(best.us)][column(best.recall)] = "●"
    labels = {
        line(10.0**power): _power(power)
        for power in range(math.floor(bottom), math.ceil(top) + 1)
        if bottom <= power <= top
    }
    drawn = [
        f"{labels.get(y, ''):>8} {'┤' if y in labels else '│'}{''.join(each)}".rstrip() for y, each in enumerate(canvas)
    ]
    ticks, under = _axis(column, _least(comparison))
    legend = "   ".join(f"{_LETTERS[family]} {family}" for family in comparison.families)
    return "\n".join(
        ["  a search", *drawn, f"{'':8} └{ticks}", f"{'':9} {under}", f"{'':10}recall   {legend}   ● the choice"]
    )


def _axis(column: Any, least: float) -> tuple[str, str]:
    """The axis with its ticks, and the numbers under it that have room."""
    ticks, under = ["─"] * _WIDTH, [" "] * (_WIDTH + 3)
    free = -1
    for tick in (1.0, *(tick for tick in _TICKS if least <= tick < 1)):
        at, text = column(tick), f"{tick:g}"
        ticks[at] = "┴"
        if tick == 1.0 or (at >= free and at + len(text) < column(1.0) - 1):
            under[at : at + len(text)] = text
            free = at + len(text) + 1 if tick < 1 else free
    return "".join(ticks), "".join(under).rstrip()


def _least(comparison: IndexComparison) -> float:
    """Where the axis begins: what is far below the asked recall is of no interest."""
    lowest = min([row.recall for row in comparison.rows] + [comparison.recall - 0.05])
    floor = max(0.0, min(0.5, comparison.recall - 0.2))
    return max((tick for tick in _TICKS if tick <= max(lowest, floor) and tick < comparison.recall), default=0.0)


def _decades(comparison: IndexComparison) -> tuple[float, float]:
    times = [math.log10(row.us) for row in comparison.rows]
    low, high = min(times), max(times)
    return low - 0.1, max(high, low + 0.5) + 0.1


def _power(power: int) -> str:
    return f"{10**power:,} µs" if power < 3 else f"{10 ** (power - 3):,} ms"


def refuse_undrawable(path: Path) -> None:
    """Before minutes are spent on measuring, see that a picture can be drawn there."""
    if path.suffix.lower() not in _KINDS:
        raise InvalidOption(f"a plot is written as {', '.join(_KINDS)}, not as {path.name!r}.")
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent} to draw into. Make it first.")
    if find_spec("matplotlib") is None:
        raise MissingExtra.of("matplotlib", "plots", "Drawing a plot")


def draw(comparison: IndexComparison, path: str | os.PathLike[str]) -> None:
    """The same as a picture."""
    path = Path(path)
    refuse_undrawable(path)
    if not comparison.rows:
        raise InvalidOption("there are no rows, so there is nothing to draw. Add some first.")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    _fill(figure.add_subplot(), comparison)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")  # a name in letters no font here has
            figure.savefig(path)
    except OSError as exc:
        raise StoreError(f"the plot could not be written to {path}: {exc.strerror or exc}.") from exc


def _fill(axes: Any, comparison: IndexComparison) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    for family in comparison.families:
        _draw_family(axes, [row for row in comparison.rows if row.family == family])
    least = _least(comparison)
    axes.axvline(comparison.recall, color="#888888", linestyle=(0, (4, 3)), linewidth=1.2, zorder=1)
    best = comparison.best()
    if best is not None:
        axes.plot(
            [best.recall], [best.us], "o", markersize=17, markerfacecolor="none", markeredgecolor="#222222", zorder=5
        )
        at_the_edge = place(best.recall) > place(0.99)  # where the legend is near
        axes.annotate(
            f"{best.name}\n{best.recall:.1%}, {_label(best.us)}", (best.recall, best.us), textcoords="offset points",
            xytext=(-16 if at_the_edge else 16, -30), ha="right" if at_the_edge else "left", fontsize=9, color="#222222",
            bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#cccccc"}, zorder=6,
        )  # fmt: skip
    axes.set_xscale("function", functions=(_places, _recalls))
    axes.set_xlim(least, 1 + 2e-4)
    axes.set_xticks([tick for tick in _TICKS if tick >= least], [f"{tick:g}" for tick in _TICKS if tick >= least])
    axes.set_xticks([], minor=True)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(lambda us, _: _label(us))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"recall of the {comparison.k} nearest (bars: interval at 90 %)")
    axes.set_ylabel("time of a search, median (lower is better)")
    title = f"{comparison.collection}: {comparison.measured:,} rows, {comparison.dim} dimensions, {comparison.metric}"
    axes.set_title(title, loc="left", fontfamily=_fonts(), parse_math=False)
    axes.text(
        comparison.recall, 0.99, f" asked: {comparison.recall:g}", transform=axes.get_xaxis_transform(), va="top", ha="left",
        fontsize=9, color="#666666",
    )  # fmt: skip
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, title="index, bytes a vector", alignment="left"
    )


def _fonts() -> list[str]:
    """matplotlib's own, and one with Hangul for names that have it, where there is one."""
    from matplotlib.font_manager import get_font_names

    there = set(get_font_names())
    return ["DejaVu Sans", *(font for font in _KOREAN if font in there)]


def _draw_family(axes: Any, rows: list[IndexRow]) -> None:
    family, bytes_each = rows[0].family, rows[0].bytes_per_vector
    axes.errorbar(
        [row.recall for row in rows], [row.us for row in rows],
        xerr=[[max(0.0, row.recall - row.low) for row in rows], [max(0.0, row.high - row.recall) for row in rows]],
        color=_COLOURS[family], marker=_MARKS[family], markersize=7 if family == "flat" else 5, linewidth=1.5, elinewidth=0.7,
        label=f"{family}  {bytes_each:,.0f}", zorder=3,
    )  # fmt: skip


def _label(us: float) -> str:
    return f"{us:,.0f} µs" if us < 1000 else f"{us / 1000:,.1f}".removesuffix(".0") + " ms"


def _places(recalls: Any) -> Any:
    import numpy as np

    return -np.log10(np.maximum(1e-6, 1 - np.asarray(recalls) * (1 - _ENDS)))


def _recalls(places: Any) -> Any:
    import numpy as np

    return (1 - 10.0 ** -np.asarray(places)) / (1 - _ENDS)
