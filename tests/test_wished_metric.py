"""A collection compares by what its embedder's vectors are made for, where its user names no metric."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.errors import InvalidOption

RECORDS = [{"city": city, "degrees": degrees} for city in ("서울", "부산") for degrees in (1.0, 9.0, 30.0)]


@pytest.fixture
def db(tmp_path: Path) -> Any:
    with adjoin.open(tmp_path / "db.adjoin") as opened:
        yield opened


def test_records_are_compared_by_the_distance_that_explain_takes_apart(db: Any) -> None:
    pytest.importorskip("sklearn", reason="records need scikit-learn")
    model = adjoin.embedder("records").fit(RECORDS)
    days = db.collection("days", embedder=model)
    assert days.metric == "euclidean"
    days.add(RECORDS, ids=range(6))
    for hit in days.search(RECORDS[0], k=6):
        assert hit.distance == pytest.approx(model.explain(RECORDS[0], RECORDS[hit.id]).distance, abs=1e-5)


def test_bits_are_compared_by_hamming_even_those_of_one_colour(db: Any) -> None:
    pytest.importorskip("PIL", reason="pictures need Pillow")
    copies = db.collection("copies", embedder="imagehash")
    assert copies.metric == "hamming"
    copies.add([np.full((40, 40, 3), 200, np.uint8), np.eye(40).astype(np.float32)], ids=["grey", "line"])
    assert copies.search(np.full((9, 9, 3), 200, np.uint8), k=1).ids == ["grey"]
    assert db.collection("texts", embedder=adjoin.embedder("default", output="binary")).metric == "hamming"


def test_the_metric_that_is_named_counts(db: Any) -> None:
    assert db.collection("a", embedder=adjoin.embedder("default", output="binary"), metric="cosine").metric == "cosine"
    assert db.collection("b").metric == "cosine"
    assert db.collection("c", embedder=None).metric == "cosine"


def test_what_is_made_of_bits_and_records_is_compared_as_what_it_is(db: Any) -> None:
    pytest.importorskip("sklearn", reason="records need scikit-learn")
    pytest.importorskip("PIL", reason="pictures need Pillow")
    records = adjoin.embedder("reduce", embedder=adjoin.embedder("records").fit(RECORDS), dim=2).fit(RECORDS)
    assert db.collection("reduced", embedder=records).metric == "euclidean"
    both = adjoin.embedder("concat", embedders=["imagehash", "histogram"])
    assert db.collection("both", embedder=both).metric == "cosine"


def test_a_wish_that_no_engine_knows_is_refused(db: Any) -> None:
    model = adjoin.embedder(lambda texts: np.ones((len(texts), 3)))
    model.metric = "jaccard"
    with pytest.raises(InvalidOption, match="unknown metric 'jaccard'"):
        db.collection("x", embedder=model)
    assert db.collections() == []
