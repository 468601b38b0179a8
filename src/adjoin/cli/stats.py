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
        _print_lines(figures, db)
    else:
        typer.echo(f"{db} has no collection yet")


def _print_lines(figures: list[dict[str, Any]], db: str) -> None:
    for one in figures:
        typer.secho(one["collection"], bold=True)
        typer.echo(f"  {one['documents']:,} documents")
        model = f"embedded by {one['embedder']}" if one["embedder"] else "vectors brought by the user"
        typer.echo(f"  {model}, {one['metric']}, {one['dim'] or 'not yet known'} dimensions")
        typer.echo("  " + ", ".join(f"{part} {common.size(count)}" for part, count in one["bytes"].items()))
        if one["truncated"]:
            typer.echo(f"  {one['truncated']:,} documents are longer than the model reads; their ends are not searched")
    typer.echo(f"{common.size(figures[0]['store_bytes'])} on disk in {db}")
