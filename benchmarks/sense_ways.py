"""Every way tried to tell a word's senses apart, on words made of two and on words that have two.

A made word stands in for two nouns in sentences of help pages and package descriptions (Gale, Church and Yarowsky, 1992;
Schütze, 1992), so that which of them it was is known and nobody has to judge senses. What `embed_in_context` does was chosen
by these; tests/fixtures/senses are the words that have two. Shares are those of senses.py: pairs apart. Seed 0. Needs
kiwipiepy, and the texts of `python -m tests.support.fetch`.

python benchmarks/sense_ways.py
"""

from __future__ import annotations

import itertools
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.senses import SENSES, measured, unit  # noqa: E402
from tests.support import pairs  # noqa: E402

from adjoin.embed.default import FOLDER, default_embedder  # noqa: E402
from adjoin.embed.in_context import KOREAN_QUESTION, QUESTION  # noqa: E402
from adjoin.embed.onnx import OnnxEncoder  # noqa: E402
from adjoin.embed.text import Parts, TextEmbedder  # noqa: E402
from adjoin.embed.token_vectors import TokenVectors, occurrences  # noqa: E402

Array = np.ndarray[Any, np.dtype[Any]]
Words = list[tuple[str, list[list[str]]]]
MADE, EACH, OTHERS = 80, 4, 900
STANDINS = {"ko": (("코", "비", "키", "소", "해", "파"), ("손", "공", "문", "풀", "솔", "논")),
            "en": (("match", "ring", "palm", "pole", "pitch", "bow"),) * 2}  # fmt: skip
# What stands after "the" in package descriptions and is no noun.
NO_NOUNS = {
    "following", "current", "same", "selected", "first", "last", "new", "other", "given",
    "next", "default", "entire", "specified", "actual", "single", "original", "previous", "second",
    "different", "standard", "simple", "common", "small", "set", "active", "desired", "main",
    "whole", "most", "large", "top", "left", "right", "more", "best", "free",
    "own", "above", "only", "specific", "powerful", "fast", "complete", "full", "basic",
    "modern", "variety", "graphical", "easy", "currently", "correct", "regular", "total", "special",
    "lower", "custom", "shared",
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A text as it was read: its vectors, which of them are the word's, the text's, and what was added."""

    vectors: Array
    ids: list[str]
    word: list[int]
    text: list[int]
    added: list[int]


Way = Callable[[Read, Read], Array]  # the text's, and the word's when it stands alone


def main() -> None:
    made = {language: made_words(language) for language in ("en", "ko")}
    counts = ", ".join(f"{len(words)} {language}" for language, (words, _) in made.items())
    print(f"Made words: {counts}. Pairs apart, and nearest, as in the other table.\n")
    print("| | made: English | made: Korean | made: both | real: English | real: Korean | real: both |\n|" + "---|" * 7)
    real = {
        "en": [(w, s) for w, s in SENSES.items() if w.isascii()],
        "ko": [(w, s) for w, s in SENSES.items() if not w.isascii()],
    }
    words = [made["en"][0], made["ko"][0], real["en"], real["ko"]]
    for reading, ways in readings({language: others for language, (_, others) in made.items()}):
        found = [reading.told(group, ways) for group in words]
        for name in ways:
            en, ko, real_en, real_ko = (told[name] for told in found)
            both = [
                f"{pair[0]:.3f}, {pair[1]:.3f}"
                for pair in (en, ko, (en + ko) / 2, real_en, real_ko, (real_en + real_ko) / 2)
            ]
            print(f"| {name} | {' | '.join(both)} |", flush=True)


@dataclass(frozen=True)
class Reading:
    """With what a text is read, and by which states."""

    model: TextEmbedder
    before: str = ""
    after: tuple[str, str] = ("", "")
    kind: Any = "query"

    def read(self, texts: list[str], word: str) -> list[Read]:
        korean = not word.isascii()
        wrapped = [(self.before.format(word), text, self.after[korean].format(word=word, text=text)) for text in texts]
        found = self.model.embed_tokens(["".join(parts) for parts in wrapped], self.kind)
        return [
            _parts(one, len(before), len(before + text), word, text)
            for one, (before, text, _) in zip(found, wrapped, strict=True)
        ]

    def told(self, words: Words, ways: dict[str, Way]) -> dict[str, Array]:
        shares: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for word, senses in words:
            [alone] = self.read([word], word)
            read = [self.read(texts, word) for texts in senses]
            for name, way in ways.items():
                shares[name].append(measured([[unit(way(one, alone)) for one in sense] for sense in read]))
        return {name: np.mean(found, axis=0) for name, found in shares.items()}


def _parts(found: TokenVectors, start: int, end: int, word: str, text: str) -> Read:
    first, last = (start + place for place in occurrences(text, word)[0])
    rows = range(len(found.spans))
    return Read(
        found.vectors,
        found.tokens,
        [row for row in rows if found.spans[row][0] < last and found.spans[row][1] > first],
        [row for row in rows if found.spans[row][0] < end and found.spans[row][1] > start],
        [row for row in rows if found.spans[row][0] >= end],
    )


def readings(others: dict[str, list[str]]) -> list[tuple[Reading, dict[str, Way]]]:
    model = default_embedder(correction=False)
    plain = Reading(model)
    from_texts, centred_half = learned(model, others)
    found: list[tuple[Reading, dict[str, Way]]] = [
        (plain, {"the word": word, "the text": text, "half each": half, "the text without the word": around,
                 **{f"the text, the nearer the more (e-fold in {n} pieces)": nearer(n) for n in (2, 5)},
                 **from_texts,
                 "the word, less the word alone": less(word), "the text, less the word alone": less(text),
                 "half each, less the word alone": less(half)}),
        (replace(plain, kind="document"), {"prompt `passage: `: the word": word, "the same, the text": text}),
        (Reading(without_prompt()), {"no prompt: the word": word, "the same, the text": text}),
    ]  # fmt: skip
    for layer in (4, 6, 8, 10, 11):
        found.append((Reading(at_layer(layer)), {f"layer {layer} of 12: the word": word, "the same, the text": text}))
    own = (QUESTION.replace("{}", "{word}"), KOREAN_QUESTION.replace("{}", "{word}"))
    for name, before, after in (
        ('`"word" — ` before', '"{}" — ', ("", "")), ("`word` after", "", (" — {word}",) * 2),
        ('`"word"` after', "", (' "{word}"',) * 2), ("the text a second time", "", (" {text}",) * 2),
        ("English question after", "", own[:1] * 2), ("question after, in its language", "", own),
    ):  # fmt: skip
        asked: dict[str, Way] = {f"{name}: half each": half, "the same, less the word alone": less(half)}
        if after[0]:
            asked["the same, what was added alone"] = added
        if after == own:
            asked["the same, less the means and the word alone"] = centred_half
        found.append((Reading(model, before, after), asked))
    found.append(
        (
            Reading(model, after=own, kind="document"),
            {"the last, prompt `passage: `: half each, less the word alone": less(half)},
        )
    )
    return found


def mean(vectors: Array) -> Array:
    return unit(vectors.mean(axis=0))


def word(one: Read, _: Read) -> Array:
    return mean(one.vectors[one.word])


def text(one: Read, _: Read) -> Array:
    return mean(one.vectors[one.text])


def half(one: Read, alone: Read) -> Array:
    return unit(word(one, alone) + text(one, alone))


def added(one: Read, _: Read) -> Array:
    return mean(one.vectors[one.added])


def around(one: Read, alone: Read) -> Array:
    rest = [row for row in one.text if row not in one.word]
    return mean(one.vectors[rest]) if rest else word(one, alone)


def nearer(pieces: float) -> Way:
    def way(one: Read, _: Read) -> Array:
        weights = np.exp(-np.abs(np.array(one.text) - np.mean(one.word)) / pieces)
        return unit(weights @ one.vectors[one.text])

    return way


def less(way: Way) -> Way:
    """Without the direction that the word has alone."""

    def rest(one: Read, alone: Read) -> Array:
        vector, usual = unit(way(one, alone)), unit(way(alone, alone))
        return vector - (vector @ usual) * usual

    return rest


def learned(model: TextEmbedder, others: dict[str, list[str]]) -> tuple[dict[str, Way], Way]:
    """What other texts teach without labels: means, commonest directions, variances, and how rare a piece is. The second:
    half each, less the means and the word alone."""
    read = {language: model.embed_tokens(texts, "query") for language, texts in others.items()}
    often = Counter(piece for found in read.values() for one in found for piece in one.tokens)
    whole = sum(often.values())
    states = {language: np.concatenate([one.vectors for one in found])[:15_000] for language, found in read.items()}
    texts = {language: np.stack([mean(one.vectors) for one in found]) for language, found in read.items()}

    def rare(one: Read, _: Read) -> Array:
        weights = np.array([1e-3 / (1e-3 + often[one.ids[row]] / whole) for row in one.text])
        return unit(weights @ one.vectors[one.text])

    def centred(way: Way, known: dict[str, Array], directions: int, whiten: bool = False) -> Way:
        fitted = {}
        for language, rows in known.items():
            _, sizes, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
            fitted[language] = rows.mean(axis=0), axes[:directions], sizes[:directions, None] / len(rows) ** 0.5

        def rest(one: Read, alone: Read) -> Array:
            korean = any("가" <= char <= "힣" for row in one.text for char in one.ids[row])
            centre, axes, sizes = fitted["ko" if korean else "en"]
            vector = way(one, alone) - centre
            return (axes / sizes) @ vector if whiten else vector - axes.T @ (axes @ vector)

        return rest

    def both(one: Read, alone: Read) -> Array:
        return unit(unit(word_centred(one, alone)) + unit(text_centred(one, alone)))

    word_centred, text_centred = centred(word, states, 0), centred(text, texts, 0)
    ways = {
        "the text, rare pieces the more (SIF)": rare,
        "the word, less its language's mean": word_centred,
        "the text, less its language's mean": text_centred,
        **{f"the word, less the mean and {n} common directions": centred(word, states, n) for n in (2, 10)},
        **{f"the text, less the mean and {n} common directions": centred(text, texts, n) for n in (2, 10)},
        "the word, whitened in 256 directions": centred(word, states, 256, whiten=True),
        "the text, whitened in 256 directions": centred(text, texts, 256, whiten=True),
        "the text, less its language's mean and the word alone": less(text_centred),
    }
    return ways, less(both)


def at_layer(layer: int) -> TextEmbedder:
    """The default model with the states after one of its twelve layers."""
    states = f"LayerNormalization_{14 + 18 * layer}_0"
    load = lambda: OnnxEncoder(FOLDER / "model.onnx", inner_states=states)  # noqa: E731
    return TextEmbedder(default_embedder().identity, Parts(FOLDER / "tokenizer.json", load))


def without_prompt() -> TextEmbedder:
    model = default_embedder()
    return TextEmbedder(replace(model.identity, prompts={}), replace(model._parts, load_correction=None))


def made_words(language: str) -> tuple[Words, list[str]]:
    """Words made of two, and sentences that are in none of them."""
    pick = random.Random(0)
    told = sorted(_sentences(language).items())
    pick.shuffle(told)
    others, told = [text for text, _ in told[:OTHERS]], told[OTHERS:]
    places = _korean_nouns(told) if language == "ko" else _english_nouns(told)
    nouns = [noun for noun in sorted(places) if len(places[noun]) >= 2 * EACH and noun not in SENSES]
    pick.shuffle(nouns)
    found: Words = []
    while nouns and len(found) < MADE:
        first = nouns.pop()
        second = next((noun for noun in nouns if _closed(noun) == _closed(first)), None)
        if second is None:
            continue
        nouns.remove(second)
        standin = pick.choice(STANDINS[language][_closed(first)])
        senses = []
        for noun, other in ((first, second), (second, first)):
            fit = [(text, at) for text, at in places[noun].values()
                   if other not in text and standin not in text and text.count(noun) == 1]  # fmt: skip
            chosen = pick.sample(fit, EACH) if len(fit) >= EACH else []
            senses.append([text[:at] + standin + text[at + len(noun) :] for text, at in chosen])
        if all(senses):
            found.append((standin, senses))
    return found, others


def _sentences(language: str) -> dict[str, str]:
    """Each with the text it is of."""
    found: dict[str, str] = {}
    for pair in pairs.test_half([*pairs.help_pairs(), *pairs.description_pairs()]):
        for text in re.split(r"(?<=[.?!])\s+", getattr(pair, language).body):
            if 20 < len(text) < 110 and (language == "en" or pairs.hangul(text) > 0.7):
                found.setdefault(text.strip(), pair.key)
    return found


Places = dict[str, dict[str, tuple[str, int]]]  # noun → text → one sentence of it, and where the noun stands


def _korean_nouns(told: list[tuple[str, str]]) -> Places:
    from kiwipiepy import Kiwi

    found: Places = defaultdict(dict)
    for (text, key), parts in zip(told, Kiwi().tokenize([text for text, _ in told]), strict=True):
        for noun, particle in itertools.pairwise(parts):
            begins = noun.start == 0 or text[noun.start - 1] == " "
            joined = particle.start == noun.start + noun.len and text[noun.start : particle.start] == noun.form
            if noun.tag == "NNG" and particle.tag.startswith("J") and begins and joined:
                found[noun.form].setdefault(key, (text, noun.start))
    return found


def _english_nouns(told: list[tuple[str, str]]) -> Places:
    found: Places = defaultdict(dict)
    for text, key in told:
        for match in re.finditer(r"\b(?:the|a|an|this|your)\s+([a-z]{3,9})(?=[ .,])", text):
            if match[1] not in NO_NOUNS:
                found[match[1]].setdefault(key, (text, match.start(1)))
    return found


def _closed(noun: str) -> bool:
    """Whether a Korean noun ends in a consonant, by which its particles go."""
    return "가" <= noun[-1] <= "힣" and (ord(noun[-1]) - ord("가")) % 28 != 0


if __name__ == "__main__":
    main()
