"""`adjoin demo`: something real to ask, on every machine."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.sync import IndexReport
    from adjoin.types import Hits, Item

QUESTIONS = (
    "how do I copy a folder with everything in it?",
    "measure how long a piece of code takes",
    "zip 파일을 만들고 읽으려면?",
    "두 날짜 사이의 차이를 구하는 방법",
)


def register(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    question: Annotated[
        list[str] | None, typer.Argument(help="Your own questions, in English or Korean.", metavar="[QUESTION…]")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every docstring whole, not only its first paragraph.")
    ] = False,
    db: Annotated[
        str | None, typer.Option("--db", help="Where to keep it.", show_default="a folder in the user's cache")
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(help="The index of a new collection: docs/indexes.md.", show_default="auto", metavar="FAMILY"),
    ] = None,
    as_json: common.AsJson = False,
) -> None:
    """Index the documentation of Python's own standard library, and ask it questions by meaning.

    Works without a network. The second run reuses what the first one stored.

    [bold]adjoin demo "어떻게 파일을 압축하나요?"[/bold]
    """
    import adjoin
    from adjoin.held import KEEP

    place = db or str(_cache() / f"demo-python{platform.python_version()}.adjoin")
    if index:
        common.refuse_unknown_index(index, place)
    with adjoin.open(place) as database:
        target = database.collection("everything" if everything else "first-paragraphs", index=index or KEEP)
        report = _fill(target, everything, quiet=as_json)
        asked = [(text, _timed_search(target, text)) for text in question or QUESTIONS]
        count = target.count()
    if as_json:
        _print_json(place, count, report, asked)
        return
    for text, (hits, ms) in asked:
        _print_answers(text, hits, ms)
    _print_next(place, target.name)


def _cache() -> Path:
    """The user's cache folder for adjoin, or a temporary one where there is no home to write to."""
    import tempfile

    homes = {"win32": os.environ.get("LOCALAPPDATA"), "darwin": "~/Library/Caches"}
    base = os.environ.get("XDG_CACHE_HOME") or homes.get(sys.platform) or "~/.cache"
    for folder in (Path(base).expanduser() / "adjoin", Path(tempfile.gettempdir()) / "adjoin"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="adjoin-"))


def _fill(target: Collection, everything: bool, *, quiet: bool) -> IndexReport:
    from adjoin.read.docstrings import docstrings_fingerprint, read_docstrings

    def counted() -> Iterator[Item]:
        began = time.perf_counter()
        items = list(read_docstrings(whole=everything))
        total.append(len(items))
        if not quiet:
            typer.echo(
                f"Python {platform.python_version()} describes {len(items):,} modules, classes and functions "
                f"(read in {time.perf_counter() - began:.1f} s).",
                err=True,
            )
        yield from items

    total: list[int] = []
    with common.bar("embedding", "items") as progress:
        report = target.index_items(
            counted(),
            source="python",
            fingerprint=docstrings_fingerprint(whole=everything),
            progress=lambda done, _: progress(done, total[0]),
        )
    if not quiet:
        typer.echo(_told(report), err=True)
    return report


def _told(report: IndexReport) -> str:
    kept = report.chunks_unchanged
    if not report.embedded and kept:
        return f"All {kept:,} were stored already and are reused; checking took {report.seconds:.1f} s.\n"
    reused = f", {kept + report.reused:,} reused from before" if kept + report.reused else ""
    rate = report.embedded / report.seconds if report.seconds else 0
    return f"Embedded {report.embedded:,}{reused} in {report.seconds:.1f} s ({rate:,.0f} a second).\n"


def _timed_search(target: Collection, question: str) -> tuple[Hits, float]:
    began = time.perf_counter()
    hits = target.search(question, k=3)
    return hits, (time.perf_counter() - began) * 1000


def _print_answers(question: str, hits: Hits, ms: float) -> None:
    from adjoin.cli.search import print_hits
    from adjoin.text.excerpt import excerpt

    typer.secho(f"? {question}", bold=True, nl=False)
    typer.secho(f"   ({ms:.0f} ms)", dim=True)
    print_hits(list(hits), [excerpt(str(hit.content), question, 200) for hit in hits])


def _print_next(place: str, name: str) -> None:
    typer.echo("Next:")
    typer.echo('  adjoin demo "your own question"')
    typer.echo(f'  adjoin search "…" --db {place} -c {name} --where \'{{"module": "json"}}\'')
    typer.echo('  adjoin index ./docs --db notes.adjoin && adjoin search "how do I …" --db notes.adjoin')


def _print_json(place: str, count: int, report: IndexReport, asked: list[tuple[str, tuple[Hits, float]]]) -> None:
    answers = [{"question": text, "milliseconds": ms, "hits": hits.to_dicts()} for text, (hits, ms) in asked]
    common.print_json({"db": place, "documents": count, "report": report.to_dict(), "answers": answers})
