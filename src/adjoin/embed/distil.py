"""Makes a static embedder out of any other: plain, and then trained against the teacher on texts.

Plain: each piece of the vocabulary is embedded alone by the teacher, and weighted by how rare it is (SIF, Arora et al.,
ICLR 2017), as in Model2Vec (Tulkens and van Dongen, 2024). Trained, as in Tokenlearn (2024): the pieces' vectors are
changed until the mean over a text points where the teacher's vector of that text does.
Both in the teacher's own axes, cut to those in which its vectors of the texts vary most.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.base import Embedder, check_texts
from adjoin.embed.static import MAX_TOKENS, StaticEmbedder, quantised, static_embedder, unknown_id
from adjoin.errors import InvalidInput, InvalidOption, Unsupported
from adjoin.types import Kind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats, Progress

PIECES: Final = 32_000
SIF: Final = 1e-3
BATCH: Final = 256
RATE: Final = 0.004
PATIENCE: Final = 3
HELD_OUT: Final = 0.05
MOST_HELD_OUT: Final = 2_000
LEAST_TEXTS: Final = 20
AT_ONCE: Final = 512
"""Texts in one call of the teacher."""


@dataclass(frozen=True, slots=True)
class DistilReport:
    """How near the student came to its teacher.

    cosines: mean cosine to the teacher's vectors over held-out texts: before training, then after each epoch. best: the epoch
    that was kept, 0 for none. texts, held_out: how many were learned from, and how many asked. seconds: all in all;
    teacher_seconds of them in the teacher.
    """

    teacher: str
    pieces: int
    dim: int
    texts: int
    held_out: int
    cosines: tuple[float, ...]
    best: int
    seconds: float
    teacher_seconds: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"cosines": list(self.cosines)}

    def __str__(self) -> str:
        lines = [
            f"{self.pieces:,} pieces of {self.dim} dimensions from {self.teacher}, {self.texts:,} texts; "
            f"{self.seconds:.0f} s, {self.teacher_seconds:.0f} of them in the teacher"
        ]
        if self.cosines:
            lines.append(f"cosine to the teacher on {self.held_out:,} texts that were held out")
            for epoch, cosine in enumerate(self.cosines):
                name = "plain" if epoch == 0 else f"epoch {epoch}"
                lines.append(f"  {name:>8}  {cosine:.4f}" + ("  kept" if epoch == self.best else ""))
        return "\n".join(lines)


def distil(
    teacher: Embedder,
    texts: Iterable[str] = (),
    *,
    queries: Iterable[str] = (),
    dim: int = 256,
    vocabulary: int = PIECES,
    train: bool = True,
    epochs: int = 20,
    seed: int = 0,
    progress: Progress | None = None,
) -> StaticEmbedder:
    """A static embedder that answers as the teacher does, hundreds of times as fast and less well.

    texts: like those that it will embed; the teacher embeds each once, as documents. queries: texts that it embeds as
    queries. Without any, and with `train=False`, the result is plain and needs a teacher with a tokenizer.
    dim: of the vectors, at most the teacher's. vocabulary: how many pieces at most: those of the teacher's tokenizer that the
    texts use most, or of one learned from the texts where it has none that can be cut.
    epochs: the most passes over the texts; it ends after three that brought nothing on texts held out.
    progress: called with (done, total) steps: each text and each piece that the teacher embeds, and each text of an epoch.
    The result's `report` says how near it came; save it with `save(path)`.
    Raises InvalidOption, InvalidInput for too few texts, Unsupported for a teacher that takes no texts.
    Cost: the teacher once over the texts and the pieces; then some seconds an epoch for ten thousand texts. Memory: 4 bytes
    a number of the texts' and the pieces' vectors, thrice for the latter.
    """
    import numpy as np

    began = time.perf_counter()
    documents, asked = _different(texts), _different(queries)
    kept = documents + asked
    _check(teacher, kept, dim, vocabulary, train, epochs)
    backend = _tokenizer(teacher, kept, vocabulary)
    ids = [np.asarray(encoded, dtype=np.int64) for encoded in _ids(backend, kept)]
    spelt = _spelt(backend)
    steps = _Steps(progress, len(kept) + len(spelt) + (epochs * len(kept) if train else 0))

    of_pieces = _embedded(teacher, spelt, "document", steps)
    of_texts = np.concatenate(
        [_embedded(teacher, documents, "document", steps), _embedded(teacher, asked, "query", steps)]
    )
    teacher_seconds = time.perf_counter() - began
    student = _Student(of_pieces, of_texts, ids, dim)
    cosines: list[float] = []
    best = 0
    held_out = np.empty(0, dtype=np.int64)
    if train:
        order = np.random.default_rng(seed).permutation(len(kept))
        count = min(MOST_HELD_OUT, max(2, round(HELD_OUT * len(kept))))
        held_out, learned = order[:count], order[count:]
        cosines, best = student.train(learned, held_out, epochs, seed, steps)
    steps.finish()
    report = DistilReport(
        teacher.identity.name, len(student.vectors), student.vectors.shape[1], len(kept) - len(held_out), len(held_out),
        tuple(cosines), best, time.perf_counter() - began, teacher_seconds,
    )  # fmt: skip
    most = min(MAX_TOKENS, getattr(teacher, "max_tokens", MAX_TOKENS))
    return static_embedder(quantised(student.vectors), backend.to_str(), report=report, max_tokens=most)


def _different(texts: Iterable[str]) -> list[str]:
    """Each text once, and none that is blank."""
    return [text for text in dict.fromkeys(check_texts(list(texts))) if text.strip()]


def _check(teacher: Embedder, texts: Sequence[str], dim: int, vocabulary: int, train: bool, epochs: int) -> None:
    if getattr(teacher, "takes", "text") != "text":
        raise Unsupported(f"the teacher takes {teacher.takes}s, and only texts have pieces to distil.")  # type: ignore[attr-defined]
    if not 1 <= dim <= teacher.dim:
        raise InvalidOption(f"dim={dim} is not between 1 and the teacher's {teacher.dim} dimensions.")
    if vocabulary < 100:
        raise InvalidOption(f"vocabulary={vocabulary} is less than 100 pieces, which do not cover the letters.")
    if epochs < 1:
        raise InvalidOption(f"epochs={epochs} is less than 1. For a plain distillation give train=False.")
    if train and len(texts) < LEAST_TEXTS:
        raise InvalidInput(
            f"training needs at least {LEAST_TEXTS} different texts, and there are {len(texts)}. "
            "Thousands make it good. For a plain distillation give train=False."
        )
    if not texts and _own_tokenizer(teacher) is None:
        raise InvalidInput(f"{teacher.identity.name!r} has no tokenizer of its own: give texts to learn pieces from.")


class _Steps:
    """Counts what is done over all stages."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def add(self, count: int) -> None:
        self._done = min(self._done + count, self._total)
        if self._progress:
            self._progress(self._done, self._total)

    def finish(self) -> None:
        self.add(self._total - self._done)


# ── Pieces ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _own_tokenizer(teacher: Embedder) -> str | None:
    """The teacher's tokenizer.json; None where it has none that is known."""
    give = getattr(teacher, "tokenizer_json", None)
    return give() if callable(give) else None


def _tokenizer(teacher: Embedder, texts: Sequence[str], most: int) -> Any:
    """The teacher's pieces, cut to the most used; or pieces learned from the texts."""
    from tokenizers import Tokenizer

    own = _own_tokenizer(teacher)
    if own is None:
        return _learned(texts, most)
    described = json.loads(own)
    described |= {"truncation": None, "padding": None}
    if described["model"]["type"] == "Unigram":
        return Tokenizer.from_str(_cut(described, texts, most))
    backend = Tokenizer.from_str(json.dumps(described))
    return backend if backend.get_vocab_size() <= most or not texts else _learned(texts, most)


def _cut(described: dict[str, Any], texts: Sequence[str], most: int) -> str:
    """A Unigram tokenizer with at most so many pieces: single characters first, then those the texts use, then by score."""
    import numpy as np
    from tokenizers import Tokenizer

    vocabulary = described["model"]["vocab"]
    unknown = described["model"]["unk_id"]
    used = np.zeros(len(vocabulary), dtype=np.int64)
    if texts:
        for ids in _ids(Tokenizer.from_str(json.dumps(described, ensure_ascii=False)), texts):
            np.add.at(used, ids, 1)
    names = [name for name, _ in vocabulary]
    special = {token["id"] for token in described.get("added_tokens", [])} | {unknown}

    single = [len(name.lstrip("▁")) <= 1 for name in names]
    # Letters that no text uses are worth their places where they take only a few of them.
    letters = sum(single[n] and (used[n] > 0 or _is_letter(name)) for n, name in enumerate(names)) <= most / 4

    def rank(piece: int) -> tuple[int, float, float]:
        letter = single[piece] and (used[piece] > 0 or (letters and _is_letter(names[piece])))
        group = 0 if piece in special else 1 if letter or (names[piece].lstrip("▁").isascii() and single[piece]) else 2
        return group, -float(used[piece]), -float(vocabulary[piece][1])

    chosen = sorted(sorted(range(len(names)), key=rank)[:most])
    places = {piece: place for place, piece in enumerate(chosen)}
    model = described["model"] | {"vocab": [vocabulary[piece] for piece in chosen], "unk_id": places[unknown]}
    added = [token | {"id": places[token["id"]]} for token in described.get("added_tokens", [])]
    # The template of special tokens names ids that are no more, and static models read none of them.
    cut = described | {"model": model, "added_tokens": added, "post_processor": None}
    return json.dumps(cut, ensure_ascii=False, separators=(",", ":"))


def _is_letter(name: str) -> bool:
    """Whether a single character is worth its place though no text uses it: ASCII and Hangul."""
    letter = name.lstrip("▁")
    return not letter or letter.isascii() or "가" <= letter <= "힣"


def _learned(texts: Sequence[str], most: int) -> Any:
    """A Unigram tokenizer (Kudo, 2018) of the texts' own words and parts of words, in lower case."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Punctuation(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=most, unk_token="[UNK]", special_tokens=["[UNK]"], show_progress=False)
    backend.train_from_iterator(texts, trainer, length=len(texts))
    return backend


def _ids(backend: Any, texts: Sequence[str]) -> list[list[int]]:
    import unicodedata

    unknown = unknown_id(backend, json.loads(backend.to_str())["model"])
    found = []
    for text in texts:
        ids = backend.encode(unicodedata.normalize("NFC", text[: MAX_TOKENS * 64]), add_special_tokens=False).ids
        found.append([piece for piece in ids[:MAX_TOKENS] if piece != unknown])
    return found


def _spelt(backend: Any) -> list[str]:
    """Each piece as a text of its own, in the order of the ids."""
    by_id: Mapping[int, str] = {number: name for name, number in backend.get_vocab(with_added_tokens=True).items()}
    return [by_id.get(number, "").replace("▁", " ").removeprefix("##").replace("Ġ", " ").strip() or " "
            for number in range(backend.get_vocab_size(with_added_tokens=True))]  # fmt: skip


def _embedded(teacher: Embedder, texts: Sequence[str], kind: Kind, steps: _Steps) -> Floats:
    import numpy as np

    vectors = np.empty((len(texts), teacher.dim), dtype=np.float32)
    for start in range(0, len(texts), AT_ONCE):
        part = texts[start : start + AT_ONCE]
        vectors[start : start + AT_ONCE] = teacher.embed(part, kind)
        steps.add(len(part))
    return _unit(vectors)


def _unit(vectors: Floats) -> Floats:
    import numpy as np

    unit: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


# ── The student ──────────────────────────────────────────────────────────────────────────────────────────────────────


class _Student:
    """Vectors of the pieces, and how they are fitted.

    of_pieces: (pieces, d) and of_texts: (texts, d), the teacher's, of unit length. ids: each text's pieces.
    """

    def __init__(self, of_pieces: Floats, of_texts: Floats, ids: Sequence[NDArray[np.int64]], dim: int) -> None:
        import numpy as np

        self.ids = ids
        centred = of_pieces - of_pieces.mean(axis=0)
        # Axes from the texts' vectors, not centred, so that cosines in them are the teacher's cosines.
        source = of_texts if len(of_texts) >= 2 * dim else centred
        moments = source.T.astype(np.float64) @ source
        axes = np.linalg.eigh(moments)[1][:, ::-1][:, :dim].astype(np.float32)
        self.targets = _unit(of_texts @ axes)
        self.counts = np.bincount(np.concatenate(ids), minlength=len(of_pieces)) if ids else np.zeros(len(of_pieces))
        self.plain = centred @ axes * sif_weights(self.counts)[:, None]
        self.vectors = self.plain.copy()

    def train(
        self, learned: NDArray[np.int64], held_out: NDArray[np.int64], epochs: int, seed: int, steps: _Steps
    ) -> tuple[list[float], int]:
        """Mean cosines on the texts held out, before and after each epoch, and the best epoch, whose vectors are kept."""
        import numpy as np

        random = np.random.default_rng(seed + 1)
        # Each vector keeps its length relative to others, and the mean length becomes 1, for which RATE is made.
        self.vectors = self.plain / max(float(np.linalg.norm(self.plain, axis=1).mean()), 1e-12)
        moment, square = np.zeros_like(self.vectors), np.zeros(len(self.vectors), np.float32)
        cosines = [self.cosine(held_out)]
        best, kept = 0, self.vectors.copy()
        step = 0
        learned = np.array([text for text in learned if len(self.ids[text])], dtype=np.int64)
        total = epochs * -(-len(learned) // BATCH)
        for epoch in range(1, epochs + 1):
            order = random.permutation(learned)
            for start in range(0, len(order), BATCH):
                step += 1
                rate = RATE * (1 - 0.9 * step / total)
                self._step(order[start : start + BATCH], moment, square, rate)
                steps.add(len(order[start : start + BATCH]))
            cosines.append(self.cosine(held_out))
            if cosines[-1] > cosines[best] + 1e-5:
                best, kept = epoch, self.vectors.copy()
            if epoch - best >= PATIENCE:
                break
        self.vectors = kept
        if best:
            self._carry_over(learned)
        return cosines, best

    def cosine(self, texts: NDArray[np.int64]) -> float:
        """Mean cosine to the teacher."""
        import numpy as np

        cosines = []
        for start in range(0, len(texts), BATCH):
            part = texts[start : start + BATCH]
            means = self._means(part)[0]
            lengths = np.maximum(np.linalg.norm(means, axis=1), 1e-12)
            cosines.append(np.einsum("ij,ij->i", means, self.targets[part]) / lengths)
        return float(np.concatenate(cosines).mean())

    def _means(self, texts: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64], Floats]:
        """Mean vectors (n, dim), the pieces they are made of (m,), and how much of each is in each (n, m)."""
        import numpy as np

        lengths = [len(self.ids[text]) for text in texts]
        touched, places = np.unique(np.concatenate([self.ids[text] for text in texts]), return_inverse=True)
        shares = np.zeros((len(texts), len(touched)), dtype=np.float32)
        np.add.at(shares, (np.repeat(np.arange(len(texts)), lengths), places), 1)
        shares /= np.maximum(lengths, 1)[:, None]
        return shares @ self.vectors[touched], touched, shares

    def _step(self, texts: NDArray[np.int64], moment: Floats, square: Floats, rate: float) -> None:
        """One step of Adam (Kingma and Ba, 2015) on the pieces of these texts, with one second moment a piece."""
        import numpy as np

        means, touched, shares = self._means(texts)
        changes = shares.T @ _gradient(means, self.targets[texts])
        moment[touched] = 0.9 * moment[touched] + 0.1 * changes
        square[touched] = 0.99 * square[touched] + 0.01 * np.einsum("ij,ij->i", changes, changes)
        size = np.sqrt(square[touched] / changes.shape[1]) + 1e-9
        self.vectors[touched] -= rate * moment[touched] / size[:, None]

    def _carry_over(self, learned: NDArray[np.int64]) -> None:
        """Pieces that no text had change as the others did: by the ridge regression from plain vectors to trained ones."""
        import numpy as np

        seen = self.counts > 0
        if seen.all() or seen.sum() < self.plain.shape[1]:
            return
        weight = np.sqrt(np.minimum(self.counts[seen], 20))[:, None]
        given = (self.plain[seen] * weight).astype(np.float64)
        wanted = (self.vectors[seen] * weight).astype(np.float64)
        moments = given.T @ given
        moments[np.diag_indices_from(moments)] += 1e-2 * np.trace(moments) / len(moments)
        self.vectors[~seen] = self.plain[~seen] @ np.linalg.solve(moments, given.T @ wanted)


def _gradient(means: Floats, targets: Floats) -> Floats:
    """Of the sum of 1 - cosine by the means, (n, dim). targets: of unit length."""
    import numpy as np

    lengths = np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    unit = means / lengths
    gradient: Floats = (np.einsum("ij,ij->i", targets, unit)[:, None] * unit - targets) / lengths
    return gradient


def sif_weights(counts: NDArray[Any]) -> Floats:
    """Weights a / (a + p) with a of 0.001 and p the share of a piece, (pieces,). Zipf's law for p where nothing was counted,
    the pieces being in the order of their frequency.
    Source: Arora, Liang and Ma, "A Simple but Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017.
    """
    import numpy as np

    if counts.sum() == 0:
        ranks = np.arange(2, len(counts) + 2, dtype=np.float64)
        shares = (1 / ranks) / (1 / ranks).sum()
    else:
        shares = counts / counts.sum()
    return np.asarray(SIF / (SIF + shares), dtype=np.float32)
