"""Word embedders by name: new ones to train, those of a file, and saved ones."""

# ruff: noqa: A002  # `format` is the word for it

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from adjoin.embed import saved
from adjoin.embed.words.base import Trainer, WordEmbedder
from adjoin.embed.words.by_gensim import GensimTrainer
from adjoin.embed.words.glove import GloveTrainer
from adjoin.embed.words.settings import Empty, Pooling, Settings, Unknown
from adjoin.errors import InvalidOption
from adjoin.text.analyse import ALL_WORDS, Analyser, Korean

DIM: Final = 100


def word2vec(
    *,
    file: str | Path | None = None,
    format: str = "auto",
    dim: int | None = None,
    algorithm: str = "skip-gram",
    window: int = 5,
    min_count: int = 5,
    negative: int = 5,
    epochs: int = 5,
    seed: int = 1,
    workers: int = 1,
    pooling: Pooling = "sif",
    a: float = 1e-3,
    common: int = 1,
    oov: Unknown = "skip",
    empty: Empty = "zero",
    normalize: bool = True,
    phrases: bool = False,
    phrase_count: int = 5,
    phrase_score: float = 10.0,
    lowercase: bool | None = None,
    korean: Korean = "words",
    token_pattern: str = ALL_WORDS,
) -> WordEmbedder:
    """Word2Vec: to be trained by `fit`, or with the vectors of a file.

    algorithm: "skip-gram" or "cbow". window: words to either side. negative: false words for a true one.
    file: word2vec text or binary, or GloVe text; `format` names which where the file's start does not tell.
    dim: 100 if None, or the file's. lowercase: fold the case; None: unless words of the file have capitals.
    workers: threads; 1 gives the same vectors each time. The other options are with Settings and Analyser.
    """
    settings = Settings(
        "word2vec", _analyser(token_pattern, korean, lowercase), DIM if dim is None else dim,
        window, min_count, epochs, seed, workers, pooling, a,
        common, oov, empty, normalize, phrases, phrase_count, phrase_score,
        training={"skip_gram": _skip_gram(algorithm), "negative": _whole("negative", negative, 1)},
    )  # fmt: skip
    return _made(settings, GensimTrainer(), file, format, lowercase, dim)


def fasttext(
    *,
    file: str | Path | None = None,
    format: str = "auto",
    dim: int | None = None,
    algorithm: str = "skip-gram",
    window: int = 5,
    min_count: int = 5,
    negative: int = 5,
    epochs: int = 5,
    seed: int = 1,
    workers: int = 1,
    min_n: int = 3,
    max_n: int = 6,
    buckets: int = 200_000,
    jamo: bool = False,
    pooling: Pooling = "sif",
    a: float = 1e-3,
    common: int = 1,
    oov: Unknown = "subwords",
    empty: Empty = "zero",
    normalize: bool = True,
    phrases: bool = False,
    phrase_count: int = 5,
    phrase_score: float = 10.0,
    lowercase: bool | None = None,
    korean: Korean = "words",
    token_pattern: str = ALL_WORDS,
) -> WordEmbedder:
    """FastText: words are made of n-grams of min_n to max_n letters, so unknown and misspelt words have vectors.

    jamo: take Hangul syllables apart into three letters each, so that n-grams cross syllables.
    buckets: n-grams are hashed into so many vectors of `dim` float32; gensim's own default is two million.
    file: a fastText .bin. The rest is as for word2vec.
    """
    shortest, longest = _whole("min_n", min_n, 1), _whole("max_n", max_n, 1)
    if longest < shortest:
        raise InvalidOption(f"max_n={max_n} must not be less than min_n={min_n}.")
    settings = Settings(
        "fasttext", _analyser(token_pattern, korean, lowercase), DIM if dim is None else dim,
        window, min_count, epochs, seed, workers, pooling, a,
        common, oov, empty, normalize, phrases, phrase_count, phrase_score, jamo,
        training={
            "skip_gram": _skip_gram(algorithm), "negative": _whole("negative", negative, 1), "shortest": shortest,
            "longest": longest, "buckets": _whole("buckets", buckets, 1),
        },
    )  # fmt: skip
    return _made(settings, GensimTrainer(), file, format, lowercase, dim)


def glove(
    *,
    file: str | Path | None = None,
    format: str = "auto",
    dim: int | None = None,
    window: int = 10,
    min_count: int = 5,
    epochs: int = 25,
    seed: int = 1,
    x_max: float = 100.0,
    alpha: float = 0.75,
    learning_rate: float = 0.05,
    pooling: Pooling = "sif",
    a: float = 1e-3,
    common: int = 1,
    oov: Unknown = "skip",
    empty: Empty = "zero",
    normalize: bool = True,
    phrases: bool = False,
    phrase_count: int = 5,
    phrase_score: float = 10.0,
    lowercase: bool | None = None,
    korean: Korean = "words",
    token_pattern: str = ALL_WORDS,
) -> WordEmbedder:
    """GloVe: to be trained by `fit`, or with the vectors of a file.

    x_max, alpha: a pair that stands x times weighs min(1, (x / x_max) ** alpha). For a small corpus x_max of 10 is usual.
    The rest is as for word2vec.
    """
    for name, value in (("x_max", x_max), ("alpha", alpha), ("learning_rate", learning_rate)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise InvalidOption(f"{name} must be a number above 0, not {value!r}.")
    settings = Settings(
        "glove", _analyser(token_pattern, korean, lowercase), DIM if dim is None else dim,
        window, min_count, epochs, seed, 1, pooling, a, common,
        oov, empty, normalize, phrases, phrase_count, phrase_score,
        training={"x_max": float(x_max), "alpha": float(alpha), "learning_rate": float(learning_rate)},
    )  # fmt: skip
    return _made(settings, GloveTrainer(), file, format, lowercase, dim)


def load_words(path: Path, *, mapped: bool = False) -> WordEmbedder:
    """A saved one. mapped: read vectors from the disk as they are needed, and do not check their hashes."""
    held = saved.load(path, mapped=mapped)
    settings = Settings.of(held.settings["words"])
    model = WordEmbedder(settings, _trainer(settings.family))
    model.restore(held)
    return model


def _made(
    settings: Settings, trainer: Trainer, file: str | Path | None, format: str, lowercase: bool | None, dim: int | None
) -> WordEmbedder:
    if file is None:
        if format != "auto":
            raise InvalidOption(f"format={format!r} says how a file is read, and no file= was given.")
        return WordEmbedder(settings, trainer)
    from adjoin.embed.words.files import read

    path = Path(file).expanduser().absolute()
    trained, brought = read(path, format, settings)
    if settings.family == "fasttext" and trained.subwords is None and settings.oov == "subwords":
        raise InvalidOption(f"{path} holds whole words only and no n-grams. Load the .bin, or choose oov='skip'.")
    if dim is not None and dim != trained.vectors.shape[1]:
        raise InvalidOption(
            f"{path} has vectors of {trained.vectors.shape[1]} dimensions, and dim={dim} was asked for. Leave dim out."
        )
    if lowercase is None and any(word != word.casefold() for word in trained.words):
        settings = replace(settings, analyser=replace(settings.analyser, lowercase=False))
    settings = replace(settings, **{"dim": trained.vectors.shape[1], **brought})
    model = WordEmbedder(settings, trainer, trained)
    model.reopened_by = _name(settings, path, format)
    return model


def _name(settings: Settings, path: Path, format: str) -> str:
    """The name by which the file is loaded with the same options."""
    given: dict[str, Any] = {
        "file": str(path), "format": format, "pooling": settings.pooling, "a": settings.a, "common": settings.common,
        "oov": settings.oov, "empty": settings.empty, "normalize": settings.normalize,
        "lowercase": settings.analyser.lowercase, "korean": settings.analyser.korean,
        "token_pattern": settings.analyser.pattern,
    }  # fmt: skip
    if settings.family == "fasttext":
        given["jamo"] = settings.jamo
    return f"{settings.family} {json.dumps(given, ensure_ascii=False, sort_keys=True)}"


def _trainer(family: str) -> Trainer:
    return GloveTrainer() if family == "glove" else GensimTrainer()


def _analyser(pattern: str, korean: Korean, lowercase: bool | None) -> Analyser:
    return Analyser(pattern=pattern, korean=korean, lowercase=lowercase is not False)


def _skip_gram(algorithm: str) -> bool:
    if algorithm not in ("skip-gram", "cbow"):
        raise InvalidOption.unknown("algorithm", algorithm, ("skip-gram", "cbow"))
    return algorithm == "skip-gram"


def _whole(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(f"{name} must be a whole number of at least {least}, not {value!r}.")
    return value
