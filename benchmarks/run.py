"""Runs every benchmark, or those named, and writes what they print to docs/benchmarks.md with the machine and versions.

python benchmarks/run.py [startup embedding add tail filters reindex drills …]
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
    "add": "Storing",
    "tail": "Exact search",
    "filters": "Filters on sealed rows",
    "reindex": "Indexing twice",
    "drills": "Killed processes and wrong bits",
}
PACKAGES = ("numpy", "apsw", "onnxruntime", "tokenizers")


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    for name in wanted:
        print(f"## {BENCHMARKS[name]}\n", flush=True)
        told = subprocess.run(
            [sys.executable, HERE / f"{name}.py"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        print(told, flush=True)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(f"{told.strip()}\n\n{machine()}\n", encoding="utf-8")
    write_page()


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
            parts.append(f"## {title}\n\n`python benchmarks/{name}.py`\n\n{told}")
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
