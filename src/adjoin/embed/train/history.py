"""What each epoch of a training brought, as text and as a picture."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from adjoin.errors import InvalidOption, MissingExtra, NotFound
from adjoin.types import as_html

_KINDS: Final = (".png", ".svg", ".pdf")


@dataclass(frozen=True, slots=True)
class Epoch:
    """number: from 1. loss: mean over the epoch's batches. recall: recall@1 of the items watched. same, different: their mean
    cosine distance to items of the same and of other labels. seconds: of this epoch."""

    number: int
    loss: float
    recall: float
    same: float
    different: float
    seconds: float


@dataclass(frozen=True, slots=True)
class History:
    """epochs: in order. best: the number of the one that was kept."""

    epochs: tuple[Epoch, ...]
    best: int
    loss: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {"epochs": [asdict(epoch) for epoch in self.epochs], "best": self.best, "loss": self.loss}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> History:
        return cls(tuple(Epoch(**epoch) for epoch in stored["epochs"]), stored["best"], stored["loss"])

    def __str__(self) -> str:
        lines = ["epoch    loss  recall@1   same  different"]
        lines += [
            f"{epoch.number:>5}  {epoch.loss:.4f}    {epoch.recall:.4f}  {epoch.same:.3f}      {epoch.different:.3f}"
            + ("  kept" if epoch.number == self.best else "")
            for epoch in self.epochs
        ]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(str(self))

    def plot(self, path: str | os.PathLike[str]) -> Path:
        """Draw loss, recall and distances by epoch into a .png, .svg or .pdf file. Raises InvalidOption, MissingExtra."""
        target = refuse_undrawable(path)
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fonts and of the library's own future
            figure = Figure(figsize=(11, 3.4), layout="constrained")
            FigureCanvasAgg(figure)
            numbers = [epoch.number for epoch in self.epochs]
            loss, recall, distance = figure.subplots(1, 3)
            _draw(loss, numbers, {f"loss ({self.loss})": [epoch.loss for epoch in self.epochs]}, self.best)
            _draw(recall, numbers, {"recall@1, watched items": [epoch.recall for epoch in self.epochs]}, self.best)
            distances = {
                "same label": [epoch.same for epoch in self.epochs],
                "other labels": [epoch.different for epoch in self.epochs],
            }
            _draw(distance, numbers, distances, self.best)
            distance.set_ylabel("mean cosine distance")
            figure.savefig(target, dpi=120)
        return target


def _draw(axes: Any, numbers: Sequence[int], lines: dict[str, list[float]], best: int) -> None:
    for name, values in lines.items():
        axes.plot(numbers, values, marker="o", markersize=3, label=name)
    axes.axvline(best, color="#888888", linewidth=1, linestyle=":")
    axes.set_xlabel("epoch (dotted: kept)")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)


def refuse_undrawable(path: str | os.PathLike[str]) -> Path:
    """The path, if a picture can be written there; to be asked before the work. Raises InvalidOption, NotFound, MissingExtra."""
    target = Path(path).expanduser()
    if target.suffix.lower() not in _KINDS:
        raise InvalidOption(f"a picture ends in {', '.join(_KINDS)}, not {target.name!r}.")
    if not target.absolute().parent.is_dir():
        raise NotFound(f"there is no folder {target.absolute().parent} to draw into.")
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise MissingExtra.of("matplotlib", "plots", "Drawing learning curves") from exc
    return target
