"""A process that keeps stores open and does what it is told: one line of JSON in, one out."""

from __future__ import annotations

import json
import sys
from typing import Any

import adjoin

_open: dict[str, adjoin.Database] = {}


def rows_of(folder: str) -> adjoin.Collection:
    if folder not in _open:
        _open[folder] = adjoin.open(folder, create=False)
    return _open[folder].collection("rows", embedder=None)


def answer(what: str, folder: str, *given: Any) -> Any:
    if what == "close":
        if folder in _open:
            _open.pop(folder).close()
        return None
    rows = rows_of(folder)
    if what == "search":
        query, where = given
        return [(type(hit.id).__name__, hit.id) for hit in rows.search(query, k=50, where=where)]
    if what == "upsert":
        items, _ = given
        kinds = {"int": int, "str": str}
        return len(rows.upsert([adjoin.Item(f"text of {kinds[k](i)}", kinds[k](i), m, v) for k, i, v, m in items]))
    assert what == "optimize"
    rows.optimize()
    return None


def main() -> None:
    for line in sys.stdin:
        try:
            told = {"value": answer(*json.loads(line))}
        except Exception as exc:  # told to the one who asked
            told = {"error": f"{type(exc).__name__}: {exc}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
