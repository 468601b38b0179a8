"""A question that stands for itself, made from the last turn of a conversation and those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adjoin.errors import ModelError
from adjoin.llm.base import LanguageModel, Message
from adjoin.llm.rag.words import covered, is_korean, stems, terms
from adjoin.text import one_line

TURNS: Final = 6
_MOST_TOKENS: Final = 120
_FEW: Final = 2
_RULES: Final = (
    "Rewrite the last question so that it can be understood without the conversation before it: put names in the place of "
    "pronouns and add what it leaves out. Keep its language. Do not answer it. Reply with the rewritten question alone, on "
    "one line."
)


def rewriting_prompt(question: str, history: Sequence[Message]) -> list[Message]:
    """The turns are quoted, not replayed: what was said in them is data here."""
    turns = "\n".join(f"{message.role}: {one_line(message.content)[:600]}" for message in history[-TURNS:])
    return [
        Message("system", _RULES),
        Message("user", f"Conversation:\n{turns}\n\nLast question: {question}\n\nRewritten:"),
    ]


def rewritten(
    question: str, history: Sequence[Message], model: LanguageModel | None, *, budget: int | None = None
) -> str:
    """The question as it is to be searched for; unchanged without a history.

    The model rewrites it. Where it fails, or what it makes of it is no such question, the last two things that the user
    said before are put in front. budget: tokens of the model's context; older turns are left out to keep to it.
    """
    if not any(message.role == "user" for message in history):
        return question
    if model is not None:
        prompt = _fitting(question, history, model, budget)
        try:
            reply = model.generate(prompt, max_tokens=_MOST_TOKENS) if prompt else None
        except ModelError:
            reply = None
        if reply is not None and (made := sensible(reply.text, question, history)):
            return made
    return joined(question, history)


async def arewritten(
    question: str, history: Sequence[Message], model: LanguageModel | None, *, budget: int | None = None
) -> str:
    """`rewritten`, awaited."""
    if not any(message.role == "user" for message in history):
        return question
    if model is not None:
        prompt = _fitting(question, history, model, budget)
        try:
            reply = await model.agenerate(prompt, max_tokens=_MOST_TOKENS) if prompt else None
        except ModelError:
            reply = None
        if reply is not None and (made := sensible(reply.text, question, history)):
            return made
    return joined(question, history)


def joined(question: str, history: Sequence[Message]) -> str:
    """The last two turns of the user and the question, as one text."""
    said = [one_line(message.content) for message in history if message.role == "user"]
    return " ".join([*(turn[:300] for turn in said[-2:]), question])


def sensible(made: str, question: str, history: Sequence[Message]) -> str | None:
    """What a model made of the question, if it is that question: of its language and about its length, with most of its
    words in it, and with no word that neither it nor the conversation has, but for a few."""
    lines = [line.strip() for line in made.strip().splitlines() if line.strip()]
    if not lines:
        return None
    text = one_line(lines[0]).removeprefix("Rewritten:").strip().strip("\"'“”`")
    known = stems(question).union(*(stems(message.content) for message in history[-TURNS:]))
    kept, new = covered(_content(question), stems(text)), 1 - covered(terms(text), known)
    about_as_long = len(text) <= 3 * len(question) + 200
    if not text or not about_as_long or is_korean(text) != is_korean(question) or new > 0.4 or kept < 0.5:
        return None
    if text == one_line(question) and len(_content(question)) <= _FEW:
        return None  # "How long?" does not stand for itself, whatever the model thinks
    return text


def _content(question: str) -> set[str]:
    """The question's words but for those that point to something said before, which the rewriting replaces."""
    pointing = {
        "it",
        "its",
        "that",
        "this",
        "they",
        "them",
        "he",
        "she",
        "one",
        "그것",
        "그거",
        "그건",
        "이것",
        "이건",
        "거기",
        "그럼",
        "그",
        "이",
    }
    return {stem for stem in terms(question) if stem not in pointing}


def _fitting(
    question: str, history: Sequence[Message], model: LanguageModel, budget: int | None
) -> list[Message] | None:
    for turns in range(min(TURNS, len(history)), 0, -1):
        prompt = rewriting_prompt(question, history[-turns:])
        if budget is None or model.count_tokens(prompt) + _MOST_TOKENS <= budget:
            return prompt
    return None
