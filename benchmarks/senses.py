"""Whether words with two senses are told apart by their context: tests/fixtures/senses, 16 words, 8 sentences each.

A pair of sentences with different senses is apart when the word's two vectors are less alike than those of pairs of the same
sense are on the average. `nearest`: a sentence's vector is nearer to the mean of the others of its sense than to the other
sense's. The default model is the only one here that reads Korean and gives its tokens' states. No seed: nothing is random.

python benchmarks/senses.py
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

import adjoin  # noqa: E402

Array = np.ndarray[Any, np.dtype[Any]]
Way = Callable[[list[str], str], list[Array]]
SENSES: dict[str, list[list[str]]] = json.loads(
    (ROOT / "tests/fixtures/senses/senses.json").read_text(encoding="utf-8")
)


def main() -> None:
    model = adjoin.embedder("default")
    mean = unit(np.mean([one.vectors.mean(axis=0) for texts in every_text() for one in tokens(model, texts)], axis=0))
    ways: dict[str, Way] = {
        "the word's vector": lambda texts, word: [one.of(word) for one in tokens(model, texts)],
        "less the mean of all": lambda texts, word: [
            unit(one.of(word) - (one.of(word) @ mean) * mean) for one in tokens(model, texts)
        ],
        "the sentence alone": lambda texts, word: [unit(one.vectors.mean(axis=0)) for one in tokens(model, texts)],
        "half word, half sentence": lambda texts, word: [
            unit(one.of(word) + unit(one.vectors.mean(axis=0))) for one in tokens(model, texts)
        ],
        "`embed_in_context`": lambda texts, word: list(model.embed_in_context(texts, word)),
    }
    found = {
        name: {word: measured([way(texts, word) for texts in senses]) for word, senses in SENSES.items()}
        for name, way in ways.items()
    }
    print(
        "| | English: pairs apart, nearest | Korean: pairs apart, nearest | all: pairs apart, nearest |\n|---|---|---|---|"
    )
    for name, words in found.items():
        groups = ([w for w in words if w.isascii()], [w for w in words if not w.isascii()], list(words))
        cells = [", ".join(f"{np.mean([words[w][n] for w in group]):.3f}" for n in (0, 1)) for group in groups]
        print(f"| {name} | {' | '.join(cells)} |")
    for name in ("the word's vector", "`embed_in_context`"):
        shares = ", ".join(f"{word} {share:.2f}" for word, (share, _) in found[name].items())
        print(f"\nBy word, pairs apart, {name}: {shares}")


def every_text() -> list[list[str]]:
    return [texts for senses in SENSES.values() for texts in senses]


def tokens(model: Any, texts: list[str]) -> Any:
    return model.embed_tokens(texts, "query")


def unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def measured(senses: list[list[Array]]) -> tuple[float, float]:
    same = np.mean([a @ b for sense in senses for a, b in itertools.combinations(sense, 2)])
    apart = [a @ b < same for a, b in itertools.product(*senses)]
    right = []
    for own, other in (senses, senses[::-1]):
        for n, vector in enumerate(own):
            mine, theirs = unit(np.mean(own[:n] + own[n + 1 :], axis=0)), unit(np.mean(other, axis=0))
            right.append(vector @ mine > vector @ theirs)
    return float(np.mean(apart)), float(np.mean(right))


if __name__ == "__main__":
    main()
