"""What a word embedder is asked to be, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias, get_args

from adjoin.errors import InvalidOption
from adjoin.text.analyse import Analyser

Pooling: TypeAlias = Literal["sif", "mean"]
Unknown: TypeAlias = Literal["skip", "zero", "subwords", "refuse"]
Empty: TypeAlias = Literal["zero", "refuse"]
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "pooling": get_args(Pooling), "oov": get_args(Unknown), "empty": get_args(Empty),
}  # fmt: skip
_WHOLE: Final = {
    "dim": 1,
    "window": 1,
    "min_count": 1,
    "epochs": 1,
    "workers": 1,
    "phrase_count": 1,
    "common": 0,
    "seed": 0,
}


@dataclass(frozen=True)
class Settings:
    """Of the embedder and its training; the training of a family has a few more (`training`).

    pooling: "sif", words weighed by a / (a + share) and the first `common` components of the training texts taken away;
    from ten texts on; or "mean". oov: an unknown word is left out ("skip"), counts as a zero vector ("zero"), is built of its parts
    ("subwords", FastText alone), or is refused. empty: what a text without any known word gets, a zero vector or refusal.
    phrases: pairs of words seen phrase_count times with a score above phrase_score become one.
    """

    family: str
    analyser: Analyser
    dim: int = 100
    window: int = 5
    min_count: int = 5
    epochs: int = 5
    seed: int = 1
    workers: int = 1
    pooling: Pooling = "sif"
    a: float = 1e-3
    common: int = 1
    oov: Unknown = "skip"
    empty: Empty = "zero"
    normalize: bool = True
    phrases: bool = False
    phrase_count: int = 5
    phrase_score: float = 10.0
    jamo: bool = False
    training: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, least in _WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InvalidOption(f"{name} must be a whole number of at least {least}, not {value!r}.")
        for name in ("a", "phrase_score"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
                raise InvalidOption(f"{name} must be a number above 0, not {value!r}.")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise InvalidOption.unknown(name, getattr(self, name), known)
        if self.oov == "subwords" and self.family != "fasttext":
            raise InvalidOption(
                f"{self.family} knows whole words only, so oov='subwords' is for fasttext. Use skip, zero or refuse."
            )

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"analyser": self.analyser.settings(), "training": dict(self.training)}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Settings:
        return cls(**{**stored, "analyser": Analyser.of(stored["analyser"])})
