"""Writes the table of docs/engine-contract.md from the suite, so that the two say the same."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path

from adjoin.testing.contract import behaviours

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engine-contract.md"
BEGIN = "<!-- from here on written by scripts/contract_page.py -->\n"
TITLES = {
    "C": "Collections", "W": "Writing", "U": "Changing metadata", "D": "Deleting", "R": "Reading", "K": "Known vectors", "N": "Notes",
    "T": "Figures", "S": "Searching", "F": "Filters", "O": "Optimising", "E": "Erasing", "Q": "Measured recall", "B": "Backup",
    "H": "Health", "P": "Reopening", "X": "Closing",
}  # fmt: skip


def written() -> str:
    """The page as it should be."""
    head = PAGE.read_text(encoding="utf-8").split(BEGIN)[0]
    parts = [
        f"\n## {TITLES[letter]}\n\n" + "".join(f"- **{number}** {said}\n" for number, said in group)
        for letter, group in groupby(behaviours().items(), key=lambda pair: pair[0][0])
    ]
    return head + BEGIN + "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
    print(f"{PAGE}: {len(behaviours())} behaviours", file=sys.stderr)
