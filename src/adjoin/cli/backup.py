"""`adjoin backup`: a second folder that holds the same."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("backup")(backup)


def backup(
    path: Annotated[Path, typer.Argument(help="The copy: a folder that is new or empty.", metavar="PATH")],
    db: common.Db = common.DEFAULT_DB,
    as_json: common.AsJson = False,
) -> None:
    """Copy a store as it is at one moment, while it is in use. The copy appears whole or not at all.

    Every file is checked as it is copied. The copy is a store: search it with --db PATH.

    [bold]adjoin backup /mnt/backup/notes.adjoin --db notes.adjoin[/bold]
    """
    import adjoin

    began = time.perf_counter()
    with adjoin.open(db, create=False) as database:
        database.backup(path)
    seconds = time.perf_counter() - began
    size_bytes = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if as_json:
        common.print_json({"db": db, "backup": str(path), "bytes": size_bytes, "seconds": seconds})
    else:
        typer.echo(f"{common.size(size_bytes)} copied to {path} in {seconds:.1f} s")
