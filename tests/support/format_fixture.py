"""The rows of the stores in tests/fixtures, and how it was made: `python -m tests.support.format_fixture`.

A committed fixture is never made anew for its own format: that is what makes it a promise. A new format gets another.
"""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

import adjoin
from adjoin.engine import Batch
from adjoin.store.schema import VERSION
from adjoin.testing import TinyEmbedder

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"

SEOUL = adjoin.Origin("docs/서울.md", line=3, heading=("하나", "둘"))
# (id, content, metadata, vector, origin)
ROWS: list[tuple[Any, Any, dict[str, Any], list[float], adjoin.Origin | None]] = [
    ("1", "Seoul is the capital of Korea.", {"year": 2024, "tags": ["city", None]}, [1.0, 0.0, 0.5], None),
    (1, "서울은 한국의 수도이다.", {"year": 2024.0, "말": "한국어"}, [0.9, 0.1, 0.5], SEOUL),
    ("", b"\x00\xff", {"a.b": {"c": [True, False]}}, [-1.0, 3.4e38, 1e-45], adjoin.Origin(seconds=(1.5, 2.5), page=2)),
    (-(2**63), {"title": "책", "pages": 300}, {"big": 10**4000, "small": -(2**70)}, [0.25, 0.25, 0.25], None),
    ("e\u0301\0😀", None, {}, [3.0, 2.0, 1.0], None),
    ("dates", "", {
        "aware": datetime(2024, 5, 1, 9, 30, tzinfo=timezone(timedelta(hours=9))), "naive": datetime(1, 1, 1, 0, 0, 0, 1),
        "date": date(9999, 12, 31), "inf": math.inf, "minus": -math.inf, "zero": -0.0,
    }, [1.0, 1.0, 1.0], None),
]  # fmt: skip
TEXTS = {"cat": "the cat sat on the mat", "spring": "봄이 오면 꽃이 핀다"}
FAMILIES = {"graph": "float32", "hnsw": "float16", "ivf": "int8"}
NOTE = {"size": 12, "mtime_ns": 1, "digest": "00" * 16, "chunks": 2, "settings": "ab", "read_ns": 2}


def make(folder: Path) -> None:
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(vectors=[[9.0, 9.0, 9.0]], ids=["gone"])
        rows.add(adjoin.Item(content, id_, {}, vector, origin) for id_, content, _, vector, origin in ROWS[:4])
        rows.optimize()  # a segment, with a row that goes and rows whose metadata changes; the rest is the tail
        rows.add(adjoin.Item(content, id_, {}, vector, origin) for id_, content, _, vector, origin in ROWS[4:])
        rows.update([row[0] for row in ROWS], [row[2] for row in ROWS])
        rows.delete("gone")
        texts = db.collection("글", embedder=TinyEmbedder())
        texts.add([adjoin.Item(text, id_, {"at": datetime(2024, 1, 1, tzinfo=UTC)}) for id_, text in TEXTS.items()])
        db._engine.write("글", [Batch(notes={"source:/docs/a.md": json.dumps(NOTE)})], mode="upsert")
        db.collection("empty", embedder=None, metric="dot")
        for family, storage in FAMILIES.items():
            indexed = db.collection(family, embedder=None, index=family, storage=storage)
            indexed.add(
                vectors=points(), ids=list(range(len(points()))), metadata=[{"n": n} for n in range(len(points()))]
            )
            indexed.optimize()


def points() -> Any:
    """Two hundred vectors of eight dimensions, around ten centres."""
    random = np.random.default_rng(0)
    return (random.standard_normal((10, 8))[np.arange(200) % 10] + 0.3 * random.standard_normal((200, 8))).astype("f4")


if __name__ == "__main__":
    target = FIXTURES / f"format-{VERSION}"
    if target.exists():
        sys.exit(f"{target} is there already, and stays as it is")
    target.parent.mkdir(exist_ok=True)
    make(target)
