"""`adjoin optimize`: the index up to date, now."""

from __future__ import annotations

import time
from typing import Any

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("optimize")(optimize)


def optimize(
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Bring all rows into the index now, merge its segments, and give unused space back.

    The background does the same by and by while a program writes. Searching and writing go on meanwhile.

    [bold]adjoin optimize --db notes.adjoin[/bold]
    """
    with common.opened(db, collection) as target:
        before = _figures(target.stats())
        began = time.perf_counter()
        with common.bar("building", "rows") as progress:
            target.optimize(progress=progress)
        seconds = time.perf_counter() - began
        after = _figures(target.stats())
    if as_json:
        common.print_json({"before": before, "after": after, "seconds": seconds})
        return
    typer.echo(f"before: {_told(before)}\nafter:  {_told(after)}\n{seconds:.1f} s")


def _figures(stats: dict[str, Any]) -> dict[str, int]:
    return {name: stats[name] for name in ("segments", "tail", "tombstones", "store_bytes")}


def _told(figures: dict[str, int]) -> str:
    return (
        f"{common.counted(figures['segments'], 'segment')}, {common.counted(figures['tail'], 'row')} in the tail, "
        f"{common.counted(figures['tombstones'], 'tombstone')}, {common.size(figures['store_bytes'])} on disk"
    )
