"""The examples of docs/embed-records.md run, and say what the page says."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "embed-records.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)


def told(example: int, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLES[example]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_records_are_explained_and_found(tmp_path: Path) -> None:
    lines = told(0, tmp_path)
    assert lines[0].startswith("distance ")
    assert lines[-1] == "['2024-01-05', '2024-12-30']"
    assert told(0, tmp_path)[-1] == lines[-1]  # twice: it is an upsert


@pytest.mark.slow
def test_reductions_tell_what_they_keep(tmp_path: Path) -> None:
    first, second, third = told(1, tmp_path)
    assert first.startswith("32 of 384 dimensions by pca, ")
    assert 4 < int(second) < 48
    assert "recall@10" in third


def test_composed_embedders_answer(tmp_path: Path) -> None:
    assert told(2, tmp_path) == ["(1, 386)", "0"]


def test_the_page_tells_every_kind_and_option() -> None:
    from adjoin.embed.records.schema import KINDS

    rows = {line.split("|")[1].strip(" `"): line for line in PAGE.splitlines() if line.startswith("| `")}
    for name, kind in KINDS.items():
        assert name in rows
        options = [one for one in inspect.signature(kind.__init__).parameters if one not in ("self", "args", "kwargs")]
        assert all(f"`{option}`" in rows[name] for option in options), name


@pytest.mark.parametrize("word", ["RECORDS_TABLE", "REDUCE_TABLE", "RECALL_CENTRED"])
def test_no_place_is_left_to_be_filled(word: str) -> None:
    assert word not in PAGE
