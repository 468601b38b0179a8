"""`adjoin index`: a folder in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.read import ReadSettings


def register(app: typer.Typer) -> None:
    app.command("index")(index)


def index(
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH…")],
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    embedder: Annotated[
        str | None,
        typer.Option(help="The model for a new collection: default, a folder, or hf:NAME.", show_default="default"),
    ] = None,
    index_family: Annotated[
        str | None,
        typer.Option(
            "--index", help="The index of a new collection: docs/indexes.md.", show_default="auto", metavar="FAMILY"
        ),
    ] = None,
    content: Annotated[
        str | None,
        typer.Option("--content", help="The column of CSV and JSONL that is the content; the others are metadata."),
    ] = None,
    chunk: Annotated[int | None, typer.Option(help="The most characters in a chunk.", show_default="700")] = None,
    overlap: Annotated[
        int | None, typer.Option(help="Characters repeated from the chunk before.", show_default="100")
    ] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only files that match this pattern; repeatable.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="No files that match this pattern; repeatable.")] = None,
    hidden: Annotated[bool, typer.Option("--hidden", help="Also names that begin with a dot.")] = False,
    no_gitignore: Annotated[bool, typer.Option("--no-gitignore", help="Also what .gitignore leaves out.")] = False,
    encoding: Annotated[
        str | None, typer.Option(help="For files that are not Unicode.", show_default="detected")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep going: index again whenever something changes.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Read files, embed them, and keep them; again, only what changed.

    Text, Markdown, HTML, reStructuredText, source code, JSONL, CSV, and PDF with its extra. Chunks follow headings,
    paragraphs, sentences and code blocks. What has gone from the folders goes from the store. Files that cannot be
    read are listed at the end and do not stop the rest.

    [bold]adjoin index ./docs README.md --db notes.adjoin[/bold]
    """
    import adjoin
    from adjoin.held import KEEP
    from adjoin.read import ReadSettings
    from adjoin.read import watch as watched

    usual = ReadSettings()
    settings = ReadSettings(
        chunk_chars=usual.chunk_chars if chunk is None else chunk,
        overlap_chars=usual.overlap_chars if overlap is None else overlap,
        content_column=content,
        encoding=encoding,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        hidden=hidden,
        gitignore=not no_gitignore,
    )
    common.refuse_missing(paths, db)
    if embedder:
        adjoin.embedder(embedder)  # a name that is none is told before a store is made
    if index_family:
        common.refuse_unknown_index(index_family, db)
    with adjoin.open(db) as database:
        target = database.collection(collection, embedder=embedder or KEEP, index=index_family or KEEP)
        changes = watched(paths, settings) if watch else ()  # what changes while the first run reads is not missed
        _once(target, paths, settings, as_json, db)
        if watch:
            typer.echo("watching for changes; Ctrl-C ends it", err=True)
        for _ in changes:
            _once(target, paths, settings, as_json, db)


def _once(target: Collection, paths: list[Path], settings: ReadSettings, as_json: bool, db: str) -> None:
    with common.bar("reading", "bytes") as progress:
        report = target.index(paths, settings=settings, progress=progress)
    if as_json:
        common.print_json(report.to_dict() | {"documents": target.count(), "db": db})
    else:
        typer.echo(f'{report}\n{target.count():,} chunks in {db}. Ask: adjoin search "…" --db {db}')
