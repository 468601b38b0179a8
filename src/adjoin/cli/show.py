"""`adjoin show`: what a sound or a picture is, and how it looks to an embedder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adjoin.cli import common


def register(app: typer.Typer) -> None:
    app.command("show")(show)


def show(
    path: Annotated[Path, typer.Argument(help="A sound or a picture.", metavar="FILE")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Draw it: a .png, .svg or .pdf file.", metavar="FILE"),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Draw it and open the drawing.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Show a sound's length, peak and spectrogram, or a picture's size, mode and EXIF.

    The drawing has a sound's waveform above its log-mel spectrogram; of a picture what an embedder sees: upright, on white.
    At a terminal a small spectrogram is printed.

    [bold]adjoin show clip.wav --out clip.png[/bold]
    """
    from adjoin.embed.showing import SoundFacts, facts_of, save_drawing, sketch

    facts = facts_of(path)
    if out is None and open_it:
        import tempfile

        out = Path(tempfile.mkdtemp(prefix="adjoin-")) / f"{path.stem}.png"
    drawn = None if out is None else save_drawing(path, out)
    if as_json:
        common.print_json(facts.to_dict() | ({} if drawn is None else {"drawing": str(drawn)}))
    else:
        typer.echo(str(facts))
        if isinstance(facts, SoundFacts):
            typer.echo(sketch(path))
        if drawn is not None:
            typer.echo(f"drawn: {drawn}", err=True)
    if drawn is not None and open_it:
        typer.launch(str(drawn))
