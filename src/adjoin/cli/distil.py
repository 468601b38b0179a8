"""`adjoin distil`: a fast static model out of a slow one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("distil")(distil)


def distil(
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="FOLDER")],
    texts: Annotated[
        list[Path] | None, typer.Option("--texts", help="Files and folders to learn from; repeatable.", metavar="PATH")
    ] = None,
    teacher: Annotated[
        str, typer.Option(help="The model to learn from: default, a folder, or hf:NAME.", show_default=True)
    ] = "default",
    dim: Annotated[int, typer.Option(help="Numbers in a vector.")] = 256,
    vocabulary: Annotated[int, typer.Option(help="Pieces of text at most.")] = 32_000,
    epochs: Annotated[int, typer.Option(help="Passes over the texts at most.")] = 20,
    seed: Annotated[int, typer.Option(help="What decides the order of the texts.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Do not train: quick, and weak.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Make a static model that answers as the teacher does, hundreds of times as fast and less well.

    Use it by its folder: --embedder FOLDER. Thousands of texts like your own make it good.

    [bold]adjoin distil --texts ./docs --out ./fast-docs[/bold]
    """
    import adjoin
    from adjoin.embed.distil import distil as distilled
    from adjoin.embed.saved import check_target
    from adjoin.labelled import texts_in

    check_target(out)
    found, skipped = texts_in(texts or [])
    for each in skipped:
        typer.echo(f"left out: {each}", err=True)
    with common.bar("distilling", "steps") as progress:
        model = distilled(
            adjoin.embedder(teacher), found, dim=dim, vocabulary=vocabulary, train=not plain, epochs=epochs, seed=seed,
            progress=progress,
        )  # fmt: skip
    target = model.save(out)
    if as_json:
        common.print_json({"path": str(target), "identity": model.identity.fingerprint} | model.report.to_dict())
        return
    typer.echo(str(model.report))
    typer.echo(f"saved: {target}", err=True)
