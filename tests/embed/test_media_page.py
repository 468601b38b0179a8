"""The examples on the page of pictures and sounds are true."""

from __future__ import annotations

import doctest
import os
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "embed-media.md"


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL", reason="pictures need Pillow")
    pytest.importorskip("soundfile", reason="sounds need soundfile")
    monkeypatch.chdir(tmp_path)
    found = doctest.testfile(os.fspath(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 10
    assert found.failed == 0
