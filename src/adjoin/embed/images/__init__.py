"""Pictures as vectors: `decode` reads them, `classic` describes them by formulas, `network` by a trained network.

`sensitivity` says how well an embedder finds a picture again that was shifted, made smaller or cropped.
"""

from __future__ import annotations

from adjoin.embed.images.base import ImageEmbedder
from adjoin.embed.images.sensitivity import Sensitivity, sensitivity

__all__ = ["ImageEmbedder", "Sensitivity", "sensitivity"]
