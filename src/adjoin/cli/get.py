"""`adjoin get`: rows by id."""

from __future__ import annotations

from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("get")(get)


def get(
    ids: Annotated[list[str], typer.Argument(help="The ids.", metavar="ID…")],
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    vectors: Annotated[bool, typer.Option("--vectors", help="The vectors too.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Show rows by their ids, whole. Exit status 1 if one is not there.

    [bold]adjoin get "/home/me/docs/a.md#0" --db notes.adjoin[/bold]
    """
    with common.opened(db, collection) as source:
        found = source.get(common.either_kind(ids), vectors=vectors)
    if as_json:
        common.print_json([common.as_dict(document) for document in found])
    else:
        for document in found:
            common.print_document(document)
    missing = sorted(set(ids) - {str(document.id) for document in found})
    for id_ in missing:
        typer.secho(f"not found: {id_}", fg="red", err=True)
    if missing:
        raise typer.Exit(1)
