"""Writes the table of docs/indexes.md from the families' own declarations, so that the two say the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adjoin.index import base
from adjoin.index.options import Option
from adjoin.types import METRICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "indexes.md"
BEGIN = "<!-- from here to the next mark written by scripts/index_table.py -->\n"
END = "<!-- until here -->\n"
FROM_DATA = {
    ("graph", "bits"): "4 or 8, by the dimension",
    ("lsh", "bits"): "the larger of 256 and twice the dimension; under hamming see below",
    ("pq", "m"): "a quarter of the dimension",
    ("ivf", "nlist"): "4·√rows",
    ("ivfpq", "nlist"): "4·√rows",
    ("ivfpq", "m"): "a quarter of the dimension",
}
"""Defaults that are chosen from the data, in words."""


def written() -> str:
    """The page as it should be."""
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    return before + BEGIN + "\n" + table() + "\n" + END + after


def table() -> str:
    lines = ["| index | metrics | parameter | default | may be |", "|---|---|---|---|---|"]
    for family in base.FAMILIES:
        metrics = [metric for metric in METRICS if family in base.families_for(metric)]
        served = "all" if len(metrics) == len(METRICS) else ", ".join(metrics)
        lines += _lines(family, served, base.options_of(family))
    return "\n".join(lines) + "\n"


def _lines(family: str, served: str, options: Mapping[str, Option]) -> list[str]:
    if not options:
        return [f"| `{family}` | {served} | – | | |"]
    lines = []
    for name, option in options.items():
        default = FROM_DATA[family, name] if option.default is None else option.default
        first = not lines
        lines.append(
            f"| {f'`{family}`' if first else ''} | {served if first else ''} | `{name}` | {default} | {_range(option)} |"
        )
    return lines


def _range(option: Option) -> str:
    known: Any = option.choices
    return ", ".join(map(str, known)) if known else f"{option.low:,} to {option.high:,}"


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
    print(f"{PAGE}: {len(base.FAMILIES)} families", file=sys.stderr)
