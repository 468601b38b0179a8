"""`adjoin train`: an embedder for which items of the same label lie near each other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("train")(train)


def train(
    data: Annotated[
        Path, typer.Argument(help="A folder with a subfolder for each label, or a CSV or JSONL file.", metavar="DATA")
    ],
    kind: Annotated[str, typer.Option("--kind", help="What the items are: image, sound or text.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write.", metavar="FOLDER")],
    labels: Annotated[
        str, typer.Option("--labels", help="The column of labels in a table.", metavar="COLUMN")
    ] = "label",
    content: Annotated[
        str | None, typer.Option("--content", help="The column of texts or paths in a table.", show_default="guessed")
    ] = None,
    net: Annotated[str, typer.Option(help="Of pictures and sounds: vgg or resnet.")] = "vgg",
    loss: Annotated[str, typer.Option(help="Of pictures and sounds: triplet or supcon.")] = "supcon",
    size: Annotated[
        int | None, typer.Option(help="Side of the picture that the network sees.", show_default="32, 64")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the items at most.", show_default="20, 30")] = None,
    embedder: Annotated[str, typer.Option(help="Of texts: the frozen model below.")] = "default",
    method: Annotated[str, typer.Option(help="Of texts: blend, lda or nca.")] = "blend",
    dim: Annotated[
        int | None, typer.Option(help="Numbers in a vector.", show_default="64, or as many as below")
    ] = None,
    seed: Annotated[int, typer.Option(help="What decides the order, the split and the start.")] = 0,
    threads: Annotated[int | None, typer.Option(help="Threads of PyTorch.", show_default="its own choice")] = None,
    as_json: common.AsJson = False,
) -> None:
    """Train on labelled items, and show what it brought on items that were held out.

    Pictures and sounds train a small network, which needs the extra torch; texts a map over a frozen model, which needs
    the extra learn. A training that was interrupted goes on from its last epoch when the same command comes again.
    Use the result by its folder: --embedder FOLDER. Its curves are in FOLDER/curves.png.

    [bold]adjoin train ./pictures --kind image --out ./my-pictures[/bold]
    """
    import adjoin
    from adjoin.embed.saved import check_target
    from adjoin.errors import MissingExtra
    from adjoin.labelled import labelled

    check_target(out)
    found = labelled(data, kind, labels=labels, content=content)  # type: ignore[arg-type]  # which it checks
    for each in found.skipped:
        typer.echo(f"left out: {each}", err=True)
    begun = out.absolute().with_name(f".{out.name}.training")
    options: dict[str, Any] = {"seed": seed} | ({} if dim is None else {"dim": dim})
    if kind == "text":
        options |= {"embedder": embedder, "method": method}
    else:
        options |= {"net": net, "loss": loss, "checkpoint": begun, "threads": threads}
        options |= {name: value for name, value in (("size", size), ("epochs", epochs)) if value is not None}
    model: Any = adjoin.embedder({"text": "head", "image": "cnn", "sound": "sound-cnn"}[kind], **options)
    with common.bar("training", "") as progress:
        model.fit(found.items, found.labels, progress=progress)
    target = model.save(out)
    shutil.rmtree(begun, ignore_errors=True)
    curves = None
    if kind != "text":
        try:
            curves = model.plot(target / "curves.png")
        except MissingExtra as error:
            typer.echo(f"no curves: {error}", err=True)
    if as_json:
        told = {"path": str(target), "identity": model.identity.fingerprint, "report": model.report.to_dict()}
        told |= {"history": model.history.to_dict(), "curves": curves and str(curves)} if kind != "text" else {}
        common.print_json(told | {"left_out": [str(each) for each in found.skipped]})
        return
    typer.echo(str(model.report))
    typer.echo(f"saved: {target}" + (f", its curves in {curves}" if curves else ""), err=True)
