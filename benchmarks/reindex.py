"""Indexing the standard library twice: its documentation as the demo does, and the source files of one package as
`adjoin index` does. Whole calls in one process, model loaded before."""

from __future__ import annotations

import json as subject
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import adjoin
from adjoin.collection import Collection
from adjoin.read.docstrings import docstrings_fingerprint, read_docstrings


def main() -> None:
    embedder = adjoin.embedder("default")
    embedder.embed(["warm"])
    package = Path(subject.__file__).parents[1] / "asyncio"

    def docstrings(collection: Collection) -> str:
        report = collection.index_items(read_docstrings(), source="python", fingerprint=docstrings_fingerprint())
        return f"{report.chunks_added + report.chunks_unchanged:,} docstrings, {report.embedded:,} embedded"

    def files(collection: Collection) -> str:
        report = collection.index(package)
        return f"{report.files_read + report.files_unchanged} files of asyncio, {report.embedded:,} chunks embedded"

    print("| | first | again | ratio |\n|---|---|---|---|")
    for work in (docstrings, files):
        first, again = _twice(work)
        print(f"| {first[1]} | {first[0]:.2f} s | {again[0]:.3f} s ({again[1]}) | {first[0] / again[0]:.0f} × |")


def _twice(work: Callable[[Collection], str]) -> list[tuple[float, str]]:
    took = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            with adjoin.open(f"{folder}/s.adjoin") as db:
                began = time.perf_counter()
                told = work(db.collection("c"))
                took.append((time.perf_counter() - began, told))
    return took


if __name__ == "__main__":
    main()
