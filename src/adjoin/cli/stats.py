"""`adjoin stats`: what a store holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("stats")(stats)


def stats(
    db: common.Db = common.DEFAULT_DB,
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Only this one.", show_default="all")
    ] = None,
    as_json: common.AsJson = False,
) -> None:
    """Show what a store holds: collections, documents, models, bytes.

    [bold]adjoin stats --db notes.adjoin --json[/bold]
    """
    import adjoin

    with adjoin.open(db, create=False) as database:
        names = database.collections() if collection is None else [collection]
        if collection is not None:
            with common.opened(db, collection):
                pass
        figures = [database.collection(name).stats() for name in names]
    if as_json:
        common.print_json({"db": db, "collections": figures})
    elif figures:
        _print_table(figures, db)
    else:
        typer.echo(f"{db} has no collection yet")


def _print_table(figures: list[dict[str, Any]], db: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("collection", "documents", "embedder", "metric", "dim", "content", "metadata", "vectors", title=db)
    for one in figures:
        sizes = one["bytes"]
        table.add_row(
            one["collection"], f"{one['documents']:,}", one["embedder"] or "–", one["metric"], str(one["dim"] or "–"),
            *(f"{sizes[part] / 1e6:.1f} MB" for part in ("content", "metadata", "vectors")),
        )  # fmt: skip
    Console().print(table)
    typer.echo(f"{figures[0]['store_bytes'] / 1e6:.1f} MB on disk")
    for one in figures:
        if one["truncated"]:
            typer.echo(f"{one['collection']}: {one['truncated']:,} documents are longer than the model reads")
