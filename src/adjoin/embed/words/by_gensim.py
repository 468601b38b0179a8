"""Word2Vec and FastText, trained by gensim.

Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in vector space", 2013; Bojanowski et al.,
TACL 2017. The vectors are those that gensim finds from lists of the words; it is given their numbers, which it looks up
quicker.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.streams import Spool
from adjoin.embed.words.base import Trained
from adjoin.embed.words.gensim import gensim
from adjoin.embed.words.jamo import composed, taken_apart
from adjoin.embed.words.settings import Settings
from adjoin.embed.words.subwords import Subwords, all_ngram_hashes
from adjoin.errors import InvalidContent
from adjoin.types import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST: Final = 10_000
"""Words that gensim reads of one list; longer ones are given in parts."""


class GensimTrainer:
    """Both families; the settings say which. Training options: skip_gram, negative, and of FastText shortest, longest, buckets."""

    def train(self, texts: Spool, settings: Settings, before: Trained | None, progress: Progress | None) -> Trained:
        """State kept: `output`, the vectors of the output layer, and of FastText `whole`, words' vectors without n-grams."""
        import numpy as np

        model = _model(settings) if before is None else model_of(before, settings)
        if not texts.words:
            raise InvalidContent("there is no word in these texts, so there is nothing to learn from.")
        names, counts = texts.names, texts.counts().tolist()
        least = settings.min_count if before is None else 0  # of a known word all are counted
        found = {name: number for name, number in zip(names, counts, strict=True) if number >= least}
        if found:
            model.build_vocab_from_freq(found, update=before is not None)
        if not len(model.wv):
            raise InvalidContent(
                f"no word stands {settings.min_count} times in these texts. Give more of them, or a lower min_count=."
            )
        place = model.wv.key_to_index
        lists = _Lists(texts, np.array([*(place.get(name, -1) for name in names), -1], np.int32))
        with _by_numbers(model):
            model.train(
                lists, total_examples=lists.count, epochs=settings.epochs,
                callbacks=[_Epochs(progress, settings.epochs)] if progress else (),
            )  # fmt: skip
        return trained_of(model, settings)


class _Lists:
    """The texts as lists of the rows of their words, -1 for a word without one, read anew from the disk each time."""

    def __init__(self, texts: Spool, rows: NDArray[np.int32]) -> None:
        """rows: of each of the texts' names, and -1 behind them."""
        self._texts = texts
        self._rows = rows.astype(object)  # one Python number for a row, instead of one for each word read
        self.count = sum(max(1, -(-len(numbers) // MOST)) for numbers in texts.numbers())

    def __iter__(self) -> Iterator[list[int]]:
        import numpy as np

        for block in self._texts.blocks():
            ends = np.flatnonzero(block < 0).tolist()
            rows = self._rows[block].tolist()
            start = 0
            for end in ends:
                for at in range(start, end, MOST):
                    yield rows[at : min(at + MOST, end)]
                if start == end:
                    yield []
                start = end + 1


@contextmanager
def _by_numbers(model: Any) -> Iterator[None]:
    """gensim's compiled loops meanwhile look for the rows of words instead of words, and find random numbers in lists.

    They ask both one by one, which takes a quarter of the time of CBOW with words and arrays. What they find is the same.
    """
    words, chance = model.wv.key_to_index, model.random
    model.wv.key_to_index = {row: row for row in words.values()}
    model.random = _InLists(chance)
    try:
        yield
    finally:
        model.wv.key_to_index, model.random = words, chance


class _InLists:
    def __init__(self, chance: Any) -> None:
        self._chance = chance

    def randint(self, *bounds: int) -> Any:
        drawn = self._chance.randint(*bounds)
        return drawn.tolist() if len(bounds) == 3 else drawn


def trained_of(model: Any, settings: Settings) -> Trained:
    """What is kept of a gensim model: arrays alone."""
    import numpy as np

    keys = model.wv
    words = [composed(word) for word in keys.index_to_key] if settings.jamo else list(keys.index_to_key)
    counts = np.array([keys.get_vecattr(word, "count") for word in keys.index_to_key], np.int64)
    state = {}
    if getattr(model, "syn1neg", None) is not None:
        state["output"] = np.asarray(model.syn1neg, np.float32)
    subwords = None
    if settings.family == "fasttext":
        subwords = Subwords(np.asarray(keys.vectors_ngrams, np.float32), shortest=keys.min_n, longest=keys.max_n)
        if state:
            state["whole"] = np.asarray(keys.vectors_vocab, np.float32)
    return Trained(words, np.asarray(keys.vectors, np.float32), counts, subwords, state)


def _model(settings: Settings, **changed: Any) -> Any:
    training = settings.training
    common = {
        "vector_size": settings.dim, "window": settings.window, "min_count": settings.min_count, "seed": settings.seed,
        "workers": settings.workers, "epochs": settings.epochs, "sg": int(training["skip_gram"]),
        "negative": training["negative"], "alpha": learning_rate(settings),
    }  # fmt: skip
    if settings.family == "fasttext":
        common |= {"min_n": training["shortest"], "max_n": training["longest"], "bucket": training["buckets"]}
        return _quick(gensim("models.fasttext", "training FastText").FastText(**common | changed))
    return gensim("models.word2vec", "training Word2Vec").Word2Vec(**common | changed)


def learning_rate(settings: Settings) -> float:
    """At the first step: that of the authors' programs, word2vec and fastText. gensim's own is 0.025 for all.

    With that, CBOW and FastText learn too little from a corpus of some million words.
    """
    return 0.025 if settings.family == "word2vec" and settings.training["skip_gram"] else 0.05


def _quick(model: Any) -> Any:
    """gensim's FastText, with n-grams found and words put together of theirs in arrays, bit for bit as by its own loops.

    Its estimate of memory, which cuts all words once more, is left out; it is for its log.
    """
    words = model.wv
    words.recalc_char_ngram_buckets = lambda: _find_buckets(words)
    words.adjust_vectors = lambda: _put_together(words)
    model.estimate_memory = lambda **_: {}
    return model


def _find_buckets(words: Any) -> None:
    import numpy as np

    word, buckets = all_ngram_hashes(words.index_to_key, words.min_n, words.max_n, words.bucket)
    ends = np.cumsum(np.bincount(word, minlength=len(words.index_to_key)))
    words.buckets_word = np.split(buckets.astype(np.uint32), ends)[:-1]


def _put_together(words: Any) -> None:
    """Each word's vector is the mean of its own and those of its n-grams."""
    import numpy as np
    from scipy import sparse

    number, counts = len(words.buckets_word), np.array([len(one) for one in words.buckets_word], np.int64)
    used, place = np.unique(np.concatenate([*words.buckets_word, np.zeros(0, np.uint32)]), return_inverse=True)
    ends = np.concatenate([[0], np.cumsum(counts + 1)])
    columns = np.insert(place + number, np.cumsum(counts) - counts, np.arange(number))  # the word's own comes first
    matrix = sparse.csr_matrix((np.ones(len(columns), np.float32), columns, ends), shape=(number, number + len(used)))
    sums = matrix @ np.concatenate([words.vectors_vocab, words.vectors_ngrams[used]])
    words.vectors = sums / (counts + 1).astype(np.float32)[:, None]


def model_of(trained: Trained, settings: Settings) -> Any:
    """A gensim model with these arrays in it."""
    import numpy as np

    model = _model(settings, min_count=1)
    keys = [taken_apart(word) for word in trained.words] if settings.jamo else trained.words
    assert trained.counts is not None
    model.build_vocab_from_freq(dict(zip(keys, trained.counts.tolist(), strict=True)))
    row = {word: at for at, word in enumerate(keys)}
    order = [row[word] for word in model.wv.index_to_key]
    if trained.subwords is not None:
        model.wv.vectors_ngrams = np.array(trained.subwords.vectors)
        model.wv.vectors_vocab = np.array(trained.state["whole"][order])
    model.wv.vectors = np.array(trained.vectors[order])
    model.syn1neg = np.array(trained.state["output"][order])
    model.min_count = settings.min_count
    return model


class _Epochs:
    """gensim's callback, which needs no base class; what it does not know of an event it lacks."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def on_epoch_end(self, _model: Any) -> None:
        self._done += 1
        self._progress(self._done, self._total)

    def on_epoch_begin(self, _model: Any) -> None: ...

    def on_train_begin(self, _model: Any) -> None: ...

    def on_train_end(self, _model: Any) -> None: ...
