"""The embedded engine keeps the contract, in a folder and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adjoin.engine import Absence, Engine
from adjoin.store.embedded import EmbeddedEngine
from adjoin.testing import EngineContract

NOT_YET: dict[str, tuple[Absence, str]] = dict.fromkeys(
    ["C4", "C6", "W20", "O1", "O2", "O3", "O4", "O5", "E1", "E2", "Q1", "B1", "H1", "X1"],
    ("notimpl", "the embedded engine is being taught this"),
)


class TestFolder(EngineContract):
    gaps = NOT_YET

    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        opened = EmbeddedEngine(tmp_path / "store")
        yield opened
        opened.close()


class TestMemory(EngineContract):
    gaps = {  # noqa: RUF012  # a ClassVar by inheritance
        **NOT_YET,
        "P1": ("never", "what is in memory ends with it"),
        "P2": ("never", "each memory:// is a database of its own"),
    }

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        opened = EmbeddedEngine(None)
        yield opened
        opened.close()
