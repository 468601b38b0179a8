"""`adjoin doctor`: is what is stored whole?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.types import Diagnosis, Finding


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    db: common.Db = common.DEFAULT_DB,
    repair: Annotated[bool, typer.Option("--repair", help="Make again what follows from the rest.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Read all that is stored and name each damage. Exit status: 0 healthy, 1 damaged.

    Indexes, columns and guards can be made again; damaged vectors are mended from parity, or embedded again from their
    text. Rows that are lost are named, and with --repair written to a file beside the rest. Every byte is read.

    [bold]adjoin doctor --db notes.adjoin --repair[/bold]
    """
    found = _examined(db, repair=repair)
    if as_json:
        common.print_json({"db": db, "healthy": found.healthy, **asdict(found)})
    else:
        for finding in found.findings:
            _print(finding)
        typer.echo(f"checked: {', '.join(found.checked)}")
        typer.secho(_verdict(found), bold=True)
    if not found.healthy:
        raise typer.Exit(1)


def _examined(db: str, *, repair: bool) -> Diagnosis:
    """A folder is looked at even where it is too damaged to open."""
    import adjoin
    from adjoin.database import doctor as examine

    if "://" not in db:
        return examine(db, repair=repair)
    with adjoin.open(db, create=False) as database:
        return database.doctor(repair=repair)


def _print(finding: Finding) -> None:
    harmful = finding.level == "damage" and not finding.repaired
    typer.secho(str(finding), fg="red" if harmful else None, dim=finding.level == "note")


def _verdict(found: Diagnosis) -> str:
    damage = [finding for finding in found.findings if finding.level == "damage"]
    repaired = sum(finding.repaired for finding in damage)
    told = f", {repaired:,} repaired" if repaired else ""
    if found.healthy:
        return f"healthy{told}" if repaired else "healthy: no damage found"
    return f"damaged: {common.counted(len(damage), 'finding')}{told}"
