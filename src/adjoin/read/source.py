"""Source code of any language to blocks: top-level constructs, told by blank lines and indentation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adjoin.read.blocks import Block, Gatherer
from adjoin.read.decode import Line

_NAMED = re.compile(
    r"\s*(?:(?:export|default|declare|pub(?:\([^)]*\))?|public|private|protected|internal|static|final|abstract|async"
    r"|unsafe|extern|inline|virtual|override|sealed|open|data|case|local|const)\s+)*"
    r"(?:class|struct|enum|interface|trait|impl|fn|func|fun|function|def|defmodule|defp|module|namespace|object|protocol"
    r"|extension|record|type|macro_rules!|sub|package|union|contract|library)\s+"
    r"(?:<[^>]*>\s*|\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$.:]*)"
)
_ASSIGNED = re.compile(
    r"(?:export\s+)?(?:const|let|var)\s+(?P<name>[\w$]+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function\b|\([^)]*\)|\w+\s*)"
    r"(?:\s*(?::[^=]+)?=>|\s*\()?"
)
_C_FUNCTION = re.compile(
    r"(?!(?:if|for|while|switch|return|else|do)\b)[A-Za-z_][\w:<>,*&\s]*?[\s*&](?P<name>[\w:~]+)\s*\([^;]*$"
)
_SQL = re.compile(r"(?i:create\s+(?:or\s+replace\s+)?\w+\s+(?:if\s+not\s+exists\s+)?)(?P<name>[\w.\"`]+)")
_CLOSES = re.compile(r"[)\]}>]|end\b|fi\b|done\b|esac\b|else\b|catch\b|finally\b|\*/")
_IS_COMMENT = re.compile(r"\s*(?://|/\*|\*|#(?!\s*(?:define|include|if))|--|;|%|<!--|@)")


def source_blocks(lines: Iterable[Line], file_name: str = "") -> Iterator[Block]:
    """A block for each construct that begins at the margin after a blank line; its heading is its name, if it shows one.

    Comments stay with the code that follows them without a blank line.
    """
    gatherer = Gatherer()
    gatherer.kind, gatherer.context = "code", file_name
    after_blank = True
    named = False
    for line in lines:
        if line.continued or line.text.isspace():
            after_blank = after_blank or not line.continued
        else:
            begins = after_blank and not line.text[0].isspace() and not _CLOSES.match(line.text)
            if begins:
                yield from gatherer.done()
                gatherer.headings, gatherer.name, named = (), None, False
            if not named and not line.text[0].isspace() and not _IS_COMMENT.match(line.text):
                named = True
                _name(gatherer, line.text)
            after_blank = False
        yield from gatherer.take(line)
    yield from gatherer.done()


def _name(gatherer: Gatherer, text: str) -> None:
    text = text[:300].rstrip()
    for pattern in (_NAMED, _ASSIGNED, _SQL, _C_FUNCTION):
        if found := pattern.match(text):
            gatherer.name = found["name"].rstrip(":.")
            gatherer.headings = (gatherer.name,)
            return
