"""Real texts with real vectors for the benchmarks: Python's own documentation, embedded once by the default model.

Kept below .cache/, which git ignores.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bench"


def documents(count: int) -> tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]:
    """That many texts, all different, and their vectors, float32 (count, 384)."""
    folder = CACHE / f"docstrings-{sys.version_info.major}{sys.version_info.minor}-{count}"
    if not (folder / "vectors.npy").exists():
        _make(folder, count)
    texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    return texts, np.load(folder / "vectors.npy")


def _make(folder: Path, count: int) -> None:
    import adjoin
    from adjoin.read.docstrings import read_docstrings
    from adjoin.text.sentences import sentences

    found: dict[str, None] = {}
    for item in read_docstrings(whole=True):
        text = str(item.content)
        found[f"{item.context}: {text[:100]}"] = None
        for span in sentences(text):
            if span.end - span.start > 20:
                found[text[span.start : span.end]] = None
    texts = list(found)[:count]
    if len(texts) < count:
        sys.exit(f"only {len(texts)} texts here, not {count}")
    print(f"embedding {count:,} sentences once …", file=sys.stderr)
    vectors = adjoin.embedder("default").embed(texts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    np.save(folder / "vectors.npy", vectors)
