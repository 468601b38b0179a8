"""Sketches: short signatures of vectors and of sets that collide as often as what they stand for is alike."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from adjoin.distance import check_vectors
from adjoin.errors import DimensionMismatch, InvalidOption

if TYPE_CHECKING:
    from adjoin.types import Floats

Codes = NDArray[np.uint8]
Signature = NDArray[np.uint32]

_MIXERS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


class SimHash:
    """Signatures of directions: which side of random hyperplanes a vector lies on.

    Two vectors at an angle θ differ in each bit with probability θ/π, independently.
    Source: Charikar, STOC 2002; the rounding is that of Goemans and Williamson, JACM 1995.

    >>> sketch = SimHash(3, bits=1024, seed=1)
    >>> a, b = sketch.codes([[1, 0, 0], [1, 1, 0]])
    >>> abs(sketch.angle(a, b) - np.pi / 4) < 0.2
    np.True_
    """

    def __init__(self, dim: int, *, bits: int = 256, seed: int = 0) -> None:
        _at_least_one(dim=dim, bits=bits)
        self.dim, self.bits = dim, bits
        self._planes = np.random.default_rng(seed).standard_normal((dim, bits), np.float32)

    def codes(self, vectors: ArrayLike) -> Codes:
        """Shape (n, ⌈bits/8⌉); a vector of shape (dim,) counts as one row. Raises as for stored vectors of cosine."""
        checked: Floats = check_vectors(vectors, dim=self.dim, metric="cosine")
        return np.packbits(checked @ self._planes >= 0, axis=1)

    def angle(self, a: Codes, b: Codes) -> np.float64:
        """The estimated angle between two vectors, in radians, from their codes; its variance is θ(π - θ)/bits."""
        return np.float64(np.pi * np.unpackbits(a ^ b)[: self.bits].sum() / self.bits)

    @staticmethod
    def collision_probability(angle: float) -> float:
        """How likely one bit is the same for two vectors at this angle, in radians from 0 to π."""
        if not 0 <= angle <= np.pi:
            raise InvalidOption(f"angle is {angle}; an angle between vectors is from 0 to π.")
        return float(1 - angle / np.pi)


class MinHash:
    """Signatures of sets: the least hash of their members, under each of k hash functions.

    Two sets agree in each place with a probability that is their Jaccard similarity, |A ∩ B| / |A ∪ B|.
    Members are hashed by their text, so that signatures of one seed are alike in all processes.
    Source: Broder, SEQUENCES 1997; the hash functions mix as SplitMix64 does: Steele, Lea and Flood, OOPSLA 2014.

    >>> sketch = MinHash(k=256)
    >>> a, b = sketch.signature({"a", "b", "c"}), sketch.signature({"b", "c", "d"})
    >>> abs(sketch.similarity(a, b) - 0.5) < 0.15
    True
    """

    def __init__(self, *, k: int = 128, seed: int = 0) -> None:
        _at_least_one(k=k)
        self.k = k
        self._keys = np.random.default_rng(seed).integers(0, 2**64, (k, 1), np.uint64)

    def signature(self, members: Iterable[str | bytes]) -> Signature:
        """Shape (k,). The set may not be empty: nothing is like nothing. Cost: O(k·members)."""
        hashes = np.fromiter((_hash(member) for member in set(members)), np.uint64)
        if not len(hashes):
            raise InvalidOption("the set is empty; an empty set has no signature.")
        least: NDArray[np.uint64] = _mixed(hashes ^ self._keys).min(axis=1)
        return (least >> np.uint64(32)).astype(np.uint32)

    def similarity(self, a: Signature, b: Signature) -> float:
        """The estimated Jaccard similarity s of two sets; its variance is s(1 - s)/k."""
        if a.shape != (self.k,) or b.shape != (self.k,):
            raise DimensionMismatch(f"signatures here have {self.k} places; these have shapes {a.shape} and {b.shape}.")
        return float((a == b).mean())


class LSH:
    """Finds keys whose signatures agree in all r places of at least one of b bands.

    Sets of Jaccard similarity s become candidates of each other with probability 1 - (1 - sʳ)ᵇ, an S-shaped curve that
    rises steepest near (1/b)^(1/r). Source: Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, 3.4.

    >>> sketch, near = MinHash(k=128), LSH(bands=32, rows=4)
    >>> near.add("one", sketch.signature(["a", "b", "c", "d"]))
    >>> near.candidates(sketch.signature(["a", "b", "c", "d"]))
    ['one']
    """

    def __init__(self, *, bands: int, rows: int) -> None:
        _at_least_one(bands=bands, rows=rows)
        self.bands, self.rows = bands, rows
        self._buckets: list[dict[bytes, list[Hashable]]] = [defaultdict(list) for _ in range(bands)]

    def add(self, key: Hashable, signature: Signature) -> None:
        for bucket, band in zip(self._buckets, self._cut(signature), strict=True):
            bucket[band].append(key)

    def candidates(self, signature: Signature) -> list[Hashable]:
        """Keys that share a band with this signature, each once, in the order of adding within a band."""
        bands = zip(self._buckets, self._cut(signature), strict=True)
        return list(dict.fromkeys(key for bucket, band in bands for key in bucket.get(band, ())))

    def probability(self, similarity: float) -> float:
        """How likely a set of this Jaccard similarity, from 0 to 1, becomes a candidate."""
        if not 0 <= similarity <= 1:
            raise InvalidOption(f"similarity is {similarity}; it is from 0 to 1.")
        return float(1 - (1 - similarity**self.rows) ** self.bands)

    def _cut(self, signature: Signature) -> list[bytes]:
        needed = self.bands * self.rows
        if signature.ndim != 1 or len(signature) < needed:
            raise DimensionMismatch(
                f"{self.bands} bands of {self.rows} rows need {needed} places, not {signature.shape}."
            )
        return [band.tobytes() for band in signature[:needed].reshape(self.bands, self.rows)]


def _hash(member: str | bytes) -> int:
    """64 bits that are the same in every process."""
    data = member.encode("utf-8", "surrogatepass") if isinstance(member, str) else member
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of 64 bits in which every bit of a value changes about half of all bits."""
    for shift, factor in _MIXERS:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


def _at_least_one(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise InvalidOption(f"{name} is {value}; it must be at least 1.")
