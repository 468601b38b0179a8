"""Counting a prompt's tokens: by a tokenizer that is at hand, or an estimate that is rather too high."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Final, TypeAlias

from adjoin.errors import InvalidOption, NotFound, UnreadableFile
from adjoin.llm.base import Message

PER_MESSAGE: Final = 5
"""Tokens that mark where a turn begins and whose it is: four or five in the chat formats that are in use."""

Tokenizer: TypeAlias = "str | PathLike[str] | Callable[[str], Any] | Any"
Count: TypeAlias = Callable[[str], int]

_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|[ ]|\s+|[\x21-\x7e]|[^\x00-\x7f]+|.", re.S)


def estimated(text: str) -> int:
    """Rather too many than too few tokens, for a tokenizer that is not at hand.

    English words count one for each four letters begun, digits one each, other ASCII marks one each, and what is not ASCII
    one for each byte in UTF-8, which no byte-level tokenizer can exceed.
    """
    total = 0
    for piece in _PIECES.findall(text):
        first = piece[0]
        if first == " ":
            continue  # a word brings the one before it
        if not piece.isascii():
            total += len(piece.encode("utf-8", "surrogatepass"))
        elif first.isalpha():
            total += -(-len(piece) // 4)
        else:
            total += len(piece)
    return total


def counter(tokenizer: Tokenizer | None) -> Count:
    """How many tokens a text has, by what was given.

    tokenizer: the path of a `tokenizer.json`; a function from a text to a number or to a sequence of tokens; an object with
    `encode(text)`, such as an encoding of tiktoken; None for `estimated`.
    Raises NotFound or UnreadableFile for a path that holds none, InvalidOption for anything else.
    """
    if tokenizer is None:
        return estimated
    if isinstance(tokenizer, str | PathLike):
        return _of_file(Path(tokenizer).expanduser())
    if hasattr(tokenizer, "encode"):
        return lambda text: _number(tokenizer.encode(text))
    if callable(tokenizer):
        return lambda text: _number(tokenizer(text))
    raise InvalidOption(
        f"tokenizer= is the path of a tokenizer.json, a function of a text, or an object with encode(), not "
        f"{type(tokenizer).__name__}."
    )


def count_messages(count: Count, messages: Sequence[Message]) -> int:
    """The tokens of a prompt: each turn's text and its marks, and those that begin the answer."""
    return sum(count(message.content) + PER_MESSAGE for message in messages) + PER_MESSAGE


def _of_file(path: Path) -> Count:
    from tokenizers import Tokenizer as Loaded

    if path.is_dir():
        path = path / "tokenizer.json"
    if not path.is_file():
        raise NotFound(f"there is no tokenizer at {path}. Give the path of a tokenizer.json.")
    try:
        loaded = Loaded.from_file(str(path))
    except Exception as exc:  # the package raises plain Exception
        raise UnreadableFile(f"{path} cannot be read as a tokenizer.json ({exc}).") from exc
    loaded.no_truncation()
    loaded.no_padding()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)


def _number(found: Any) -> int:
    return found if isinstance(found, int) else len(getattr(found, "ids", found))
