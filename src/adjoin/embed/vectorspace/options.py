"""What a vector space model is asked to be, in scikit-learn's words, checked once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from adjoin.errors import InvalidOption, MissingExtra
from adjoin.text.analyse import Analyser, Korean, Units

Norm: TypeAlias = Literal["l1", "l2"] | None
Empty: TypeAlias = Literal["zero", "refuse", "apart"]
NORMS: Final = ("l1", "l2", None)
EMPTY: Final = get_args(Empty)


@dataclass(frozen=True)
class Options:
    """As scikit-learn's CountVectorizer and TfidfVectorizer, and two more.

    min_df, max_df: terms in fewer or more documents are left out; a float is a share of them, an int a number.
    max_features: the most frequent terms alone. dim: hash terms into so many columns, and keep no vocabulary.
    idf: weigh terms by their inverse document frequency.
    empty: what a text without any known term gets: "zero", a zero vector; "refuse", InvalidContent; "apart", a last column
    of its own that is 1 for such texts alone, so that they are near each other and at a right angle to all else.
    """

    min_df: int | float = 1
    max_df: int | float = 1.0
    max_features: int | None = None
    dim: int | None = None
    binary: bool = False
    norm: Norm = None
    idf: bool = False
    smooth_idf: bool = True
    sublinear_tf: bool = False
    empty: Empty = "zero"

    def __post_init__(self) -> None:
        for name in ("min_df", "max_df"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            share = isinstance(value, float) and 0 <= value <= 1
            if not (whole or share):
                raise InvalidOption(
                    f"{name} must be a whole number of documents or a share from 0.0 to 1.0, not {value!r}."
                )
        for name in ("max_features", "dim"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise InvalidOption(f"{name} must be a whole number of at least 1, or None, not {value!r}.")
        if self.norm not in NORMS:
            raise InvalidOption.unknown("norm", self.norm, ("l1", "l2", "None"))
        if self.empty not in EMPTY:
            raise InvalidOption.unknown("empty", self.empty, EMPTY)
        if self.dim is not None and (self.max_features is not None or self.min_df != 1 or self.max_df != 1.0):
            raise InvalidOption(
                "dim= hashes terms and keeps no vocabulary, so min_df, max_df and max_features say nothing there. Leave them out."
            )

    def settings(self) -> dict[str, Any]:
        return asdict(self)


def analyser_of(
    *,
    analyzer: Units,
    ngram_range: tuple[int, int],
    token_pattern: str,
    lowercase: bool,
    stop_words: str | Iterable[str] | None,
    korean: Korean,
) -> Analyser:
    """The analyser that scikit-learn's words describe."""
    try:
        shortest, longest = ngram_range
    except (TypeError, ValueError) as exc:
        raise InvalidOption(f"ngram_range must be (shortest, longest), not {ngram_range!r}.") from exc
    return Analyser(
        units=analyzer,
        ngrams=(int(shortest), int(longest)),
        pattern=token_pattern,
        lowercase=lowercase,
        korean=korean,
        stop_words=_stop_words(stop_words),
    )


def _stop_words(given: str | Iterable[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, str):
        return tuple(given)
    if given != "english":
        raise InvalidOption.unknown("list of stop words", given, ("english", "or your own list"))
    return tuple(learn("feature_extraction.text", "English stop words").ENGLISH_STOP_WORDS)


def learn(module: str, purpose: str) -> Any:
    """A module of scikit-learn."""
    from importlib import import_module

    try:
        return import_module(f"sklearn.{module}")
    except ImportError as exc:
        raise MissingExtra.of("scikit-learn", "learn", purpose) from exc


def sparse(purpose: str = "a vector space model") -> Any:
    """scipy.sparse, which scikit-learn brings."""
    try:
        from scipy import sparse as module
    except ImportError as exc:
        raise MissingExtra.of("scipy", "learn", purpose) from exc
    return module
