"""Before and after: whether items of the same label are near each other, on items that were held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from adjoin.types import as_html

if TYPE_CHECKING:
    from adjoin.embed.train.labels import Places
    from adjoin.types import Floats

NEIGHBOURS: Final = 5
RECALL_AT: Final = (1, 5, 10)
_ROWS_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """How vectors of held-out items lie among those of the items learned from.

    knn_accuracy: share whose label most of the 5 nearest have. recall: k → share that have one of their label among the k
    nearest. same, different: mean cosine distance, 0…2, to items of the same and of other labels.
    """

    knn_accuracy: float
    recall: Mapping[int, float]
    same: float
    different: float

    @property
    def ratio(self) -> float:
        """Distance of the same label over that of others: 0 is perfect, 1 is no better than chance."""
        return self.same / max(self.different, 1e-12)


@dataclass(frozen=True, slots=True)
class TrainReport:
    """rows: `items as they are` or the frozen embedder, `before` training, `after`. learned, held_out: numbers of items."""

    rows: Mapping[str, Judged]
    labels: int
    learned: int
    held_out: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        rows = {
            name: asdict(row) | {"recall": {str(k): share for k, share in row.recall.items()}, "ratio": row.ratio}
            for name, row in self.rows.items()
        }
        return {
            "rows": rows, "labels": self.labels, "learned": self.learned, "held_out": self.held_out, "seconds": self.seconds,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TrainReport:
        rows = {
            name: Judged(
                row["knn_accuracy"],
                {int(k): share for k, share in row["recall"].items()},
                row["same"],
                row["different"],
            )
            for name, row in stored["rows"].items()
        }
        return cls(rows, stored["labels"], stored["learned"], stored["held_out"], stored["seconds"])

    def __str__(self) -> str:
        head = [
            "",
            f"{NEIGHBOURS}-NN accuracy",
            *(f"recall@{k}" for k in RECALL_AT),
            "same",
            "different",
            "same/different",
        ]
        lines = [head]
        for name, row in self.rows.items():
            figures = (row.knn_accuracy, *(row.recall[k] for k in RECALL_AT), row.same, row.different, row.ratio)
            lines.append([name, *(f"{figure:.3f}" for figure in figures)])
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        table = [
            "  ".join(cell.ljust(width) if n == 0 else cell.rjust(width) for n, (cell, width) in enumerate(zip(line, widths, strict=True)))
            for line in lines
        ]  # fmt: skip
        told = (
            f"{self.held_out:,} items held out, searched for among the {self.learned:,} learned from; "
            f"{self.labels} labels; {self.seconds:.0f} s"
        )
        return "\n".join([*table, told])

    def _repr_html_(self) -> str:
        return as_html(str(self))


def judge(gallery: Floats, of_gallery: Places, queries: Floats, of_queries: Places) -> Judged:
    """gallery: (n, dim) with label codes (n,); queries: (m, dim) with (m,). By cosine. Cost: O(n·m·dim).

    Of labels with equal votes the one with the nearest item wins.
    """
    import numpy as np

    gallery, queries = _unit(gallery), _unit(queries)
    most = min(max(RECALL_AT), len(gallery))
    right, found = 0, dict.fromkeys(RECALL_AT, 0)
    sums, counts = np.zeros(2), np.zeros(2)
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        wanted = of_queries[start : start + _ROWS_AT_ONCE, None]
        distances = 1 - queries[start : start + _ROWS_AT_ONCE] @ gallery.T
        nearest = of_gallery[np.argsort(distances, axis=1, kind="stable")[:, :most]]
        for k in RECALL_AT:
            found[k] += int((nearest[:, :k] == wanted).any(axis=1).sum())
        votes = nearest[:, :NEIGHBOURS]
        support = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
        right += int((np.take_along_axis(votes, support.argmax(axis=1)[:, None], 1) == wanted).sum())
        same = of_gallery == wanted
        sums += distances[same].sum(), distances[~same].sum()
        counts += same.sum(), (~same).sum()
    means = sums / np.maximum(counts, 1)
    return Judged(
        right / len(queries), {k: many / len(queries) for k, many in found.items()}, float(means[0]), float(means[1])
    )


def _unit(vectors: Floats) -> Floats:
    import numpy as np

    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit
