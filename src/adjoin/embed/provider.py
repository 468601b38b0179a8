"""Embeddings from an endpoint of OpenAI's shape, named by the user: in batches, within its limits, and counted."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from adjoin.embed.base import check_kind, check_texts
from adjoin.embed.identity import Identity
from adjoin.embed.rounding import Output, check_output, metric_of, rounded
from adjoin.errors import (
    AnswerCutOff,
    ContextTooLong,
    InvalidContent,
    InvalidOption,
    MissingExtra,
    ModelRefused,
    ModelUnavailable,
)
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    from adjoin.types import Floats

PREFIX: Final = "openai:"
_CHARACTERS_A_CALL: Final = 200_000
_CACHED_QUERIES: Final = 1024


@dataclass(slots=True)
class Usage:
    """What was asked of the endpoint so far. cost: in the currency of the price given, None without one."""

    calls: int = 0
    texts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    cost: float | None = None


class ProviderEmbedder:
    """Texts in, the endpoint's vectors out. Nothing is sent before the first call that needs an answer.

    `usage` counts calls, texts, tokens and cost. Safe to use from many threads.
    """

    def __init__(
        self,
        model: str,
        *,
        dim: int | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        batch: int = 128,
        prompts: Mapping[str, str] | None = None,
        output: Output = "float32",
        timeout_s: float = 60.0,
        retries: int = 5,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        price_per_million: float | None = None,
    ) -> None:
        """dim: asks the endpoint for so many; None takes what the model gives. base_url: OPENAI_BASE_URL, or OpenAI's own.
        api_key: OPENAI_API_KEY where it is not given; it is kept nowhere. batch: texts a call at most. prompts: `document` and
        `query` → text put before each item. retries: of what is transient, with growing waits, or those that the endpoint asks
        for. requests_per_minute, tokens_per_minute: are kept to by waiting. price_per_million: tokens, for `usage.cost`.
        Raises InvalidOption, and MissingExtra without the package openai.
        """
        check_output(output)
        for kind in prompts or {}:
            if kind not in get_args(Kind):
                raise InvalidOption.unknown("prompt", kind, get_args(Kind))
        if not model or batch < 1 or retries < 0 or not timeout_s > 0 or (dim is not None and dim < 1):
            raise InvalidOption("openai: needs a model's name, batch and dim of 1 or more, and retries of 0 or more.")
        try:
            import openai
        except ImportError as exc:
            raise MissingExtra.of("openai", "llm", f"the embedder 'openai:{model}'") from exc
        self.reopened_by: str | None = None
        self.usage = Usage(cost=None if price_per_million is None else 0.0)
        self._model, self._asked_dim, self._batch, self._output = model, dim, batch, output
        self.metric: Final = metric_of(output)
        self._prompts = dict(prompts or {})
        self._price = price_per_million
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self._limits = [_Limit(requests_per_minute), _Limit(tokens_per_minute)]
        self._dim = dim
        self._lock = threading.Lock()
        self._queries: dict[str, Floats] = {}
        key = api_key or os.environ.get("OPENAI_API_KEY")
        if not key and "api.openai.com" in self._base_url:
            raise InvalidOption(
                "openai: needs a key. Set OPENAI_API_KEY, or give api_key=, or base_url= of another endpoint."
            )
        self._client: Any = openai.OpenAI(
            api_key=key or "none", base_url=self._base_url, timeout=timeout_s, max_retries=retries
        )

    @property
    def dim(self) -> int:
        """Asks the endpoint once where it was not given."""
        if self._dim is None:
            self._call(["dimensions"])
        assert self._dim is not None
        return self._dim

    @property
    def identity(self) -> Identity:
        settings: dict[str, Any] = {"endpoint": self._base_url.rstrip("/")}
        if self._output != "float32":
            settings["output"] = self._output
        return Identity(
            name=f"{PREFIX}{self._model}", model=self._model, dim=self.dim, prompts=self._prompts, normalize=False,
            settings=settings,
        )  # fmt: skip

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors in the items' order, float32 (len(items), dim), as the endpoint gives them.

        Raises InvalidContent for an empty text, which endpoints refuse; ModelUnavailable, ModelRefused, ContextTooLong and
        AnswerCutOff for what the endpoint does. What is paid for is remembered only for queries.
        """
        import numpy as np

        check_kind(kind)
        texts = check_texts(items)
        for position, text in enumerate(texts):
            if not text.strip():
                raise InvalidContent(f"item {position} is empty, and an endpoint embeds no empty text.")
        known = {text: self._queries[text] for text in texts if text in self._queries} if kind == "query" else {}
        missing = list(dict.fromkeys(text for text in texts if text not in known))
        for block in self._blocks(missing):
            vectors = self._call([self._prompts.get(kind, "") + text for text in block])
            known.update(zip(block, vectors, strict=True))
        if kind == "query":
            self._keep(known)
        if not texts:
            return np.empty((0, self.dim), np.float32)
        return rounded(np.stack([known[text] for text in texts]), self._output)

    def _blocks(self, texts: list[str]) -> Iterator[list[str]]:
        block: list[str] = []
        size = 0
        for text in texts:
            if block and (len(block) == self._batch or size + len(text) > _CHARACTERS_A_CALL):
                yield block
                block, size = [], 0
            block.append(text)
            size += len(text)
        if block:
            yield block

    def _call(self, texts: list[str]) -> Floats:
        import numpy as np

        for limit, amount in zip(self._limits, (1.0, sum(map(len, texts)) / 3), strict=True):
            limit.wait(amount)
        options = {} if self._asked_dim is None else {"dimensions": self._asked_dim}
        began = time.perf_counter()
        with translated(self._model, self._base_url):
            answer = self._client.embeddings.create(model=self._model, input=texts, encoding_format="float", **options)
        try:
            rows = sorted(answer.data, key=lambda row: row.index)
            vectors = np.asarray([row.embedding for row in rows], np.float32)
            if vectors.ndim != 2 or [row.index for row in rows] != list(range(len(texts))):
                raise ValueError(f"{len(rows)} vectors for {len(texts)} texts")
            if self._dim is not None and vectors.shape[1] != self._dim:
                raise ValueError(f"vectors of {vectors.shape[1]} dimensions where {self._dim} were expected")
            if not np.isfinite(vectors).all():
                raise ValueError("NaN or infinity in a vector")
        except (ValueError, TypeError, AttributeError) as exc:
            raise AnswerCutOff(f"{self._base_url} answered what is no list of embeddings: {exc}") from exc
        self._dim = vectors.shape[1]
        self._count(len(texts), int(getattr(answer.usage, "total_tokens", 0) or 0), time.perf_counter() - began)
        return vectors

    def _count(self, texts: int, tokens: int, seconds: float) -> None:
        with self._lock:
            self.usage.calls += 1
            self.usage.texts += texts
            self.usage.tokens += tokens
            self.usage.seconds += seconds
            if self._price is not None:
                self.usage.cost = self.usage.tokens * self._price / 1e6

    def _keep(self, known: Mapping[str, Floats]) -> None:
        with self._lock:
            self._queries.update(known)
            while len(self._queries) > _CACHED_QUERIES:
                del self._queries[next(iter(self._queries))]

    def __repr__(self) -> str:
        return f"ProviderEmbedder({self._model!r} at {self._base_url})"


class _Limit:
    """So much a minute: each taker is given the time from which on it may go."""

    def __init__(self, per_minute: float | None) -> None:
        if per_minute is not None and not per_minute > 0:
            raise InvalidOption(f"a limit a minute is a number above 0, not {per_minute!r}.")
        self._pace = None if per_minute is None else 60 / per_minute
        self._free_at = 0.0
        self._lock = threading.Lock()

    def wait(self, amount: float) -> None:
        if self._pace is None:
            return
        with self._lock:
            now = time.monotonic()
            begins = max(now, self._free_at)
            self._free_at = begins + amount * self._pace
        if begins > now:
            time.sleep(begins - now)


@contextlib.contextmanager
def translated(model: str, place: str) -> Iterator[None]:
    """The client's errors as ours, saying what to do."""
    import openai

    try:
        yield
    except (openai.AuthenticationError, openai.PermissionDeniedError) as exc:
        raise ModelRefused(f"{place} does not take the key for {model!r}: {_said(exc)}") from exc
    except openai.NotFoundError as exc:
        raise ModelRefused(f"{place} has no {model!r}: {_said(exc)}") from exc
    except (openai.BadRequestError, openai.UnprocessableEntityError) as exc:
        said = _said(exc)
        kind: Callable[[str], Exception] = ModelRefused
        if any(word in said.lower() for word in ("context_length", "context length", "maximum context", "too long")):
            kind = ContextTooLong
        raise kind(f"{place} does not take the request to {model!r}: {said}") from exc
    except (openai.RateLimitError, openai.APIConnectionError, openai.InternalServerError, openai.ConflictError) as exc:
        raise ModelUnavailable(f"{place} does not answer for {model!r}, after all retries: {_said(exc)}") from exc
    except openai.APIStatusError as exc:
        raise ModelRefused(f"{place} answered {exc.status_code} for {model!r}: {_said(exc)}") from exc
    except (openai.OpenAIError, ValueError) as exc:  # ValueError: JSON that is none
        raise AnswerCutOff(f"the answer of {place} for {model!r} cannot be read: {_said(exc)}") from exc


def _said(exc: Exception) -> str:
    return " ".join(str(exc).split())[:300] or type(exc).__name__
