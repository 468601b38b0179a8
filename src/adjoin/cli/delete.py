"""`adjoin delete`: rows out."""

from __future__ import annotations

from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("delete")(delete)


def delete(
    ids: Annotated[list[str] | None, typer.Argument(help="The ids.", metavar="[ID…]")] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    where: common.WhereText = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting by filter.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Delete rows by id or by filter.

    Their bytes go when their segment is next written; adjoin erase sees to it at once.

    [bold]adjoin delete --where '{"year": {"$lt": 2000}}' --dry-run[/bold]
    """
    with common.opened(db, collection) as target:
        condition = common.parse_where(where)
        wanted, count = common.chosen(target, ids, condition)
        if not dry_run:
            if condition is not None and not yes:
                common.confirm("Delete", count, "Deleting by filter")
            count = target.delete(wanted, where=condition)
    if as_json:
        common.print_json({"deleted": 0 if dry_run else count, "matching": count})
    else:
        typer.echo(f"{common.counted(count, 'row')} {'would be ' if dry_run else ''}deleted")
