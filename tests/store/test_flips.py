"""One wrong bit anywhere: no wrong answer without a word, the damage named, and what can be made again made again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import adjoin
from adjoin.database import doctor
from adjoin.errors import StoreCorrupted
from tests.support.damaging import (
    KINDS,
    Contents,
    all_contents,
    ask,
    collection,
    files_of,
    flip,
    flip_and_compare,
    make,
)

ROUNDS = int(os.environ.get("ADJOIN_FLIP_ROUNDS", str(len(KINDS))))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    folder = tmp_path_factory.mktemp("made") / "store"
    return folder, make(folder)


@pytest.fixture
def store(made: tuple[Path, Contents], tmp_path: Path) -> tuple[Path, Contents]:
    folder, held = made
    return Path(shutil.copytree(folder, tmp_path / "store")), held


def test_the_store_that_is_damaged_here_answers_by_index_while_it_is_whole(store: tuple[Path, Contents]) -> None:
    folder, held = store
    asked = ask(folder, held, seed=1)
    assert (asked.wrong, asked.refused) == ([], 0)
    assert asked.by_index
    assert doctor(folder).findings == ()


@pytest.mark.slow
def test_a_wrong_bit_in_any_file_is_noticed_and_repaired(tmp_path: Path) -> None:
    tally = flip_and_compare(tmp_path, ROUNDS, seed=3)
    assert tally.named == tally.rounds
    for kind in KINDS[2:]:
        assert tally.whole[kind] == tally.rounds[kind]


@pytest.mark.parametrize("offset", [0, 17, 20, 30, 60, 69, 92, 101])
def test_a_wrong_bit_in_the_first_bytes_of_the_database_is_told_from_another_format_and_put_right(
    store: tuple[Path, Contents], offset: int
) -> None:
    folder, held = store
    flip(folder / "adjoin.db", offset * 8 + 1)
    asked = ask(Path(shutil.copytree(folder, folder.with_name("asked"))), held, seed=2)
    assert (asked.right, asked.refused, asked.wrong) == (0, 1, [])
    assert not doctor(folder).healthy
    assert doctor(folder, repair=True).healthy
    assert all_contents(folder) == held


@pytest.mark.parametrize("part", ["header", "salts", "page number", "checksum", "page", "last page"])
def test_a_wrong_bit_in_the_log_is_noticed_before_what_follows_it_is_forgotten(
    store: tuple[Path, Contents], part: str
) -> None:
    folder, held = store
    log = folder / "adjoin.db-wal"
    frame = 24 + 8192
    middle = 32 + log.stat().st_size // frame // 2 * frame
    last = log.stat().st_size // frame * frame - frame + 32
    place = {"header": 9, "salts": middle + 9, "page number": middle + 3, "checksum": middle + 17, "page": middle + 25,
             "last page": last + 24 + 8000}[part]  # fmt: skip
    flip(log, place * 8)
    with pytest.raises(StoreCorrupted, match=r"adjoin\.db-wal.*lose what was committed"):
        all_contents(folder)
    assert any(finding.place == "adjoin.db-wal" for finding in doctor(folder).findings)
    assert doctor(folder, repair=True).healthy
    assert all_contents(folder) == held


def test_both_copies_of_a_vector_block_gone_names_it(store: tuple[Path, Contents]) -> None:
    """Vectors and their guards damaged at once: those of texts are embedded again, the others named and set aside."""
    folder, held = store
    for kind, bit in (("vectors", 3000), ("vectors.blocks", 8)):
        for path in files_of(folder, kind):
            flip(path, bit)
    with adjoin.open(folder) as db:
        for name in held:
            collection(db, name)
        found = db.doctor(repair=True)
    assert sum("vectors.blocks" in one.place for one in found.findings) == 3
    assert doctor(folder).healthy
    after = all_contents(folder)
    assert len(after["brought"]) == len(held["brought"]) - 2
    assert {id_: row for id_, row in held["brought"].items() if id_ in after["brought"]} == after["brought"]
