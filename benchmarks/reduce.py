"""What a reduction of the default model's sentence vectors keeps: recall of the ten nearest, and bytes, by method and dimension.

python benchmarks/reduce.py     (the texts are LibreOffice's help pages: python -m tests.support.fetch)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.pairs import help_pairs, test_half  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed import reduce  # noqa: E402
from adjoin.errors import InvalidOption  # noqa: E402

SEED = 0
DIMS = (16, 32, 64, 128, 192, 256, 384)
HELD_OUT = 400
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "PCA": ("pca", {}), "PCA, centred": ("pca", {"center": True}), "PCA, whitened": ("pca", {"whiten": True}), "SVD": ("svd", {}),
    "random": ("random", {}), "sparse random": ("sparse", {}),
}  # fmt: skip


def main() -> None:
    pages = [page for pair in test_half(help_pairs()) for page in (pair.ko, pair.en)]
    texts = sorted({page.body[:200] for page in pages} | {page.title for page in pages})
    default: Any = adjoin.embedder("default")
    held = Held(default, texts)
    order = np.random.default_rng(SEED).permutation(len(texts))
    queries, rows = ([texts[place] for place in some] for some in (order[:HELD_OUT], order[HELD_OUT:]))
    truth = nearest(held.embed(queries), held.embed(rows))
    print(
        f"Made by `benchmarks/reduce.py`, seed {SEED}: {len(texts):,} titles and beginnings of help pages, Korean and English, by the "
        f"default model. Learned from {len(rows):,}; recall@10 by cosine of {HELD_OUT} others, against the 384 dimensions.\n"
    )
    print(f"| | {' | '.join(f'{dim}' for dim in DIMS)} |\n|---|{'---|' * len(DIMS)}")
    print(f"| bytes a vector, float32 | {' | '.join(f'{4 * dim:,}' for dim in DIMS)} |")
    for name, (method, options) in WAYS.items():
        kept = [recall(held, method, dim, options, queries, rows, truth) for dim in DIMS]
        print(f"| {name} | {' | '.join('refused' if one != one else f'{one:.3f}' for one in kept)} |", flush=True)
    shares = [reduce(held, dim).fit(rows).chosen.variance for dim in DIMS]
    print(f"| variance kept by PCA | {' | '.join(f'{share:.3f}' for share in shares)} |\n")
    print("| asked for | chosen | recall@10 on texts not seen |\n|---|---|---|")
    for asked in ({"recall": 0.8}, {"recall": 0.9}, {"recall": 0.95}, {"variance": 0.9}, {"variance": 0.95}):
        made = reduce(held, **asked, seed=SEED).fit(rows)  # type: ignore[arg-type]
        found = nearest(made.embed(queries), made.embed(rows))
        told = ", ".join(f"{key}={value}" for key, value in asked.items())
        print(f"| {told} | {made.dim} | {shared(found, truth):.3f} |", flush=True)


class Held:
    """The default model's vectors of these texts, computed once."""

    def __init__(self, model: Any, texts: list[str]) -> None:
        self.identity, self.dim = model.identity, model.dim
        self._rows = {text: row for row, text in enumerate(texts)}
        self._vectors = model.embed(texts)

    def embed(self, items: Sequence[str], kind: str = "document") -> Any:
        return self._vectors[[self._rows[item] for item in items]]


def recall(
    held: Held, method: str, dim: int, options: dict[str, Any], queries: list[str], rows: list[str], truth: Any
) -> float:
    try:
        made = reduce(held, dim, method, seed=SEED, **options).fit(rows)  # type: ignore[arg-type]
    except InvalidOption:  # whitening, where the vectors vary in fewer directions
        return float("nan")
    return shared(nearest(made.embed(queries), made.embed(rows)), truth)


def nearest(queries: Any, rows: Any) -> Any:
    a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (queries, rows))
    return np.argpartition(-a @ b.T, 9, axis=1)[:, :10]


def shared(found: Any, truth: Any) -> float:
    return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(found, truth, strict=True)]))


if __name__ == "__main__":
    main()
