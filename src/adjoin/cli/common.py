"""What the commands share: options, opening, JSON, and the progress bar."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.types import Document, Id, Origin, Progress

Db = Annotated[
    str,
    typer.Option("--db", envvar="ADJOIN_DB", help="The store: a folder, or a URL.", show_default=True, metavar="PATH"),
]
DEFAULT_DB = "notes.adjoin"
Name = Annotated[str, typer.Option("--collection", "-c", help="The collection in the store.")]
DEFAULT_NAME = "documents"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
WhereText = Annotated[
    str | None,
    typer.Option(
        "--where", "-w", help="""Only rows that match, as JSON: '{"year": {"$gte": 2020}}'.""", metavar="JSON"
    ),
]


@contextmanager
def opened(db: str, name: str) -> Iterator[Collection]:
    """A collection that exists already. Looking for one never makes one."""
    import adjoin
    from adjoin.errors import NotFound, listed

    with adjoin.open(db, create=False) as database:
        names = database.collections()
        if name not in names:
            raise NotFound(
                f"there is no collection {name!r} in {db}. "
                + (f"It has {listed(names)}: choose with --collection." if names else "It has none yet.")
            )
        yield database.collection(name)


def parse_where(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    from adjoin.errors import InvalidFilter

    try:
        where = json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidFilter(
            f"--where is not JSON ({exc}). In a shell, put it in single quotes: --where '{{\"year\": 2020}}'."
        ) from exc
    if not isinstance(where, dict):
        raise InvalidFilter(f"--where is a JSON object, not {type(where).__name__}.")
    return where


def either_kind(texts: list[str]) -> list[Id]:
    """Ids typed on a command line: as texts, and as numbers where they look like some."""
    ids: list[Id] = list(texts)
    ids += [int(text) for text in texts if text.lstrip("-").isdecimal() and -(2**63) <= int(text) < 2**63]
    return ids


def chosen(target: Collection, ids: list[str] | None, where: dict[str, Any] | None) -> tuple[list[Id] | None, int]:
    """Those of the typed ids that exist, None where a filter chooses, and how many rows are meant."""
    from adjoin.errors import InvalidOption

    if bool(ids) == (where is not None):
        raise InvalidOption("give either ids or --where. --where '{}' is every row.")
    if not ids:
        return None, target.count(where)
    wanted = [document.id for document in target.get(either_kind(ids))]
    return wanted, len(wanted)


def confirm(verb: str, count: int, doing: str) -> None:
    """Ask at a terminal; elsewhere refuse. doing: what needs --yes there."""
    from adjoin.errors import InvalidOption

    if not sys.stdin.isatty():
        raise InvalidOption(f"{counted(count, 'row')} would go. {doing} needs --yes where no one can be asked.")
    typer.confirm(f"{verb} {counted(count, 'row')}?", abort=True)


def print_json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return value.tolist() if hasattr(value, "tolist") else str(value)


def place(origin: Origin | None, fallback: object = "") -> str:
    """`path:line`, from here when the file is below this folder, so that a terminal can open it."""
    if origin is None:
        return str(fallback)
    text = str(origin)
    here = os.getcwd() + os.sep
    return text.removeprefix(here) if origin.file else text


def as_dict(document: Document) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": document.id, "content": document.content, "metadata": document.metadata}
    if document.origin:
        plain["origin"] = document.origin.to_dict()
    return plain if document.vector is None else plain | {"vector": document.vector.tolist()}


def print_document(document: Document) -> None:
    typer.secho(f"{document.id}", bold=True)
    if document.origin:
        typer.secho(place(document.origin), fg="cyan")
    if document.metadata:
        typer.echo(json.dumps(document.metadata, ensure_ascii=False, default=_plain))
    content = document.content
    typer.echo(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, default=_plain))
    if document.vector is not None:
        typer.echo(json.dumps(document.vector.tolist()))


def counted(count: int, what: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def size(count: float) -> str:
    """Bytes as people read them: `1.5 MB`."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def refuse_missing(paths: list[Path], db: str) -> None:
    """Before a store is made for them, see that there is something to index."""
    from adjoin.errors import NotFound

    if not Path(db).exists():
        for path in paths:
            if not path.exists() and not path.is_symlink():
                raise NotFound(f"there is nothing at {path}. Nothing was changed. Check the path.")


def refuse_unknown_index(family: str, db: str) -> None:
    """Before a store is made for it, see that there is such an index."""
    from adjoin.index.base import check

    if not Path(db).exists() and "://" not in db:
        check(family, "cosine", {})


@contextmanager
def bar(what: str, unit: str) -> Iterator[Progress]:
    """A progress bar on stderr, with the rate and the time left; silent where stderr is not a terminal.

    unit: "bytes", or what is counted.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = ("[bold]{task.description}", BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, rate="")

        def advance(done: int, total: int | None) -> None:
            speed = shown.tasks[0].speed or 0
            rate = f"{speed / 1e6:.2f} MB/s" if unit == "bytes" else f"{speed:,.0f} {unit}/s"
            shown.update(
                task, completed=done, total=total, rate=f"{done:,}" + (f" of {total:,}" if total else "") + f" {rate}"
            )

        yield advance
