"""Patterns of .gitignore, as git understands them.

Source: the manual page gitignore(5) and git's wildmatch.c; compared with `git check-ignore` in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

MOST_BYTES = 1 << 20
"""A longer .gitignore is not one that a person wrote."""

_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "digit": "0-9",
    "graph": r"\x21-\x7e", "lower": "a-z", "print": r"\x20-\x7e", "punct": r"!-/:-@\[-`{-~", "space": r"\s",
    "upper": "A-Z", "xdigit": "0-9a-fA-F",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern. negated: it takes back what an earlier one ignored. folders_only: it ended with a slash."""

    pattern: re.Pattern[str]
    negated: bool
    folders_only: bool

    @classmethod
    def parse(cls, line: str) -> Rule | None:
        """The rule of one line, None for a comment, an empty line, or a pattern that can match nothing."""
        text = _without_trailing_spaces(line.rstrip("\r\n"))
        if not text or text.startswith("#"):
            return None
        negated = text.startswith("!")
        text = text[negated:]
        folders_only = text.endswith("/")
        text = text[:-1] if folders_only else text
        if not text:
            return None
        anchored = "/" in text
        pattern = _compiled(text.removeprefix("/"), anchored)
        return cls(pattern, negated, folders_only) if pattern else None


class Rules:
    """The rules of one file, in order; the last that matches decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._rules = [rule for rule in map(Rule.parse, lines) if rule]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def decide(self, path: str, *, is_folder: bool) -> bool | None:
        """Whether the path, relative to the file of the rules, with `/`, is ignored; None when no rule matches."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
                return not rule.negated
        return None


def read_rules(path: Path) -> Rules:
    """The rules of a file; none when there is none or it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return Rules([])
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
    except OSError:
        return Rules([])
    return Rules(text.split("\n"))


def _without_trailing_spaces(text: str) -> str:
    """Trailing spaces do not count unless a backslash stands before them."""
    bare = text.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and len(bare) < len(text) else bare


@lru_cache(maxsize=4096)
def _compiled(text: str, anchored: bool) -> re.Pattern[str] | None:
    expression = _translated(text)
    if expression is None:
        return None
    return re.compile(expression if anchored else f"(?:.*/)?{expression}", re.DOTALL)


def _translated(text: str) -> str | None:
    out: list[str] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == "*":
            run = len(text[at:]) - len(text[at:].lstrip("*"))
            piece, used = _stars(text, at, run)
        elif character == "[":
            found = _bracket(text, at)
            if found is None:
                return None
            piece, used = found
        elif character == "\\":
            if at + 1 >= len(text):
                return None
            piece, used = re.escape(text[at + 1]), 2
        else:
            piece, used = ("[^/]" if character == "?" else re.escape(character)), 1
        out.append(piece)
        at += used
    return "".join(out)


def _stars(text: str, at: int, run: int) -> tuple[str, int]:
    """The expression for a run of stars, and how many characters of the pattern it stands for."""
    after = text[at + run : at + run + 1]
    alone = run == 2 and (at == 0 or text[at - 1] == "/")
    if alone and after == "/":
        return "(?:[^/]+/)*", run + 1
    if alone and after == "":
        return ".+" if at else ".*", run
    return "[^/]*", run


def _bracket(text: str, at: int) -> tuple[str, int] | None:
    """The expression for a set of characters such as [a-z], [!abc] or [[:digit:]]; None when it does not end."""
    place = at + 1
    negated = text[place : place + 1] in ("!", "^")
    place += negated
    inside: list[str] = []
    while place < len(text) and (text[place] != "]" or not inside):
        if text.startswith("[:", place) and (end := text.find(":]", place)) > 0:
            named = _CLASSES.get(text[place + 2 : end])
            if named is None:
                return None
            inside.append(named)
            place = end + 2
            continue
        low, place = _member(text, place)
        high = low
        if text[place : place + 1] == "-" and text[place + 1 : place + 2] not in ("", "]"):
            high, place = _member(text, place + 1)
        inside.append(f"{re.escape(low)}-{re.escape(high)}" if low < high else re.escape(low) if low == high else "")
    if place >= len(text):
        return None
    members = "".join(inside)
    if not members:
        return ("[^/]" if negated else "(?!)"), place + 1 - at
    return f"(?!/)[{'^' if negated else ''}{members}]", place + 1 - at


def _member(text: str, at: int) -> tuple[str, int]:
    at += text[at] == "\\" and at + 1 < len(text)
    return text[at], at + 1
