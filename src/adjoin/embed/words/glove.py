"""GloVe: vectors whose products fit the logarithms of co-occurrence counts.

Pennington, Socher and Manning, "GloVe: Global vectors for word representation", EMNLP 2014. Counts, weights, learning
rate and AdaGrad are those of the authors' program. Steps differ in one thing: its threads take one pair of words at a
time and write over each other; here a few thousand random pairs make one step, the gradients of a word summed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.streams import Spool
from adjoin.embed.words.base import Trained
from adjoin.embed.words.settings import Settings
from adjoin.errors import InvalidContent, InvalidOption, MissingExtra
from adjoin.types import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

    Ints = NDArray[np.int64]

COUNTED: Final = 1_000_000
"""Words whose pairs are counted at once: some 200 MB with a window of ten."""
PAIRS: Final = 8192
"""Pairs in a step. Fewer cost more a pair; many more make the steps of frequent words coarse."""
LEAST_STEPS: Final = 64
"""Steps an epoch, where there are few pairs."""


class GloveTrainer:
    """Training options: x_max and alpha of the weighting min(1, (x / x_max) ** alpha), and learning_rate."""

    def train(self, texts: Spool, settings: Settings, before: Trained | None, progress: Progress | None) -> Trained:
        """State kept: `words` and `contexts` with their biases as last column, `words_squared` and `contexts_squared`, the
        sums of AdaGrad, and `pairs` and `pair_counts`, the co-occurrences, so that more texts add to them.
        """
        import numpy as np

        words, counts = _vocabulary(texts, settings.min_count, before)
        place = np.array([words.get(word, -1) for word in texts.names], np.int64)
        numbers = (place[text] for text in texts.numbers())
        held = co_occurrences((text[text >= 0] for text in numbers), len(words), settings.window)
        if before is not None:
            held = (held + _kept_pairs(before, words)).tocsr()
        held.sort_indices()
        if not held.nnz:
            raise InvalidContent(
                f"no two words that stand {settings.min_count} times are neighbours in these texts. "
                "Give more of them, or a lower min_count=."
            )
        fit = _Fit(len(words), settings, None if before is None else _carried(before, words))
        fit.run((held + held.T).tocoo(), settings.epochs, progress)
        state = fit.state()
        coo = held.tocoo()
        state["pairs"] = np.stack([coo.row, coo.col]).astype(np.int32)
        state["pair_counts"] = coo.data
        vectors = np.ascontiguousarray(state["words"][:, :-1] + state["contexts"][:, :-1])
        return Trained(list(words), vectors, counts, None, state)


def co_occurrences(texts: Iterable[Ints], words: int, window: int) -> Any:
    """How often word j stands behind word i, up to `window` words away, each time counting 1 / distance.

    texts: numbers of words, one array a text. Returns CSR float64 (words, words); what stands before is its transpose.
    Memory: the distinct pairs, 12 bytes each, and a million words at a time.
    """
    import numpy as np

    sparse = _sparse()
    total = sparse.csr_matrix((words, words), dtype=np.float64)
    for part in _parts(texts):
        numbers = np.concatenate(part)
        text = np.repeat(np.arange(len(part)), [len(one) for one in part])
        rows, columns, weights = [], [], []
        for distance in range(1, min(window, max(len(numbers) - 1, 0)) + 1):
            same = text[:-distance] == text[distance:]
            rows.append(numbers[:-distance][same])
            columns.append(numbers[distance:][same])
            weights.append(np.full(int(same.sum()), 1 / distance))
        if rows:
            places = np.concatenate(rows), np.concatenate(columns)
            total = total + sparse.coo_matrix((np.concatenate(weights), places), shape=total.shape).tocsr()
    return total


class _Fit:
    """Weighted least squares by AdaGrad over all pairs (i, j, x): f(x) (wᵢ·cⱼ + bᵢ + bⱼ - log x)²."""

    def __init__(self, words: int, settings: Settings, carried: dict[str, Floats] | None) -> None:
        import numpy as np

        self._rate = settings.training["learning_rate"]
        self._x_max, self._alpha = settings.training["x_max"], settings.training["alpha"]
        self._random = np.random.default_rng(settings.seed)
        dim = settings.dim
        shape = (words, dim + 1)
        self.words: Floats = (self._random.random(shape, np.float32) - 0.5) / np.float32(dim + 1)
        self.contexts: Floats = (self._random.random(shape, np.float32) - 0.5) / np.float32(dim + 1)
        self.words_squared: Floats = np.ones(shape, np.float32)
        self.contexts_squared: Floats = np.ones(shape, np.float32)
        for name, rows in (carried or {}).items():
            known = ~np.isnan(rows[:, 0])
            getattr(self, name)[known] = rows[known]

    def state(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in _STATE}

    def run(self, pairs: Any, epochs: int, progress: Progress | None) -> list[float]:
        """The mean cost of a pair in each epoch, as it was met."""
        import numpy as np

        order = self._random.permutation(pairs.nnz)
        rows, columns, x = pairs.row[order], pairs.col[order], pairs.data[order]
        logs = np.log(x).astype(np.float32)
        weights = np.minimum(1, (x / self._x_max) ** self._alpha).astype(np.float32)
        size = min(PAIRS, max(len(x) // LEAST_STEPS, 1))
        steps = [
            _Step(rows[at : at + size], columns[at : at + size], logs[at : at + size], weights[at : at + size])
            for at in range(0, len(x), size)
        ]
        costs = []
        for epoch in range(epochs):
            cost = sum(self._step(steps[at]) for at in self._random.permutation(len(steps)))
            costs.append(cost / len(x))
            if progress:
                progress(epoch + 1, epochs)
        if not np.isfinite(self.words).all() or not np.isfinite(self.contexts).all():
            raise InvalidOption(
                f"training left the finite numbers with learning_rate={self._rate}. Give a smaller one."
            )
        return costs

    def _step(self, step: _Step) -> float:
        """One AdaGrad step with the pairs' gradients summed by word; returns the pairs' cost before it."""
        import numpy as np

        sparse = _sparse()
        words, contexts = self.words[step.words], self.contexts[step.contexts]  # (distinct, dim + 1)
        left, right = words[step.word_of], contexts[step.context_of]  # (pairs, dim + 1)
        products = np.einsum("ij,ij->i", left[:, :-1], right[:, :-1])
        errors = products + left[:, -1] + right[:, -1] - step.logs
        weighted = errors * step.weights
        pulls = weighted * self._rate
        matrix = sparse.csr_matrix((pulls, step.context_of, step.ends), shape=(len(words), len(contexts)))
        towards_words, towards_contexts = matrix @ contexts, matrix.T @ words
        towards_words[:, -1] = np.add.reduceat(pulls, step.ends[:-1])
        towards_contexts[:, -1] = np.bincount(step.context_of, pulls, len(contexts))
        _descend(self.words, self.words_squared, step.words, words, towards_words)
        _descend(self.contexts, self.contexts_squared, step.contexts, contexts, towards_contexts)
        return float(errors @ weighted) / 2


class _Step:
    """Some pairs, sorted by word, with the distinct words and contexts that they touch."""

    __slots__ = ("context_of", "contexts", "ends", "logs", "weights", "word_of", "words")

    def __init__(self, rows: Ints, columns: Ints, logs: Floats, weights: Floats) -> None:
        import numpy as np

        order = np.argsort(rows, kind="stable")
        self.words, starts = np.unique(rows[order], return_index=True)
        self.ends = np.append(starts, len(rows)).astype(np.int32)
        self.word_of = np.repeat(np.arange(len(self.words), dtype=np.int32), np.diff(self.ends))
        self.contexts, places = np.unique(columns[order], return_inverse=True)
        self.context_of = places.astype(np.int32)
        self.logs, self.weights = logs[order], weights[order]


def _descend(values: Floats, squared: Floats, rows: Ints, old: Floats, gradient: Floats) -> None:
    """values[rows] -= gradient / √squared, and then squared += gradient²; as the authors' program, in this order."""
    import numpy as np

    sums = squared[rows]
    values[rows] = old - gradient / np.sqrt(sums)
    gradient *= gradient
    squared[rows] = sums + gradient


_STATE: Final = ("words", "contexts", "words_squared", "contexts_squared")


def _vocabulary(texts: Spool, min_count: int, before: Trained | None) -> tuple[dict[str, int], Ints]:
    """Word → number, the most frequent first, and counts. Words of before stay whatever their count."""
    import numpy as np

    found = dict(zip(texts.names, texts.counts().tolist(), strict=True))
    old: Counter[str] = Counter()
    if before is not None and before.counts is not None:
        old.update(dict(zip(before.words, before.counts.tolist(), strict=True)))
    kept = {word: count for word, count in found.items() if count >= min_count or word in old}
    together = sorted((old + Counter(kept)).items(), key=lambda item: -item[1])
    if not together:
        raise InvalidContent(
            f"no word stands {min_count} times in these texts. Give more of them, or a lower min_count=."
        )
    return {word: at for at, (word, _) in enumerate(together)}, np.array([count for _, count in together], np.int64)


def _parts(texts: Iterable[Ints]) -> Iterator[list[Ints]]:
    part: list[Ints] = []
    held = 0
    for text in texts:
        part.append(text)
        held += len(text)
        if held >= COUNTED:
            yield part
            part, held = [], 0
    if part:
        yield part


def _kept_pairs(before: Trained, words: dict[str, int]) -> Any:
    import numpy as np

    place = np.array([words[word] for word in before.words], np.int64)
    rows, columns = place[before.state["pairs"]]
    return _sparse().csr_matrix((before.state["pair_counts"], (rows, columns)), shape=(len(words), len(words)))


def _carried(before: Trained, words: dict[str, int]) -> dict[str, Floats]:
    """The state of known words at their new places, NaN for new ones."""
    import numpy as np

    place = np.array([words[word] for word in before.words], np.int64)
    carried = {}
    for name in _STATE:
        rows = np.full((len(words), before.state[name].shape[1]), np.nan, np.float32)
        rows[place] = before.state[name]
        carried[name] = rows
    return carried


def _sparse() -> Any:
    try:
        from scipy import sparse
    except ImportError as exc:
        raise MissingExtra.of("scipy", "words", "training GloVe") from exc
    return sparse
