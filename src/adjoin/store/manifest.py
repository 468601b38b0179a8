"""What the database says of a sealed segment: which files it has, what they were when written, how it is searched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import xxhash

from adjoin.store.files import Sum

VECTORS: Final = "vectors"
BLOCKS: Final = "vectors.blocks"
PARITY: Final = "vectors.parity"
SEQS: Final = "seqs"
FIGURES: Final = "figures"
COLUMNS: Final = "columns"
INDEX: Final = "index"
LEXICAL: Final = "lexical"  # kept free for postings
TRUE_FILES: Final = frozenset({VECTORS})  # all others can be made again from these and the database


@dataclass(frozen=True, slots=True)
class Costs:
    """Of exact search, measured when the segment was built: nanoseconds a row.

    scan: a query over all rows. batch: a query of many at once. gather: rows picked by number.
    """

    scan_ns: float
    batch_ns: float
    gather_ns: float


@dataclass(frozen=True, slots=True)
class Manifest:
    """One segment. first, last: the seqs of its first and last row. centre: which Euclidean distances are taken from.

    family, params: of its index; `flat` has none. curve: parameter → recall, as `Curve.to_json` says; None without index.
    notes: what the builder wants told. made_by: the versions that built it.
    """

    id: str
    first: int
    last: int
    rows: int
    dim: int
    metric: str
    storage: str
    family: str
    params: Mapping[str, Any]
    files: Mapping[str, Sum]
    centre: tuple[float, ...]
    costs: Costs
    curve: Any = None
    notes: tuple[str, ...] = ()
    made_by: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        said = {
            "id": self.id, "first": self.first, "last": self.last, "rows": self.rows, "dim": self.dim,
            "metric": self.metric, "storage": self.storage, "family": self.family, "params": dict(self.params),
            "files": {name: [file.size, file.xxh3] for name, file in sorted(self.files.items())},
            "centre": list(self.centre),
            "costs": [self.costs.scan_ns, self.costs.batch_ns, self.costs.gather_ns],
            "curve": self.curve, "notes": list(self.notes), "made_by": dict(self.made_by),
        }  # fmt: skip
        return json.dumps(said, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Raises ValueError and its like for a text that is not one."""
        said = json.loads(text)
        return cls(
            id=said["id"], first=said["first"], last=said["last"], rows=said["rows"], dim=said["dim"],
            metric=said["metric"], storage=said["storage"], family=said["family"], params=said["params"],
            files={name: Sum(size, xxh3) for name, (size, xxh3) in said["files"].items()},
            centre=tuple(said["centre"]), costs=Costs(*said["costs"]), curve=said["curve"],
            notes=tuple(said["notes"]), made_by=said["made_by"],
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files.values())


def digest(manifest_json: str) -> bytes:
    """XXH3, 128 bits, of the manifest's UTF-8: kept beside it."""
    return xxhash.xxh3_128_digest(manifest_json.encode())
