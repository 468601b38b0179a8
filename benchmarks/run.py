"""Runs every benchmark, or those named, and writes what they print to docs/benchmarks.md with the machine and versions.

python benchmarks/run.py [NAME …], the names being those of BENCHMARKS below

The last five make real data once (benchmarks/peers/datasets.py), and the last installs other databases into environments of
their own below .cache/: together they take hours on two cores.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
RESULTS = HERE / "results"
BENCHMARKS = {
    "startup": "Starting",
    "embedding": "Embedding with the default model",
    "records": "Records: a left-out field by its neighbours",
    "reduce": "Fewer dimensions",
    "words": "Words, trained",
    "images": "Embedding pictures",
    "sound": "Embedding sounds",
    "add": "Storing",
    "tail": "Exact search",
    "filters": "Filters on sealed rows",
    "indexes": "Indexes compared",
    "calibration": "Recall promised and kept",
    "senses": "Words with two senses",
    "sense_ways": "Words with two senses: every way tried",
    "reindex": "Indexing twice",
    "distil": "A static model beside its teacher",
    "train": "Trained on labels",
    "memory": "A memory beside plain search over its log",
    "cache": "The cache of answers",
    "drills": "Killed processes and wrong bits",
    "rag": "Answers from a collection",
    "open": "Opening and asking once",
    "parallel": "Readers side by side",
    "size": "Bytes on disk and in memory",
    "growth": "Ten and a hundred times the rows",
    "peers": "Beside other databases",
}
PACKAGES = ("numpy", "apsw", "rabitqlib", "faiss-cpu", "onnxruntime", "tokenizers")


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    for name in wanted:
        print(f"## {BENCHMARKS[name]}\n", flush=True)
        told = subprocess.run([sys.executable, _script(name)], stdout=subprocess.PIPE, text=True, check=True).stdout
        print(told, flush=True)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(f"{told.strip()}\n\n{machine()}\n", encoding="utf-8")
    write_page()


def _script(name: str) -> Path:
    """One file, or the run.py of a folder."""
    return next(path for path in (HERE / f"{name}.py", HERE / name / "run.py") if path.exists())


def machine() -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"_{datetime.date.today()}, {_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}; a shared, noisy machine: read the ratios._"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def write_page() -> None:
    """docs/benchmarks.md, put together from the last output of each benchmark."""
    parts = ["# Figures\n\n`make bench` prints this page; each part is the output of the script it names."]
    for name, title in BENCHMARKS.items():
        result = RESULTS / f"{name}.md"
        if result.exists():
            told = re.sub(r"^(#+) ", r"##\1 ", result.read_text(encoding="utf-8").strip(), flags=re.M)
            parts.append(f"## {title}\n\n`python {_script(name).relative_to(HERE.parent)}`\n\n{told}")
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
