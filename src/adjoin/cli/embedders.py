"""`adjoin embedders`: what can turn things into vectors here."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.embed.catalogue import Known


_EXTRA: Final = re.compile(r"(?<=\[).*(?=\])")


def register(app: typer.Typer) -> None:
    app.command("embedders")(embedders)


def embedders(
    measure: Annotated[bool, typer.Option(help="Measure the speed of each that is ready; takes some seconds.")] = True,
    as_json: common.AsJson = False,
) -> None:
    """List the embedders by name: what they take, dimension, size, languages, speed here, and how to get the others.

    Beside these names, `--embedder` takes the folder of a model or of a saved embedder, [bold]hf:ORG/NAME[/bold] from the hub,
    and [bold]openai:MODEL[/bold] at any endpoint of that shape.
    """
    from adjoin.embed.catalogue import known_embedders

    found = known_embedders(measure=measure)
    if as_json:
        common.print_json([one.to_dict() for one in found])
    else:
        _print_table(found)


def _print_table(found: list[Known]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (
        ("name", "left"),
        ("takes", "left"),
        ("dim", "right"),
        ("size", "right"),
        ("items/s", "right"),
    ):
        table.add_column(title, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("what it is", min_width=20)
    table.add_column("to get it", no_wrap=True)
    missing = False
    for one in found:
        languages = f" ({one.languages})" if one.languages else ""
        extra = _EXTRA.search(one.get)
        missing = missing or extra is not None
        table.add_row(
            one.name, one.takes, "" if one.dim is None else f"{one.dim:,}",
            common.size(one.model_bytes) if one.model_bytes else "",
            "" if one.items_per_second is None else f"{one.items_per_second:,.0f}", one.about + languages,
            extra[0] if extra else one.get,
            style="" if one.installed else "dim",
        )  # fmt: skip
    console = Console()
    console.print(table)
    if missing:
        console.print("\nTo get one of an extra: pip install 'adjoin[EXTRA]'", markup=False)
