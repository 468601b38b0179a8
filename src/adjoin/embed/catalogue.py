"""What embedders there are: which are installed, what they take, how large and how fast they are here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from adjoin.embed.identity import CANARY_TEXTS
from adjoin.embed.registry import FAMILIES, Family, embedder
from adjoin.errors import AdjoinError
from adjoin.types import Content

_TIMED_S: Final = 0.3
_MODELS: Final = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Known:
    """One embedder by its name.

    installed: whether it can be used now. trained: whether it learns from the user's data first, so that it has no dimension
    yet. model_bytes: of the files that came with the package, 0 without any. items_per_second: measured here, just now, on
    `takes` of the usual size; None where it was not, or must be trained first. get: what to install or call.
    """

    name: str
    about: str
    takes: str
    installed: bool
    trained: bool
    dim: int | None
    languages: str
    model_bytes: int
    items_per_second: float | None
    get: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def known_embedders(*, measure: bool = True) -> list[Known]:
    """Every family that `adjoin.embedder` knows by a name. measure: embed a few items with each that is ready; some seconds."""
    return [_known(name, family, measure) for name, family in FAMILIES.items()]


def _known(name: str, family: Family, measure: bool) -> Known:
    missing = [package for package in family.needs if find_spec(package) is None]
    trained = family.load_saved is not None and not family.ready
    dim, takes, speed = None, family.takes, None
    if not missing and not trained:
        try:
            model = embedder(name)
            dim = model.dim
            takes = getattr(model, "takes", takes)
            speed = _speed(model, list(getattr(model, "canary_items", CANARY_TEXTS))) if measure else None
        except AdjoinError:  # it wants options, such as which model
            pass
    get = f"pip install 'adjoin[{family.extra}]'" if missing else "fit(items)" if trained else ""
    size = sum(
        path.stat().st_size for folder in family.files for path in (_MODELS / folder).rglob("*") if path.is_file()
    )
    return Known(name, family.about, takes, not missing, trained, dim, family.languages, size, speed, get)


def _speed(model: Any, items: Sequence[Content]) -> float:
    """Items a second, of the best of several batches; the first one, which loads the model, is not counted."""
    model.embed(items[:1])
    batch = list(items) * 8
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < _TIMED_S:
        start = time.perf_counter()
        model.embed(batch)
        best = max(best, len(batch) / (time.perf_counter() - start))
    return best
