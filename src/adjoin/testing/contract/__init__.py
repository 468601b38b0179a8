"""The contract that every engine keeps, as tests: docs/engine-contract.md, behaviour by behaviour.

    class TestMine(EngineContract):
        @pytest.fixture
        def engine(self) -> Iterator[Engine]:
            yield MyEngine(…)

Needs pytest and hypothesis, which `adjoin[test]` brings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from adjoin.engine import Absence, Engine
from adjoin.errors import MissingExtra

try:
    import hypothesis  # noqa: F401  # which the halves need
    import pytest
except ImportError as exc:
    raise MissingExtra.of(exc.name or "pytest", "test", "adjoin.testing.EngineContract") from exc

HALVES = ("collections", "data", "filtering", "reading", "searching", "upkeep", "writing")
pytest.register_assert_rewrite(*(f"{__name__}.{half}" for half in HALVES))

from adjoin.testing.contract.collections import CollectionsContract  # noqa: E402  # after the rewriting of their asserts
from adjoin.testing.contract.filtering import FilteringContract  # noqa: E402
from adjoin.testing.contract.reading import ReadingContract  # noqa: E402
from adjoin.testing.contract.searching import SearchingContract  # noqa: E402
from adjoin.testing.contract.upkeep import UpkeepContract  # noqa: E402
from adjoin.testing.contract.writing import WritingContract  # noqa: E402

__all__ = ["EngineContract", "behaviours"]


class EngineContract(
    CollectionsContract, WritingContract, ReadingContract, SearchingContract, FilteringContract, UpkeepContract
):
    """Inherit this, and give the fixture `engine`: a fresh, empty engine.

    reopen: a fixture that opens the same data once more. The usual one opens `engine.location` by `adjoin.open`.
    gaps: what this engine lacks where it stands, as in `Abilities.gaps`, which holds for it everywhere. A test of a
    gap is expected to fail, and fails the run when it does not.
    """

    gaps: ClassVar[Mapping[str, tuple[Absence, str]]] = {}

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `engine` that gives a fresh, empty engine")

    @pytest.fixture
    def reopen(self, engine: Engine) -> Iterator[Callable[[], Engine]]:
        import adjoin

        opened: list[Any] = []

        def again() -> Engine:
            opened.append(adjoin.open(engine.location))
            return opened[-1]._engine  # type: ignore[no-any-return]

        yield again
        for database in opened:
            database.close()

    @pytest.fixture(autouse=True)
    def _expect_gaps(self, request: pytest.FixtureRequest, engine: Engine) -> None:
        gap = {**engine.abilities.gaps, **self.gaps}.get(number_of(request.function))
        if gap is not None:
            kind, reason = gap
            request.applymarker(pytest.mark.xfail(reason=f"{kind}: {reason}", strict=True))


def number_of(test: Callable[..., Any]) -> str:
    """The behaviour's number, which a test's docstring begins with."""
    found = re.match(r"([A-Z]\d+): ", test.__doc__ or "")
    assert found, f"{test.__name__} has no number"
    return found[1]


def behaviours() -> dict[str, str]:
    """What the contract asks, by number, in the order of docs/engine-contract.md."""
    tests = [
        test
        for half in reversed(EngineContract.__mro__)
        for name, test in vars(half).items()
        if name.startswith("test_")
    ]
    told = {number_of(test): (test.__doc__ or "").split(": ", 1)[1] for test in tests}
    assert len(told) == len(tests), "two tests have one number"
    letters = {letter: n for n, letter in enumerate("CWUDRKNTSFOEQBHPX")}
    return {number: told[number] for number in sorted(told, key=lambda number: (letters[number[0]], int(number[1:])))}
