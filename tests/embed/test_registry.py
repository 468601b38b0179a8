"""Names of embedders, and what finding one may not cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import adjoin
from adjoin.embed import Embedder, embedder
from adjoin.errors import DimensionMismatch, InvalidOption, InvalidVector, NotFound

HEAVY = ("numpy", "onnxruntime", "tokenizers", "huggingface_hub")


def loaded_after(code: str) -> set[str]:
    """Which of HEAVY a fresh interpreter has imported after running the code."""
    script = f"import sys\n{code}\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


def test_importing_the_room_imports_nothing_heavy() -> None:
    assert loaded_after("import adjoin.embed") == set()


def test_finding_the_default_and_its_dim_loads_no_model() -> None:
    assert not loaded_after("import adjoin.embed as e; e.embedder('default').dim") & {"onnxruntime", "tokenizers"}


def test_comparing_identities_loads_no_model() -> None:
    code = "import adjoin.embed as e; m = e.embedder('default'); e.check_identity(m.identity, m)"
    assert not loaded_after(code) & {"onnxruntime", "tokenizers"}


def test_counting_tokens_loads_no_network() -> None:
    assert "onnxruntime" not in loaded_after("import adjoin.embed as e; e.embedder('default').count_tokens(['rain'])")


def test_the_first_vector_loads_the_model() -> None:
    assert {"onnxruntime", "tokenizers"} <= loaded_after(
        "import adjoin.embed as e; e.embedder('default').embed(['rain'])"
    )


def test_the_default_is_an_embedder() -> None:
    assert isinstance(adjoin.embedder("default"), Embedder)


def test_unknown_names_and_options_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidOption, match=r"unknown embedder 'defualt'. Known: default, "):
        embedder("defualt")
    with pytest.raises(
        InvalidOption, match=r"unknown embedder option 'correctoin'. Known: correction, output, workers"
    ):
        embedder("default", correctoin=False)


def test_a_path_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no folder"):
        embedder(str(tmp_path / "missing"))
    with pytest.raises(NotFound, match="there is no folder"):
        embedder(Path("missing"))


class Given:
    """A user's own embedder."""

    identity = "given"
    dim = 3

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def embed(self, items: list[str], kind: str = "document") -> object:
        return self.answer


def test_a_users_object_embeds_and_its_answer_becomes_float32() -> None:
    found = embedder(Given([[1, 2, 3], [4, 5, 6]]))
    vectors = found.embed(["a", "b"])
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, [[1, 2, 3], [4, 5, 6]])
    assert found.embed([]).shape == (0, 3)
    assert embedder(found) is found


def test_an_answer_of_another_shape_is_refused() -> None:
    with pytest.raises(DimensionMismatch, match=r"answered 2 items with an array of shape \(1, 3\)"):
        embedder(Given([[1, 2, 3]])).embed(["a", "b"])
    with pytest.raises(DimensionMismatch, match=r"promises \(1, 3\)"):
        embedder(Given([[1, 2]])).embed(["a"])


def test_an_answer_that_is_not_finite_names_its_item() -> None:
    with pytest.raises(InvalidVector, match="item 1 a vector with NaN"):
        embedder(Given([[1, 2, 3], [1, float("nan"), 3]])).embed(["a", "b"])
    with pytest.raises(InvalidVector, match="no matrix of numbers"):
        embedder(Given([["a", "b", "c"]])).embed(["a"])


def test_an_object_that_is_no_embedder_is_told_what_it_lacks() -> None:
    with pytest.raises(InvalidOption, match="object is no embedder: it lacks identity, dim, embed"):
        embedder(object())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"), [("dim", 0), ("dim", "3"), ("dim", True), ("identity", ""), ("identity", 7)]
)
def test_an_object_with_an_impossible_dim_or_identity_is_refused(name: str, value: object) -> None:
    given = Given([])
    setattr(given, name, value)
    with pytest.raises(InvalidOption, match=name):
        embedder(given)  # type: ignore[arg-type]


def test_an_object_takes_no_options() -> None:
    with pytest.raises(InvalidOption, match="unknown embedder option 'pooling'"):
        embedder(Given([]), pooling="mean")  # type: ignore[arg-type]


def test_a_function_is_an_embedder(tmp_path: Path) -> None:
    def lengths(texts: list[str]) -> list[list[float]]:
        return [[len(text), text.count("e"), 1.0] for text in texts]

    found = adjoin.embedder(lengths, version="1")
    assert (found.dim, found.embed(["ee"]).tolist()) == (3, [[2.0, 2.0, 1.0]])
    with adjoin.open(tmp_path / "db.adjoin") as db:
        db.collection("texts", embedder=lengths).add(["eeee", "a longer text"], ids=["e", "long"])
    with adjoin.open(tmp_path / "db.adjoin") as db:
        assert db.collection("texts", embedder=lengths).search("eee", k=1).ids == ["e"]
    with pytest.raises(InvalidOption, match="unknown embedder option 'size'"):
        adjoin.embedder(lengths, size=3)
