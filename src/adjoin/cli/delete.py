"""`adjoin delete`: rows out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adjoin.cli import common
from adjoin.errors import InvalidOption


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

    [bold]adjoin delete --where '{"year": {"$lt": 2000}}' --dry-run[/bold]
    """
    with common.opened(db, collection) as target:
        condition = common.parse_where(where)
        wanted = [document.id for document in target.get(common.either_kind(ids))] if ids else None
        if (wanted is None) == (condition is None):
            raise InvalidOption("give either ids or --where. --where '{}' is every row.")
        count = len(wanted) if wanted is not None else target.count(condition)
        if not dry_run:
            if condition is not None and not yes:
                _confirm(count)
            count = target.delete(wanted, where=condition)
    if as_json:
        common.print_json({"deleted": 0 if dry_run else count, "matching": count})
    else:
        typer.echo(f"{count:,} rows {'would be ' if dry_run else ''}deleted")


def _confirm(count: int) -> None:
    if not sys.stdin.isatty():
        raise InvalidOption(f"{count:,} rows match. Deleting by filter needs --yes where no one can be asked.")
    typer.confirm(f"Delete {count:,} rows?", abort=True)
