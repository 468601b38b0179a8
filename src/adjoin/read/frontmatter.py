"""The front matter of a Markdown file to metadata: the simple part of YAML that people write there."""

from __future__ import annotations

import re
from typing import Any

from adjoin.read.values import clean_key, typed

_FIELD = re.compile(r"(?P<key>[^\s:#\-'\"][^:]*?)\s*:(?:[ \t]+(?P<value>.*))?$")
_LIST_ITEM = re.compile(r"\s*-[ \t]+(?P<value>.*)$")
_COMMENT = re.compile(r"[ \t]+#.*$")


def parse_front_matter(lines: list[str]) -> tuple[dict[str, Any], bool]:
    """The fields of `key: value` lines, lists in brackets, and lists of `- value` lines; and whether that was all.

    Numbers, true and false become such; text in quotes stays text. Other YAML is not guessed at.

    >>> parse_front_matter(["title: Notes", "year: 2024", "tags: [a, 'b']", "draft: true"])
    ({'title': 'Notes', 'year': 2024, 'tags': ['a', 'b'], 'draft': True}, True)
    """
    found: dict[str, Any] = {}
    key, complete = "", True
    for line in (line.rstrip() for line in lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (item := _LIST_ITEM.match(line)) and key and (found[key] is None or isinstance(found[key], list)):
            found[key] = [*(found[key] or []), _scalar(item["value"])]
        elif field := _FIELD.match(line):
            key = clean_key(field["key"], found)
            found[key] = _value(field["value"] or "")
        else:
            complete = False
    return found, complete


def _value(text: str) -> Any:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(part) for part in text[1:-1].split(",") if part.strip()]
    return _scalar(text)


def _scalar(text: str) -> Any:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return typed(_COMMENT.sub("", text))
