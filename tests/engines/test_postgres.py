"""The PostgreSQL engine keeps the contract, and what it promises beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adjoin.engine import Engine
from adjoin.engines.postgres import PostgresEngine
from adjoin.testing import EngineContract


class TestContract(EngineContract):
    @pytest.fixture
    def engine(self, url: str) -> Iterator[Engine]:
        opened = PostgresEngine(url)
        yield opened
        opened.close()
