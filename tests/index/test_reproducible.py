"""The same rows and the same seed give the same index, where the kernel can; and what it is where it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adjoin.index.base import FAMILIES, build, check
from adjoin.index.measure import unit


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("flat", "graph")])
def test_two_builds_find_the_same_rows_however_many_threads_build(trigrams: Any, family: str) -> None:
    params = check(family, "cosine", {})
    one, two = (build(family, trigrams[:3000], "cosine", params, seed=3, threads=threads) for threads in (1, 2))
    effort = one.efforts[len(one.efforts) // 3]
    for query in unit(trigrams[3000:3060]):
        rows = one.search(query, one.pool(10, effort), effort)
        assert rows.tolist() == two.search(query, two.pool(10, effort), effort).tolist()


def test_two_graphs_differ_in_what_they_miss_alone(trigrams: Any) -> None:
    """Its rotation takes no seed; what is found by both is measured exactly, and so is equal."""
    params = check("graph", "cosine", {})
    graphs = [build("graph", trigrams[:3000], "cosine", params, seed=3) for _ in range(2)]
    rows = unit(trigrams[:3000])
    shares = []
    for query in unit(trigrams[3000:3060]):
        true = set(np.argsort(-(rows @ query), kind="stable")[:10].tolist())
        found = [set(graph.search(query, 60, 200).tolist()) & true for graph in graphs]
        shares.append(len(found[0] & found[1]) / 10)
    assert np.mean(shares) > 0.95
