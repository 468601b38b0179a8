"""A trained embedder's folder: what it is, its settings, its arrays, and their hashes. No code is loaded from it.

embedder.json    {"format": 1, "family": …, "settings": {…}, "arrays": {name: sha256}, "files": {name: sha256}}
NAME.npy         one array each, little-endian, never pickled
other files      such as a network in ONNX
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.hashes import sha256
from adjoin.errors import InvalidOption, NewerFormat, UnreadableFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MANIFEST: Final = "embedder.json"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Saved:
    """What a folder holds. digest: SHA-256 of family, settings, arrays and files, which is the embedder's `weights`."""

    family: str
    settings: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]
    files: Mapping[str, Path] = field(default_factory=dict)
    digest: str = ""


def digest_of(
    family: str, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], files: Mapping[str, str] | None = None
) -> str:
    """SHA-256 of an embedder in memory; that of its folder once saved. files: name → SHA-256."""
    hashes = {name: _hash(array) for name, array in arrays.items()}
    return _digest(family, settings, hashes, files or {})


def save(
    path: str | os.PathLike[str],
    family: str,
    settings: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    files: Mapping[str, Path] | None = None,
) -> Path:
    """Write the folder; it appears whole or not at all, and takes the place of a saved embedder that is there.

    settings: plain JSON values. files: name → a file to copy. Raises InvalidOption where something else stands at the path.
    """
    import numpy as np

    target = check_target(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, array in arrays.items():
            np.save(made / f"{name}.npy", _plain(array), allow_pickle=False)
        for name, source in (files or {}).items():
            shutil.copyfile(source, made / name)
        manifest = {
            "format": FORMAT, "family": family, "settings": dict(settings),
            "arrays": {name: _hash(array) for name, array in arrays.items()},
            "files": {name: sha256(made / name) for name in files or {}},
        }  # fmt: skip
        (made / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
        made.chmod(0o755)
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / "old")
            made.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target


def check_target(path: str | os.PathLike[str]) -> Path:
    """The absolute path, if `save` may write there; to be asked before long work. Raises InvalidOption."""
    target = Path(path).expanduser().absolute()
    if target.exists() and not (target / MANIFEST).is_file():
        raise InvalidOption(f"{target} is there already and is no saved embedder. Give a path where nothing is.")
    return target


def load(path: str | os.PathLike[str], *, mapped: bool = False) -> Saved:
    """Read the folder. mapped: arrays are mapped read-only and their hashes are not checked, for those of gigabytes.

    Raises UnreadableFile for what is missing or was changed, NewerFormat for a folder of a later version.
    """
    import numpy as np

    folder = Path(path).expanduser().absolute()
    stored = _manifest(folder)
    arrays: dict[str, NDArray[Any]] = {}
    for name, expected in stored["arrays"].items():
        file = folder / f"{name}.npy"
        try:
            array = np.load(file, mmap_mode="r" if mapped else None, allow_pickle=False)
        except (OSError, ValueError, EOFError) as exc:
            raise UnreadableFile(f"{file} cannot be read as an array: {exc}. Save the embedder again.") from exc
        if not mapped and _hash(array) != expected:
            raise UnreadableFile(f"{file} is not what was saved: its SHA-256 differs. Save the embedder again.")
        arrays[name] = array
    for name, expected in stored["files"].items():
        if not (folder / name).is_file() or sha256(folder / name) != expected:
            raise UnreadableFile(f"{folder / name} is missing or not what was saved. Save the embedder again.")
    return Saved(
        stored["family"], stored["settings"], arrays, {name: folder / name for name in stored["files"]},
        _digest(stored["family"], stored["settings"], stored["arrays"], stored["files"]),
    )  # fmt: skip


def family_of(folder: Path) -> str | None:
    """The family of the embedder saved in the folder; None where there is none."""
    return str(_manifest(folder)["family"]) if (folder / MANIFEST).is_file() else None


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        stored = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version, _ = stored["format"], (stored["family"], stored["settings"], stored["arrays"], stored["files"])
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise UnreadableFile(f"{folder / MANIFEST} does not describe a saved embedder: {exc!r}.") from exc
    if version != FORMAT:
        raise NewerFormat(f"{folder} was saved in format {version}; this version reads {FORMAT}. Update adjoin.")
    found: dict[str, Any] = stored
    return found


def _digest(family: str, settings: Mapping[str, Any], arrays: Mapping[str, str], files: Mapping[str, str]) -> str:
    parts = [family, dict(settings), dict(arrays), dict(files)]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    import numpy as np

    kept = np.ascontiguousarray(array)
    if kept.dtype.hasobject:
        raise TypeError(f"an array of dtype {kept.dtype} cannot be kept without pickling")
    return kept.astype(kept.dtype.newbyteorder("<"), copy=False)


def _hash(array: NDArray[np.generic]) -> str:
    kept = _plain(array)
    digest = hashlib.sha256(f"{kept.dtype.str} {kept.shape}".encode())
    digest.update(kept.reshape(-1).view("u1").data if kept.size else b"")
    return digest.hexdigest()
