"""The contract's suite and its page say the same, and a gap that closed does not go unnoticed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from scripts import contract_page

from adjoin.testing.contract import EngineContract, behaviours, number_of

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_lists_the_behaviours_that_the_suite_tests() -> None:
    page = (ROOT / "docs" / "engine-contract.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^- \*\*([A-Z]\d+)\*\* (.*)$", page, re.M)) == behaviours()
    assert page == contract_page.written(), "run scripts/contract_page.py"


def test_every_test_of_the_contract_has_a_number_of_its_own() -> None:
    tests = [getattr(EngineContract, name) for name in dir(EngineContract) if name.startswith("test_")]
    assert sorted(map(number_of, tests)) == sorted(behaviours())


GAPS = """
import pytest
from adjoin.store.embedded import EmbeddedEngine
from adjoin.testing import EngineContract

class TestIt(EngineContract):
    gaps = {"W1": ("notimpl", "it is not"), "P1": ("never", "memory ends")}

    @pytest.fixture
    def engine(self):
        engine = EmbeddedEngine(None)
        yield engine
        engine.close()
"""


def test_a_gap_is_expected_to_fail_and_one_that_closed_fails_the_run(tmp_path: Path) -> None:
    from tests.support.stores import python

    (tmp_path / "test_it.py").write_text(GAPS)
    chosen = "added_rows or after_reopening or merges"
    told = python(
        "import pytest, sys; print('ended', pytest.main(['-ra', '-p', 'no:cacheprovider', '-c', '/dev/null', '--rootdir', *sys.argv[1:]]))",
        tmp_path, tmp_path, "-k", chosen,
    )  # fmt: skip
    assert "1 failed, 1 passed" in told, told
    assert "1 xfailed" in told
    assert "[XPASS(strict)] notimpl: it is not" in told
    assert "never: memory ends" in told
    assert told.rstrip().endswith("ended 1") or "ended ExitCode.TESTS_FAILED" in told


def test_the_suite_shows_what_was_compared(tmp_path: Path) -> None:
    """Its asserts are rewritten as those in a test file are."""
    from tests.support.stores import python

    (tmp_path / "test_it.py").write_text(
        GAPS.replace("EmbeddedEngine(None)\n", "EmbeddedEngine(None)\n        engine.count = lambda *_: 77\n", 1)
    )
    told = python(
        "import pytest, sys; pytest.main(['-p', 'no:cacheprovider', '-c', '/dev/null', '--rootdir', *sys.argv[1:]])",
        tmp_path, tmp_path, "-k", "rows_are_counted",
    )  # fmt: skip
    assert "77" in told


@pytest.mark.parametrize("name", ["EngineContract", "TinyEmbedder"])
def test_the_doubles_are_found_by_name(name: str) -> None:
    import adjoin.testing

    assert getattr(adjoin.testing, name).__name__ == name
    with pytest.raises(AttributeError, match="nothing"):
        _ = adjoin.testing.nothing


def test_the_table_of_engines_is_what_they_declare() -> None:
    from scripts import engine_table

    page = (ROOT / "docs" / "engines" / "README.md").read_text(encoding="utf-8")
    assert page == engine_table.written(), "run scripts/engine_table.py"


def test_the_doubles_need_no_pytest_and_the_suite_says_so() -> None:
    from tests.support.stores import python

    code = """
import sys
sys.modules["pytest"] = sys.modules["hypothesis"] = None
import adjoin, adjoin.testing
print(adjoin.testing.TinyEmbedder().dim)
try:
    adjoin.testing.EngineContract
except adjoin.AdjoinError as exc:
    print(exc)
"""
    told = python(code)
    assert told.startswith("64")
    assert "pip install 'adjoin[test]'" in told


WRONG = """
import dataclasses
import pytest
from adjoin.engine import Written
from adjoin.errors import DuplicateId
from adjoin.store.embedded import EmbeddedEngine
from adjoin.testing import EngineContract

class Contract(EngineContract):
    made = EmbeddedEngine

    @pytest.fixture
    def engine(self):
        engine = self.made(None)
        yield engine
        engine.close()

class Swallows(EmbeddedEngine):
    def write(self, name, batches, *, mode):
        try:
            return super().write(name, batches, mode=mode)
        except DuplicateId:
            return Written()

class Short(EmbeddedEngine):
    def search(self, name, request):
        found = super().search(name, request)
        return found if request.where is None else [dataclasses.replace(one, neighbours=one.neighbours[:-1]) for one in found]

class Untied(EmbeddedEngine):
    def search(self, name, request):
        key = lambda one: (one.distance, repr(one.document.id))
        return [dataclasses.replace(one, neighbours=sorted(one.neighbours, key=key)) for one in super().search(name, request)]

class Near(EmbeddedEngine):
    def search(self, name, request):
        more = dataclasses.replace(request, k=request.k * 2)
        return [dataclasses.replace(one, neighbours=one.neighbours[::2]) for one in super().search(name, more)]

class Loose(EmbeddedEngine):
    def count(self, name, where=None):
        return sum(row.metadata.items() >= (where or {}).items() for row in self.scan(name))

class TestSwallows(Contract):
    made = Swallows

class TestShort(Contract):
    made = Short

class TestUntied(Contract):
    made = Untied

class TestNear(Contract):
    made = Near

class TestLoose(Contract):
    made = Loose

del Contract
"""
CAUGHT = {
    "TestSwallows": ("an_id_that_exists", "stands_twice"),
    "TestShort": ("never_fewer", "filters_see_an_update"),
    "TestUntied": ("ranked_by_id",),
    "TestNear": ("found_by_every_metric", "recall_of_one", "recall_asked_for"),
    "TestLoose": ("eq_agrees", "of_filters_agree"),
}


@pytest.mark.slow
def test_engines_that_do_not_keep_the_contract_are_caught(tmp_path: Path) -> None:
    from tests.support.stores import python

    (tmp_path / "test_it.py").write_text(WRONG)
    chosen = " or ".join(f"({engine} and {test})" for engine, tests in CAUGHT.items() for test in tests)
    told = python(
        "import pytest, sys; pytest.main(['-q', '-p', 'no:cacheprovider', '--tb=no', '-c', '/dev/null', '--rootdir', *sys.argv[1:]])",
        tmp_path, tmp_path, "-k", chosen,
    )  # fmt: skip
    assert " passed" not in told, told
    assert all(engine in told for engine in CAUGHT)
