"""Items with their labels from a folder or a table, and texts from files, to train embedders on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from adjoin.errors import InvalidInput, InvalidOption, NotFound, listed
from adjoin.read import ReadSettings, Skipped, read_file, walk

Kind: TypeAlias = Literal["image", "sound", "text"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SUFFIXES: Final = {
    "image": (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jp2", ".ico"),
    "sound": (".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".au", ".caf", ".opus", ".w64"),
    "text": (),
}  # fmt: skip
TABLES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
TEXT_CHARS: Final = 300
"""Of a passage that a static model learns from: longer ones blur."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """items: texts, or paths of files. labels: one for each. skipped: what was left out, and why."""

    items: list[Any]
    labels: list[Any]
    skipped: list[Skipped] = field(default_factory=list)


def labelled(
    data: str | os.PathLike[str], kind: Kind, *, labels: str = "label", content: str | None = None
) -> Labelled:
    """Items and labels from a folder with a subfolder for each label, or from a table with a row for each item.

    kind: what the items are. Of a folder, files of other kinds are left out and listed. labels: the table's column of labels.
    content: its column of texts, or of files' paths from the table's folder on; guessed if None.
    Raises NotFound, InvalidOption, InvalidInput for a folder without subfolders, UnreadableFile for a table that is none.
    """
    if kind not in KINDS:
        raise InvalidOption.unknown("kind", kind, KINDS)
    path = Path(data).expanduser()
    if not path.exists():
        raise NotFound(f"there is nothing at {path}. Check the path.")
    found = _from_folder(path, kind) if path.is_dir() else _from_table(path, kind, labels, content)
    if not found.items:
        why = f", and {len(found.skipped)} files or rows were left out: {found.skipped[0]}" if found.skipped else ""
        raise InvalidInput(f"{path} holds no {kind} with a label{why}.")
    return found


def _from_folder(path: Path, kind: Kind) -> Labelled:
    folders = sorted(each for each in path.iterdir() if each.is_dir() and not each.name.startswith("."))
    if not folders:
        raise InvalidInput(f"{path} has no subfolders. Put the items of each label into one, named as the label.")
    found = Labelled([], [])
    for folder in folders:
        for file in sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith(".")):
            if kind == "text":
                texts = [str(item.content) for item in read_file(file, ReadSettings(), found.skipped.append)]
                found.items.extend(texts)
                found.labels.extend([folder.name] * len(texts))
            elif file.suffix.lower() in SUFFIXES[kind]:
                found.items.append(file)
                found.labels.append(folder.name)
            else:
                found.skipped.append(Skipped(file, f"its suffix is none of a {kind}"))
    return found


def _from_table(path: Path, kind: Kind, labels: str, content: str | None) -> Labelled:
    if path.suffix.lower() not in TABLES:
        raise InvalidOption(f"{path} is neither a folder nor a table ({', '.join(TABLES)}).")
    if kind != "text" and content is None:
        content = _path_column(path)
    found = Labelled([], [])
    columns: set[str] = set()
    for item in read_file(path, ReadSettings(content_column=content), found.skipped.append):
        columns.update(item.metadata)
        label = item.metadata.get(labels)
        if label is None or label == "":
            found.skipped.append(Skipped(path, f"no {labels!r}", item.origin.row if item.origin else None))
            continue
        found.items.append(item.content if kind == "text" else path.parent / str(item.content))
        found.labels.append(label)
    if not found.items and columns and labels not in columns:
        raise InvalidInput(
            f"{path} has no column {labels!r} with labels; beside the content it has {listed(sorted(columns), 20)}."
        )
    return found


def _path_column(path: Path) -> str | None:
    """A column by whose name files are usually given; None leaves it to the reader."""
    if path.suffix.lower() == ".parquet":
        return None
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.readline(10_000)
    for name in ("path", "file", "filename", "image", "picture", "sound", "audio", "clip"):
        if name in head.lower().replace('"', " ").replace(",", " ").replace("\t", " ").replace(":", " ").split():
            return name
    return None


def texts_in(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[str], list[Skipped]]:
    """Passages of up to 300 characters from files and folders, in whole sentences where they are, and what was left out."""
    settings = ReadSettings(chunk_chars=TEXT_CHARS, overlap_chars=0)
    skipped: list[Skipped] = []
    texts = [
        str(item.content)
        for file in walk([str(path) for path in paths], settings, skipped.append)
        for item in read_file(file.path, settings, skipped.append)
        if isinstance(item.content, str)
    ]
    return texts, skipped
