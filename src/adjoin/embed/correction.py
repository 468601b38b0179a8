"""Takes out of text vectors what tells their language and not their meaning.

e5 puts the passages of one language nearer to each other than to their translations. Subtracting a fixed mean (one for
queries, one for documents) and projecting out a few fixed directions in which translations differ removes most of
that, without detecting any language. The means and directions are estimated once, on texts that no test uses; see
docs/decisions/2026-11-default-embedder.md for the figures.

Source: centring as in Mu and Viswanath, "All-but-the-Top", ICLR 2018; directions from the singular vectors of the
differences between translations.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adjoin.types import Kind

if TYPE_CHECKING:
    from adjoin.types import Floats


class Correction:
    """means: kind → shape (dim,). directions: shape (r, dim), orthonormal rows."""

    def __init__(self, means: dict[Kind, Floats], directions: Floats) -> None:
        self._means = means
        self._directions = directions

    @classmethod
    def load(cls, path: Path) -> Correction:
        """From a .npy of shape (2 + r, dim): the mean of documents, that of queries, then the directions."""
        import numpy as np

        rows = np.load(path, allow_pickle=False).astype(np.float32)
        return cls({"document": rows[0], "query": rows[1]}, rows[2:])

    def apply(self, vector: Floats, kind: Kind) -> Floats:
        """The corrected vector, of unit length again; shape (dim,)."""
        import numpy as np

        centred = vector - self._means[kind]
        centred -= (self._directions @ centred) @ self._directions
        return centred / max(float(np.linalg.norm(centred)), 1e-12)
