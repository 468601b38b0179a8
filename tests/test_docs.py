"""What the pages show is true: their code runs, their links lead somewhere, and the two readmes are in step."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stores import vectors

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
READMES = (ROOT / "README.md", ROOT / "README.ko.md")


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def run(code: list[str], folder: Path) -> str:
    done = subprocess.run([sys.executable, *code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_s_ten_lines_run_offline_and_answer(tmp_path: Path) -> None:
    (code,) = blocks(READMES[0], "python")
    assert run(["-c", code], tmp_path).startswith("1 ")
    assert "Seoul" in run(["-c", code], tmp_path).splitlines()[0]  # twice: it is an upsert


def test_the_readmes_are_in_step() -> None:
    english, korean = READMES
    assert len(blocks(english, "console")) == len(blocks(korean, "console"))
    for left, right in zip(blocks(english, "python"), blocks(korean, "python"), strict=True):
        assert _code(left) == _code(right)
    for left, right in zip(blocks(english, "console"), blocks(korean, "console"), strict=True):
        assert _commands(left) == _commands(right)
    headings = [len(re.findall(r"^## ", page.read_text(encoding="utf-8"), re.M)) for page in READMES]
    assert headings[0] == headings[1]


def _code(block: str) -> list[str]:
    return [line.split("  #")[0].rstrip() for line in block.splitlines()]


def _commands(block: str) -> list[str]:
    return [line.split("#")[0].strip() for line in block.splitlines()]


def test_the_table_of_indexes_is_what_the_families_declare() -> None:
    from scripts import index_table

    page = (ROOT / "docs" / "indexes.md").read_text(encoding="utf-8")
    assert page == index_table.written(), "run scripts/index_table.py"
    assert all(f"| `{family}` |" in index_table.table() for family in ("flat", "graph", "ivfpq"))


def test_the_numbers_on_the_page_of_indexes_are_those_of_the_code() -> None:
    from adjoin.index import calibrate
    from adjoin.store import keeper, meter, sealing

    page = " ".join((ROOT / "docs" / "indexes.md").read_text(encoding="utf-8").split())
    for said in (
        f"fewer than {sealing.FLAT_BELOW:,} rows",
        f"up to {calibrate.MOST_QUERIES} ordinary ones",
        f"up to {calibrate.MOST_FOREIGN} farther ones",
        f"at least {meter.SAMPLE // 4} queries without a filter",
        f"a recall of {calibrate.NEEDED} for ten neighbours",
        f"has {keeper.SEAL_ROWS:,} rows, or {keeper.SEAL_BYTES // 2**20} MiB",
        f"has paused for {keeper.QUIET_S} seconds",
    ):
        assert said in page, said
    assert (keeper.HURRY, keeper.FAN_IN, keeper.MOST_DEAD) == (8, 4, 0.2)  # eight times that; four neighbours; a fifth


@pytest.mark.parametrize(("family", "size"), [("graph", 2120), ("hnsw", 1680), ("lsh", 96)])
def test_indexes_take_the_bytes_that_their_page_says(family: str, size: int) -> None:
    from adjoin.index.base import build

    built = build(family, vectors(600, 384), "cosine", {})
    assert built.memory_bytes / built.n == pytest.approx(size, rel=0.01)
    (line,) = [
        line for line in (ROOT / "docs" / "indexes.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{family}` |") and "384 dimensions" in line
    ]  # fmt: skip
    assert f"{size:,}" in line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_examples_run_offline(example: Path, tmp_path: Path) -> None:
    assert run([str(example)], tmp_path).strip()


def test_the_commands_in_the_readme_exist() -> None:
    shown = {
        line.split()[2] for block in blocks(READMES[0], "console") for line in block.splitlines() if "$ adjoin" in line
    }
    told = run(["-m", "adjoin", "--help"], ROOT)
    assert all(command in told for command in shown)


@pytest.mark.parametrize("module", ["adjoin", "adjoin.types", "adjoin.text.excerpt"])
def test_examples_in_docstrings_are_true(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0


def test_the_examples_of_the_page_of_embeddings_run(tmp_path: Path) -> None:
    code = blocks(ROOT / "docs" / "embeddings.md", "python")
    assert len(code) == 4
    told = [run(["-c", one], tmp_path) for one in code]
    assert told[0].startswith("(2, 384) 0.")
    assert " True\n" in told[1]
    assert told[2] == "True\n"
    assert "switched: the collection is embedded by the new one" in told[3]
