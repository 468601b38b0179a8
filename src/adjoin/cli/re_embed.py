"""`adjoin re-embed`: another model for a collection that is in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("re-embed")(re_embed)


def re_embed(
    embedder: Annotated[
        str | None, typer.Argument(help="The new model: a name, a folder, hf:NAME, openai:MODEL.", show_default=False)
    ] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    switch: Annotated[
        bool, typer.Option(help="Change over at the end; without it, only fill the copy and compare.")
    ] = True,
    judgements: Annotated[
        Path | None,
        typer.Option(
            help='Questions with known answers, JSON lines of {"query": …, "ids": […]}, to compare by.', metavar="FILE"
        ),
    ] = None,
    sample: Annotated[int, typer.Option(help="Rows whose neighbours are compared.", min=0)] = 100,
    without_refused: Annotated[
        bool, typer.Option("--without-refused", help="Change over although some items cannot be embedded.")
    ] = False,
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Go back to the vectors from before.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Give up the copies that are kept beside the collection.")
    ] = False,
    as_json: common.AsJson = False,
) -> None:
    """Embed every row again with another model, compare the two, and change over in one transaction.

    The collection goes on serving the old vectors meanwhile. An interrupted run goes on where it was; what was embedded
    already is not embedded again. The old vectors are kept until --discard.

    [bold]adjoin re-embed fast --no-switch --judgements questions.jsonl[/bold]   compare first
    [bold]adjoin re-embed fast[/bold]                       change over
    [bold]adjoin re-embed --roll-back[/bold]                go back
    """
    if sum((embedder is not None, roll_back, discard)) != 1:
        raise typer.BadParameter("give the new embedder, or --roll-back, or --discard")
    with common.opened(db, collection) as target:
        if discard:
            count = target.discard_copies()
            common.print_json({"discarded": count}) if as_json else typer.echo(f"copies discarded: {count}")
            return
        with common.bar("embedding", "rows") as progress:
            if roll_back:
                report = target.roll_back(progress=progress)
            else:
                assert embedder is not None
                report = target.re_embed(
                    embedder, switch=switch, judgements=_read(judgements), sample=sample, without_refused=without_refused,
                    progress=progress,
                )  # fmt: skip
    if as_json:
        common.print_json(report.to_dict())
    else:
        typer.echo(str(report))


def _read(path: Path | None) -> list[tuple[Any, list[Any]]]:
    from adjoin.errors import UnreadableFile

    if path is None:
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [(line["query"], list(line["ids"])) for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UnreadableFile(f'{path} does not hold lines of {{"query": …, "ids": […]}}: {exc}') from exc
