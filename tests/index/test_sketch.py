"""Measured collisions against theory, on documentation cut into words, within what chance allows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.stores import python

from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector
from adjoin.index import LSH, MinHash, SimHash

BITS = 2048


def shingles(line: str) -> set[str]:
    """Two words each."""
    return {f"{a} {b}" for a, b in pairwise(line.split())}


def alike(lines: list[str]) -> Iterator[tuple[set[str], set[str], float]]:
    """Pairs of sets over the whole range of similarity: a line, and it with more and more words of another."""
    for line, other in zip(lines[:200:2], lines[1:200:2], strict=True):
        words, more = line.split(), other.split()
        for keep in range(1, len(words), 3):
            a, b = shingles(line), shingles(" ".join(words[:keep] + more))
            if a and b:
                yield a, b, len(a & b) / len(a | b)


def within_chance(hits: float, trials: int, probability: float) -> bool:
    """Five standard deviations of a binomial, and a trial for rounding."""
    return abs(hits - trials * probability) <= 5 * math.sqrt(trials * probability * (1 - probability)) + 1


def test_minhash_agrees_in_each_place_with_the_probability_of_the_jaccard_similarity(lines: list[str]) -> None:
    sketch = MinHash(k=512, seed=1)
    pairs = list(alike(lines))
    expected = measured = 0.0
    for a, b, similarity in pairs:
        found = sketch.similarity(sketch.signature(a), sketch.signature(b))
        assert within_chance(512 * found, 512, similarity)
        expected, measured = expected + similarity, measured + found
    assert max(s for *_, s in pairs) > 0.6
    assert min(s for *_, s in pairs) < 0.1
    assert measured / len(pairs) == pytest.approx(expected / len(pairs), abs=0.01)


def test_bands_find_sets_with_the_probability_of_the_s_curve(lines: list[str]) -> None:
    chances, found = [], 0
    for seed, (a, b, similarity) in enumerate(alike(lines)):
        sketch, near = MinHash(k=32, seed=seed), LSH(bands=8, rows=4)
        near.add("a", sketch.signature(a))
        found += near.candidates(sketch.signature(b)) == ["a"]
        chances.append(near.probability(similarity))
    deviation = math.sqrt(sum(p * (1 - p) for p in chances))
    assert 10 < sum(chances) < len(chances) - 10
    assert abs(found - sum(chances)) <= 5 * deviation


def test_simhash_bits_agree_with_the_probability_of_the_angle(trigrams: Any) -> None:
    centred = trigrams[:400] - trigrams.mean(axis=0)
    codes = SimHash(48, bits=BITS, seed=2).codes(centred)
    sketch = SimHash(48, bits=BITS)
    angles = []
    for i, j in pairwise(range(0, 400, 3)):
        a, b = centred[i].astype(np.float64), centred[j].astype(np.float64)
        angle = math.acos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
        agree = BITS - int(np.unpackbits(codes[i] ^ codes[j]).sum())
        assert within_chance(agree, BITS, SimHash.collision_probability(angle))
        assert sketch.angle(codes[i], codes[j]) == pytest.approx(np.pi * (1 - agree / BITS))
        angles.append(angle)
    assert max(angles) - min(angles) > 0.5


@given(st.floats(0, 1), st.integers(1, 50), st.integers(1, 20))
def test_the_s_curve_rises_from_never_to_always(similarity: float, bands: int, rows: int) -> None:
    near = LSH(bands=bands, rows=rows)
    assert near.probability(0) == 0
    assert near.probability(1) == 1
    assert 0 <= near.probability(similarity * 0.9) <= near.probability(similarity) <= 1


@given(st.sets(st.text(), min_size=1), st.integers(0, 5))
def test_a_signature_depends_on_the_set_and_the_seed_alone(members: set[str], seed: int) -> None:
    sketch = MinHash(k=16, seed=seed)
    once, twice = sketch.signature(sorted(members)), sketch.signature([*members, *members])
    np.testing.assert_array_equal(once, twice)
    assert sketch.similarity(once, twice) == 1
    assert not np.array_equal(once, MinHash(k=16, seed=seed + 1).signature(members))


def test_signatures_are_the_same_in_another_process() -> None:
    code = "from adjoin.index import MinHash; print(MinHash(k=8, seed=4).signature(['봄', 'spring']).tolist())"
    assert python(code).strip() == str(MinHash(k=8, seed=4).signature(["봄", "spring"]).tolist())


def test_keys_come_once_and_only_where_a_band_is_shared() -> None:
    near = LSH(bands=2, rows=2)
    near.add("x", np.array([1, 2, 3, 4], np.uint32))
    near.add("y", np.array([1, 2, 9, 9], np.uint32))
    assert near.candidates(np.array([1, 2, 3, 4], np.uint32)) == ["x", "y"]
    assert near.candidates(np.array([3, 4, 1, 2], np.uint32)) == []


def test_what_has_no_sketch_is_refused() -> None:
    with pytest.raises(InvalidOption, match="empty"):
        MinHash().signature([])
    with pytest.raises(InvalidVector, match="zero"):
        SimHash(2).codes([0.0, 0.0])
    with pytest.raises(InvalidOption, match="from 0 to π"):
        SimHash.collision_probability(4)
    with pytest.raises(DimensionMismatch, match="128 places"):
        MinHash().similarity(np.zeros(3, np.uint32), np.zeros(3, np.uint32))
    with pytest.raises(DimensionMismatch, match="need 8 places"):
        LSH(bands=2, rows=4).add("x", np.zeros(7, np.uint32))
    for wrong in (lambda: MinHash(k=0), lambda: SimHash(0), lambda: LSH(bands=1, rows=0)):
        with pytest.raises(InvalidOption, match="at least 1"):
            wrong()
