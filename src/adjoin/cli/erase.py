"""`adjoin erase`: rows out, and their bytes."""

from __future__ import annotations

from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("erase")(erase)


def erase(
    ids: Annotated[list[str] | None, typer.Argument(help="The ids.", metavar="[ID…]")] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    where: common.WhereText = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Delete rows so that nothing of them is left in any file, and read all files to see it.

    The database, and each segment that held such a row, are written anew: this takes longer than delete.
    Copies that a file system or a backup keeps are beyond its reach.

    [bold]adjoin erase --where '{"customer": 4711}' --yes[/bold]
    """
    with common.opened(db, collection) as target:
        condition = common.parse_where(where)
        wanted, count = common.chosen(target, ids, condition)
        searched = 0
        if not dry_run:
            if count and not yes:
                common.confirm("Erase", count, "Erasing")
            done = target.erase(wanted, where=condition)
            count, searched = done.deleted, done.searched_bytes
    if as_json:
        erased = 0 if dry_run else count
        common.print_json({"erased": erased, "matching": count, "searched_bytes": searched, "found": []})
    elif dry_run:
        typer.echo(f"{common.counted(count, 'row')} would be erased")
    else:
        typer.echo(
            f"{common.counted(count, 'row')} erased; {common.size(searched)} of files were read, and nothing of them is left"
        )
