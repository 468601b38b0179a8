"""The rooms import one way, as ARCHITECTURE.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "adjoin"

LEVELS = (
    {"_version", "errors"},
    {"strict", "types", "hashing", "forks", "frames"},
    {"kinds"},
    {"metadata", "columns"},
    {"lines"},
    {"conditions"},
    {"filters", "sealed"},
    {"engine", "distance"},
    {"text"},
    {"read"},
    {"embed"},
    {"index"},
    {"store", "engines"},
    {"query"},
    {"held", "ingest"},
    {"labelled", "swap", "sync"},
    {"collection"},
    {"export", "database", "evaluate"},
    {"llm"},
    {"testing"},
    {"serve"},
    {"cli"},
    {"__main__"},
)
LEVEL = {room: number for number, rooms in enumerate(LEVELS) for room in rooms}
APART = {
    "store": {"embed", "read", "text", "engines"},
    "engines": {"embed", "read", "text", "store"},
    "read": {"store", "embed"},
    "embed": {"store", "read"},
}


def modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path != SOURCE / "__init__.py"]


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> Iterator[tuple[str, int]]:
    """Rooms that a module imports, those for annotations or inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "adjoin":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[1] for alias in node.names if alias.name.startswith("adjoin.")]
        for name in names:
            if name in LEVEL:
                yield name, node.lineno


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in modules()} == set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_from_rooms_above_it(path: Path) -> None:
    room = room_of(path)
    for imported, line in imported_rooms(path):
        assert imported == room or LEVEL[imported] < LEVEL[room], f"{path.name}:{line} imports {imported}"
        assert imported not in APART.get(room, set()), f"{path.name}:{line} imports {imported}"
