"""`adjoin cache`: what a cache of answers holds, why it hits or not, and taking answers out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.llm.cache import SemanticCache

Name = Annotated[str, typer.Option("--collection", "-c", help="The collection that the answers are in.")]
DEFAULT_NAME = "cache"
Budget = Annotated[float, typer.Option("--error-budget", help="The share of hits by meaning that may be wrong.")]
Tenant = Annotated[str | None, typer.Option("--tenant", help="Whose answers.")]
Model = Annotated[str | None, typer.Option("--model", help="Of which model.", show_default="any")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    commands = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
    for command in (stats, lookup, clear, invalidate):
        commands.command(command.__name__)(command)
    app.add_typer(
        commands, name="cache", help="Look into a cache of a model's answers: stats, lookup, clear, invalidate."
    )


@contextmanager
def _opened(
    db: str, name: str, budget: float = 0.01, tenant: str | None = None, model: str | None = None
) -> Iterator[SemanticCache]:
    from adjoin.llm.cache import SemanticCache

    with common.opened(db, name) as collection, SemanticCache(collection, budget, tenant=tenant, model=model) as cache:
        yield cache


def stats(
    db: common.Db = common.DEFAULT_DB,
    collection: Name = DEFAULT_NAME,
    budget: Budget = 0.01,
    as_json: common.AsJson = False,
) -> None:
    """Show hits, refusals by their reason, the share of wrong hits with its interval, and what was saved.

    [bold]adjoin cache stats --db cache.adjoin --json[/bold]
    """
    with _opened(db, collection, budget) as cache:
        report = cache.report()
    if as_json:
        common.print_json(report.to_dict())
    else:
        typer.echo(str(report))


def lookup(
    question: Annotated[str, typer.Argument(help="The question, as it would be asked.")],
    db: common.Db = common.DEFAULT_DB,
    collection: Name = DEFAULT_NAME,
    tenant: Tenant = None,
    model: Model = None,
    budget: Budget = 0.01,
    as_json: common.AsJson = False,
) -> None:
    """Show the answer that a question would get, or why it would get none. Nothing is counted. Exit status 1 for a miss.

    [bold]adjoin cache lookup "how do I reset my password" --db cache.adjoin[/bold]
    """
    with _opened(db, collection, budget, tenant, model) as cache:
        found = cache.explain(question)
    if as_json:
        common.print_json(found.to_dict())
    else:
        typer.echo(str(found.hit.answer if found.hit else ""), nl=found.hit is not None)
        typer.echo(str(found), err=found.hit is not None)
    if found.hit is None:
        raise typer.Exit(1)


def clear(
    db: common.Db = common.DEFAULT_DB,
    collection: Name = DEFAULT_NAME,
    tenant: Tenant = None,
    yes: Yes = False,
    as_json: common.AsJson = False,
) -> None:
    """Take out all answers, or those of one tenant. What was learned and counted stays.

    [bold]adjoin cache clear --db cache.adjoin --yes[/bold]
    """
    _take_out(db, collection, {"tenant": tenant} if tenant is not None else {}, yes, as_json)


def invalidate(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of answers, as lookup --json shows them.", metavar="[ID…]")
    ] = None,
    cites: Annotated[
        list[str] | None, typer.Option("--cites", help="Answers that rest on this passage; may be given again.")
    ] = None,
    where: common.WhereText = None,
    db: common.Db = common.DEFAULT_DB,
    collection: Name = DEFAULT_NAME,
    yes: Yes = False,
    as_json: common.AsJson = False,
) -> None:
    """Take out answers by id, by a passage they cite, or by a filter on their metadata.

    [bold]adjoin cache invalidate --cites "/home/me/docs/refunds.md#0" --db cache.adjoin[/bold]
    """
    from adjoin.errors import InvalidOption

    given = common.parse_where(where)
    if sum(map(bool, (ids, cites, given is not None))) != 1:
        raise InvalidOption("give ids, --cites or --where, one of them. --where '{}' is every answer.")
    if given is not None:
        _take_out(db, collection, given, yes, as_json)
        return
    with _opened(db, collection) as cache:
        gone = cache.invalidate(ids) if ids else cache.invalidate(cites=common.either_kind(cites or []))
    _tell(gone, as_json)


def _take_out(db: str, collection: str, where: dict[str, object], yes: bool, as_json: bool) -> None:
    with common.opened(db, collection) as source:
        count = source.count({"$and": [{"cache": "answer"}, where]})
    if not yes:
        common.confirm("take out", count, "clearing a cache")
    with _opened(db, collection) as cache:
        gone = cache.invalidate(where=where)
    _tell(gone, as_json)


def _tell(gone: int, as_json: bool) -> None:
    if as_json:
        common.print_json({"removed": gone})
    else:
        typer.echo(f"{common.counted(gone, 'answer')} taken out")
