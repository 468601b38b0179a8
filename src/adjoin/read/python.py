"""Python source to blocks: one for each function, method and class body, by indentation.

Not by `ast`: files with mistakes in them, of other versions of Python and of any length are read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from adjoin.read.blocks import Block, Gatherer
from adjoin.read.decode import Line

_DEFINITION = re.compile(r"(?P<indent>[ \t]*)(?P<kind>class|def|async[ \t]+def)[ \t]+(?P<name>\w+)")
_TOKEN = re.compile(
    r"#.*|(?P<triple>\"\"\"|''')|\"(?:\\.|[^\"\\\r\n])*\"|'(?:\\.|[^'\\\r\n])*'|(?P<open>[(\[{])|(?P<close>[)\]}])"
)


def python_blocks(lines: Iterable[Line], file_name: str = "") -> Iterator[Block]:
    """Blocks whose headings are the class and function they belong to, and whose name is the dotted one.

    Decorators and comments stay with what they precede; functions within functions stay with the outer one.
    """
    parser = _Parser(file_name)
    for line in lines:
        yield from parser.feed(line)
    yield from parser.finish()


class _Parser:
    def __init__(self, file_name: str) -> None:
        self._gatherer = Gatherer()
        self._gatherer.kind, self._gatherer.context = "code", file_name
        self._scope: list[tuple[int, str, bool]] = []  # indentation, name, whether it is a class
        self._waiting: list[Line] = []  # decorators and comments that may belong to a definition
        self._decorating = False
        self._triple = ""
        self._depth = 0

    def feed(self, line: Line) -> Iterator[Block]:
        inside = bool(self._triple) or line.continued
        definition = None if inside else _DEFINITION.match(line.text)
        if definition:
            self._depth = 0  # brackets that an earlier mistake left open
        within_brackets = self._depth > 0
        self._follow(line.text)
        if definition and self._may_begin(len(definition["indent"].expandtabs(8))):
            yield from self._begin(definition, line)
        elif inside or within_brackets or line.text.isspace() or definition or self._scope_goes_on(line.text):
            yield from self._add(line)
        elif self._decorating or line.text.lstrip()[0] in "@#":
            self._decorating = self._decorating or line.text.lstrip()[0] == "@"
            self._waiting.append(line)
        else:
            yield from self._leave(line)

    def finish(self) -> Iterator[Block]:
        yield from self._put_waiting()
        yield from self._gatherer.done()

    def _follow(self, text: str) -> None:
        """Keep track of strings over many lines, and of open brackets."""
        at = 0
        while True:
            if self._triple:
                end = text.find(self._triple, at)
                if end < 0:
                    return
                at, self._triple = end + 3, ""
            token = _TOKEN.search(text, at)
            if token is None:
                return
            at = token.end()
            self._triple = token["triple"] or ""
            self._depth = max(0, self._depth + bool(token["open"]) - bool(token["close"]))

    def _may_begin(self, indent: int) -> bool:
        """Whether a definition stands in a class or outside of all functions."""
        return all(is_class for at, _, is_class in self._scope if at < indent)

    def _scope_goes_on(self, text: str) -> bool:
        bare = text.lstrip()
        indent = len(text[: len(text) - len(bare)].expandtabs(8))
        if not self._scope or self._decorating:
            return not self._scope and not self._decorating and bare[0] not in "@#"
        deeper = indent > self._scope[-1][0]
        if self._scope[-1][2] and bare[0] in "@#":
            return False  # in a class it may belong to the next method
        return deeper or bare[0] in ")]}"

    def _begin(self, definition: re.Match[str], line: Line) -> Iterator[Block]:
        indent = len(definition["indent"].expandtabs(8))
        yield from self._gatherer.done()
        self._enter(indent)
        self._scope.append((indent, definition["name"], definition["kind"] == "class"))
        self._name()
        yield from self._put_waiting()
        yield from self._gatherer.take(line)

    def _leave(self, line: Line) -> Iterator[Block]:
        """A statement after the end of a definition."""
        indent = len(line.text[: len(line.text) - len(line.text.lstrip())].expandtabs(8))
        yield from self._put_waiting()
        before = list(self._scope)
        self._enter(indent)
        if before != self._scope:
            yield from self._gatherer.done()
            self._name()
        yield from self._gatherer.take(line)

    def _enter(self, indent: int) -> None:
        while self._scope and self._scope[-1][0] >= indent:
            self._scope.pop()

    def _name(self) -> None:
        self._gatherer.headings = tuple(name for _, name, _ in self._scope)
        self._gatherer.name = ".".join(self._gatherer.headings) or None

    def _add(self, line: Line) -> Iterator[Block]:
        if not self._waiting:
            yield from self._gatherer.take(line)
        else:
            self._waiting.append(line)
            if not self._decorating and not line.text.isspace():
                yield from self._put_waiting()

    def _put_waiting(self) -> Iterator[Block]:
        waiting, self._waiting, self._decorating = self._waiting, [], False
        for line in waiting:
            yield from self._gatherer.take(line)
