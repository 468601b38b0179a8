"""What makes two embedders the same one: their parts, and the vectors they give.

A collection keeps the identity of the embedder that filled it. The cheap fields are compared at each open; the canary
vectors once the model has been loaded, since equal files can still compute differently.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from adjoin.embed.base import KINDS
from adjoin.errors import IdentityMismatch

if TYPE_CHECKING:
    from adjoin.embed.base import Embedder

CANARY_TEXTS: tuple[str, ...] = (
    "The river froze early that winter, and the ferry stayed on the northern bank.",
    "봄이 오면 할머니는 뒷마당에 상추와 고추를 심으셨다.",
)
CANARY_LIKENESS = 0.999
"""The least cosine at which two canaries count as equal: int8 kernels round differently from one CPU to another."""

ARCHITECTURE = "architecture (SHA-256)"
"""The setting in which a folder's embedder keeps how its weights are put to use."""

_LABELS = {"weights": "weights (SHA-256)", "tokenizer": "tokenizer (SHA-256)", "max_tokens": "longest text in tokens"}
_NOT_COMPARED = {"name", "canary"}


@dataclass(frozen=True, slots=True)
class Identity:
    """The parts that decide an embedder's vectors.

    name: what to ask `adjoin.embedder` for; it may change (a folder moves), so it is shown and not compared.
    model: the model's own name. weights, tokenizer: SHA-256 of the files, or empty.
    prompts: kind → text put before each item. correction: SHA-256 of what is done to the vectors after the model.
    settings: what else decides the vectors, as plain JSON values.
    canary: vectors of CANARY_TEXTS, or of the embedder's own `canary_items`, as documents and then as queries; empty when
    they were not computed.
    """

    name: str
    model: str
    dim: int
    weights: str = ""
    tokenizer: str = ""
    pooling: str = ""
    prompts: Mapping[str, str] = field(default_factory=dict)
    normalize: bool = True
    max_tokens: int | None = None
    correction: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    canary: tuple[tuple[float, ...], ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all that is compared without running the model."""
        compared = {key: value for key, value in asdict(self).items() if key not in _NOT_COMPARED}
        if not self.settings:  # as it was before there were settings
            del compared["settings"]
        return hashlib.sha256(json.dumps(compared, sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def differences(self, other: Identity) -> list[str]:
        """One line for each field that differs, ours first; empty when both give the same vectors."""
        found = []
        for name in (item.name for item in fields(self) if item.name not in {*_NOT_COMPARED, "settings"}):
            ours, theirs = getattr(self, name), getattr(other, name)
            if ours != theirs:
                found.append(f"{_LABELS.get(name, name)}: {_shown(ours)} against {_shown(theirs)}")
        for name in sorted({*self.settings, *other.settings}):
            ours, theirs = self.settings.get(name), other.settings.get(name)
            if name == ARCHITECTURE and (ours is None or theirs is None):  # written before it was kept
                continue
            if ours != theirs:
                found.append(f"{name}: {_shown(ours)} against {_shown(theirs)}")
        if not found and self.canary and other.canary:
            found += canary_differences(self.canary, other.canary)
        return found

    def to_json(self) -> str:
        """One line of JSON; vectors as base64 of little-endian float32, so that they come back bit for bit."""
        return json.dumps(asdict(self) | {"canary": _packed(self.canary)}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Identity:
        stored = json.loads(text)
        known = {item.name for item in fields(cls)}
        return cls(**{key: value for key, value in stored.items() if key in known} | {"canary": _unpacked(stored)})

    def __str__(self) -> str:
        return f"{self.name} ({self.model}, {self.dim} dimensions, fingerprint {self.fingerprint[:12]})"


def check_identity(stored: Identity, embedder: Embedder) -> None:
    """Raise IdentityMismatch unless the embedder's parts are the stored ones. Runs no model."""
    at_hand = embedder.identity
    found = replace(stored, canary=()).differences(at_hand)
    if found:
        raise IdentityMismatch(_mismatch(stored, at_hand, found))


def with_canaries(embedder: Embedder) -> Identity:
    """The embedder's identity with its canary vectors, which are computed unless it carries them.

    Cost: embeds len(CANARY_TEXTS) texts of each kind when they are missing.
    """
    identity = embedder.identity
    return identity if identity.canary else replace(identity, canary=_canaries(embedder))


def verify_canaries(embedder: Embedder, stored: Identity) -> None:
    """Run the model on the canary texts and raise IdentityMismatch unless the vectors are the stored ones.

    To be called once, when the model is first used. Does nothing when none were stored.
    """
    if not stored.canary:
        return
    found = canary_differences(stored.canary, _canaries(embedder))
    if found:
        raise IdentityMismatch(_mismatch(stored, embedder.identity, found))


def canary_differences(ours: tuple[tuple[float, ...], ...], theirs: tuple[tuple[float, ...], ...]) -> list[str]:
    """What differs between two sets of canary vectors: nothing while each cosine reaches CANARY_LIKENESS."""
    import numpy as np

    if [len(vector) for vector in ours] != [len(vector) for vector in theirs]:
        return ["vectors of the canary texts: another number or length"]
    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.einsum("ij,ij->i", a, b) / np.where(lengths > 0, lengths, 1)
    same = (cosines >= CANARY_LIKENESS) | (a == b).all(axis=1)
    if same.all():
        return []
    return [f"vectors of the canary texts: cosine {cosines.min():.4f}, at least {CANARY_LIKENESS} expected"]


def _canaries(embedder: Embedder) -> tuple[tuple[float, ...], ...]:
    items = list(getattr(embedder, "canary_items", CANARY_TEXTS))
    vectors: list[tuple[float, ...]] = []
    for kind in KINDS:
        vectors += [tuple(row) for row in embedder.embed(items, kind).tolist()]
    return tuple(vectors)


def _packed(vectors: tuple[tuple[float, ...], ...]) -> list[str]:
    import numpy as np

    return [base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode() for vector in vectors]


def _unpacked(stored: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    if not stored.get("canary"):
        return ()
    import numpy as np

    return tuple(tuple(np.frombuffer(base64.b64decode(text), dtype="<f4").tolist()) for text in stored["canary"])


def _mismatch(stored: Identity, at_hand: Identity, found: list[str]) -> str:
    lines = "\n".join(f"  {line}" for line in found)
    return (
        "the stored vectors were made by another embedder than the one at hand.\n"
        f"  stored:  {stored}\n  at hand: {at_hand}\nThey differ (stored against at hand) in\n{lines}\n"
        f"Open the collection with the embedder {stored.name!r} that filled it, "
        "or embed its items again into a new collection."
    )


def _shown(value: object) -> str:
    text = value[:16] + "…" if isinstance(value, str) and len(value) == 64 else repr(value)
    return text or "none"
