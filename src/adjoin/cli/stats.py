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
    """Show what a store holds: collections, documents, models, segments and their indexes, bytes.

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
        gone = f", {common.counted(one['tombstones'], 'tombstone')}" if one["tombstones"] else ""
        typer.echo(f"  {common.counted(one['documents'], 'document')}{gone}")
        model = f"embedded by {one['embedder']}" if one["embedder"] else "vectors brought by the user"
        typer.echo(f"  {model}, {one['metric']}, {one['dim'] or 'not yet known'} dimensions kept as {one['storage']}")
        typer.echo(f"  {_named(one['index'], one['params'])} index: {_parts_told(one)}")
        for part in one.get("parts", ()):
            _print_part(part)
        typer.echo(f"  {_bytes(one['bytes'])}")
        for which, copy in one["copies"].items():
            typer.echo(
                f"  beside it, the {which} vectors: {copy['embedder']}, {common.counted(copy['documents'], 'document')}"
            )
        if one["truncated"]:
            typer.echo(f"  {one['truncated']:,} documents are longer than the model reads; their ends are not searched")
    typer.echo(f"{common.size(figures[0]['store_bytes'])} on disk in {db}")


def _parts_told(one: dict[str, Any]) -> str:
    segments, tail = one["segments"], one["tail"]
    waiting = f"{common.counted(tail, 'row')} in the tail, not sealed yet" if tail or not segments else "no tail"
    return f"{common.counted(segments, 'segment')}, {waiting}"


def _print_part(part: dict[str, Any]) -> None:
    gone = f", {common.counted(part['tombstones'], 'tombstone')}" if part["tombstones"] else ""
    typer.echo(
        f"    {part['id']}: {common.counted(part['rows'], 'row')}{gone}, {_named(part['index'], part['params'])}"
    )
    typer.secho(f"      {_bytes(part['bytes'])}", dim=True)
    for note in part["notes"]:
        typer.secho(f"      note: {note}", dim=True)


def _named(family: str, params: dict[str, Any]) -> str:
    given = ", ".join(f"{name} {value}" for name, value in params.items() if value is not None)
    return f"{family} ({given})" if given else family


def _bytes(parts: dict[str, int]) -> str:
    return ", ".join(f"{part} {common.size(count)}" for part, count in parts.items())
