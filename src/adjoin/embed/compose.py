"""Embedders made of others: side by side for one item, or one for each of an item's fields.

Each part's vector is brought to unit length and multiplied by the square root of its weight's share. The cosine of two items is then
the mean of their parts' cosines by weight, and the squared Euclidean distance twice what is missing to 1.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, cast, get_args

from adjoin.embed.base import Embedder, check_kind
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.errors import (
    AdjoinError,
    InvalidContent,
    InvalidInput,
    InvalidOption,
    UnreadableFile,
)
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats

Unknown: TypeAlias = Literal["refuse", "ignore"]
UNKNOWN: Final = get_args(Unknown)


class _Composed:
    """What those of several parts have in common."""

    family: str
    metric: Final = "cosine"  # whatever the parts' own

    def __init__(self, parts: Mapping[str, tuple[Embedder, float]], *, normalize: bool) -> None:
        total = sum(weight for _, weight in parts.values())
        if not total > 0:
            raise InvalidOption("one weight at least is above 0.")
        self._parts: Final = {name: embedder for name, (embedder, _) in parts.items()}
        self._weights: Final = {name: weight for name, (_, weight) in parts.items()}
        self._factors: Final = {name: (weight / total) ** 0.5 for name, weight in self._weights.items()}
        self._normalize = normalize
        self._named: str | None = None

    @property
    def parts(self) -> dict[str, Embedder]:
        """The embedders, in the order of their columns."""
        return dict(self._parts)

    @property
    def columns(self) -> dict[str, slice]:
        """Where each part stands in the vector."""
        found, start = {}, 0
        for name, part in self._parts.items():
            found[name] = slice(start, start + part.dim)
            start += part.dim
        return found

    @property
    def dim(self) -> int:
        return sum(part.dim for part in self._parts.values())

    @property
    def identity(self) -> Identity:
        inner = {name: part.identity for name, part in self._parts.items()}
        settings = {
            "order": list(inner), "parts": {name: one.fingerprint for name, one in inner.items()},
            "weights": dict(self._weights), "parts_normalized": self._normalize, **self._more_settings(),
        }  # fmt: skip
        model = f"{self.family}({', '.join(one.model for one in inner.values())})"
        return Identity(self.reopened_by or self.family, model, self.dim, normalize=False, settings=settings)

    @property
    def reopened_by(self) -> str | None:
        """The name by which all of it is found again, where each part has one."""
        if self._named is not None:
            return self._named
        names = {name: getattr(part, "reopened_by", None) for name, part in self._parts.items()}
        if None in names.values():
            return None
        return f"{self.family} {json.dumps(self._options(cast('dict[str, str]', names)), ensure_ascii=False, sort_keys=True)}"

    @reopened_by.setter
    def reopened_by(self, name: str | None) -> None:
        self._named = name

    def _options(self, names: dict[str, str]) -> dict[str, Any]:
        raise NotImplementedError

    def _more_settings(self) -> dict[str, Any]:
        return {}

    def _block(self, name: str, vectors: Floats) -> Floats:
        """One part's vectors at its length; a vector of zeros stays one."""
        import numpy as np

        if self._normalize:
            lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
            return np.asarray(vectors / np.where(lengths > 0, lengths, 1) * self._factors[name], np.float32)
        return np.asarray(vectors * self._factors[name], np.float32)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}: {part!r}' for name, part in self._parts.items())})"


class ConcatEmbedder(_Composed):
    """Several embedders of the same items, their vectors side by side: an ensemble."""

    family = "concat"

    def __init__(
        self, embedders: Sequence[Embedder], weights: Sequence[float] | None, *, normalize: bool = True
    ) -> None:
        if not embedders:
            raise InvalidOption("concat is given one embedder at least.")
        if weights is not None and len(weights) != len(embedders):
            raise InvalidOption(f"there are {len(weights)} weights for {len(embedders)} embedders. Give one for each.")
        given = [1.0] * len(embedders) if weights is None else [_weight(one) for one in weights]
        takes = {getattr(embedder, "takes", "text") for embedder in embedders}
        if len(takes) > 1:
            raise InvalidOption(
                f"these embedders take different things: {', '.join(sorted(takes))}. For items with several fields use weighted()."
            )
        self._first = embedders[0]
        super().__init__(
            {str(place): one for place, one in enumerate(zip(embedders, given, strict=True))}, normalize=normalize
        )

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim). Raises what the embedders raise."""
        import numpy as np

        check_kind(kind)
        return np.concatenate(
            [self._block(name, part.embed(items, kind)) for name, part in self._parts.items()], axis=1
        )

    def _options(self, names: dict[str, str]) -> dict[str, Any]:
        return {
            "embedders": list(names.values()), "weights": list(self._weights.values()), "normalize": self._normalize
        }  # fmt: skip

    def is_cut(self, texts: Sequence[str], kind: Kind = "document") -> list[bool]:
        """Whether any of the embedders reads each text only in part."""
        found = [False] * len(texts)
        for part in self._parts.values():
            cut = getattr(part, "is_cut", None)
            if cut is not None:
                found = [a or b for a, b in zip(found, cut(texts, kind), strict=True)]
        return found

    def __getattr__(self, name: str) -> Any:
        """What the first embedder has: `takes`, `kept`, `hash_of`, `canary_items` …; all take the same items."""
        if name.startswith("_") or name in ("fit", "partial_fit", "save"):
            raise AttributeError(name)
        return getattr(self._first, name)


class WeightedEmbedder(_Composed):
    """Items with several fields, such as title, body and picture, each field by its own embedder.

    A field that an item lacks is zero, and the others still count. A text as query is compared with every field of text.
    """

    family = "weighted"
    takes: Final = "record"

    def __init__(
        self, fields: Mapping[str, tuple[Embedder, float]], *, normalize: bool = True, unknown: Unknown = "refuse"
    ) -> None:
        if unknown not in UNKNOWN:
            raise InvalidOption.unknown("answer to unknown fields", unknown, UNKNOWN)
        self._unknown = unknown
        super().__init__(fields, normalize=normalize)

    @property
    def canary_items(self) -> list[dict[str, Any]]:
        """Items of the parts' own canaries; one with all fields, and one for each field alone."""
        first = {name: canaries[0] for name, part in self._parts.items() if (canaries := _canaries_of(part))}
        return [first, *({name: canary} for name, canary in first.items() if len(first) > 1)]

    def embed(self, items: Sequence[Any], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 of shape (len(items), dim).

        Raises InvalidContent naming the item that is no dict, has a field that is not known, or lacks all of them, and what the
        fields' embedders raise, naming the item and the field.
        """
        import numpy as np

        check_kind(kind)
        records = [self._fields(item, position, kind) for position, item in enumerate(_listed(items))]
        vectors = np.zeros((len(records), self.dim), np.float32)
        for name, columns in self.columns.items():
            places = [place for place, record in enumerate(records) if name in record]
            if places:
                given = [records[place][name] for place in places]
                vectors[places, columns] = self._block(name, _embedded(self._parts[name], name, given, places, kind))
        return vectors

    def _fields(self, item: Any, position: int, kind: Kind) -> dict[str, Any]:
        if isinstance(item, str) and kind == "query":
            texts = [name for name, part in self._parts.items() if getattr(part, "takes", "text") == "text"]
            if texts:
                return dict.fromkeys(texts, item)
        if not isinstance(item, Mapping):
            raise InvalidContent(
                f"item {position} is {type(item).__name__}, and this embedder takes dicts with the fields {', '.join(self._parts)}. "
                "Nothing of the call was embedded."
            )
        unknown = [key for key in item if key not in self._parts]
        if unknown and self._unknown == "refuse":
            raise InvalidContent(
                f"item {position} has the field {unknown[0]!r}, which no embedder is given for. Known: {', '.join(self._parts)}. "
                "Leave it out, or pass unknown='ignore'. Nothing of the call was embedded."
            )
        found = {name: item[name] for name in self._parts if name in item and not _is_missing(item[name])}
        if not found:
            raise InvalidContent(
                f"item {position} has none of the fields {', '.join(self._parts)}. Nothing of the call was embedded."
            )
        return found

    def kept(self, item: Any) -> dict[str, Any]:
        """The item with each field as its embedder keeps it."""
        if not isinstance(item, Mapping):
            return cast("dict[str, Any]", item)
        return {name: _kept(self._parts.get(name), value) for name, value in item.items()}

    def hash_of(self, item: Any) -> bytes | None:
        """16 bytes over the fields' own hashes; None where a field's embedder has none."""
        if not isinstance(item, Mapping):
            return None
        digest = hashlib.blake2b(digest_size=16)
        for name, part in self._parts.items():
            if name in item and not _is_missing(item[name]):
                one = _hash(part, item[name])
                if one is None:
                    return None
                digest.update(f"{name}\0".encode() + one)
        return digest.digest()

    def _more_settings(self) -> dict[str, Any]:
        return {"unknown": self._unknown}

    def _options(self, names: dict[str, str]) -> dict[str, Any]:
        fields = {name: [reopened, self._weights[name]] for name, reopened in names.items()}
        return {"fields": fields, "order": list(names), "normalize": self._normalize, "unknown": self._unknown}


# ── Made by name and by function ─────────────────────────────────────────────────────────────────────────────────────


def concat(
    *embedders: Embedder | str, weights: Sequence[float] | None = None, normalize: bool = True
) -> ConcatEmbedder:
    """An ensemble: the vectors of several embedders for the same item, side by side.

    weights: one an embedder, 0 or more; all alike if None. The cosine of two items is the weighted mean of the embedders' cosines.
    normalize: False leaves each vector's length as it is. Raises InvalidOption where they take different kinds of items.
    """
    from adjoin.embed.registry import embedder as find

    return ConcatEmbedder([find(one) for one in embedders], weights, normalize=normalize)


def weighted(fields: Mapping[str, Any], *, normalize: bool = True, unknown: Unknown = "refuse") -> WeightedEmbedder:
    """Several fields of one item, each by its embedder: `weighted({"title": ("default", 2.0), "picture": (pictures, 1.0)})`.

    fields: name → an embedder, or (embedder, weight) with a weight of 0 or more; 1 where it is not said. Items are dicts; a field
    that one lacks is zero, and the others still count. unknown: other fields of an item are refused or ignored.
    """
    from adjoin.embed.registry import embedder as find

    if not isinstance(fields, Mapping) or not fields:
        raise InvalidOption("weighted is given a dict of field names to (embedder, weight).")
    parts = {}
    for name, given in fields.items():
        if not isinstance(name, str) or not name:
            raise InvalidOption(f"the name of a field is a str that is not empty, not {name!r:.80}.")
        embedder, weight = given if isinstance(given, list | tuple) and len(given) == 2 else (given, 1.0)
        parts[name] = (find(embedder), _weight(weight))
    return WeightedEmbedder(parts, normalize=normalize, unknown=unknown)


def concat_embedder(
    *, embedders: Sequence[Any], weights: Sequence[float] | None = None, normalize: bool = True
) -> ConcatEmbedder:
    """`concat` by name."""
    if isinstance(embedders, str):
        raise InvalidOption("embedders is a list of embedders or their names.")
    return concat(*embedders, weights=weights, normalize=normalize)


def weighted_embedder(
    *,
    fields: Mapping[str, Any],
    order: Sequence[str] | None = None,
    normalize: bool = True,
    unknown: Unknown = "refuse",
) -> WeightedEmbedder:
    """`weighted` by name. order: of the fields' columns, where the dict has lost it."""
    if order is not None and sorted(order) != sorted(fields):
        raise InvalidOption("order names each field once.")
    return weighted({name: fields[name] for name in order or fields}, normalize=normalize, unknown=unknown)


# ── Inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _weight(weight: Any) -> float:
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
        raise InvalidOption(f"a weight is a number of 0 or more, not {weight!r:.40}.")
    return float(weight)


def _listed(items: Any) -> Iterable[Any]:
    if isinstance(items, str | bytes | Mapping):
        raise InvalidContent(f"embed() takes a list of items, not one {type(items).__name__}. Write embed([item]).")
    return cast("Iterable[Any]", items)


def _is_missing(value: Any) -> bool:
    return (
        value is None or (isinstance(value, str) and not value.strip()) or (isinstance(value, float) and value != value)
    )


def _embedded(part: Embedder, name: str, given: list[Any], places: list[int], kind: Kind) -> Floats:
    """The part's vectors; what it refuses is named by its place in the whole call."""
    try:
        return part.embed(given, kind)
    except (InvalidInput, UnreadableFile):
        for place, value in zip(places, given, strict=True):
            try:
                part.embed([value], kind)
            except (InvalidInput, UnreadableFile) as exc:
                told = re.sub(r"^item 0[ ,:]+", "", str(exc))
                raise _same(exc, f"item {place}, field {name!r}: {told}") from exc
        raise


def _same(error: AdjoinError, message: str) -> AdjoinError:
    return type(error)(message)


def _canaries_of(part: Embedder) -> list[Any]:
    given = getattr(part, "canary_items", None)
    if given is not None:
        return list(given)
    return list(CANARY_TEXTS) if getattr(part, "takes", "text") == "text" else []


def _kept(part: Embedder | None, value: Any) -> Any:
    keep = getattr(part, "kept", None)
    return value if keep is None or _is_missing(value) else keep(value)


def _hash(part: Embedder, value: Any) -> bytes | None:
    from adjoin.hashing import hash_text

    own = getattr(part, "hash_of", None)
    if own is not None:
        found: bytes | None = own(value)
        return found
    return hash_text(value) if isinstance(value, str) and getattr(part, "takes", "text") == "text" else None
