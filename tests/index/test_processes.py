"""What an index does to the process it runs in: nothing is loaded too early, and a forked child can search."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
import pytest
from tests.support.stores import python

from adjoin.index import base
from adjoin.index.made_queries import unit


def test_kernels_are_loaded_when_first_used() -> None:
    code = "import sys, adjoin.index.base as base; base.choose('cosine', 9999, 9); print(*sys.modules)"
    assert not {"faiss", "rabitqlib"} & set(python(code).split())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="Python 3.12 warns of any fork beside a thread that may be about"
)
@pytest.mark.parametrize("family", ["graph", "hnsw", "lsh", "pq", "ivf", "ivfpq"])
def test_a_forked_child_searches_on(family: str, trigrams: Any) -> None:
    params = {"m": 4, "bits": 4} if family in ("pq", "ivfpq") else {}
    built = base.build(family, trigrams[:600], "cosine", params, threads=2)
    queries = unit(trigrams[600:640], "cosine")
    effort = built.efforts[2]
    expected = built.search_many(queries, 5, effort, threads=2)
    built.search(queries[0], 5, effort)
    child = os.fork()
    if child == 0:
        same = np.array_equal(built.search_many(queries, 5, effort, threads=2), expected)
        built.search(queries[0], 5, effort)
        os._exit(0 if same else 1)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")
