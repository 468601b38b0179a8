"""The documentation of the running Python's standard library: something real to read that is on every machine.

Sources are parsed, never imported, but for a list of modules in C that have no source and that any program imports.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import inspect
import platform
import re
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from adjoin.read.settings import OnSkip, Skipped
from adjoin.types import Item, Origin

DOCSTRINGS_VERSION = 1
_MOST_CHARS = 700
_LEFT_OUT = {
    "__pycache__", "antigravity", "dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tests",
    "this", "turtledemo", "pydoc_data",
}  # fmt: skip
_IN_C = (
    "array", "binascii", "bisect", "builtins", "bz2", "cmath", "collections", "csv", "datetime", "decimal", "errno", "fcntl",
    "functools", "gc", "hashlib", "heapq", "io", "itertools", "json", "lzma", "marshal", "math", "mmap", "operator", "os",
    "pickle", "random", "re", "resource", "select", "signal", "socket", "sqlite3", "struct", "sys", "threading", "time",
    "unicodedata", "weakref", "zlib",
)  # fmt: skip
_SIGNATURE = re.compile(r"^[\w.]+\(.*\)\s*(->.*)?$")


def read_docstrings(
    modules: Iterable[str] | None = None, *, whole: bool = False, on_skip: OnSkip | None = None
) -> Iterator[Item]:
    """An item for each documented public module, class and function, in a fixed order.

    modules: only these, with what is in them; all when None. whole: every docstring from beginning to end, those of
    methods too, in pieces of at most 700 characters where it is longer. Otherwise first paragraphs, and of methods
    only those of the built-in types, `str.strip` among them.
    Each has its qualified name as its id and context, and metadata `module` and `kind`.
    """
    wanted = None if modules is None else frozenset(modules)
    seen: set[tuple[str, str]] = set()
    ids: set[str] = set()
    for item in _documented(wanted, _pieces if whole else _first_paragraph, on_skip or (lambda skipped: None)):
        if not whole and item.metadata["kind"] == "method" and item.metadata["module"] != "builtins":
            continue
        said = (str(item.id).rpartition(".")[2], str(item.content))
        if item.id not in ids and said not in seen:
            ids.add(str(item.id))
            seen.add(said)
            yield item


def docstrings_fingerprint(*, whole: bool = False) -> str:
    """A text that changes when `read_docstrings` would give other items. Cost: a few hundred `stat` calls."""
    digest = hashlib.blake2b(digest_size=16)
    for module, path in _sources():
        found = path.stat()
        digest.update(f"{module} {found.st_size} {found.st_mtime_ns}\n".encode())
    return f"{DOCSTRINGS_VERSION} {platform.python_version()} {whole} {digest.hexdigest()}"


Pieces = Callable[[str], list[str]]


def _documented(wanted: frozenset[str] | None, pieces: Pieces, on_skip: OnSkip) -> Iterator[Item]:
    for module, path in _sources():
        if wanted is None or module in wanted:
            try:
                with warnings.catch_warnings():  # what a compiler says of old escapes is no concern of a reader's
                    warnings.simplefilter("ignore")
                    tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError, OSError) as exc:
                on_skip(Skipped(path, f"cannot be parsed: {exc}"))
                continue
            yield from _of_source(module, path, tree, pieces)
    for module in _IN_C:
        if wanted is None or module in wanted:
            yield from _of_c(module, pieces)


def _sources() -> list[tuple[str, Path]]:
    """(dotted name, file) of every public module of the standard library that has its source on disk."""
    root = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        names = parts[:-1] if parts[-1] == "__init__" else parts
        if names and not any(name in _LEFT_OUT or name.startswith("_") or not name.isidentifier() for name in names):
            found.append((".".join(names), path))
    return sorted(found)


def _of_source(module: str, path: Path, tree: ast.Module, pieces: Pieces) -> Iterator[Item]:
    yield from _items(module, ast.get_docstring(tree), pieces, module, "module", path, 1)
    yield from _of_body(module, module, path, tree.body, pieces, in_class=False)


def _of_body(
    module: str, outer: str, path: Path, body: list[ast.stmt], pieces: Pieces, *, in_class: bool
) -> Iterator[Item]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):  # definitions for one platform or another
            inner = [*node.body, *node.orelse]
            yield from _of_body(module, outer, path, inner, pieces, in_class=in_class)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            name = f"{outer}.{node.name}"
            is_class = isinstance(node, ast.ClassDef)
            kind = "class" if is_class else "method" if in_class else "function"
            yield from _items(name, ast.get_docstring(node), pieces, module, kind, path, node.lineno)
            if is_class:
                yield from _of_body(module, name, path, node.body, pieces, in_class=True)


def _of_c(module: str, pieces: Pieces) -> Iterator[Item]:
    try:
        found = importlib.import_module(module)
    except ImportError:
        return  # this platform has none
    for name in sorted(vars(found)):
        value = vars(found)[name]
        if name.startswith("_") or not (inspect.isbuiltin(value) or _is_c_class(value)):
            continue
        kind = "class" if isinstance(value, type) else "function"
        yield from _items(f"{module}.{name}", _doc(value), pieces, module, kind)
        if isinstance(value, type):
            for method in sorted(vars(value)):
                if not method.startswith("_") and callable(getattr(value, method)):
                    doc = _doc(vars(value)[method])
                    yield from _items(f"{module}.{name}.{method}", doc, pieces, module, "method")


def _is_c_class(value: object) -> bool:
    """Whether it is a class that no source on disk defines, exceptions aside: they say little."""
    if not isinstance(value, type) or issubclass(value, BaseException):
        return False
    return not value.__flags__ & (1 << 9)  # a heap type of Python code has this flag; most types in C do not


def _doc(value: Any) -> str | None:
    doc = getattr(value, "__doc__", None)
    if not isinstance(doc, str):
        return None
    lines = inspect.cleandoc(doc).split("\n")
    while lines and (_SIGNATURE.match(lines[0].strip()) or not lines[0].strip()):
        lines.pop(0)
    return "\n".join(lines)


def _items(
    name: str,
    doc: str | None,
    pieces: Pieces,
    module: str,
    kind: str,
    path: Path | None = None,
    line: int | None = None,
) -> Iterator[Item]:
    for number, piece in enumerate(pieces(doc or ""), start=1):
        yield Item(
            content=piece,
            id=name if number == 1 else f"{name}#{number}",
            metadata={"module": module, "kind": kind},
            origin=Origin(file=str(path) if path else None, name=name, line=line),
            context=name,
        )


def _first_paragraph(doc: str) -> list[str]:
    """The first paragraph on one line; none when it says next to nothing."""
    text = " ".join(re.split(r"\n\s*\n", doc.strip(), maxsplit=1)[0].split())
    return [text[:_MOST_CHARS]] if len(text.split()) > 2 else []


def _pieces(doc: str) -> list[str]:
    """The whole text in pieces of whole paragraphs, or of lines where a paragraph is too long."""
    if len(doc.split()) <= 2:
        return []
    parts: list[str] = []
    for paragraph in re.split(r"(?<=\n)\s*\n", doc.strip()):
        lines = [paragraph] if len(paragraph) <= _MOST_CHARS else paragraph.splitlines(keepends=True)
        for line in lines:
            for start in range(0, len(line), _MOST_CHARS):
                piece = line[start : start + _MOST_CHARS]
                if parts and len(parts[-1]) + len(piece) < _MOST_CHARS:
                    parts[-1] += ("\n" if line is paragraph else "") + piece
                else:
                    parts.append(piece)
    return [part.strip() for part in parts if part.strip()]
