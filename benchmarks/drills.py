"""The store under SIGKILL and wrong bits: rounds, what was under way, and what was left.

Needs the tests beside it. ADJOIN_CRASH_ROUNDS and ADJOIN_FLIP_ROUNDS change how many rounds there are. Ends with an
AssertionError at the first row lost, row that came back, answer that was wrong without a word, or damage not named.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.damaging import KINDS, flip_and_compare  # noqa: E402
from tests.support.killing import kill_and_compare  # noqa: E402

KILLS = int(os.environ.get("ADJOIN_CRASH_ROUNDS", "500"))
FLIPS = int(os.environ.get("ADJOIN_FLIP_ROUNDS", "300"))


def main() -> None:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory() as folder:
        killed = kill_and_compare(Path(folder) / "store.adjoin", KILLS, seed=11)
    print(
        f"{KILLS} processes killed at a random instant; {killed.acknowledged:,} calls acknowledged, 0 of their rows lost, "
        f"0 rows that came back, 0 stores that did not open. {killed.drafts} left a half-made segment, which the next "
        f"build removed; {killed.copies} copies were made meanwhile, all whole.\n"
    )
    print("| killed during | times |\n|---|---|")
    for what, times in killed.killed_in.most_common():
        print(f"| {what.replace('_', ' ')} | {times} |")
    with tempfile.TemporaryDirectory() as folder:
        flips = flip_and_compare(Path(folder), FLIPS, seed=12)
    print(f"\n{FLIPS} stores with one wrong bit; 0 wrong answers without a word.\n")
    print("| file | stores | refused a question | named by `doctor` | whole after repair |\n|---|---|---|---|---|")
    for kind in KINDS:
        figures = (flips.rounds[kind], flips.refused[kind], flips.named[kind], flips.whole[kind])
        print(f"| `{kind}` | {' | '.join(map(str, figures))} |")
    if flips.left:
        print("\nNot whole: bits of the database that its checksum cannot tell from others; their pages are named.")


if __name__ == "__main__":
    main()
