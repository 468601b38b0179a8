"""What shift, scale and crop do to the vectors of pictures: embedders side by side, as a table and a picture.

Each picture is changed a little and looked for among the unchanged ones. An embedder that sees what is on a picture
still finds it, or one of the same kind; raw pixels soon do not.
"""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.images import decode
from adjoin.errors import InvalidInput, InvalidOption, MissingExtra, NotFound

if TYPE_CHECKING:
    from PIL.Image import Image

    from adjoin.embed.base import Embedder
    from adjoin.types import Floats, Progress

CHANGES: Final[Mapping[str, tuple[float, ...]]] = {
    "shift": (0.0, 0.05, 0.1, 0.2), "scale": (1.0, 0.9, 0.8, 0.6), "crop": (1.0, 0.9, 0.8, 0.6),
}  # fmt: skip
"""shift: by that share of width and height, to the right and down. scale: the content made smaller on a picture of the same
size. crop: the middle, of that share of width and height. The first of each changes nothing."""

_COLOURS: Final = ("#d55e00", "#e69f00", "#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#444444")
_MARKS: Final = "os^vDPX"
_KINDS: Final = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Line:
    """One embedder under one change.

    found: the share of changed pictures whose nearest is their own original.
    same_label: the share whose nearest of the other originals has their label; None without labels.
    likeness: the mean cosine of a changed picture and its original; the share of equal bits where vectors are bits.
    """

    embedder: str
    change: str
    amount: float
    found: float
    same_label: float | None
    likeness: float


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What `sensitivity` measured. Prints as a table, shows as one in a notebook, and draws itself.

    examples: one picture under each change, for the drawing: change → [(amount, RGB image)].
    """

    lines: tuple[Line, ...]
    pictures: int
    labelled: bool
    examples: Mapping[str, Sequence[tuple[float, Image]]] = field(repr=False, compare=False, default_factory=dict)

    @property
    def embedders(self) -> list[str]:
        return list(dict.fromkeys(line.embedder for line in self.lines))

    def line(self, embedder: str, change: str, amount: float) -> Line:
        """Raises NotFound where that was not measured."""
        for line in self.lines:
            if (line.embedder, line.change) == (embedder, change) and abs(line.amount - amount) < 1e-9:
                return line
        raise NotFound(f"{embedder!r} was not measured under {change} {amount:g}.")

    def kept(self, embedder: str, change: str, amount: float) -> float:
        """Recall@1 under the change as a share of that without it: of the label where there are labels, else of the picture."""
        whole = next(line for line in self.lines if line.embedder == embedder and line.change == change)
        return _recall(self.line(embedder, change, amount)) / max(_recall(whole), 1e-12)

    def to_dict(self) -> dict[str, Any]:
        return {
            "pictures": self.pictures,
            "labelled": self.labelled,
            "lines": [
                asdict(line) | {"kept": self.kept(line.embedder, line.change, line.amount)} for line in self.lines
            ],
        }

    def __str__(self) -> str:
        told, rows = self._table()
        widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
        lines = [
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        return "\n".join([told, *lines])

    def _repr_html_(self) -> str:
        told, (head, *body) = self._table()
        rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in body)
        heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        return (
            f"<table><caption>{html.escape(told)}</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def save_plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw the changed pictures, and a curve of recall@1 for each embedder under each change. .png, .svg or .pdf."""
        return _draw(self, Path(path))

    def _table(self) -> tuple[str, list[list[str]]]:
        what = "of the same label among the others" if self.labelled else "of the picture's own original"
        columns = list(dict.fromkeys((line.change, line.amount) for line in self.lines))
        shown = [column for n, column in enumerate(columns) if n == 0 or not _nothing(*column)]
        head = ["embedder", *("unchanged" if _nothing(*column) else f"{column[0]} {column[1]:g}" for column in shown)]
        rows = [[name, *(self._cell(name, *column) for column in shown)] for name in self.embedders]
        return f"recall@1 {what}, {self.pictures:,} pictures (in brackets: share kept)", [head, *rows]

    def _cell(self, embedder: str, change: str, amount: float) -> str:
        recall = f"{_recall(self.line(embedder, change, amount)):.3f}"
        return recall if _nothing(change, amount) else f"{recall} ({self.kept(embedder, change, amount):.0%})"


def sensitivity(
    images: Sequence[Any],
    embedders: Sequence[str | Embedder] | Mapping[str, str | Embedder] = ("pixels", "descriptors", "image"),
    labels: Sequence[Any] | None = None,
    *,
    changes: Mapping[str, Sequence[float]] = CHANGES,
    progress: Progress | None = None,
) -> Sensitivity:
    """How well each embedder finds pictures again that were shifted, scaled or cropped.

    images: whatever an image embedder takes, two at least. embedders: names or objects; a mapping gives them names.
    labels: one for each picture; recall then asks for another picture of the same label.
    changes: `shift`, `scale`, `crop`, each with its amounts, of which the first changes nothing.
    Vectors are compared by their cosine, or where they are bits by the share of equal ones.
    Raises InvalidInput, InvalidOption, and what reading a picture raises.
    Cost: one embedding for each picture, embedder and amount; all vectors of one embedder are held, and one picture a worker.
    """
    import adjoin.embed.registry as registry

    pictures = list(images)
    if len(pictures) < 2:
        raise InvalidInput(
            f"sensitivity compares pictures with each other and needs two at least, not {len(pictures)}."
        )
    if labels is not None and len(labels) != len(pictures):
        raise InvalidInput(f"{len(pictures)} pictures and {len(labels)} labels; give one for each.")
    for change in changes:
        if change not in CHANGES:
            raise InvalidOption.unknown("change", change, CHANGES)
    named = embedders if isinstance(embedders, Mapping) else {_name(each): each for each in embedders}
    models = {name: registry.embedder(each) for name, each in named.items()}
    steps = [(change, amount) for change, amounts in changes.items() for amount in amounts]
    done, total = 0, len(models) * (1 + sum(not _nothing(*step) for step in steps)) * len(pictures)

    def embedded(model: Embedder, change: Callable[[Image], Image] | None) -> Floats:
        nonlocal done
        rows = []
        for start in range(0, len(pictures), _BATCH):  # so that few changed pictures are held at once
            block = [decode.rgb(item) for item in pictures[start : start + _BATCH]]
            rows.append(model.embed([change(image) if change else image for image in block]))
            done += len(block)
            if progress:
                progress(done, total)
        return _stacked(rows)

    lines = []
    for name, model in models.items():
        originals = embedded(model, None)
        for change, amount in steps:
            changed = originals if _nothing(change, amount) else embedded(model, _changer(change, amount))
            lines.append(_line(name, change, amount, changed, originals, labels))
    example = decode.rgb(pictures[0])
    shown = {
        change: [(amount, changed_picture(example, change, amount)) for amount in amounts]
        for change, amounts in changes.items()
    }
    return Sensitivity(tuple(lines), len(pictures), labels is not None, shown)


_BATCH: Final = 64


def changed_picture(image: Image, change: str, amount: float) -> Image:
    """An RGB image of the same size (of a smaller one for crop), what is uncovered being of the border's colour."""
    from PIL import Image as Pillow

    width, height = image.size
    if change == "crop":
        across, down = max(1, round(width * amount)), max(1, round(height * amount))
        left, top = (width - across) // 2, (height - down) // 2
        return image.crop((left, top, left + across, top + down))
    empty = Pillow.new("RGB", image.size, _border_colour(image))
    if change == "shift":
        empty.paste(image, (round(width * amount), round(height * amount)))
        return empty
    across, down = max(1, round(width * amount)), max(1, round(height * amount))
    empty.paste(image.resize((across, down), Pillow.Resampling.BILINEAR), ((width - across) // 2, (height - down) // 2))
    return empty


def _changer(change: str, amount: float) -> Callable[[Image], Image]:
    return lambda image: changed_picture(image, change, amount)


def _border_colour(image: Image) -> tuple[int, ...]:
    import numpy as np

    pixels = np.asarray(image)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    return tuple(int(value) for value in np.median(border, axis=0))


def _line(
    name: str, change: str, amount: float, changed: Floats, originals: Floats, labels: Sequence[Any] | None
) -> Line:
    import numpy as np

    likeness = _likeness(changed, originals)  # (n, n)
    own = likeness.diagonal().copy()
    found = float(np.mean(own >= likeness.max(axis=1)))
    same = None
    if labels is not None:
        np.fill_diagonal(likeness, -np.inf)
        nearest = likeness.argmax(axis=1)
        same = float(np.mean([labels[int(near)] == label for near, label in zip(nearest, labels, strict=True)]))
    return Line(name, change, amount, found, same, float(own.mean()))


def _likeness(left: Floats, right: Floats) -> Any:
    import numpy as np

    if np.isin(right, (0.0, 1.0)).all():
        return (left @ right.T + (1 - left) @ (1 - right).T) / left.shape[1]
    unit = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12) for rows in (left, right)]
    return unit[0] @ unit[1].T


def _stacked(rows: list[Floats]) -> Floats:
    import numpy as np

    return np.concatenate(rows)


def _recall(line: Line) -> float:
    return line.found if line.same_label is None else line.same_label


def _nothing(change: str, amount: float) -> bool:
    return amount == (0.0 if change == "shift" else 1.0)


def _name(embedder: str | Embedder) -> str:
    return embedder if isinstance(embedder, str) else embedder.identity.name


def _draw(report: Sensitivity, path: Path) -> Path:
    if path.suffix.lower() not in _KINDS:
        raise InvalidOption(f"a plot is written as {', '.join(_KINDS)}, not as {path.name!r}.")
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent} to draw into. Make it first.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra.of("matplotlib", "plots", "Drawing a plot") from exc
    changes = list(dict.fromkeys(line.change for line in report.lines))
    figure = Figure(figsize=(4.2 * len(changes), 6.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    what = "of the same label" if report.labelled else "of the original"
    figure.suptitle(f"What changes of a picture do to recall@1 {what} ({report.pictures:,} pictures)", fontsize=12)
    rows: Any = figure.subfigures(2, 1, height_ratios=(1, 2.4))
    pictures, curves = rows
    for parts, change in zip(pictures.subfigures(1, len(changes), squeeze=False)[0], changes, strict=True):
        _draw_examples(parts, change, report.examples.get(change, ()))
    panels = curves.subplots(1, len(changes), sharey=True, squeeze=False)[0]
    for n, (axes, change) in enumerate(zip(panels, changes, strict=True)):
        _draw_curves(axes, report, change, first=n == 0)
    curves.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path)
    return path


def _draw_examples(parts: Any, change: str, examples: Sequence[tuple[float, Image]]) -> None:
    parts.suptitle(change, fontsize=11)
    if not examples:
        return
    for axes, (amount, image) in zip(parts.subplots(1, len(examples), squeeze=False)[0], examples, strict=True):
        smaller = image.copy()
        smaller.thumbnail((240, 240))
        axes.imshow(smaller)
        axes.set_title(f"{amount:g}", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_color("#bbbbbb")


def _draw_curves(axes: Any, report: Sensitivity, change: str, *, first: bool) -> None:
    for n, name in enumerate(report.embedders):
        points = [line for line in report.lines if line.embedder == name and line.change == change]
        axes.plot(
            range(len(points)), [_recall(line) for line in points], color=_COLOURS[n % len(_COLOURS)],
            marker=_MARKS[n % len(_MARKS)], linewidth=1.8, markersize=6, label=name,
        )  # fmt: skip
        axes.set_xticks(range(len(points)), [f"{line.amount:g}" for line in points])
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel({"shift": "shifted by", "scale": "made smaller to", "crop": "cropped to"}[change])
    if first:
        axes.set_ylabel("recall@1")
