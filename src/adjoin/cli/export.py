"""`adjoin export`: rows out to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("export")(export)


def export(
    output: Annotated[
        Path | None, typer.Argument(help="The file; standard output when left out.", metavar="[FILE]")
    ] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    format: Annotated[  # noqa: A002
        str | None,
        typer.Option("--format", "-f", help="jsonl, or parquet with its extra.", show_default="by the file's name"),
    ] = None,
    where: common.WhereText = None,
    vectors: Annotated[bool, typer.Option("--vectors", help="The vectors too.")] = False,
) -> None:
    """Write rows as JSON lines or Parquet: id, content, metadata, origin, and the vector if asked for.

    [bold]adjoin export notes.jsonl --db notes.adjoin --vectors[/bold]
    """
    from adjoin.export import export as write

    with common.opened(db, collection) as source:
        count = source.count(common.parse_where(where))
        with common.bar("writing", "rows") as progress:
            written = write(
                source, output, format=format, where=common.parse_where(where), vectors=vectors,
                progress=lambda done, _: progress(done, count),
            )  # fmt: skip
    typer.echo(f"{written:,} rows written" + (f" to {output}" if output else ""), err=True)
