"""Writes the table of docs/engines/README.md from what the engines declare."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from adjoin.engine import Abilities
from adjoin.engines.postgres import PostgresEngine
from adjoin.filters import OPERATORS
from adjoin.store.embedded import EmbeddedEngine
from adjoin.types import METRICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "engines" / "README.md"
BEGIN = "<!-- from here on written by scripts/engine_table.py -->\n"
ENGINES: dict[str, tuple[str, Abilities]] = {
    "embedded": ("a path, `memory://`", EmbeddedEngine.abilities),
    "[PostgreSQL](postgres.md)": ("`postgresql://`", PostgresEngine.abilities),
}


def written() -> str:
    """The page as it should be."""
    abilities = [declared for _, declared in ENGINES.values()]
    lines = [
        ("", ENGINES),
        ("opened by", [opened for opened, _ in ENGINES.values()]),
        ("metrics", [_of(one.metrics, METRICS, "all six") for one in abilities]),
        ("filters", [_of(one.filters, OPERATORS, "all operators") for one in abilities]),
        ("indexes", [_of(one.indexes, (), "") for one in abilities]),
        ("vectors kept as", [_of(one.storage, (), "") for one in abilities]),
        ("`recall=1.0` is exact", [_yes(one.exact) for one in abilities]),
        ("a call is whole or not at all", [_yes(one.atomic) for one in abilities]),
        ("survives the process", [_yes(one.durable) for one in abilities]),
        ("processes that write at once", [one.writers for one in abilities]),
        ("gaps", [", ".join(sorted(one.gaps)) or "none" for one in abilities]),
    ]
    table = [f"| {name} | {' | '.join(cells)} |" for name, cells in lines]
    table.insert(1, "|---" * (len(ENGINES) + 1) + "|")
    gaps = [
        f"- {name}, **{number}**, {kind}: {reason}.\n"
        for name, (_, one) in ENGINES.items()
        for number, (kind, reason) in sorted(one.gaps.items())
    ]
    head = PAGE.read_text(encoding="utf-8").split(BEGIN)[0]
    return head + BEGIN + "\n" + "\n".join(table) + "\n" + ("\n## Gaps\n\n" + "".join(gaps) if gaps else "")


def _of(have: Iterable[str], known: Iterable[str], name_of_all: str) -> str:
    have = set(have)
    if name_of_all and have >= set(known):
        return name_of_all
    return ", ".join(f"`{one}`" for one in sorted(have))


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
