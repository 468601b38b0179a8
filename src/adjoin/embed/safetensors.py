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
    from adjoin.types import Floats

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read_tensors(*paths: Path) -> dict[str, Floats]:
    """All floating tensors of the files, as float32. Raises UnreadableFile naming the file that is none.

    Cost: memory of 4 bytes a number, 8 while a file that is not float32 is read.
    """
    found: dict[str, Floats] = {}
    for path in paths:
        try:
            found |= _read(path)
        except (OSError, ValueError, KeyError, TypeError, struct.error) as exc:
            raise UnreadableFile(f"{path} cannot be read as safetensors: {exc}") from exc
    return found


def _read(path: Path) -> dict[str, Floats]:
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        if header_bytes > path.stat().st_size:
            raise ValueError("its header is longer than the file")
        header: dict[str, Any] = json.loads(file.read(header_bytes))
        data = file.read()
    return {
        name: _tensor(data, entry)
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] in _TYPES
    }


def _tensor(data: bytes, entry: dict[str, Any]) -> Floats:
    import numpy as np

    start, end = entry["data_offsets"]
    if not 0 <= start <= end <= len(data):
        raise ValueError("a tensor lies beyond its end")
    numbers = np.frombuffer(data[start:end], dtype=_TYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":  # the upper half of a float32
        numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32).reshape(entry["shape"])
