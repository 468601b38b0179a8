"""Real vectors, small and quick to make: what Python's own documentation is made of."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from adjoin.read.docstrings import read_docstrings

Matrix = Any


@pytest.fixture(scope="session")
def lines() -> list[str]:
    """5,000 different lines of documentation, in no order, so that any part stands for the others."""
    found: dict[str, None] = {}
    for item in read_docstrings(whole=True):
        found.update(dict.fromkeys(line.strip() for line in str(item.content).splitlines() if len(line) > 30))
        if len(found) > 8000:
            break
    return random.Random(0).sample(list(found), 5000)


@pytest.fixture(scope="session")
def trigrams(lines: list[str]) -> Matrix:
    """Counts of letter trigrams, cast to 48 dimensions: float32 (5000, 48), of all lengths and far from the origin."""
    return counted(lines)


@pytest.fixture(scope="session")
def names() -> Matrix:
    """The same of the names of Python's modules, which are like no line: float32 (about 280, 48)."""
    return counted(sorted(name for name in sys.stdlib_module_names if len(name) > 3))


def counted(texts: list[str]) -> Matrix:
    cast = np.random.default_rng(7).standard_normal((4096, 48)).astype(np.float32)
    vectors = np.zeros((len(texts), 48), np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
        places = (codes[:-2] * 31 * 31 + codes[1:-1] * 31 + codes[2:]) % len(cast)
        vector += cast[places].sum(axis=0)
    return vectors


@pytest.fixture(scope="session")
def sentences(lines: list[str]) -> Matrix:
    """320 lines under the default model: float32 (320, 384)."""
    import adjoin

    return adjoin.embedder("default").embed(lines[:320])


@pytest.fixture(scope="session")
def rows_for(trigrams: Matrix) -> Callable[[str], Matrix]:
    """Rows that suit a metric: under Hamming only their signs."""
    return lambda metric: (trigrams > 0).astype(np.float32) if metric == "hamming" else trigrams
