"""How vectors are kept: as given, or rounded to fewer bytes when they come in. docs/format.md describes the bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adjoin.errors import InvalidVector

if TYPE_CHECKING:
    from adjoin.types import Floats

Storage: TypeAlias = Literal["float32", "float16", "int8"]
STORAGES: Final[tuple[Storage, ...]] = ("float32", "float16", "int8")
_LARGEST_HALF: Final = 65504.0


class VectorCodec:
    """Vectors of one dimension to records of one size, and back.

    float32: 4 bytes a component, as given. float16: 2 bytes, rounded to nearest. int8: a float32 scale, then a signed
    byte a component: x ≈ scale · byte, with the largest component at ±127.
    What is stored is what is searched: distances are those of the rounded vectors, before and after sealing.
    """

    def __init__(self, storage: str, dim: int) -> None:
        self.storage = storage
        self.dim = dim
        kinds: dict[str, Any] = {
            "float32": np.dtype(("<f4", (dim,))),
            "float16": np.dtype(("<f2", (dim,))),
            "int8": np.dtype([("scale", "<f4"), ("bytes", "i1", (dim,))]),
        }
        self.record: np.dtype[Any] = kinds[storage]
        self.row_bytes: int = self.record.itemsize

    def encode(self, vectors: Floats) -> NDArray[np.uint8]:
        """Records of float32 vectors (n, dim), as bytes (n, row_bytes). Raises InvalidVector beyond float16's range."""
        if self.storage == "float32":
            records: NDArray[Any] = np.ascontiguousarray(vectors, "<f4")
        elif self.storage == "float16":
            _refuse_beyond_half(vectors)
            records = np.ascontiguousarray(vectors, "<f2")
        else:
            records = self._as_bytes(vectors)
        return records.view(np.uint8).reshape(len(vectors), self.row_bytes)

    def _as_bytes(self, vectors: Floats) -> NDArray[Any]:
        records = np.empty(len(vectors), self.record)
        largest = np.abs(vectors).max(axis=1, initial=0.0)
        scale = (largest / np.float32(127)).astype(np.float32)
        # A scale that has underflowed would make a vector zero that is not.
        scale = np.where((scale == 0) & (largest > 0), np.float32(np.finfo(np.float32).smallest_subnormal), scale)
        records["scale"] = scale
        divisor = np.where(scale > 0, scale, np.float32(1))[:, None].astype(np.float64)
        records["bytes"] = np.clip(np.rint(vectors / divisor), -127, 127).astype(np.int8)
        return records

    def decode(self, records: NDArray[Any]) -> Floats:
        """Float32 vectors (n, dim) of records: an array of bytes (n, row_bytes), or of `record`."""
        if records.dtype == np.uint8:
            records = np.ascontiguousarray(records).reshape(-1).view(self._flat_record())
            if self.storage != "int8":
                records = records.reshape(-1, self.dim)
        if self.storage == "int8":
            floats: Floats = records["bytes"].astype(np.float32)
            floats *= records["scale"][..., None]
            return floats
        plain: Floats = records.astype(np.float32, copy=False)
        return plain

    def decode_blob(self, blob: bytes) -> Floats:
        """Shape (dim,), of one record."""
        [vector] = self.decode(np.frombuffer(blob, np.uint8).reshape(1, -1))
        return np.asarray(vector, np.float32)

    def decode_blobs(self, blobs: list[bytes]) -> Floats:
        return self.decode(np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), self.row_bytes))

    def over(self, buffer: Any, rows: int) -> NDArray[Any]:
        """A view of a file's bytes as records: shape (rows, dim), or (rows,) of structured records for int8."""
        flat = np.frombuffer(buffer, self._flat_record(), -1)
        return flat[:rows] if self.storage == "int8" else flat.reshape(rows, self.dim)

    def _flat_record(self) -> np.dtype[Any]:
        return self.record if self.storage == "int8" else self.record.base


def _refuse_beyond_half(vectors: Floats) -> None:
    beyond = np.abs(vectors).max(axis=1, initial=0.0) > _LARGEST_HALF
    if beyond.any():
        row = int(np.flatnonzero(beyond)[0])
        raise InvalidVector(
            f"vector {row} has a component beyond 65,504, the largest that storage='float16' holds. "
            "Scale the vectors down, or use storage='float32'."
        )
