"""`adjoin search`: neighbours out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from rich.text import Text

    from adjoin.text.excerpt import Excerpt
    from adjoin.types import Hit, Hits, Origin


def register(app: typer.Typer) -> None:
    app.command("search")(search)


def search(
    query: Annotated[
        str,
        typer.Argument(
            help="What you want to know, in your own words; the path of a picture or a sound where the collection holds such."
        ),
    ],
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    k: Annotated[int, typer.Option("-k", help="How many hits.")] = 5,
    where: common.WhereText = None,
    offset: Annotated[int, typer.Option(help="Skip so many hits.")] = 0,
    recall: Annotated[float, typer.Option(help="The share of true neighbours promised; 1 is exact.")] = 0.95,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare every row that matches; the same as --recall 1.")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Show how the search was carried out.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Find what is near to a question, by meaning.

    Each hit shows its score, where it stands (path:line), and the passage that is nearest to the question.

    [bold]adjoin search "how do I copy a folder?" -k 3 --where '{"year": {"$gte": 2020}}'[/bold]
    """
    from adjoin.query.passages import passages

    with common.opened(db, collection) as source:
        hits = source.search(query, k=k, where=common.parse_where(where), offset=offset, recall=recall, exact=exact)
        found = passages(hits, query, source.embedder)
    if as_json:
        common.print_json({"query": query, "hits": [_as_dict(*pair) for pair in zip(hits, found, strict=True)]}
                          | ({"plan": _plan(hits)} if explain else {}))  # fmt: skip
        return
    if not hits:
        typer.echo(
            "nothing found" + (": no row matches the filter" if where else "; the collection is empty"), err=True
        )
    print_hits(list(hits), found)
    if explain:
        typer.echo(f"\n{hits.explain()}")


def print_hits(hits: list[Hit], found: list[Excerpt | None]) -> None:
    """Rank, score, place and the marked excerpt of each hit; plain text where stdout is not a terminal."""
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    for hit, excerpt in zip(hits, found, strict=True):
        console.print(_title(hit, excerpt), soft_wrap=True)  # a place broken over two lines could not be opened
        if excerpt is not None:
            body = _marked(excerpt)
            console.print(
                Padding(body, (0, 0, 0, 3)) if console.is_terminal else _indented(body),
                soft_wrap=not console.is_terminal,
            )
        console.print()


def _title(hit: Hit, excerpt: Excerpt | None) -> Text:
    from rich.text import Text

    title = Text.assemble(
        (f"{hit.rank}. ", "bold"), (f"{hit.score:.3f}  ", "green"), (_place(hit, excerpt), "bold cyan")
    )
    name = hit.origin.name if hit.origin else None
    heading = " › ".join(hit.origin.heading) if hit.origin else ""
    for part in (name, heading):
        if part:
            title.append(f"  {part}", "dim")
    return title


_NOT_LINE_BY_LINE = (
    ".csv",
    ".tsv",
    ".htm",
    ".html",
    ".xhtml",
    ".ipynb",
    ".json",
    ".jsonl",
    ".ndjson",
    ".parquet",
    ".pdf",
)


def _place(hit: Hit, excerpt: Excerpt | None) -> str:
    """The place of the passage, where the content stands in the file as it is, or else of the chunk."""
    origin = hit.origin
    if excerpt is not None and origin is not None and origin.line is not None and _is_verbatim(origin):
        above = excerpt.line_offset + excerpt.text.count("\n", 0, excerpt.passage.start)
        origin = replace(origin, line=origin.line + above)
    return common.place(origin, repr(hit.id))


def _is_verbatim(origin: Origin) -> bool:
    """Whether the content's lines are lines of the file."""
    return origin.file is not None and origin.offset is not None and not origin.file.lower().endswith(_NOT_LINE_BY_LINE)


def _marked(excerpt: Excerpt) -> Text:
    """The excerpt, its best sentence underlined and the words of the question bold."""
    from rich.text import Text

    text = Text(excerpt.text)
    text.stylize("underline", *excerpt.passage)
    for span in excerpt.spans:
        text.stylize("bold yellow", *span)
    return text


def _indented(text: Text) -> Text:
    from rich.text import Text

    return Text("\n").join(Text("   ") + line for line in text.split("\n"))


def _as_dict(hit: Hit, excerpt: Excerpt | None) -> dict[str, Any]:
    plain = hit.to_dict() | {"place": _place(hit, excerpt)}
    if excerpt is None:
        return plain
    marks = [list(span) for span in excerpt.spans]
    return plain | {"excerpt": excerpt.text, "passage": list(excerpt.passage), "marks": marks}


def _plan(hits: Hits) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(hits.plan)
