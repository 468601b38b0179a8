"""Word2Vec and FastText, trained by gensim.

Mikolov, Chen, Corrado and Dean, "Efficient estimation of word representations in vector space", 2013; Bojanowski et al.,
TACL 2017. gensim reads the words from a file in its compiled loop, so that no Python stands between two words.
"""

from __future__ import annotations

from typing import Any

from adjoin.embed.streams import Spool
from adjoin.embed.words.base import Trained
from adjoin.embed.words.gensim import gensim
from adjoin.embed.words.jamo import composed, taken_apart
from adjoin.embed.words.settings import Settings
from adjoin.embed.words.subwords import Subwords
from adjoin.errors import InvalidContent
from adjoin.types import Progress


class GensimTrainer:
    """Both families; the settings say which. Training options: skip_gram, negative, and of FastText shortest, longest, buckets."""

    def train(self, texts: Spool, settings: Settings, before: Trained | None, progress: Progress | None) -> Trained:
        """State kept: `output`, the vectors of the output layer, and of FastText `whole`, words' vectors without n-grams."""
        model = _model(settings) if before is None else model_of(before, settings)
        texts.flush()
        if not texts.words:
            raise InvalidContent("there is no word in these texts, so there is nothing to learn from.")
        model.build_vocab(corpus_file=texts.path, update=before is not None)
        if not len(model.wv):
            raise InvalidContent(
                f"no word stands {settings.min_count} times in these texts. Give more of them, or a lower min_count=."
            )
        model.train(
            corpus_file=texts.path, total_words=texts.words, total_examples=model.corpus_count, epochs=settings.epochs,
            callbacks=[_Epochs(progress, settings.epochs)] if progress else (),
        )  # fmt: skip
        return trained_of(model, settings)


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
        "negative": training["negative"],
    }  # fmt: skip
    if settings.family == "fasttext":
        common |= {"min_n": training["shortest"], "max_n": training["longest"], "bucket": training["buckets"]}
        return gensim("models.fasttext", "training FastText").FastText(**common | changed)
    return gensim("models.word2vec", "training Word2Vec").Word2Vec(**common | changed)


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
