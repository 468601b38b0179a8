"""The commands, put together."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Final

import typer

from adjoin._version import __version__
from adjoin.errors import AdjoinError

COMMANDS: Final = (
    "demo", "index", "search", "ask", "memory", "cache", "serve", "get", "show", "stats", "delete", "erase", "optimize",
    "embedders", "re_embed", "distil", "train", "doctor", "backup", "bench", "export",
)  # fmt: skip
"""The modules beside this one, in the order in which help lists them."""

app = typer.Typer(
    name="adjoin",
    help="Turn things into vectors, keep them, and find their neighbours. "
    "Start with [bold]adjoin demo[/bold], or [bold]adjoin index ./docs[/bold] and [bold]adjoin search 'how do I …'[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in COMMANDS:
    import_module(f"adjoin.cli.{command}").register(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"adjoin {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """What every command shares."""


def run() -> None:
    """Run the command line. Exit status: 0 done, 1 an error that is told, 2 a wrong option, 130 interrupted."""
    try:
        app()
    except AdjoinError as error:
        typer.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader, `head` perhaps, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        typer.echo("interrupted; what was stored stays, and the same command goes on from there", err=True)
        sys.exit(130)
