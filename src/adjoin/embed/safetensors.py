"""Reads tensors from .safetensors files.

Format: 8 bytes of header length, a JSON header with each tensor's type, shape and place, then the numbers.
Source: https://huggingface.co/docs/safetensors
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjoin.errors import UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from numpy.typing import NDArray

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INTEGERS = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1", "U8": "<u1"}


def read_tensors(*paths: Path, integers: bool = False) -> dict[str, NDArray[Any]]:
    """All floating tensors of the files, as float32. Raises UnreadableFile naming the file that is none.

    integers: those of whole numbers too, as they are.
    Cost: memory of 4 bytes a number, 8 while a file that is not float32 is read.
    """
    found: dict[str, NDArray[Any]] = {}
    for path in paths:
        try:
            found |= _read(path, _TYPES | _INTEGERS if integers else _TYPES)
        except (OSError, ValueError, KeyError, TypeError, struct.error) as exc:
            raise UnreadableFile(f"{path} cannot be read as safetensors: {exc}") from exc
    return found


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The tensors' names and shapes; their numbers are not read. Raises UnreadableFile."""
    try:
        with path.open("rb") as file:
            header = _header(file, path)
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as exc:
        raise UnreadableFile(f"{path} cannot be read as safetensors: {exc}") from exc


def write_tensors(path: Path, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Write float32 tensors, in the order given."""
    import numpy as np

    header, at, parts = {}, 0, []
    for name, tensor in tensors.items():
        numbers = np.ascontiguousarray(tensor, dtype="<f4")
        header[name] = {"dtype": "F32", "shape": list(numbers.shape), "data_offsets": [at, at + numbers.nbytes]}
        at += numbers.nbytes
        parts.append(numbers)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for numbers in parts:
            file.write(numbers.tobytes())


def _header(file: BinaryIO, path: Path) -> dict[str, Any]:
    (header_bytes,) = struct.unpack("<Q", file.read(8))
    if header_bytes > path.stat().st_size:
        raise ValueError("its header is longer than the file")
    header: dict[str, Any] = json.loads(file.read(header_bytes))
    return header


def _read(path: Path, types: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    with path.open("rb") as file:
        header = _header(file, path)
        data = file.read()
    return {
        name: _tensor(data, entry, types)
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in types
    }


def _tensor(data: bytes, entry: dict[str, Any], types: Mapping[str, str]) -> NDArray[Any]:
    import numpy as np

    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(data):
        raise ValueError("a tensor lies beyond its end")
    numbers = np.frombuffer(data[start:end], dtype=types[entry["dtype"]])
    if entry["dtype"] == "BF16":  # the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    kept = numbers if entry["dtype"] in _INTEGERS else numbers.astype(np.float32)
    return kept.reshape(entry["shape"])
