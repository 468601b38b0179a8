"""Data frames go in as they are: rows as records, rows as metadata, rows as vectors, rows as queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.embed import embed_all
from adjoin.errors import InvalidInput

pd = pytest.importorskip("pandas", reason="data frames need pandas")
pytest.importorskip("sklearn", reason="records need scikit-learn")

TABLE = pd.DataFrame(
    {
        "도시": ["서울", "부산", "대구", "제주"] * 5,
        "degrees": [1.0, 2.5, float("nan"), 4.0] * 5,
        "day": pd.date_range("2026-01-01", periods=20),
        "dry": pd.array([True, None, False, True] * 5, dtype="boolean"),
    }
)


def arrow(table: Any) -> Any:
    return pytest.importorskip("pyarrow").Table.from_pandas(table, preserve_index=False)


@pytest.fixture
def model() -> Any:
    return adjoin.embedder("records").fit(TABLE)


@pytest.mark.parametrize("make", [lambda table: table, arrow], ids=["pandas", "arrow"])
def test_the_rows_of_a_table_are_records(make: Callable[[Any], Any], model: Any, tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "db.adjoin") as db:
        days = db.collection("days", embedder=model)
        days.add(make(TABLE), ids=range(20))
        assert days.count() == 20
        found = days.search_many(make(TABLE)[:3] if make is not arrow else make(TABLE[:3]), k=1)
        assert [hits.ids[0] for hits in found] == [0, 1, 2]
        assert days.get([3])[0].content["도시"] == "제주"


def test_a_table_of_metadata_leaves_out_what_is_missing(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "db.adjoin") as db:
        rows = db.collection("rows", embedder=None)
        rows.add(vectors=pd.DataFrame(np.eye(4)), metadata=TABLE[:4], ids=TABLE["도시"][:4])
        assert rows.count({"degrees": {"$gt": 2}}) == 2
        assert "degrees" not in rows.get(["대구"])[0].metadata
        assert "dry" not in rows.get(["부산"])[0].metadata
        assert rows.search(np.eye(4)[3], k=1).ids == ["제주"]


def test_embed_all_takes_a_table_and_names_the_row_that_is_wrong(model: Any) -> None:
    wrong = TABLE[:3].assign(degrees=[1.0, "warm", 2.0])
    vectors, places, refused = embed_all(model, wrong)
    assert (vectors.shape[0], places, [one.position for one in refused]) == (2, [0, 2], [1])


def test_a_table_and_ids_of_another_length_are_refused(model: Any, tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "db.adjoin") as db:
        days = db.collection("days", embedder=model)
        with pytest.raises(InvalidInput, match="20 items, 3 ids"):
            days.add(TABLE, ids=range(3))
        assert days.count() == 0
