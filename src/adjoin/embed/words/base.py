"""The embedder of words and of sentences made of them, however its vectors were trained."""

# ruff: noqa: A002  # `format` is the word for it

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self

from adjoin.embed import saved
from adjoin.embed.base import check_kind, check_texts
from adjoin.embed.identity import CANARY_TEXTS, Identity
from adjoin.embed.streams import Spool, texts_of
from adjoin.embed.strings import packed, unpacked
from adjoin.embed.words.jamo import taken_apart
from adjoin.embed.words.phrases import JOINT, found_phrases, joined
from adjoin.embed.words.sentences import common_components, sums_of, without, word_weights
from adjoin.embed.words.settings import Settings
from adjoin.embed.words.subwords import Subwords
from adjoin.errors import InvalidContent, InvalidOption, NotFitted, NotFound, Unsupported, listed
from adjoin.text.analyse import has_hangul, morpheme_version
from adjoin.types import Content, Kind, Progress, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

COMMON_TEXTS: Final = 50_000
"""Texts that the common component is found from, evenly spread."""
COMMON_WORDS, COMMON_LEAST = 100_000, 400
"""Words in them; more only where so many texts have more."""
LEAST_TEXTS: Final = 10
"""From fewer, what is common to them is what they say."""
ALL_COMMON: Final = 1e-3
"""A text of which the common component leaves no more than this share keeps its vector as it is."""
_SCORED: Final = 50_000


class Neighbour(NamedTuple):
    """A word, and its cosine with what was asked."""

    word: str
    score: float


@dataclass
class Trained:
    """Words, the most frequent first, and all that training gave them.

    words: as texts have them. vectors: (words, dim). counts: how often each stood in the texts; None for a file that does
    not say. subwords: FastText's. state: arrays by which training goes on, the family's own.
    """

    words: list[str]
    vectors: Floats
    counts: NDArray[np.int64] | None = None
    subwords: Subwords | None = None
    state: dict[str, NDArray[Any]] = field(default_factory=dict)


class Trainer(Protocol):
    """What a family does with texts: lists of words on disk, of spelling `taken_apart` where the settings say jamo."""

    def train(self, texts: Spool, settings: Settings, before: Trained | None, progress: Progress | None) -> Trained:
        """New vectors; or, with those of before, training goes on. Raises InvalidContent where no word is left."""
        ...


class WordEmbedder:
    """Texts in, one vector each out, made of the vectors of their words. A text of one word gives that word's.

    Words are compared with their case folded and their letters composed (NFC). A text without any known word has no
    direction: its vector is zero, which a collection under cosine refuses by name, or `empty="refuse"` does at once.
    Training reads its texts several times: they are kept in a temporary file meanwhile. With `workers=1` the
    same texts and seed give the same vectors; more threads are faster and give slightly others each time.
    Safe to use from many threads, but for training.
    """

    reopened_by: str | None

    def __init__(self, settings: Settings, trainer: Trainer, trained: Trained | None = None) -> None:
        self.settings = settings
        self.reopened_by = None
        self._trainer = trainer
        self._trained = trained
        self._common: Floats | None = None
        self._phrases: frozenset[str] = frozenset()
        self._known_digest: str | None = None
        self._identity: Identity | None = None
        self._index: Mapping[str, int] | None = None
        self._lengths: Floats | None = None
        self._weights: Floats | None = None

    # ── What it is ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def dim(self) -> int:
        self._ready()
        return self.settings.dim

    @property
    def identity(self) -> Identity:
        trained = self._ready()
        if self._identity is None:
            self._identity = self._new_identity(trained)
        return self._identity

    @property
    def canary_items(self) -> tuple[str, ...]:
        """None where texts of unknown words are refused: all that decides its vectors is in the digest of its weights."""
        return () if "refuse" in (self.settings.oov, self.settings.empty) else CANARY_TEXTS

    @property
    def words(self) -> list[str]:
        """The words it knows, the most frequent first."""
        return list(self._ready().words)

    @property
    def vectors(self) -> Floats:
        """Their vectors, float32 of shape (words, dim), as trained."""
        return self._ready().vectors

    @property
    def counts(self) -> NDArray[np.int64] | None:
        """How often each stood in the training texts; None for a file that does not say."""
        return self._ready().counts

    @property
    def phrases(self) -> list[str]:
        """The phrases it found, such as `new_york`."""
        return sorted(self._phrases)

    def __len__(self) -> int:
        return len(self._ready().words)

    def __contains__(self, word: str) -> bool:
        self._ready()
        return self._row(word) is not None

    def __repr__(self) -> str:
        state = f"{len(self)} words, {self.settings.dim} dimensions" if self._trained else "not fitted"
        return f"{type(self).__name__}({self.settings.family!r}, {state})"

    # ── Learning ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def fit(
        self, items: Iterable[Content], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Train on these texts, and forget what was known. A generator is read once; labels are not used.

        progress: called after each epoch with (epochs done, epochs).
        Raises InvalidContent naming the first item that is no text, or where no word stands min_count times; nothing is
        changed then. Memory: the words and their vectors; GloVe's co-occurrence counts besides.
        """
        with Spool() as texts:
            for text in texts_of(items):
                texts.add(self._analysed(text))
            phrases: frozenset[str] = frozenset()
            if self.settings.phrases:
                phrases = frozenset(
                    found_phrases(texts, min_count=self.settings.phrase_count, threshold=self.settings.phrase_score)
                )
            self._learn(texts, phrases, None, progress)
        return self

    def fit_more(
        self, items: Iterable[Content], *, epochs: int | None = None, progress: Progress | None = None
    ) -> Self:
        """Go on training with more texts; their words join where they stand min_count times in them.

        epochs: as at the first time if None. Phrases stay those that were found then. The sentences' common component is
        that of the new texts. Raises NotFitted; Unsupported where a file or folder has no training state.
        """
        from dataclasses import replace

        trained = self._ready()
        if not trained.state:
            raise Unsupported(
                f"this {self.settings.family} model came from a file of vectors alone, without what training needs to go on. "
                "Load a fastText .bin, or a model saved by save()."
            )
        settings = self.settings if epochs is None else replace(self.settings, epochs=epochs)
        with Spool() as texts:
            for text in texts_of(items):
                texts.add(self._analysed(text))
            self._learn(texts, self._phrases, trained, progress, settings)
        return self

    def fit_common(self, items: Iterable[Content]) -> Self:
        """Find the component that is common to these sentences and take it away from all: for vectors loaded from a file.

        `save` keeps it; the file alone does not bring it back. Raises InvalidContent for fewer than ten texts.
        """
        self._ready()
        if self.settings.pooling != "sif":
            raise InvalidOption("pooling='mean' takes no common component away. Make the embedder with pooling='sif'.")
        texts = list(texts_of(items))
        if len(texts) < LEAST_TEXTS:
            raise InvalidContent(
                f"{len(texts)} texts are too few to tell what is common to all; give at least {LEAST_TEXTS}."
            )
        self._common = None
        vectors = self._means([self._analysed(text) for text in texts], None)
        self._common = common_components(vectors, self.settings.common)
        self._forget()
        self._known_digest = None
        self.reopened_by = None
        return self

    def save(self, path: str | os.PathLike[str], *, training: bool = True) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads. training: with what `fit_more` needs, some two to three times
        the size.
        """
        trained = self._ready()
        arrays: dict[str, NDArray[Any]] = {"words": packed(trained.words), "vectors": trained.vectors}
        if trained.counts is not None:
            arrays["counts"] = trained.counts
        if self._common is not None:
            arrays["common"] = self._common
        if self._phrases:
            arrays["phrases"] = packed(sorted(self._phrases))
        settings: dict[str, Any] = {"words": self.settings.to_json(), "weights": self.identity.weights}
        if trained.subwords is not None:
            arrays["subwords"] = trained.subwords.vectors
            settings["subwords"] = trained.subwords.settings()
        if training:
            arrays |= {f"state-{name}": array for name, array in trained.state.items()}
        folder = saved.save(path, self.settings.family, settings, arrays)
        self.reopened_by = str(folder)
        return folder

    def restore(self, held: saved.Saved) -> None:
        """Take what `save` wrote."""
        arrays = held.arrays
        subwords = None
        if "subwords" in arrays:
            subwords = Subwords(arrays["subwords"], **held.settings["subwords"])
        self._trained = Trained(
            unpacked(arrays["words"]), arrays["vectors"], arrays.get("counts"), subwords,
            {name.removeprefix("state-"): array for name, array in arrays.items() if name.startswith("state-")},
        )  # fmt: skip
        self._common = arrays.get("common")
        self._phrases = frozenset(unpacked(arrays["phrases"])) if "phrases" in arrays else frozenset()
        self._forget()
        self._known_digest = held.settings["weights"]

    def write(self, path: str | os.PathLike[str], *, format: str = "word2vec") -> Path:
        """Write the words and vectors to a file that other programs read; what each format keeps is with `files.write`."""
        from adjoin.embed.words.files import write

        return write(Path(path), self._ready(), self.settings, format)

    # ── Using ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors of the texts in their order, float32 of shape (len(items), dim); of unit length unless normalize=False.

        Raises InvalidContent naming the first item that is no text, or that `oov` or `empty` refuses.
        Cost: linear in the words, about a microsecond each; an unknown word of FastText some 50.
        """
        import numpy as np

        check_kind(kind)
        texts = check_texts(items)
        self._ready()
        vectors = self._means([self._analysed(text) for text in texts], texts)
        if self._common is not None and self.settings.pooling == "sif":
            rest = without(vectors, self._common)
            # What is left of a text that has nothing else is rounding, and no direction.
            left = np.linalg.norm(rest, axis=1) > ALL_COMMON * np.linalg.norm(vectors, axis=1)
            vectors = np.where(left[:, None], rest, vectors)
        if self.settings.normalize:
            lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors = np.where(lengths > 1e-12, vectors / np.maximum(lengths, 1e-12), 0).astype(np.float32)
        return vectors

    def word_vector(self, word: str) -> Floats:
        """The word's own vector (dim,), as trained. An unknown word: see `oov`; where that is "skip" or "refuse", NotFound."""
        return self._vector(word).copy()

    def similarity(self, a: str, b: str) -> float:
        """The cosine of two words; 0 where one has a zero vector."""
        import numpy as np

        one, other = self._vector(a), self._vector(b)
        length = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / length if length else 0.0

    def nearest(self, word: str, k: int = 10) -> list[Neighbour]:
        """The k words of greatest cosine with this one, best first, without itself. Cost: all words are compared."""
        return self._nearest(self._vector(word), k, {self._row(word)})

    def analogy(
        self, *words: str, positive: Sequence[str] = (), negative: Sequence[str] = (), k: int = 10
    ) -> list[Neighbour]:
        """The words nearest to a - b + c: `analogy("king", "man", "woman")`; or to all of positive less all of negative.

        3CosAdd over unit vectors; the words given are left out (Mikolov, Yih and Zweig, NAACL 2013; Levy and Goldberg 2014).
        """
        import numpy as np

        if words:
            if len(words) != 3 or positive or negative:
                raise InvalidOption(
                    "analogy() takes three words, as in analogy('king', 'man', 'woman'), or positive= and negative=."
                )
            positive, negative = (words[0], words[2]), (words[1],)
        if not positive:
            raise InvalidOption("analogy() needs at least one positive word.")
        given = [(word, 1.0) for word in positive] + [(word, -1.0) for word in negative]
        total = np.zeros(self.dim, np.float32)
        for word, sign in given:
            vector = self._vector(word)
            total += sign * vector / max(float(np.linalg.norm(vector)), 1e-12)
        return self._nearest(total, k, {self._row(word) for word, _ in given})

    # ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _ready(self) -> Trained:
        if self._trained is None:
            raise NotFitted.of(self.settings.family)
        return self._trained

    def _forget(self) -> None:
        self._identity = self._index = self._lengths = self._weights = None

    def _analysed(self, text: str) -> list[str]:
        return joined(self.settings.analyser.words(self.settings.analyser.normalised(text)), self._phrases)

    def _learn(
        self,
        texts: Spool,
        phrases: frozenset[str],
        before: Trained | None,
        progress: Progress | None,
        settings: Settings | None = None,
    ) -> None:
        settings = settings or self.settings
        with ExitStack() as opened:
            if phrases:
                texts = opened.enter_context(_joined(texts, phrases))
            spelled = opened.enter_context(texts.renamed(taken_apart)) if settings.jamo else texts
            trained = self._trainer.train(spelled, settings, before, progress)
            self._took(trained, phrases)
            if settings.pooling == "sif" and settings.common and texts.texts >= LEAST_TEXTS:
                self._common = common_components(self._sample(texts), settings.common)

    def _took(self, trained: Trained, phrases: frozenset[str]) -> None:
        self._trained = trained
        self._phrases = phrases
        self._common = None
        self._known_digest = None
        self.reopened_by = None
        self._forget()

    def _sample(self, texts: Spool) -> Floats:
        """Vectors of some COMMON_TEXTS of the texts, evenly spread, as `_means` has them."""
        import numpy as np

        settings, trained = self.settings, self._ready()
        names, index = texts.names, self._rows()
        rows = np.array([index.get(name, -1) for name in names], np.int32)
        every = max(texts.texts // COMMON_TEXTS, min(texts.words // COMMON_WORDS, texts.texts // COMMON_LEAST), 1)
        lists = list(islice(texts.numbers(), 0, None, every))
        numbers = np.concatenate(lists)
        text = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
        found = rows[numbers]
        inside = found >= 0
        known, unknown = (np.bincount(text[one], minlength=len(lists)) for one in (inside, ~inside))
        means = sums_of(trained.vectors, found[inside], known, self._word_weights()[found[inside]])
        if settings.oov == "subwords" and trained.subwords is not None:
            apart, place = np.unique(numbers[~inside], return_inverse=True)
            built = trained.subwords.of_all([self._spelled(names[number]) for number in apart.tolist()])
            means += sums_of(built, place, unknown, np.ones(len(place), np.float32))
        lengths = known if settings.oov == "skip" else known + unknown
        return means / np.maximum(lengths, 1).astype(np.float32)[:, None]

    def _word_weights(self) -> Floats:
        import numpy as np

        if self._weights is None:
            trained = self._ready()
            self._weights = (
                word_weights(trained.counts, len(trained.words), self.settings.a)
                if self.settings.pooling == "sif"
                else np.ones(len(trained.words), np.float32)
            )
        return self._weights

    def _rows(self) -> Mapping[str, int]:
        if self._index is None:
            self._index = {word: row for row, word in enumerate(self._ready().words)}
        return self._index

    def _word(self, word: str) -> str:
        """A word as it is kept."""
        return JOINT.join(self.settings.analyser.normalised(word).split())

    def _row(self, word: str) -> int | None:
        return self._rows().get(self._word(word))

    def _vector(self, word: str) -> Floats:
        import numpy as np

        trained = self._ready()
        [word] = check_texts([word])
        row = self._row(word)
        if row is not None:
            vector: Floats = np.asarray(trained.vectors[row])
            return vector
        if self.settings.oov == "subwords" and trained.subwords is not None and self._word(word):
            return trained.subwords.of(self._spelled(self._word(word)))
        if self.settings.oov == "zero":
            return np.zeros(self.settings.dim, np.float32)
        raise NotFound(
            f"the word {word!r} is not among the {len(trained.words)} that this {self.settings.family} model knows. "
            "A fasttext model builds unknown words of their parts; oov='zero' gives a zero vector."
        )

    def _spelled(self, word: str) -> str:
        return taken_apart(word) if self.settings.jamo else word

    def _nearest(self, vector: Floats, k: int, left_out: set[int | None]) -> list[Neighbour]:
        import numpy as np

        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise InvalidOption(f"k must be a whole number of at least 1, not {k!r}.")
        trained = self._ready()
        length = float(np.linalg.norm(vector))
        if not length:
            return []
        if self._lengths is None:
            self._lengths = np.concatenate(
                [np.linalg.norm(rows, axis=1) for rows in _blocks(trained.vectors)] or [np.zeros(0, np.float32)]
            )
        scores = np.concatenate([rows @ (vector / length) for rows in _blocks(trained.vectors)])
        scores = scores / np.maximum(self._lengths, 1e-12)
        wanted = min(k + len(left_out), len(scores))
        best = np.argpartition(-scores, wanted - 1)[:wanted]
        best = best[np.lexsort((best, -scores[best]))]
        return [Neighbour(trained.words[at], float(scores[at])) for at in best.tolist() if at not in left_out][:k]

    def _means(self, documents: Sequence[list[str]], texts: list[str] | None) -> Floats:
        """Weighted means of the words' vectors; texts: for messages, None where nothing is refused."""
        import numpy as np

        settings, trained, rows, weights = self.settings, self._ready(), self._rows(), self._word_weights()
        result = np.zeros((len(documents), settings.dim), np.float32)
        built: dict[str, Floats] = {}
        for at, words in enumerate(documents):
            known = [row for row in map(rows.get, words) if row is not None]
            if known:  # each word once, so that a long text costs no more memory than the words it has
                distinct, times = np.unique(np.array(known), return_counts=True)
                shares = weights[distinct] * times.astype(np.float32)
                result[at] = shares @ np.asarray(trained.vectors[distinct])
            number = len(known)
            if len(known) < len(words):
                unknown = [word for word in words if word not in rows]
                if settings.oov == "refuse" and texts is not None:
                    raise InvalidContent(
                        f"item {at} ({shown(texts[at], 60)}) has words that this {settings.family} model does not know: "
                        f"{listed(dict.fromkeys(unknown))}. Nothing of the call was embedded. Make the embedder with another oov=."
                    )
                if settings.oov == "subwords" and trained.subwords is not None:
                    for word in unknown:
                        if word not in built:
                            built[word] = trained.subwords.of(self._spelled(word))
                        result[at] += built[word]
                number = number if settings.oov == "skip" else len(words)
            result[at] /= max(number, 1)
            if settings.empty == "refuse" and texts is not None and not result[at].any():
                raise InvalidContent(
                    f"item {at} ({shown(texts[at], 60)}) has no word that this {settings.family} model knows. "
                    "Nothing of the call was embedded. Leave it out."
                )
        return result

    def _new_identity(self, trained: Trained) -> Identity:
        settings = self.settings
        stated = settings.analyser.identity() | {
            "pooling": settings.pooling, "oov": settings.oov, "empty": settings.empty, "jamo": settings.jamo,
        }  # fmt: skip
        if settings.pooling == "sif":
            stated["a"] = settings.a
        if settings.analyser.korean == "morphemes" and any(map(has_hangul, trained.words)):
            stated["kiwipiepy"] = morpheme_version()
        if self._known_digest is None:
            self._known_digest = self._digest(trained)
        return Identity(
            name=settings.family, model=settings.family, dim=settings.dim, weights=self._known_digest, settings=stated,
            normalize=settings.normalize,
        )  # fmt: skip

    def _digest(self, trained: Trained) -> str:
        """Of all that decides a text's vector."""
        arrays: dict[str, NDArray[Any]] = {"words": packed(trained.words), "vectors": trained.vectors}
        if trained.counts is not None and self.settings.pooling == "sif":
            arrays["counts"] = trained.counts
        if self._common is not None:
            arrays["common"] = self._common
        if trained.subwords is not None and self.settings.oov == "subwords":
            arrays["subwords"] = trained.subwords.vectors
        if self._phrases:
            arrays["phrases"] = packed(sorted(self._phrases))
        return saved.digest_of(self.settings.family, {}, arrays)


def _joined(texts: Spool, phrases: frozenset[str]) -> Spool:
    """The same lists, phrases in them joined."""
    made = Spool()
    for words in texts:
        made.add(joined(words, phrases))
    return made


def _blocks(vectors: Floats) -> list[Floats]:
    """Views of some rows each, so that mapped vectors are read part by part."""
    return [vectors[start : start + _SCORED] for start in range(0, len(vectors), _SCORED)]
