"""What the tests of reading share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adjoin.read import ReadSettings, Skipped, read_file
from adjoin.types import Item

Read = Callable[..., list[Item]]


@pytest.fixture
def skipped() -> list[Skipped]:
    return []


@pytest.fixture
def read(tmp_path: Path, skipped: list[Skipped]) -> Read:
    """Write a file and read it: `read("a.md", "# text")`; what was left out is in `skipped`."""

    def write_and_read(name: str, content: str | bytes, **settings: object) -> list[Item]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return list(read_file(path, ReadSettings(**settings), skipped.append))  # type: ignore[arg-type]

    return write_and_read
