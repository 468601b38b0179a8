"""What is kept with a collection, and how another embedder is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjoin.embed import Identity, check_identity, embedder, verify_canaries, with_canaries
from adjoin.embed.text import TextEmbedder
from adjoin.errors import IdentityMismatch

IDENTITY = Identity(
    name="default", model="e5", dim=2, weights="a" * 64, tokenizer="b" * 64, pooling="mean", prompts={"query": "query: "},
    max_tokens=512, correction="c" * 64, canary=((0.6, 0.8), (1.0, 0.0)),
)  # fmt: skip

narrow = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(narrow, narrow), max_size=4), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_an_identity_comes_back_from_json_as_it_was(
    canary: list[tuple[float, float]], name: str, prompts: dict[str, str]
) -> None:
    identity = replace(IDENTITY, canary=tuple(canary), name=name, prompts=prompts)
    again = Identity.from_json(identity.to_json())
    assert again == identity
    assert again.fingerprint == identity.fingerprint
    assert again.differences(identity) == []


def test_fields_of_a_newer_version_are_passed_over() -> None:
    text = IDENTITY.to_json().replace('{"canary"', '{"colour": "blue", "canary"')
    assert Identity.from_json(text).fingerprint == IDENTITY.fingerprint


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"weights": "d" * 64}, "weights"),
        ({"tokenizer": ""}, "tokenizer"),
        ({"pooling": "cls"}, "pooling: 'mean' against 'cls'"),
        ({"prompts": {}}, "prompts"),
        ({"dim": 3}, "dim: 2 against 3"),
        ({"correction": ""}, "correction"),
        ({"max_tokens": 256}, "longest text in tokens: 512 against 256"),
        ({"normalize": False}, "normalize"),
        ({"model": "e6"}, "model"),
    ],
)
def test_each_part_that_differs_is_named_and_changes_the_fingerprint(change: dict[str, object], shown: str) -> None:
    other = replace(IDENTITY, **change)  # type: ignore[arg-type]
    (difference,) = IDENTITY.differences(other)
    assert difference.startswith(shown)
    assert other.fingerprint != IDENTITY.fingerprint


def test_a_name_and_a_canary_within_tolerance_make_no_difference() -> None:
    angle = math.acos(0.9995)
    turned = ((0.6, 0.8), (math.cos(angle), math.sin(angle)))
    other = replace(IDENTITY, name="/elsewhere", canary=turned)
    assert IDENTITY.differences(other) == []
    assert other.fingerprint == IDENTITY.fingerprint


@pytest.mark.parametrize("canary", [((0.6, 0.8), (0.98, 0.2)), ((0.6, 0.8),), ((0.6,), (1.0,))])
def test_a_canary_beyond_tolerance_is_a_difference(canary: tuple[tuple[float, ...], ...]) -> None:
    assert "canary" in IDENTITY.differences(replace(IDENTITY, canary=canary))[0]


class Turning:
    """An embedder whose model changes while its identity says the same."""

    identity = "turning-1"
    dim = 2

    def __init__(self, degrees: float) -> None:
        self.direction = [math.cos(math.radians(degrees)), math.sin(math.radians(degrees))]
        self.calls = 0

    def embed(self, items: list[str], kind: str = "document") -> list[list[float]]:
        self.calls += 1
        return [self.direction for _ in items]


def test_the_cheap_parts_are_compared_without_running_the_model(default: TextEmbedder) -> None:
    given = Turning(0)
    stored = embedder(given).identity
    check_identity(stored, embedder(given))
    assert given.calls == 0
    with pytest.raises(IdentityMismatch) as error:
        check_identity(stored, default)
    message = str(error.value)
    assert "turning-1" in message
    assert "multilingual-e5-small" in message
    assert "Open the collection with the embedder 'turning-1'" in message
    assert "embed its items again" in message


def test_a_changed_model_behind_the_same_name_is_found_by_its_canaries() -> None:
    stored = Identity.from_json(with_canaries(embedder(Turning(0))).to_json())
    check_identity(stored, embedder(Turning(30)))
    verify_canaries(embedder(Turning(1)), stored)
    with pytest.raises(IdentityMismatch, match=r"cosine 0\.8660"):
        verify_canaries(embedder(Turning(30)), stored)


def test_nothing_is_verified_where_no_canaries_were_stored() -> None:
    given = Turning(30)
    verify_canaries(embedder(given), embedder(Turning(0)).identity)
    assert given.calls == 0


def test_the_default_identity_carries_its_canaries(default: TextEmbedder) -> None:
    assert with_canaries(default) is default.identity
    vectors = default.embed(["봄이 오면 할머니는 뒷마당에 상추와 고추를 심으셨다."], "query")
    assert np.dot(vectors[0], default.identity.canary[3]) > 0.999
