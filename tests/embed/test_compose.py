"""Embedders made of others: their cosines by weight, fields that are missing, and names by which they are found again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.embed import Embedder, Identity, concat, embed_all, function, reduce, weighted, with_canaries
from adjoin.errors import DimensionMismatch, InvalidContent, InvalidOption, InvalidVector, UnreadableFile

Array = np.ndarray[Any, np.dtype[Any]]

TEXTS = ["A cat sleeps on the sofa.", "고양이가 소파에서 잔다.", "Shares fell on Monday.", "rain"]


def letters(items: list[str]) -> Array:
    """How often each letter stands in a text."""
    return np.array([[item.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for item in items])


def by_letters(**options: Any) -> Any:
    return function(letters, dim=26, name="letters", version="1", **options)


class Pictures:
    """Of a grey picture, the mean of each quarter."""

    identity = Identity("pictures", "pictures", 4, normalize=False)
    dim = 4
    takes = "image"
    takes_arrays = True
    canary_items = (np.ones((2, 2)), np.eye(2))

    def embed(self, items: Sequence[Any], kind: str = "document") -> Array:
        for n, item in enumerate(items):
            if not isinstance(item, np.ndarray):
                raise UnreadableFile(f"item {n}: {item!r} is no picture")
        return np.array(
            [[part.mean() for half in np.split(item, 2) for part in np.split(half, 2, axis=1)] for item in items],
            np.float32,
        )

    def kept(self, item: Any) -> str:
        return f"<{item.shape}>"

    def hash_of(self, item: Any) -> bytes:
        return bytes(item.tobytes()[:16].ljust(16))


def cosine(a: Array, b: Array) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


# ── Side by side ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_ensemble_s_cosine_is_the_weighted_mean_of_its_parts(default: Any) -> None:
    made = concat(default, by_letters(), weights=[3, 1])
    assert made.dim == 384 + 26
    found, first, second = made.embed(TEXTS), default.embed(TEXTS), letters(TEXTS).astype(float)
    for a in (0, 2, 3):
        for b in (0, 2, 3):
            expected = 0.75 * cosine(first[a], first[b]) + 0.25 * cosine(second[a], second[b])
            assert found[a] @ found[b] == pytest.approx(expected, abs=1e-5)
    assert made.columns["1"] == slice(384, 410)
    assert not found[1, 384:].any()  # no Latin letter
    assert np.isfinite(found).all()
    assert made.embed([]).shape == (0, 410)


def test_lengths_can_be_left_as_they_are() -> None:
    made = concat(by_letters(), by_letters(), normalize=False)
    np.testing.assert_allclose(made.embed(TEXTS), np.tile(letters(TEXTS), 2) * 0.5**0.5, rtol=1e-6)


def test_queries_reach_each_part_as_queries(default: Any) -> None:
    found = concat(default, by_letters()).embed(TEXTS, "query")
    np.testing.assert_allclose(found[:, :384] * 2**0.5, default.embed(TEXTS, "query"), atol=1e-6)


@pytest.mark.slow
def test_an_ensemble_is_found_again_by_its_name(tmp_path: Path, default: Any) -> None:
    small = reduce("default", 3).fit(TEXTS)
    assert concat("default", small).reopened_by is None
    small.save(tmp_path / "small")
    made = concat("default", small, weights=[2, 1])
    assert made.reopened_by is not None
    again = adjoin.embedder(made.reopened_by)
    np.testing.assert_array_equal(again.embed(TEXTS), made.embed(TEXTS))
    assert again.identity.fingerprint == made.identity.fingerprint
    by_name = adjoin.embedder("concat", embedders=["default", str(tmp_path / "small")], weights=[2, 1])
    assert by_name.identity.fingerprint == made.identity.fingerprint
    with adjoin.open(tmp_path / "db") as db:
        db.collection("t", embedder=made).add(TEXTS)
    with adjoin.open(tmp_path / "db") as db:
        assert db.collection("t").search("고양이", k=1)[0].content == TEXTS[1]
    assert made.is_cut(["x", "y " * 2000]) == [False, True]
    assert made.max_tokens == 512


def test_identities_follow_parts_weights_and_order(default: Any) -> None:
    made = [
        concat(default, by_letters()), concat(by_letters(), default), concat(default, by_letters(), weights=[1, 2]),
        concat(default, by_letters(), normalize=False), concat(default, function(letters, dim=26, name="letters", version="2")),
        weighted({"a": default, "b": by_letters()}), weighted({"b": by_letters(), "a": default}),
        weighted({"a": (default, 2), "b": by_letters()}), weighted({"a": default, "c": by_letters()}),
        weighted({"a": default, "b": by_letters()}, unknown="ignore"),
    ]  # fmt: skip
    assert len({one.identity.fingerprint for one in made}) == len(made)
    assert concat(default, by_letters()).identity == made[0].identity
    assert with_canaries(made[0]).canary
    assert all(isinstance(one, Embedder) for one in made)


# ── Several fields ───────────────────────────────────────────────────────────────────────────────────────────────────

RED, BLUE = np.kron(np.eye(2), np.ones((4, 4))), np.kron(1 - np.eye(2), np.ones((4, 4)))


def products(default: Any, **options: Any) -> Any:
    return weighted({"title": (default, 2.0), "body": by_letters(), "picture": (Pictures(), 1.0)}, **options)


def test_fields_count_by_their_weights(default: Any) -> None:
    made = products(default)
    a = {"title": TEXTS[0], "body": "abc", "picture": RED}
    b = {"title": TEXTS[2], "body": "abd", "picture": BLUE}
    found = made.embed([a, b])
    titles = default.embed([TEXTS[0], TEXTS[2]])
    expected = 0.5 * cosine(*titles) + 0.25 * (2 / 3) + 0.25 * 0
    assert found[0] @ found[1] == pytest.approx(expected, abs=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert made.takes == "record"


def test_a_missing_field_is_zero_and_the_others_still_count(default: Any) -> None:
    made = products(default)
    whole = {"title": "rain", "body": "abc", "picture": RED}
    full = made.embed([whole])[0]
    for name, columns in made.columns.items():
        for absent in (
            {key: value for key, value in whole.items() if key != name},
            {**whole, name: None},
            {**whole, name: float("nan")},
        ):
            found = made.embed([absent])[0]
            assert not found[columns].any()
            rest = np.ones(made.dim, bool)
            rest[columns] = False
            np.testing.assert_array_equal(found[rest], full[rest])
    assert not made.embed([{**whole, "title": " "}])[0][made.columns["title"]].any()


def test_a_text_as_query_is_compared_with_the_fields_of_text(default: Any) -> None:
    made = products(default)
    found = made.embed(["rain"], "query")[0]
    np.testing.assert_array_equal(found, made.embed([{"title": "rain", "body": "rain"}], "query")[0])
    assert not found[made.columns["picture"]].any()
    with pytest.raises(
        InvalidContent, match="item 0 is str, and this embedder takes dicts with the fields title, body, picture"
    ):
        made.embed(["rain"])


def test_bad_items_are_refused_by_place_and_field_and_the_rest_goes_on(default: Any) -> None:
    made = products(default)
    bad: list[tuple[Any, type[Exception], str]] = [
        ({"titel": "x"}, InvalidContent, "item 1 has the field 'titel', which no embedder is given for. Known: title, body, picture"),
        ({}, InvalidContent, "item 1 has none of the fields"), ({"title": None}, InvalidContent, "item 1 has none of the fields"),
        (5, InvalidContent, "item 1 is int"), ({"title": 5}, InvalidContent, "item 1, field 'title': is int, and this embedder takes str"),
        ({"body": "\ud800"}, InvalidContent, "item 1, field 'body': has a lone surrogate"),
        ({"picture": "no.png"}, UnreadableFile, "item 1, field 'picture': 'no.png' is no picture"),
    ]  # fmt: skip
    good = {"title": "rain"}
    for item, error, told in bad:
        with pytest.raises(error, match=told):
            made.embed([good, item])
    _, places, refused = embed_all(made, [good, *(item for item, _, _ in bad), good])
    assert places == [0, len(bad) + 1]
    assert [one.position for one in refused] == list(range(1, len(bad) + 1))
    for one in ("text", b"bytes", good):
        with pytest.raises(InvalidContent, match=r"Write embed\(\[item\]\)"):
            made.embed(one)
    ignoring = products(default, unknown="ignore")
    np.testing.assert_array_equal(ignoring.embed([{**good, "price": 3}]), ignoring.embed([good]))


def test_items_are_kept_and_hashed_field_by_field(default: Any) -> None:
    made = products(default)
    item = {"title": "rain", "picture": RED}
    assert made.kept(item) == {"title": "rain", "picture": "<(8, 8)>"}
    assert len(made.hash_of(item)) == 16
    assert (
        made.hash_of(item) == made.hash_of({**item, "body": None}) != made.hash_of({"title": "rain", "picture": BLUE})
    )
    assert made.hash_of({"title": "ab"}) != made.hash_of({"body": "ab"})
    assert products(default).hash_of({"picture": RED}) != made.hash_of({"title": "rain"})
    assert weighted({"x": function(lambda items: [[1.0]] * len(items), dim=1, takes="thing")}).hash_of({"x": 3}) is None


def test_a_collection_of_several_fields_opens_again(tmp_path: Path, default: Any) -> None:
    made = weighted({"title": ("default", 2.0), "body": "default"})
    assert made.reopened_by is not None
    with adjoin.open(tmp_path / "db") as db:
        kept = db.collection("notes", embedder=made)
        kept.upsert(
            [{"title": "Cats", "body": "They sleep."}, {"title": "주식"}, {"body": "It rains."}],
            ids=["cat", "stock", "rain"],
        )
    with adjoin.open(tmp_path / "db") as db:
        again = db.collection("notes")
        assert again.search("umbrella weather", k=1)[0].id == "rain"
        assert again.search({"title": "shares"}, k=1)[0].id == "stock"
        assert again.search({"title": "Cats"}, k=3)[0].content == {"title": "Cats", "body": "They sleep."}


def test_the_functions_are_found_without_another_import() -> None:
    code = (
        "import adjoin; print(adjoin.embed.concat, adjoin.embed.weighted, adjoin.embed.function, adjoin.embed.reduce)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.count("<function ") == 4


# ── Any function ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_function_is_an_embedder() -> None:
    made = by_letters()
    assert isinstance(made, Embedder)
    np.testing.assert_array_equal(made.embed(TEXTS), letters(TEXTS).astype(np.float32))
    assert made.embed(TEXTS).dtype == np.float32
    assert made.embed([]).shape == (0, 26)
    assert function(letters).dim == 26
    assert function(letters).identity.model == "letters"
    each = function(lambda item: [len(item), 1.0], each=True, name="length")
    assert each.embed(["ab", "abc"]).tolist() == [[2, 1], [3, 1]]
    told = function(lambda items, kind: [[kind == "query"]] * len(items), name="kind")
    assert (told.embed(["a"]).tolist(), told.embed(["a"], "query").tolist()) == ([[0]], [[1]])
    assert function(lambda items: [[item] for item in items], dim=1, takes="number").embed([3, 4]).tolist() == [
        [3],
        [4],
    ]


def test_a_function_s_answers_are_checked() -> None:
    for answer, error, told in (
        ([[1.0, 2.0]], DimensionMismatch, r"answered 2 items with an array of shape \(1, 2\); its dim of 2"),
        ([[1.0, 2.0], [1.0, np.nan]], InvalidVector, "gave item 1 a vector with NaN"),
        ([["a", "b"], ["c", "d"]], InvalidVector, "no matrix of numbers"), ([[1.0], [2.0]], DimensionMismatch, "shape"),
    ):  # fmt: skip
        with pytest.raises(error, match=told):
            function(lambda items, answer=answer: answer, dim=2, name="f").embed(["a", "b"])  # type: ignore[misc]
    with pytest.raises(InvalidContent, match="item 1 is int"):
        by_letters().embed(["a", 3])


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: concat(), "one embedder at least"), (lambda: concat(by_letters(), weights=[1, 2]), "2 weights for 1 embedders"),
        (lambda: concat(by_letters(), weights=[-1]), "a weight is"), (lambda: concat(by_letters(), weights=[0]), "above 0"),
        (lambda: concat(by_letters(), Pictures()), "take different things: image, text"), (lambda: concat("defualt"), "unknown embedder"),
        (lambda: weighted({}), "a dict of field names"), (lambda: weighted({"a": (by_letters(), "x")}), "a weight is"),
        (lambda: weighted({3: by_letters()}), "name of a field"), (lambda: weighted({"a": by_letters()}, unknown="drop"), "unknown answer"),
        (lambda: function(3), "what can be called"), (lambda: function(letters, dim=0), "dim is"),
        (lambda: function(letters, takes="image"), "give dim="), (lambda: adjoin.embedder("concat", embedders="default"), "is a list"),
        (lambda: adjoin.embedder("weighted", fields={"a": "default"}, order=["b"]), "order names each field once"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(make: Any, told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        make()
