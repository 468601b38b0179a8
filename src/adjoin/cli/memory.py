"""`adjoin memory`: what users said, remembered, recalled, explained, taken back, taken out and erased."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.llm.base import LanguageModel
    from adjoin.llm.memory import Memory

group = typer.Typer(
    name="memory",
    help="Remember what users said, strictly apart, and recall it when it matters. Start with "
    "[bold]adjoin memory remember 'I moved to Busan' --user mina[/bold] and "
    "[bold]adjoin memory recall 'Where do I live?' --user mina[/bold].",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

User = Annotated[str, typer.Option("--user", "-u", help="Whose memory. No other user's is ever seen.")]
OneSession = Annotated[str | None, typer.Option("--session", "-s", help="This session alone.")]
ToSession = Annotated[str, typer.Option("--session", "-s", help="The session that it is said in.")]
OfUser = Annotated[
    str | None, typer.Option("--user", "-u", help="Whose message it has to be; another's is as good as none.")
]
DEFAULT_NAME = "memory"


def register(app: typer.Typer) -> None:
    app.add_typer(group)


@contextmanager
def _opened(db: str, name: str, *, create: bool = False, model: LanguageModel | None = None) -> Iterator[Memory]:
    from adjoin.llm.memory import Memory

    if create:
        import adjoin

        with adjoin.open(db) as database:
            yield Memory(database.collection(name), model)
        return
    with common.opened(db, name) as collection:
        yield Memory(collection, model)


@group.command("remember")
def remember(
    text: Annotated[str, typer.Argument(help="What was said.")],
    user: User,
    session: ToSession = "default",
    role: Annotated[str, typer.Option(help="Who said it: user, assistant or system.")] = "user",
    importance: Annotated[
        float | None, typer.Option(help="From 0 to 1.", show_default="judged by rule", min=0, max=1)
    ] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Store a message; fold what it repeats, and supersede what it contradicts.

    Both are kept, with times: see [bold]explain[/bold], and [bold]undo[/bold] to take it back.

    [bold]adjoin memory remember 'I moved to Busan' --user mina --session friday[/bold]
    """
    with _opened(db, collection, create=True) as memory:
        done = memory.remember(user, session, role, text, importance=importance)
    if as_json:
        common.print_json(done.to_dict())
    else:
        typer.echo(str(done))


@group.command("recall")
def recall(
    query: Annotated[str, typer.Argument(help="What it is about, in Korean or English.")],
    user: User,
    session: OneSession = None,
    n: Annotated[int, typer.Option("-n", help="How many messages.")] = 10,
    tokens: Annotated[
        int | None, typer.Option("--tokens", help="Tokens that they may take together, neighbours included.")
    ] = None,
    neighbours: Annotated[int, typer.Option(help="Messages before and after each that come with it.")] = 1,
    where: common.WhereText = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Show the messages that matter to a query, best first, with the parts of their scores.

    [bold]adjoin memory recall 'Where do I live?' --user mina -n 5 --tokens 500[/bold]
    """
    with _opened(db, collection) as memory:
        found = memory.recall(user, query, n, tokens, session, neighbours=neighbours, where=common.parse_where(where))
    if as_json:
        common.print_json({"query": query, "tokens": found.tokens, "messages": found.to_dicts()})
    else:
        typer.echo(repr(found))


@group.command("similar")
def similar(
    query: Annotated[str, typer.Argument(help="A question.")],
    user: User,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 5,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Show earlier questions like this one, with the answers they got.

    [bold]adjoin memory similar 'How do I reset the router?' --user mina[/bold]
    """
    with _opened(db, collection) as memory:
        found = memory.similar_questions(user, query, n)
    if as_json:
        common.print_json({"query": query, "questions": [one.to_dict() for one in found]})
        return
    for one in found:
        typer.echo(f"{one.score:.3f}  {one.question}\n       {one.answer}")


@group.command("list")
def list_(
    user: User,
    session: OneSession = None,
    sessions: Annotated[bool, typer.Option("--sessions", help="List the sessions instead.")] = False,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """List all that is kept of a user, in the order it was said, with ids.

    [bold]adjoin memory list --user mina --session friday[/bold]
    """
    from dataclasses import asdict

    with _opened(db, collection) as memory:
        if sessions:
            listed = memory.sessions(user)
            lines = [f"{one.session}  {common.counted(one.messages, 'message')}" for one in listed]
            plain: list[dict[str, Any]] = [asdict(one) for one in listed]
        else:
            records = memory.list(user, session)
            lines = [f"{one.id}  {one}" for one in records]
            plain = [one.to_dict() for one in records]
    if as_json:
        common.print_json({"user": user, "sessions" if sessions else "messages": plain})
    else:
        typer.echo("\n".join(lines) if lines else "nothing is remembered of this user")


@group.command("explain")
def explain(
    id_: Annotated[str, typer.Argument(help="A message's id, from list or recall.", metavar="ID")],
    user: OfUser = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Show what a message replaced and what replaced it, oldest first, with times and facts.

    [bold]adjoin memory explain 7f3c… --user mina[/bold]
    """
    with _opened(db, collection) as memory:
        told = memory.explain(id_, user=user)
    if as_json:
        common.print_json(told.to_dict())
    else:
        typer.echo(str(told))


@group.command("undo")
def undo(
    id_: Annotated[str, typer.Argument(help="A message's id.", metavar="ID")],
    user: OfUser = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Take back the last thing that happened to a message: a fold, a superseding, or that it was remembered at all.

    [bold]adjoin memory undo 7f3c… --user mina[/bold]
    """
    from dataclasses import asdict

    with _opened(db, collection) as memory:
        done = memory.undo(id_, user=user)
    if as_json:
        common.print_json(asdict(done))
    else:
        restored = f"; restored: {', '.join(done.restored)}" if done.restored else ""
        typer.echo(f"{done.action}: {', '.join(done.ids)}{restored}")


@group.command("export")
def export(
    user: User,
    to: Annotated[Path | None, typer.Option("--to", help="A new file.", show_default="stdout", metavar="FILE")] = None,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Print all that is kept of a user as JSON lines, a message a line.

    [bold]adjoin memory export --user mina --to mina.jsonl[/bold]
    """
    with _opened(db, collection) as memory:
        told = memory.export(user, to)
    if to is None:
        typer.echo(told, nl=False)
    elif as_json:
        common.print_json({"user": user, "messages": told.count("\n"), "file": str(to)})
    else:
        typer.echo(f"{common.counted(told.count(chr(10)), 'message')} written to {to}")


@group.command("erase")
def erase(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Erase a user: messages, ids and the name itself, from every file; all files are read to see that it is so.

    [bold]adjoin memory erase --user mina --yes[/bold]
    """
    with _opened(db, collection) as memory:
        count = len(memory.list(user))
        if count and not yes:
            common.confirm("Erase", count, "Erasing")
        done = memory.erase(user)
    if as_json:
        common.print_json({"erased": done.deleted, "searched_bytes": done.searched_bytes, "found": list(done.found)})
    else:
        typer.echo(
            f"{common.counted(done.deleted, 'message')} erased; {common.size(done.searched_bytes)} of files were read, and "
            "nothing of them is left"
        )


@group.command("chat")
def chat(
    text: Annotated[str, typer.Argument(help="What you say.")],
    user: User,
    session: ToSession = "default",
    model: Annotated[
        str,
        typer.Option("--model", "-m", envvar="ADJOIN_MODEL", help="openai:NAME, a path to a .gguf file, or smollm2."),
    ] = "smollm2",
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            envvar="OPENAI_BASE_URL",
            help="The endpoint of openai:NAME. The key is read from OPENAI_API_KEY.",
            metavar="URL",
        ),
    ] = None,
    max_tokens: Annotated[int, typer.Option(help="Tokens of the answer, at most.")] = 512,
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = DEFAULT_NAME,
    as_json: common.AsJson = False,
) -> None:
    """Say something to a model that remembers: recall, prompt, answer, and both kept.

    What is said and recalled is sent to the model you name, and nowhere else. Where it fails, nothing is stored.

    [bold]adjoin memory chat 'Where do I live?' --user mina --model openai:gpt-4o-mini[/bold]
    """  # fmt: skip
    from adjoin.llm.base import Reply

    with _opened(db, collection, create=True, model=_model(model, base_url)) as memory:
        if as_json:
            reply = memory.chat(user, session, text, max_tokens=max_tokens)
            common.print_json({"answer": reply.text, "model": reply.model, "finish": reply.finish, **reply.extra})
            return
        for piece in memory.chat_stream(user, session, text, max_tokens=max_tokens):
            if isinstance(piece, Reply):
                typer.echo(
                    "" if piece.extra["stored"] else "\nnote: the answer was cut at --max-tokens and is not stored"
                )
            else:
                typer.echo(piece, nl=False)


def _model(spec: str, base_url: str | None) -> LanguageModel:
    from adjoin.llm.models import model

    return model(spec, **({"base_url": base_url} if base_url and spec.startswith("openai:") else {}))
