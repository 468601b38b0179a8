"""A disk without space: every call says so, nothing that was stored is lost, and no half-made file stays."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import adjoin
from adjoin.errors import StoreFull
from tests.support.busy_writer import small_thresholds
from tests.support.stores import contents, vector, vectors


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 6 MB."""
    small_thresholds(monkeypatch.setattr)
    monkeypatch.setattr("adjoin.store.keeper.QUIET_S", 1000)
    place = tmp_path / "disk"
    place.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only the superuser may mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system could be mounted: {done.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(disk: Path, left_bytes: int) -> None:
    free_up(disk)
    found = os.statvfs(disk)
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(max(0, found.f_bavail * found.f_bsize - left_bytes)))


def free_up(disk: Path) -> None:
    (disk / "ballast").unlink(missing_ok=True)


def filled(rows: adjoin.Collection) -> None:
    rows.add(adjoin.Item(f"text {n} " * 40, n, {"n": n}, vector(n)) for n in range(400))


def segments(store: Path) -> list[str]:
    return sorted(os.listdir(store / "segments")) if (store / "segments").is_dir() else []


def test_writing_on_a_full_disk_stores_nothing_and_says_so(disk: Path) -> None:
    with adjoin.open(disk / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        filled(rows)
        rows.optimize()
        held = contents(rows)
        calls: list[Callable[[], Any]] = [
            lambda: rows.add(vectors=vectors(3000), ids=[f"new {n}" for n in range(3000)]),
            lambda: rows.add(adjoin.Item(None, f"new {n}", {}, v) for n, v in enumerate(vectors(3000))),
            lambda: rows.update(range(400), [{"long": "x" * 1000}] * 400),
            lambda: rows.delete(where={}),
        ]
        for call in calls:
            fill(disk, 0)
            with pytest.raises(StoreFull, match="space"):
                call()
            assert contents(rows) == held
            assert rows.search(vector(7), k=1).ids == [7]
            free_up(disk)
            assert db.doctor().findings == ()
        for call in calls[:1]:
            call()
        assert rows.count() == 3400


def test_building_at_any_amount_of_space_succeeds_or_leaves_all_as_it_was(disk: Path) -> None:
    with adjoin.open(disk / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        filled(rows)
        held = contents(rows)
        refused = 0
        for left in range(0, 1_500_000, 61_000):
            fill(disk, left)
            before = segments(disk / "s")
            try:
                rows.optimize()
            except StoreFull as exc:
                refused += 1
                assert "space" in str(exc)
                assert segments(disk / "s") == before
            else:
                assert rows.stats()["tail"] == 0
                free_up(disk)
                break
            assert contents(rows) == held
            free_up(disk)
        assert refused > 3
        assert rows.stats()["tail"] == 0
        assert contents(rows) == held
        assert db.doctor().findings == ()
        assert [part["index"] for part in rows.stats()["parts"]] == ["graph"]
    with adjoin.open(disk / "s") as db:
        again = db.collection("rows")
        again.search(vector(5), k=3)
        [state] = db._engine._states.values()  # type: ignore[attr-defined]
        assert state._parts[0].segment.load_index() is not None, state._parts[0].segment.index_damage


def test_the_background_puts_its_work_off_until_there_is_space(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with adjoin.open(disk / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        filled(rows)
        fill(disk, 30_000)
        keeper = db._engine._keeper  # type: ignore[attr-defined]
        with keeper._put_off("rows"):
            keeper._tend("rows")
        assert segments(disk / "s") == []
        assert rows.stats()["tail"] == 400
        free_up(disk)
        keeper._tend("rows")
        assert rows.stats()["tail"] == 0
        assert rows.search(vector(7), k=1).ids == [7]


def test_a_backup_without_space_leaves_nothing_behind(disk: Path) -> None:
    with adjoin.open(disk / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        filled(rows)
        rows.optimize()
        for left in (0, 50_000, 200_000, 300_000):
            fill(disk, left)
            with pytest.raises(StoreFull, match="space"):
                db.backup(disk / "copy")
            assert sorted(os.listdir(disk)) == ["ballast", "s"]
        free_up(disk)
        db.backup(disk / "copy")
    with adjoin.open(disk / "copy") as copy:
        assert copy.collection("rows").count() == 400
        assert copy.doctor().findings == ()


def test_an_erasure_without_space_says_how_far_it_came_and_can_be_ended_later(disk: Path) -> None:
    secret = b"the secret of row seven "
    with adjoin.open(disk / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        rows.add(adjoin.Item(f"text {n} " * 40, n, {"n": n}, vector(n)) for n in range(400) if n != 7)
        rows.add(adjoin.Item(secret.decode() * 20, 7, {"n": 7}, vector(7)))
        rows.optimize()
        told = set()
        for left in (0, 60_000, 150_000, 400_000):
            fill(disk, left)
            try:
                rows.erase([7])
            except StoreFull as exc:
                told.add("rows are deleted, but" in str(exc))
                assert (rows.get(7) is None) == ("deleted, but" in str(exc) or len(told) == 2)
            free_up(disk)
            assert rows.count() == 400 - (rows.get(7) is None)
            assert db.doctor().healthy
        assert True in told
        rows.erase(where={"nothing": "matches"})
        for path in (disk / "s").rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes()
        assert rows.count() == 399


@pytest.mark.skipif(os.name != "posix", reason="no such limit on this system")
def test_a_limit_on_the_size_of_files_is_told_as_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    small_thresholds(monkeypatch.setattr)
    monkeypatch.setattr("adjoin.store.keeper.QUIET_S", 1000)
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=None, metric="euclidean")
        filled(rows)
        held = contents(rows)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        for limit in (8_000, 50_000, 100_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                with pytest.raises(StoreFull):
                    rows.optimize()
                with pytest.raises(StoreFull):
                    db.backup(tmp_path / "copy")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert segments(tmp_path / "s") == []
            assert not (tmp_path / "copy").exists()
            assert contents(rows) == held
        rows.optimize()
        assert contents(rows) == held
        assert db.doctor().findings == ()
