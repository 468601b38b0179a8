"""`adjoin bench`: which index serves a collection best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("bench")(bench)


def bench(
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    k: Annotated[int, typer.Option("-k", "--k", help="How many neighbours are looked for.")] = 10,
    recall: Annotated[float, typer.Option(help="The share of true neighbours that is to be kept.")] = 0.95,
    rows: Annotated[int, typer.Option(help="Measure on a random sample of so many rows.")] = 50_000,
    families: Annotated[
        str | None,
        typer.Option(help="Only these, with commas: graph,hnsw,ivf.", show_default="all that serve the metric"),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            help="A text file with a question a line, asked instead of rows.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf file.", metavar="FILE")
    ] = None,
    as_json: common.AsJson = False,
) -> None:
    """Measure recall against speed of each index on your own rows, and say which to choose.

    Some rows are taken out and used as queries. Each index is built over the others, and searched at each effort; what
    it finds is compared with exact search. Nothing is stored. Building takes minutes for 50,000 rows.

    [bold]adjoin bench --db notes.adjoin --rows 10000 --recall 0.99 --plot recall.png[/bold]
    """
    from adjoin.evaluate import compare_indexes
    from adjoin.evaluate.plots import refuse_undrawable

    if plot is not None:
        refuse_undrawable(plot)
    with common.opened(db, collection) as source, common.bar("comparing", "") as progress:
        found = compare_indexes(
            source, k=k, recall=recall, rows=rows, families=None if families is None else _listed(families),
            queries=None if questions is None else _asked(questions), progress=progress,
        )  # fmt: skip
    if plot is not None and found.rows:
        found.plot(plot)
    if as_json:
        common.print_json(found.to_dict())
        return
    typer.echo(str(found))
    if plot is not None and found.rows:
        typer.echo(f"drawn: {plot}", err=True)


def _listed(families: str) -> list[str]:
    return [family.strip() for family in families.split(",") if family.strip()]


def _asked(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
