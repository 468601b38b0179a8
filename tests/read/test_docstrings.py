"""The standard library's documentation is there on every machine, in the same order, under names that users know."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from adjoin.read import docstrings_fingerprint, read_docstrings
from adjoin.types import Item


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return list(read_docstrings(whole=True))


def test_first_paragraphs_describe_thousands_of_things_on_one_line_each() -> None:
    short = {item.id: item for item in read_docstrings()}
    assert len(short) >= 2000
    assert {"math.sqrt", "str.split", "dict.get", "random.choice", "shutil.copytree", "os.path.join"} <= set(short)
    assert short["math.sqrt"].content == "Return the square root of x."
    assert not [item.id for item in short.values() if "\n" in str(item.content)]
    assert {item.metadata["kind"] for item in short.values()} == {"module", "class", "function", "method"}


def test_names_that_users_know_are_described(items: list[Item]) -> None:
    found = {item.id: item for item in items}
    names = (
        "math.sqrt str.split dict.get list.append json.loads os.path.join os.mkdir shutil.copytree max collections.deque"
        " functools.reduce random.choice itertools.chain re.sub asyncio.sleep datetime.datetime.now print time.sleep"
        " zipfile.ZipFile pathlib.Path.glob timeit collections.abc.Mapping.get"
    )
    assert [name for name in names.split() if name not in found] == []
    sqrt = found["math.sqrt"]
    assert (sqrt.content, sqrt.context) == ("Return the square root of x.", "math.sqrt(x)")
    assert sqrt.metadata == {"module": "math", "kind": "function"}
    loads = found["json.loads"].origin
    assert loads is not None
    assert loads.file is not None
    assert loads.line is not None
    assert "def loads" in Path(loads.file).read_text(encoding="utf-8").splitlines()[loads.line - 1]


def test_each_says_something_under_its_own_name(items: list[Item]) -> None:
    assert len({item.id for item in items}) == len(items)
    assert all(str(item.content).strip() for item in items)
    assert not [item.id for item in items if any(part.startswith("_") for part in str(item.id).split("."))]
    assert not [item.id for item in items if str(item.id).startswith(("test.", "idlelib", "antigravity"))]


def test_order_does_not_depend_on_the_run() -> None:
    code = "from adjoin.read import read_docstrings; print([item.id for item in read_docstrings(['json', 'builtins', 'os'])])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def test_whole_docstrings_come_in_chunks_with_ids_of_their_own() -> None:
    whole = list(read_docstrings(["datetime", "subprocess"], whole=True))
    ids = [item.id for item in whole]
    assert len(set(ids)) == len(ids)
    assert "subprocess#2" in ids
    assert docstrings_fingerprint(whole=True) != docstrings_fingerprint()


def test_modules_with_effects_are_not_imported() -> None:
    code = (
        "import sys; from adjoin.read import read_docstrings; list(read_docstrings()); "
        "print(sorted({'this', 'antigravity', 'tkinter', 'idlelib', 'test', 'turtle'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


def test_library_without_sources_gives_the_modules_in_c(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place in (tmp_path / "python311.zip", tmp_path):
        monkeypatch.setattr("sysconfig.get_paths", lambda place=place: {"stdlib": str(place)})
        ids = {item.id for item in read_docstrings()}
        assert {"math.sqrt", "str.split"} <= ids


@pytest.mark.slow
def test_reading_it_takes_seconds_at_most() -> None:
    began = time.process_time()
    list(read_docstrings())
    assert time.process_time() - began < 6
