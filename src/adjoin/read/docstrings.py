"""The documentation of the running Python's own standard library, as items: something to search on every machine.

Modules in Python are parsed, not imported, since importing some has effects; those in C are asked.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import sys
import sysconfig
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from adjoin.errors import UnreadableFile
from adjoin.read.blocks import plain_blocks
from adjoin.read.chunk import chunks
from adjoin.read.decode import lines, open_text
from adjoin.read.settings import READER_VERSION, OnSkip, ReadSettings, Skipped
from adjoin.types import Item, Origin

_LEFT_OUT = frozenset(
    {
        "test", "tests", "idlelib", "lib2to3", "turtledemo", "site-packages", "dist-packages", "ensurepip", "distutils",
        "pydoc_data", "encodings", "antigravity", "this", "msilib", "ntpath", "nturl2path", "lib-dynload", "config",
        "sre_compile", "sre_parse", "sre_constants",
    }
)  # fmt: skip

_SHOWN_AS = {
    "posixpath": "os.path", "genericpath": "os.path", "_collections_abc": "collections.abc", "_pydecimal": "decimal",
    "_pydatetime": "datetime", "_pyio": "io", "_weakrefset": "weakref", "pathlib._local": "pathlib",
}  # fmt: skip
"""Modules that users know by another name."""

_IN_C = (
    "builtins", "math", "cmath", "itertools", "functools", "collections", "operator", "time", "sys", "os", "io", "gc",
    "array", "struct", "zlib", "binascii", "bisect", "heapq", "random", "re", "select", "signal", "socket", "hashlib",
    "itertools", "csv", "unicodedata", "sqlite3", "threading", "weakref", "types", "atexit", "errno", "marshal",
)  # fmt: skip
"""Modules that are wholly or partly in C and do nothing when they are imported."""

_IMMUTABLE_TYPE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE, which classes written in Python never have
_SIGNATURE = re.compile(r"\s*[\w.]+\(.*\)\s*(?:(?:->|--|=|:).*)?$")
_FEWEST_WORDS = 3


_Exports: TypeAlias = dict[str, set[str]]


@dataclass(frozen=True, slots=True)
class _Found:
    """Something with a docstring. words: its name and parameters."""

    name: str
    kind: str
    module: str
    words: str
    text: str
    file: str | None
    line: int | None


def docstrings_fingerprint(*, whole: bool = False) -> str:
    """A text that differs whenever `read_docstrings` would give other items."""
    return f"python {sys.version} {sys.platform} reader {READER_VERSION} whole {whole}"


def read_docstrings(
    modules: Collection[str] | None = None, *, whole: bool = False, on_skip: OnSkip | None = None
) -> Iterator[Item]:
    """What the running Python's standard library says of its modules, classes and functions.

    modules: only these and what is in them, such as ["json", "os.path"]. whole: all of each docstring, in chunks, rather
    than its first paragraph, and all methods, of which there are otherwise those of the built-in types alone.
    on_skip: told of source files that cannot be parsed.
    The ids are the dotted names, with `#2` and so on for the further chunks; the order is always the same.
    Where the library comes without its source only the modules in C are described.
    """
    seen: set[str] = set()
    said: set[tuple[str, str]] = set()
    for found in _all(modules, on_skip):
        if not whole and found.kind == "method" and found.module != "builtins":
            continue
        text = inspect.cleandoc(found.text) if whole else _first_paragraph(inspect.cleandoc(found.text))
        last = found.name.rpartition(".")[2]
        if found.name in seen or (last, text) in said or not _says_something(text):
            continue
        seen.add(found.name)
        said.add((last, text))
        yield from _items(found if whole else replace(found, words=found.name), text)


def _items(found: _Found, text: str) -> Iterator[Item]:
    origin = Origin(found.file, found.name, found.line)
    metadata = {"module": found.module, "kind": found.kind}
    settings = ReadSettings()
    if len(text) <= settings.chunk_chars:
        yield Item(text, found.name, metadata, origin=origin, context=found.words)
        return
    pieces = chunks(plain_blocks(lines(io.StringIO(text, newline=""))), settings)
    for number, piece in enumerate(pieces, start=1):
        id_ = found.name if number == 1 else f"{found.name}#{number}"
        yield replace(piece, id=id_, metadata=metadata, origin=origin, context=found.words)


def _first_paragraph(text: str) -> str:
    """The first paragraph that is prose, on one line: docstrings of modules in C often begin with signatures."""
    for paragraph in re.split(r"\n\s*\n", text):
        prose = [line for line in paragraph.splitlines() if not _SIGNATURE.match(line)]
        if prose and len(" ".join(prose).split()) >= _FEWEST_WORDS:
            return " ".join(" ".join(prose).split())
    return ""


def _says_something(text: str) -> bool:
    return len(text.split()) >= _FEWEST_WORDS and not text.lower().startswith(("internal", "private", "undocumented"))


def _all(modules: Collection[str] | None, on_skip: OnSkip | None) -> Iterator[_Found]:
    exports: dict[str, _Exports] = {}
    for path, module in _sources(Path(sysconfig.get_paths()["stdlib"])):
        shown = _SHOWN_AS.get(module, module)
        if _wanted(shown, modules):
            try:
                yield from _in_source(path, module, shown, exports)
            except (SyntaxError, ValueError, RecursionError, UnreadableFile) as exc:
                if on_skip:
                    on_skip(Skipped(path, str(exc)))
    for module in dict.fromkeys(_IN_C):
        if _wanted(module, modules):
            yield from _in_c(module)


def _wanted(module: str, modules: Collection[str] | None) -> bool:
    return modules is None or any(module == each or module.startswith(f"{each}.") for each in modules)


def _sources(library: Path) -> Iterator[tuple[Path, str]]:
    """The library's source files that are worth describing, with their modules' names, packages before their parts."""
    if not library.is_dir():
        return
    waiting = [library]
    while waiting:
        folder = waiting.pop()
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
        waiting += [
            each for each in reversed(entries) if each.is_dir() and _is_public(each.name) and each.name.isidentifier()
        ]
        for path in entries:
            parts = (*path.relative_to(library).parent.parts, path.stem)
            module = ".".join(part for part in parts if part != "__init__")
            if (
                path.suffix == ".py"
                and module
                and (path.stem == "__init__" or _is_public(path.stem) or module in _SHOWN_AS)
            ):
                yield path, module


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name not in _LEFT_OUT and not name.startswith("config-")


def _in_source(path: Path, module: str, shown: str, exports: dict[str, _Exports]) -> Iterator[_Found]:
    with open_text(path) as text, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text.read())
    if (said := ast.get_docstring(tree, clean=False)) and shown == module:
        yield _Found(shown, "module", shown, f"{shown} module", said, str(path), 1)
    if path.stem == "__init__":
        exports[module] = _imported(tree)
    lifted = _lifted(tree, module, exports)
    for found in _members(tree, shown, shown, str(path)):
        yield _known_better(found, shown, lifted)


def _imported(tree: ast.Module) -> _Exports:
    """For each part of a package the names that the package takes from it; `*` is one."""
    taken: _Exports = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level == 1 and node.module:
            taken.setdefault(node.module, set()).update(alias.name for alias in node.names)
    return taken


def _lifted(tree: ast.Module, module: str, exports: dict[str, _Exports]) -> set[str]:
    """The names of a module that users know as the package's own: `asyncio.sleep`, not `asyncio.tasks.sleep`."""
    package, _, part = module.rpartition(".")
    taken = exports.get(package, {}).get(part, set())
    if "*" not in taken:
        return taken
    offered: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets):
            offered |= {str(each.value) for each in ast.walk(node.value) if isinstance(each, ast.Constant)}
    return offered


def _known_better(found: _Found, module: str, lifted: set[str]) -> _Found:
    """The same under the name by which users know it."""
    own = found.name[len(module) + 1 :]
    name = found.name
    if own.partition(".")[0] in lifted:
        name = f"{module.rpartition('.')[0]}.{own}"
    elif module == "random" and own.startswith("Random."):  # the module's functions are methods of a hidden instance
        name = f"random.{own.removeprefix('Random.')}"
    return replace(found, name=name, words=found.words.replace(found.name, name, 1))


def _members(node: ast.Module | ast.ClassDef, prefix: str, module: str, file: str) -> Iterator[_Found]:
    for child in _definitions(node.body):
        if child.name.startswith("_"):
            continue
        name = f"{prefix}.{child.name}"
        is_class = isinstance(child, ast.ClassDef)
        kind = "class" if is_class else "method" if isinstance(node, ast.ClassDef) else "function"
        if said := ast.get_docstring(child, clean=False):
            yield _Found(name, kind, module, _words(name, child), said, file, child.lineno)
        if isinstance(child, ast.ClassDef):
            yield from _members(child, name, module, file)


def _definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """The definitions of a body, also those that stand under a condition."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])


def _words(name: str, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = [each.id for each in node.bases if isinstance(each, ast.Name)]
        return f"class {name}({', '.join(bases)})" if bases else f"class {name}"
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return f"{name}({', '.join(each.arg for each in given if each.arg not in ('self', 'cls'))})"


def _in_c(module: str) -> Iterator[_Found]:
    """What a module holds that is not written in Python, or is a method of a hidden instance, as `random.choice` is."""
    try:
        holder = importlib.import_module(module)
    except ImportError:
        return
    if (said := inspect.getdoc(holder)) and module != "builtins":
        yield _Found(module, "module", module, f"{module} module", said, None, None)
    for name, value in sorted(vars(holder).items()):
        full = name if module == "builtins" else f"{module}.{name}"
        if name.startswith("_") or not isinstance(getattr(value, "__doc__", None), str):
            continue
        if inspect.ismethod(value):
            code = value.__func__.__code__
            yield _Found(
                full, "function", module, f"{full}()", value.__doc__ or "", code.co_filename, code.co_firstlineno
            )
        if not _is_in_c(value):
            continue
        kind = "class" if inspect.isclass(value) else "function"
        yield _Found(full, kind, module, _c_words(full, value), value.__doc__, None, None)
        if inspect.isclass(value) and not issubclass(value, BaseException):
            yield from _c_methods(value, full, module)


def _is_in_c(value: Any) -> bool:
    return inspect.isbuiltin(value) or (inspect.isclass(value) and bool(value.__flags__ & _IMMUTABLE_TYPE))


def _c_methods(owner: type, full: str, module: str) -> Iterator[_Found]:
    for name, value in sorted(vars(owner).items()):
        said = getattr(value, "__doc__", None)
        if not name.startswith("_") and isinstance(said, str) and callable(getattr(owner, name, None)):
            yield _Found(f"{full}.{name}", "method", module, _c_words(f"{full}.{name}", value), said, None, None)


def _c_words(name: str, value: Any) -> str:
    """The name with the parameters that the function in C admits to."""
    if inspect.isclass(value):
        return f"class {name}"
    signature = getattr(value, "__text_signature__", None) or "()"
    parameters = re.findall(r"(?<![\w.=$])(?!self\b|type\b|module\b)[a-z_]\w*", signature)
    return f"{name}({', '.join(parameters)})"
