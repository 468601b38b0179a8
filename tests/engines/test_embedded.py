"""The embedded engine keeps the contract, in a folder and in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adjoin.engine import Engine
from adjoin.store.embedded import EmbeddedEngine
from adjoin.testing import EngineContract


class TestFolder(EngineContract):
    @pytest.fixture
    def engine(self, tmp_path: Path) -> Iterator[Engine]:
        opened = EmbeddedEngine(tmp_path / "store")
        yield opened
        opened.close()


class TestMemory(EngineContract):
    gaps = {  # noqa: RUF012  # a ClassVar by inheritance
        "P1": ("never", "what is in memory ends with it"),
        "P2": ("never", "each memory:// is a database of its own"),
    }

    @pytest.fixture
    def engine(self) -> Iterator[Engine]:
        opened = EmbeddedEngine(None)
        yield opened
        opened.close()
