"""What was acknowledged survives SIGKILL at any instant, and nothing is stored by halves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import adjoin
from tests.support.killing import kill_and_compare

ROUNDS = int(os.environ.get("ADJOIN_CRASH_ROUNDS", "15"))


def test_killed_at_any_instant_the_store_holds_what_was_acknowledged(tmp_path: Path) -> None:
    """While rows come and go, segments are sealed, merged, compacted and erased from, and copies are made."""
    tally = kill_and_compare(tmp_path / "s.adjoin", ROUNDS, seed=1)
    assert tally.acknowledged > ROUNDS / 2
    assert tally.killed_in.total() - tally.killed_in["nothing"] > ROUNDS / 5
    assert tally.segments


@pytest.mark.slow
@pytest.mark.slow
def test_killed_time_and_again_the_store_holds_what_was_acknowledged(tmp_path: Path) -> None:
    tally = kill_and_compare(tmp_path / "s.adjoin", 25, seed=2)
    assert tally.acknowledged > 12
    assert tally.drafts


def test_killed_while_the_store_is_being_made_it_is_made_by_the_next(tmp_path: Path) -> None:
    code = "import adjoin, sys; print('x', flush=True); adjoin.open(sys.argv[1]).collection('c', embedder=None)"
    for number in range(8):
        folder = tmp_path / f"{number}.adjoin"
        process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.25 * number / 8)
        process.kill()
        process.stdout.close()
        process.wait()
        with adjoin.open(folder) as db:
            assert db.collection("c", embedder=None).add(vectors=[[1.0, 2.0]], ids=["a"]) == ["a"]
