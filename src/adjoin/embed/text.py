"""The embedder of texts: prompt, tokens, encoder, pooling, unit length, correction — and one text a call.

Dynamic int8 takes the scale of the activations from all that is in a call, so a text would get another vector in other
company. One text a call and no padding make the vector depend on the text alone, and on several cores that is faster
than padded batches of mixed lengths too.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from weakref import WeakSet

from adjoin.embed.base import Identified, check_kind, check_texts
from adjoin.embed.rounding import metric_of, rounded
from adjoin.embed.workers import Workers
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.embed.correction import Correction
    from adjoin.embed.identity import Identity
    from adjoin.embed.token_vectors import TokenVectors
    from adjoin.embed.tokens import Ids, Tokenizer
    from adjoin.types import Floats, Metric

logger = logging.getLogger(__name__)

Pooling: TypeAlias = Literal["mean", "cls", "last"]
POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "last")
DEFAULT_MAX_TOKENS = 512
CACHED_QUERIES = 1024
CACHED_CHARACTERS = 2000


class Encoder(Protocol):
    """A loaded network."""

    @property
    def pools(self) -> bool:
        """Whether `encode` gives one vector a text, and not one a token."""
        ...

    def encode(self, ids: Ids) -> Floats:
        """Token states of shape (tokens, dim), or (dim,) when the network pools by itself."""
        ...

    def states(self, ids: Ids) -> Floats:
        """Token states of shape (tokens, dim). Raises Unsupported when the network keeps them to itself."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Where an embedder's parts are, and how its encoder is loaded."""

    tokenizer: Path
    load_encoder: Callable[[], Encoder]
    load_correction: Callable[[], Correction] | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the first `embed` brings into memory."""

    tokenizer: Tokenizer
    encoder: Encoder
    correction: Correction | None


class TextEmbedder(Identified):
    """Texts in, vectors out; the model is loaded by the first call that needs it.

    Safe to use from many threads, and in a forked child, which loads the model anew.
    """

    def __init__(
        self, identity: Identity | Callable[[], Identity], parts: Parts, *, workers: int | None = None
    ) -> None:
        """identity: or a function that finds it when it is first asked for. workers: texts at once; the cores if None."""
        super().__init__(identity)
        self._parts = parts
        self._workers = Workers(workers)
        self._queries: OrderedDict[str, Floats] = OrderedDict()
        self._truncated = 0
        self._loading = threading.Lock()
        self._counting = threading.Lock()
        self._model: Loaded | None = None
        self._tokenizer: Tokenizer | None = None
        _living.add(self)

    @property
    def max_tokens(self) -> int:
        """The longest text that is read to its end, in tokens with the prompt and the special ones."""
        return self.identity.max_tokens or DEFAULT_MAX_TOKENS

    @property
    def metric(self) -> Metric:
        return metric_of(self.identity.settings.get("output", "float32"))

    def tokenizer_json(self) -> str:
        """The content of the `tokenizer.json` that it reads texts with."""
        return self._parts.tokenizer.read_text(encoding="utf-8")

    @property
    def truncated(self) -> int:
        """How many of the texts embedded so far were cut at `max_tokens`."""
        return self._truncated

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors of the texts in their order, float32 of shape (len(items), dim).

        Of unit length unless the model's own settings say otherwise. A text's vector is the same in any company and
        order. Texts beyond `max_tokens` are cut and counted in `truncated`.
        Raises InvalidContent naming the first item that is not well-formed text.
        Cost: grows a little faster than the tokens; memory is bounded by the result and one text a worker.
        """
        import numpy as np

        check_kind(kind)
        texts = check_texts(items)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        missing = self._from_cache(texts, vectors) if kind == "query" else range(len(texts))
        cut: list[int] = []

        def embed_one(row: int) -> None:
            vectors[row], was_cut = self._vector(texts[row], kind)
            if was_cut:
                cut.append(row)

        if missing:
            self._loaded()
        self._workers.run(embed_one, sorted(missing, key=lambda row: -len(texts[row])))
        if kind == "query":
            self._keep(texts, missing, vectors)
        if cut:
            self._count_cuts(len(cut))
        return vectors

    def embed_tokens(self, items: Sequence[Content], kind: Kind = "document") -> list[TokenVectors]:
        """A vector for each token of each text, in its context, so that the same word differs with its sense.

        They are the network's last states, before pooling, correction and shortening. Raises InvalidContent, and Unsupported
        for a graph that gives pooled vectors only. Cost: that of `embed`.
        """
        import numpy as np

        from adjoin.embed.token_vectors import TokenVectors

        check_kind(kind)
        texts = check_texts(items)
        found: list[TokenVectors] = [TokenVectors("", [], [], np.empty((0, 0), np.float32))] * len(texts)

        def embed_one(row: int) -> None:
            model, prompt, text = self._loaded(), self.identity.prompts.get(kind, ""), texts[row]
            pieces = model.tokenizer.pieces(prompt + text)
            ids = np.asarray([*pieces.lead, *pieces.ids, *pieces.tail], np.int64)
            states = model.encoder.states(ids)[len(pieces.lead) : len(pieces.lead) + len(pieces.ids)]
            kept = [place for place, (_, end) in enumerate(pieces.spans) if end > len(prompt)]
            vectors = states[kept]
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
            spans = [
                (max(0, start - len(prompt)), end - len(prompt)) for start, end in (pieces.spans[at] for at in kept)
            ]
            cut = pieces.cut
            found[row] = TokenVectors(text, [pieces.tokens[at] for at in kept], spans, vectors.astype(np.float32), cut)

        if texts:
            self._loaded()
        self._workers.run(embed_one, sorted(range(len(texts)), key=lambda row: -len(texts[row])))
        return found

    def embed_in_context(
        self, items: Sequence[Content], word: str, kind: Kind = "query", *, occurrence: int = 0
    ) -> Floats:
        """The word's vector in each text by what the text says of it, so that its senses are apart: float32 (items, dim).

        The word is asked for after the text (in Korean for a word in Hangul, in English else), so that the network reads the
        text with it in mind; half of the word's states and half of the text's are added; and the direction that they have
        when the word stands alone is taken out, for all senses share it. Of unit length, and zero for a text that is only the
        word. Compare with vectors of the same word and method alone. A text too long to be read is narrowed around the word.

        occurrence: which one, from 0, of those that begin a word, as in `TokenVectors.of`. kind: whose prompt is read;
        "query" does best with E5. Raises NotFound naming the first item that has not the word, InvalidOption for an
        empty or overlong word, and what `embed_tokens` raises.
        Cost: that of `embed` with some ten tokens more a text, and one text more.
        Source: the question after the text is the idea of PromptBERT (Jiang et al., EMNLP 2022), asked of a word.
        """
        from adjoin.embed.in_context import in_context

        return in_context(self, items, word, kind, occurrence=occurrence)

    def count_tokens(self, texts: Sequence[str], kind: Kind = "document") -> list[int]:
        """Tokens of each text, before any cut, with the prompt and the special ones.

        Cost: linear in the text, about 3 µs a token. `is_cut` answers the commoner question at bounded cost.
        """
        check_kind(kind)
        tokenizer = self._loaded_tokenizer()
        return [tokenizer.count(self._prompted(text, kind)) for text in check_texts(texts)]

    def is_cut(self, texts: Sequence[str], kind: Kind = "document") -> list[bool]:
        """Whether `embed` reads each text only in part. Cost: bounded by `max_tokens` a text."""
        check_kind(kind)
        tokenizer = self._loaded_tokenizer()
        return [tokenizer.tokens(self._prompted(text, kind)).cut for text in check_texts(texts)]

    def close(self) -> None:
        """Let go of the model and the threads. A later call loads them again."""
        with self._loading:
            self._model = self._tokenizer = None
        self._workers.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity})"

    def _vector(self, text: str, kind: Kind) -> tuple[Floats, bool]:
        import numpy as np

        model = self._loaded()
        tokens = model.tokenizer.tokens(self._prompted(text, kind))
        vector = model.encoder.encode(tokens.ids)
        if not model.encoder.pools:
            vector = pooled(vector, self.identity.pooling)
        vector = vector[: self.dim]
        if self.identity.normalize:
            vector = vector / max(float(np.linalg.norm(vector)), 1e-12)
        if model.correction is not None:
            vector = model.correction.apply(vector, kind)
        return rounded(vector, self.identity.settings.get("output", "float32")), tokens.cut

    def _prompted(self, text: str, kind: Kind) -> str:
        return self.identity.prompts.get(kind, "") + text

    def _loaded(self) -> Loaded:
        model = self._model
        if model is not None:
            return model
        tokenizer = self._loaded_tokenizer()
        with self._loading:
            if self._model is None:
                correction = self._parts.load_correction() if self._parts.load_correction else None
                self._model = Loaded(tokenizer, self._parts.load_encoder(), correction)
            return self._model

    def _loaded_tokenizer(self) -> Tokenizer:
        from adjoin.embed.tokens import Tokenizer

        with self._loading:
            if self._tokenizer is None:
                self._tokenizer = Tokenizer(self._parts.tokenizer, self.max_tokens)
            return self._tokenizer

    def _from_cache(self, texts: list[str], vectors: Floats) -> list[int]:
        """Fill in the rows of queries asked before; returns the other rows."""
        missing = []
        with self._counting:
            for row, text in enumerate(texts):
                known = self._queries.get(text)
                if known is None:
                    missing.append(row)
                else:
                    self._queries.move_to_end(text)
                    vectors[row] = known
        return missing

    def _keep(self, texts: list[str], rows: list[int] | range, vectors: Floats) -> None:
        with self._counting:
            for row in rows[-CACHED_QUERIES:]:
                if len(texts[row]) <= CACHED_CHARACTERS:
                    self._queries[texts[row]] = vectors[row].copy()
            while len(self._queries) > CACHED_QUERIES:
                self._queries.popitem(last=False)

    def _count_cuts(self, count: int) -> None:
        with self._counting:
            first = self._truncated == 0
            self._truncated += count
        if first:
            logger.info(
                "%d texts are longer than the %s tokens that %r reads; the rest of each was left out. "
                "Further cuts are counted in `truncated`.", count, self.max_tokens, self.identity.name,
            )  # fmt: skip

    def forget(self) -> None:
        """Start anew in a forked child, which may have inherited locks that a lost thread holds."""
        self._loading = threading.Lock()
        self._counting = threading.Lock()
        self._model = self._tokenizer = None


def pooled(states: Floats, pooling: str) -> Floats:
    """One vector from token states of shape (tokens, dim)."""
    vector: Floats = states[0] if pooling == "cls" else states[-1] if pooling == "last" else states.mean(axis=0)
    return vector


_living: WeakSet[TextEmbedder] = WeakSet()


def _after_fork() -> None:
    for embedder in list(_living):
        embedder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
