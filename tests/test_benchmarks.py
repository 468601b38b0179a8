"""Every number in the docs has a script that prints it, and every script can still be started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path for path in BENCHMARKS.glob("*.py"))
CODE = "import runpy, sys; sys.path.insert(0, sys.argv[1]); runpy.run_path(sys.argv[2], run_name='not_main')"


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_finds_all_that_it_imports(script: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(BENCHMARKS), str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-1000:]


@pytest.mark.parametrize("results", sorted((BENCHMARKS / "results").glob("*.md")), ids=lambda path: path.stem)
def test_a_result_has_the_script_that_printed_it(results: Path) -> None:
    names = {path.stem for path in SCRIPTS} | {path.name for path in BENCHMARKS.iterdir() if path.is_dir()}
    assert results.stem in names
