"""What was erased stands in no file: all of them are read here, byte by byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import adjoin
from adjoin.errors import StoreError
from tests.support.busy_writer import small_thresholds
from tests.support.stores import start, vector, vectors


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch.setattr)
    monkeypatch.setattr("adjoin.store.keeper.QUIET_S", 1000)


def places(folder: Path, *wanted: str | bytes) -> list[str]:
    """Every file in which one of the texts or bytes stands."""
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".db-shm":
            content = path.read_bytes()
            for each in wanted:
                if (each.encode() if isinstance(each, str) else each) in content:
                    found.append(f"{path.name}: {each[:40]!r}")
    return found


TEXTS = (
    "the secret of row {n}, version {v}",
    "비밀 {n}번, 판 {v}",
    "long secret {n}/{v} " * 3000,
    "긴 비밀 {n}판{v} " * 3000,
)


def item(n: int, version: int) -> adjoin.Item:
    """Metadata and vector are of the version alone too; other rows have other ones."""
    return adjoin.Item(
        TEXTS[n % 4].format(n=n, v=version),
        f"row {n}",
        {"n": n, "private": f"private word {n}-{version}", "사적": f"사적인 말 {n}-{version}"},
        vector(n, version),
    )


def traces(n: int, version: int) -> list[str | bytes]:
    text = TEXTS[n % 4].format(n=n, v=version)
    return [
        text[:30],
        text[-30:],
        f"private word {n}-{version}",
        f"사적인 말 {n}-{version}",
        vector(n, version).tobytes(),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("sealed", ["nothing", "before", "between", "after", "all"])
def test_no_version_of_an_erased_row_is_left_in_any_file(tmp_path: Path, sealed: str) -> None:
    folder = tmp_path / "s"
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add([item(n, 1) for n in range(200)])
        if sealed in ("before", "all"):
            rows.optimize()
        rows.upsert([item(n, 2) for n in range(40)])
        if sealed in ("between", "all"):
            rows.optimize()
        rows.update([f"row {n}" for n in range(20)], {"private": "word that came later"})
        if sealed in ("after", "all"):
            rows.optimize()
        gone = [*range(8), *range(36, 48), 150]
        erased = rows.erase([f"row {n}" for n in gone])
        assert int(erased) == len(gone)
        assert erased.searched_bytes > 1000
        for n in gone:
            assert places(folder, *traces(n, 1), *(traces(n, 2) if n < 40 else ())) == []
        # A row that stays has its own, and only that.
        assert places(folder, traces(100, 1)[2])
        for n in (20, 35):
            assert places(folder, *traces(n, 1)[2:]) == [], "an earlier version of another row"
            assert places(folder, traces(n, 2)[2])
        assert rows.count() == 200 - len(gone)
        assert [hits.ids for hits in rows.search_many(np.stack([vector(n, 1) for n in range(60, 90)]), k=1)] == [
            [f"row {n}"] for n in range(60, 90)
        ]
        assert db.doctor().findings == ()
    assert places(folder, *traces(0, 1), *traces(0, 2)) == []


def test_erasing_by_filter_and_all(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with adjoin.open(folder) as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add([item(n, 1) for n in range(200)])
        rows.optimize()
        assert int(rows.erase(where={"n": {"$lt": 50}})) == 50
        assert places(folder, *traces(4, 1), *traces(49, 1)) == []
        assert int(rows.erase(where={})) == 150
        for n in range(200):
            assert places(folder, *traces(n, 1)) == []
        assert int(rows.erase([f"row {n}" for n in range(3)])) == 0


_OLD_READER = """
import adjoin, sys
rows = adjoin.open(sys.argv[1]).collection("rows", embedder=None)
scan = rows.scan()
next(scan)
print("reading", flush=True)
sys.stdin.readline()
print(sum(1 for _ in scan), flush=True)
"""


def test_a_reader_of_an_older_state_in_another_process_makes_it_say_so(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    with adjoin.open(folder, write_timeout_s=1.5) as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add([item(n, 1) for n in range(200)])
        reader = start(_OLD_READER, folder)
        assert reader.stdout is not None
        assert reader.stdin is not None
        assert reader.stdout.readline() == "reading\n"
        with pytest.raises(StoreError, match="another process is reading an older state") as raised:
            rows.erase(["row 4"])
        assert "erase(where=" in str(raised.value)
        out, _ = reader.communicate("\n")
        assert out == "199\n"  # the reader's own state was whole
        assert rows.get("row 4") is None
        assert places(folder, *traces(4, 1))
        rows.erase(where={"nothing": "matches"})
        assert places(folder, *traces(4, 1)) == []


def test_a_piece_that_a_living_row_shares_is_no_trace(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        shared = "a paragraph that many documents have, such as a licence " * 10
        rows.add(
            [adjoin.Item(shared + str(n), n, {"by": "the same author of them all"}, vectors(1)[0]) for n in range(60)]
        )
        rows.optimize()
        rows.add(
            [
                adjoin.Item(shared + str(n), n, {"by": "the same author of them all"}, vectors(1)[0])
                for n in range(60, 70)
            ]
        )
        assert int(rows.erase([3, 65])) == 2
