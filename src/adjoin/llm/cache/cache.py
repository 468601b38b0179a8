"""Answers of a language model, kept, and given again to a question that asks the same."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from copy import copy
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, overload

from adjoin.errors import AdjoinError, InvalidInput, InvalidOption
from adjoin.llm.base import LanguageModel, Message, Reply, as_messages
from adjoin.llm.cache.asking import Asked, as_scope
from adjoin.llm.cache.counting import Counters
from adjoin.llm.cache.entries import FIELDS, KIND, Entry, Scope, check_question, content_hash, digest, entry_id
from adjoin.llm.cache.flight import SingleFlight
from adjoin.llm.cache.guards import Refusal, compare
from adjoin.llm.cache.labels import Labels, Learned, Pair, check_pairs
from adjoin.llm.cache.reading import read
from adjoin.llm.cache.report import CacheReport, wilson
from adjoin.llm.cache.results import Answered, CacheExplanation, CacheHit, Considered
from adjoin.llm.cache.shadow import Background, Judge, same_answer
from adjoin.strict import strict
from adjoin.types import Document, Hit, Id, Item, Where

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.types import Floats

_log = logging.getLogger(__name__)

NEAREST: Final = 8
"""Stored questions that are compared word by word."""
RECALL: Final = 0.8
"""Of the search: a question that asks the same is among the easy ones to find, and one that is not found costs a call."""
_SURELY: Final = 0.9
"""Questions that are the same but for case and spaces are nearer than that."""
_SKEW_S: Final = (
    5.0  # two processes' clocks may differ by so much; an entry further in the future is from a clock that went back
)

Answerer = LanguageModel | Callable[[str], "str | Reply"]
AsyncAnswerer = LanguageModel | Callable[[str], "str | Reply | Awaitable[str | Reply]"]


class SemanticCache:
    """Looked up before a model is called. An answer is given again where the question is the same but for case and spaces, or where
    it is near, no guard finds a difference that matters, and pairs like it were wrong less often than the error budget.

    collection: with an embedder and the metric cosine; other rows in it do no harm. error_budget: the share of semantic hits that
    may be wrong, in [0, 1); 0 gives exact hits alone. ttl_s: seconds that an answer lives, None for ever.
    tenant, model, system, context, scope: whose questions these are; an answer is found only where all are equal, but for the
    model: an answer stored without one serves all models, and a lookup without one takes any model's.
    sources: the collection whose passages answers cite; an answer goes as soon as one of them has changed or gone.
    verify: the share of semantic hits that `ask` also sends to the model, in the background, to see whether its answer agrees.
    judge: decides that, (question, cached, fresh) → bool; else words, figures and meaning are compared.
    price: of a million tokens (prompt, completion), in `currency`, for the report.

    Threads and tasks may share it. A context manager; `close` waits for verifications and writes the counters.
    """

    @strict
    def __init__(
        self,
        collection: Collection,
        error_budget: float = 0.01,
        *,
        ttl_s: float | None = None,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
        sources: Collection | None = None,
        verify: float = 0.02,
        judge: Judge | None = None,
        price: tuple[float, float] | None = None,
        currency: str = "USD",
        clock: Callable[[], float] = time.time,
        seed: int | None = None,
    ) -> None:
        if not _is_number(error_budget) or not 0 <= error_budget < 1:
            raise InvalidOption(f"error_budget is a share in [0, 1), not {error_budget!r}.")
        if not _is_number(verify) or not 0 <= verify <= 1:
            raise InvalidOption(f"verify is a share in [0, 1], not {verify!r}.")
        if collection.metric != "cosine":
            raise InvalidOption(
                f"a cache needs a collection with the metric 'cosine'; {collection.name!r} has {collection.metric!r}."
            )
        _check_ttl(ttl_s)
        self._collection = collection
        self._budget = float(error_budget)
        self._ttl_s = ttl_s
        self._sources = sources
        self._verify = verify
        self._judge = judge
        self._price, self._currency = price, currency
        self._clock = clock
        self._random = random.Random(seed)
        self._fields: dict[str, Any] = {}
        self._model = model
        self._fields = self._merged(tenant, system, context, scope)
        self._counters = Counters()
        self._labels = Labels(collection, self._budget)
        self._flights: SingleFlight[Answered] = SingleFlight()
        self._background = Background()

    # ----------------------------------------------------------------------------------------------------------- scope

    @strict
    def within(
        self,
        *,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
    ) -> SemanticCache:
        """The same cache, in a narrower scope; what is not named stays. Both count together."""
        view = copy(self)
        view._model = self._model if model is None else model
        view._fields = self._merged(tenant, system, context, scope)
        return view

    def _merged(self, tenant: Any, system: Any, context: Any, scope: Mapping[str, Any] | None) -> dict[str, Any]:
        given = {"tenant": tenant, "system": system, "context": context}
        for name in ("tenant", "system"):
            if given[name] is not None and not isinstance(given[name], str):
                raise InvalidOption(f"{name} is a text, not {type(given[name]).__name__}.")
        own = dict(scope or {})
        for name in own:
            if name in (*FIELDS, "model") or not isinstance(name, str):
                raise InvalidOption(f"scope= has {name!r}, which has a keyword of its own or is no text.")
        fields = {**self._fields, **{name: value for name, value in given.items() if value is not None}, **own}
        digest(fields)  # refuses what cannot be told apart in every process
        return fields

    def _scope(
        self, tenant: Any, model: str | None, system: Any, context: Any, scope: Mapping[str, Any] | None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Scope:  # fmt: skip
        chosen = self._model if model is None else model
        return Scope(self._merged(tenant, system, context, scope), chosen, parameters)

    # ---------------------------------------------------------------------------------------------------------- looking

    @strict
    def lookup(
        self,
        question: str,
        *,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> CacheHit | None:
        """The answer kept for this question, or for one that asks the same; None where there is none.

        parameters: of the model's call, where they change its answer, such as {"max_tokens": 20}.
        Raises InvalidInput for an empty question.
        Cost: an exact hit reads one row; else the question is embedded and its 8 nearest are compared.
        """
        check_question(question)
        wanted = self._scope(tenant, model, system, context, scope, parameters)
        hit = self._exact(question, wanted) or self._semantic(question, wanted)[0]
        self._count(hit)
        return hit

    def _count(self, hit: CacheHit | None) -> None:
        if hit is None:
            self._counters.add(lookups=1, misses=1)
        else:
            told = hit.metadata
            self._counters.add(
                lookups=1, exact=int(hit.exact), semantic=int(not hit.exact), seconds=told.get("seconds", 0.0),
                prompt_tokens=told.get("prompt_tokens", 0), completion_tokens=told.get("completion_tokens", 0),
            )  # fmt: skip
        if self._counters.due:
            self._flush()

    def _flush(self) -> None:
        self._collection.upsert([self._counters.item(self._dim)])

    @property
    def _dim(self) -> int:
        dim = self._collection.dim
        if dim is None:
            raise InvalidOption(f"a cache needs a collection with an embedder; {self._collection.name!r} has none.")
        return dim

    def _exact(self, question: str, wanted: Scope) -> CacheHit | None:
        scopes = [wanted] if wanted.model is None and not wanted.parameters else [wanted, wanted.for_every_model()]
        for document in self._collection.get([entry_id(one, question) for one in scopes]):
            if self._usable(document, wanted):
                return self._hit(document, 1.0, "the same question, but for case and spaces", exact=True)
        return None

    def _semantic(
        self, question: str, wanted: Scope, *, counting: bool = True
    ) -> tuple[CacheHit | None, Floats | None, list[Considered]]:
        """The hit, the question's vector, and what was considered."""
        threshold = self._labels.threshold.value
        vector = self._embed([question])[0]
        considered: list[Considered] = []
        taken: CacheHit | None = None
        if self._is_cut(question):
            return None, vector, considered  # what lies beyond what the model reads would not be compared
        for near in self._collection.search(vector, NEAREST, self._where(wanted), RECALL):
            refusal, exact = self._refusal(question, near, threshold)
            if refusal is None and not self._usable(Document(near.id, near.content, near.metadata), wanted):
                refusal = Refusal("expired", "it has expired, or a passage it cites has changed")
            considered.append(Considered(str(near.content), near.score, refusal, near.id))
            if refusal is None:
                why = (
                    "the same question, but for case and spaces"
                    if exact
                    else f"cosine {near.score:.3f}, and no guard finds a difference"
                )
                taken = self._hit(Document(near.id, near.content, near.metadata), near.score, why, exact=exact)
                break
            if near.score < threshold:
                break
        if (
            counting
            and taken is None
            and considered
            and considered[0].refusal
            and considered[0].refusal.kind not in ("far", "expired")
        ):
            self._counters.add(**{f"refused.{considered[0].refusal.kind}": 1})
        return taken, vector, considered

    def _is_cut(self, question: str) -> bool:
        embedder = self._collection.embedder
        if 3 * len(question) < getattr(
            embedder, "max_tokens", 0
        ):  # no character is more than three pieces: no need to count
            return False
        return hasattr(embedder, "is_cut") and bool(embedder.is_cut([question])[0])  # type: ignore[union-attr]

    def _refusal(self, question: str, near: Hit, threshold: float) -> tuple[Refusal | None, bool]:
        stored = near.content
        if not isinstance(stored, str):
            return Refusal("word", "the stored question is no text"), False
        if near.score < min(threshold, _SURELY):
            return Refusal("far", f"a cosine of {near.score:.3f} is below {threshold:.3f}"), False
        if read(stored).exact == read(question).exact:
            return None, True
        if near.score < threshold:
            return Refusal("far", f"a cosine of {near.score:.3f} is below {threshold:.3f}"), False
        return compare(question, stored, self._labels.equal), False

    @staticmethod
    def _where(wanted: Scope) -> dict[str, Any]:
        if wanted.model is None and not wanted.parameters:
            return {"base": wanted.base}
        return {"scope": {"$in": [wanted.key, wanted.for_every_model().key]}}

    def _embed(self, questions: list[str]) -> Floats:
        """As documents, so that a question and itself are nearest, also after the collection was embedded again."""
        embedder = self._collection.embedder
        if embedder is None:
            raise InvalidOption(f"a cache needs a collection with an embedder; {self._collection.name!r} has none.")
        return embedder.embed(questions, "document")

    def _usable(self, document: Document, wanted: Scope) -> bool:
        """Of this scope, not expired, and with all that it cites unchanged. What is stale is removed."""
        told = document.metadata
        if told.get(KIND) != "answer" or told.get("base") != wanted.base:
            return False
        if (wanted.model is not None or wanted.parameters) and told.get("scope") not in (
            wanted.key,
            wanted.for_every_model().key,
        ):
            return False
        if any(told.get(name) != value for name, value in Scope(wanted.fields).plain.items()):
            return False  # equal hashes of unequal scopes
        now, expires = self._clock(), told.get("expires")
        if expires is not None and not told["at"] - _SKEW_S <= now < expires:
            if now >= expires:
                self._remove(document, "expired")
            return False
        if self._sources is not None and told.get("cites") and not self._still(told):
            self._remove(document, "stale")
            return False
        return True

    def _still(self, told: Mapping[str, Any]) -> bool:
        assert self._sources is not None
        now = {passage.id: content_hash(passage) for passage in self._sources.get(list(dict.fromkeys(told["cites"])))}
        return all(now.get(id_) == hash_ for id_, hash_ in zip(told["cites"], told["cite_hashes"], strict=True))

    def _remove(self, document: Document, reason: str) -> None:
        if self._collection.delete([document.id]):
            self._counters.add(**{reason: 1})

    def _hit(self, document: Document, score: float, why: str, *, exact: bool) -> CacheHit:
        told = document.metadata
        age_s = max(0.0, self._clock() - told["at"])
        return CacheHit(told["answer"], str(document.content), score, exact, why, age_s, document.id, told)

    @strict
    def explain(
        self,
        question: str,
        *,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> CacheExplanation:
        """Why a lookup of this question hits or not. Nothing is counted."""
        wanted = self._scope(tenant, model, system, context, scope, parameters)
        hit = self._exact(check_question(question), wanted)
        found, _, considered = self._semantic(question, wanted, counting=False)
        entries = self._collection.count(self._where(wanted))
        return CacheExplanation(question, hit or found, self._labels.threshold.value, tuple(considered), entries)

    # ---------------------------------------------------------------------------------------------------------- storing

    @strict
    def store(
        self,
        question: str,
        answer: str,
        *,
        cites: Sequence[Id] = (),
        ttl_s: float | None = None,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        reply: Reply | None = None,
    ) -> Id:
        """Keep an answer, in place of an earlier one to the same question; on disk when it returns. Returns the entry's id.

        cites: ids of the passages it rests on; with `sources`, their content is remembered, and all must be there.
        model: None for an answer that serves every model. reply: where the tokens and seconds are taken from.
        """
        check_question(question)
        wanted = self._scope(tenant, model, system, context, scope, parameters)
        entry = self._entry(question, answer, wanted, cites, ttl_s, reply)
        self._keep(entry, self._embed([question])[0])
        return entry.id

    def _entry(
        self, question: str, answer: str, wanted: Scope, cites: Sequence[Id], ttl_s: float | None, reply: Reply | None
    ) -> Entry:
        if not isinstance(answer, str) or not answer.strip():
            raise InvalidInput(f"an answer is a text that is not empty, not {answer!r:.60}. Nothing was stored.")
        _check_ttl(ttl_s)
        if isinstance(cites, str | int):
            cites = [cites]
        hashes: list[str] = []
        if cites and self._sources is not None:
            known = {passage.id: content_hash(passage) for passage in self._sources.get(list(dict.fromkeys(cites)))}
            missing = [id_ for id_ in cites if id_ not in known]
            if missing:
                raise InvalidInput(
                    f"the answer cites {missing[:5]!r}, which {self._sources.name!r} does not have. Nothing was stored."
                )
            hashes = [known[id_] for id_ in cites]
        return Entry(
            wanted, question, answer, self._clock(), self._ttl_s if ttl_s is None else ttl_s, list(cites), hashes,
            reply.model if reply else None, reply.prompt_tokens if reply else None,
            reply.completion_tokens if reply else None, reply.seconds if reply else 0.0,
        )  # fmt: skip

    def _keep(self, entry: Entry, vector: Floats) -> None:
        """The answer and the counters, in one transaction."""
        self._counters.add(stored=1)
        self._collection.upsert(
            [Item(entry.question, entry.id, entry.metadata, vector), self._counters.item(self._dim)]
        )

    @strict
    def invalidate(
        self,
        ids: Iterable[Id] | Id | None = None,
        *,
        cites: Iterable[Id] | Id | None = None,
        where: Where | None = None,
    ) -> int:
        """Remove answers, and return how many: by their own ids, by passages they cite, or by a filter on their metadata."""
        if sum(one is not None for one in (ids, cites, where)) != 1:
            raise InvalidOption("invalidate() takes ids, cites= or where=, one of them. where={} is every answer.")
        if ids is not None:
            wanted = [ids] if isinstance(ids, str | int) else list(ids)
            known = [one.id for one in self._collection.get(wanted) if one.metadata.get(KIND) == "answer"]
            return self._collection.delete(known)
        if cites is not None:
            passages = [cites] if isinstance(cites, str | int) else list(cites)
            where = {"cites": {"$in": passages}}
        return self._collection.delete(where={"$and": [{KIND: "answer"}, where or {}]})

    @strict
    def clear(self) -> int:
        """Remove all answers of this cache's scope, of every model; labels and counters stay. Returns how many."""
        return self._collection.delete(where={KIND: "answer", "base": Scope(self._fields).base})

    @strict
    def prune(self) -> int:
        """Remove what has expired, in every scope. Returns how many."""
        return self._collection.delete(where={KIND: "answer", "expires": {"$lte": self._clock()}})

    # ----------------------------------------------------------------------------------------------------------- asking

    @strict
    def ask(
        self,
        question: str,
        llm: Answerer,
        *,
        prompt: str | Message | Sequence[Message | tuple[str, str] | dict[str, str]] | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        cites: Sequence[Id] = (),
        ttl_s: float | None = None,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
    ) -> Answered:
        """The kept answer, or the model's, which is then kept and on disk when this returns.

        llm: a `LanguageModel`, or a callable that takes the question. prompt: what the model is sent in place of the question; it
        becomes part of the scope unless `context` is given. With a temperature above 0 the cache is passed by.
        Callers that ask the same at once share one call; if it fails, all get its error and nothing is stored. An answer that
        was cut off at max_tokens, or is empty, is returned but not stored.
        """
        asked = self._asked(question, llm, prompt, max_tokens, temperature, stop, tenant, model, system, context, scope)
        if temperature > 0:
            self._counters.add(passed_by=1)
            return Answered((reply := asked.call()).text, reply=reply)
        hit = self._exact(question, asked.scope)
        if hit is None:
            answered, shared = self._flights.run(
                entry_id(asked.scope, question), lambda: self._answer(asked, cites, ttl_s)
            )
            return self._shared(answered) if shared else answered
        self._count(hit)
        return Answered(hit.answer, hit, stored=True)

    def _answer(self, asked: Asked, cites: Sequence[Id], ttl_s: float | None) -> Answered:
        hit, vector = self._looked(asked)
        if hit is not None:
            return Answered(hit.answer, hit, stored=True)
        try:
            reply = asked.call()
        except BaseException:
            self._counters.add(failed=1)
            raise
        return self._answered(asked, reply, vector, cites, ttl_s)

    def _looked(self, asked: Asked) -> tuple[CacheHit | None, Floats | None]:
        """Once more exactly, since another flight may just have landed; then by meaning."""
        hit, vector = self._exact(asked.question, asked.scope), None
        if hit is None:
            hit, vector, _ = self._semantic(asked.question, asked.scope)
        self._count(hit)
        if hit is not None and not hit.exact and self._random.random() < self._verify:
            self._put_to_test(asked, hit, vector)
        return hit, vector

    def _answered(
        self, asked: Asked, reply: Reply, vector: Floats | None, cites: Sequence[Id], ttl_s: float | None
    ) -> Answered:
        if reply.finish != "stop" or not reply.text.strip():
            return Answered(reply.text, reply=reply)
        entry = self._entry(asked.question, reply.text, asked.scope, cites, ttl_s, reply)
        try:
            self._keep(entry, self._embed([asked.question])[0] if vector is None else vector)
        except AdjoinError as error:  # the answer is paid for, and right: a full disk must not take it away
            _log.warning("an answer could not be stored, and is returned: %s", error)
            return Answered(reply.text, reply=reply)
        return Answered(reply.text, reply=reply, stored=True)

    def _shared(self, answered: Answered) -> Answered:
        if answered.hit is not None:
            self._count(answered.hit)
        else:
            self._counters.add(lookups=1, misses=1, shared=1)
        return Answered(answered.text, answered.hit, answered.reply, True, answered.stored)

    @strict
    async def aask(
        self,
        question: str,
        llm: AsyncAnswerer,
        *,
        prompt: str | Message | Sequence[Message | tuple[str, str] | dict[str, str]] | None = None,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
        cites: Sequence[Id] = (),
        ttl_s: float | None = None,
        tenant: str | None = None,
        model: str | None = None,
        system: str | None = None,
        context: Any = None,
        scope: Mapping[str, Any] | None = None,
    ) -> Answered:
        """`ask` for asyncio; the callable may be a coroutine function. Reading and embedding run in threads."""
        asked = self._asked(question, llm, prompt, max_tokens, temperature, stop, tenant, model, system, context, scope)
        if temperature > 0:
            self._counters.add(passed_by=1)
            return Answered((reply := await asked.acall()).text, reply=reply)

        async def answer() -> Answered:
            hit, vector = await asyncio.to_thread(self._looked, asked)
            if hit is not None:
                return Answered(hit.answer, hit, stored=True)
            try:
                reply = await asked.acall()
            except BaseException:
                self._counters.add(failed=1)
                raise
            return await asyncio.to_thread(self._answered, asked, reply, vector, cites, ttl_s)

        answered, shared = await self._flights.arun(entry_id(asked.scope, question), answer)
        return self._shared(answered) if shared else answered

    def _asked(
        self, question: str, llm: Any, prompt: Any, max_tokens: int | None, temperature: float, stop: Sequence[str],
        tenant: Any, model: str | None, system: str | None, context: Any, scope: Mapping[str, Any] | None,
    ) -> Asked:  # fmt: skip
        check_question(question)
        is_model = hasattr(llm, "generate")
        if not is_model and not callable(llm):
            raise InvalidOption(
                f"llm is a language model or a callable that takes the question, not {type(llm).__name__}."
            )
        messages = as_messages(question if prompt is None else prompt)
        system = self._fields.get("system") if system is None else system
        if system is not None and not any(message.role == "system" for message in messages):
            messages = [Message("system", system), *messages]
        if prompt is not None and context is None:
            context = digest([[message.role, message.content] for message in messages])
        given = {"max_tokens": max_tokens, "stop": list(stop) or None}
        parameters = {name: value for name, value in given.items() if value is not None}
        if model is None and self._model is None and is_model:
            model = llm.name
        wanted = self._scope(tenant, model, system, context, scope, parameters)
        return Asked(
            question, llm, messages, {"max_tokens": max_tokens, "temperature": temperature, "stop": stop}, wanted
        )

    @overload
    def cached(self, function: Callable[..., Any], /) -> Callable[..., Any]: ...
    @overload
    def cached(self, *, ttl_s: float | None = None, model: str | None = None) -> Callable[..., Callable[..., Any]]: ...
    def cached(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:  # type: ignore[misc]  # refused by name below
        """A decorator for a function, or coroutine function, whose first argument is the question and which returns the answer.

        Its other arguments are part of the scope, as is its own name. options: `ttl_s`, `model`.
        """
        unknown = set(options) - {"ttl_s", "model"}
        if unknown:
            raise InvalidOption.unknown("option", min(unknown), ("ttl_s", "model"))
        if function is None:
            return functools.partial(self.cached, **options)
        name = f"{function.__module__}.{function.__qualname__}"
        signature = inspect.signature(function)

        def parts(args: Any, keywords: Any) -> tuple[str, dict[str, Any]]:
            bound = signature.bind(*args, **keywords)
            bound.apply_defaults()
            (first, question), *rest = bound.arguments.items()
            del first
            return question, {"function": name, "arguments": {key: as_scope(value) for key, value in rest}}

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def afterwards(*args: Any, **keywords: Any) -> str:
                question, scope = parts(args, keywords)
                return (await self.aask(question, lambda _: function(*args, **keywords), scope=scope, **options)).text

            return afterwards

        @functools.wraps(function)
        def instead(*args: Any, **keywords: Any) -> str:
            question, scope = parts(args, keywords)
            return self.ask(question, lambda _: function(*args, **keywords), scope=scope, **options).text

        return instead

    # ------------------------------------------------------------------------------------------------- learning, telling

    @strict
    def learn(self, pairs: Iterable[tuple[str, str, bool]]) -> Learned:
        """Learn from pairs (question, question, whether one answer serves both): the threshold, and words that are equal here.

        The pairs are kept in the collection. At a budget of 1 % some 300 pairs that the guards let pass are needed before the
        threshold follows from them alone; fewer can only raise it.
        """
        checked = check_pairs(pairs)
        texts = sorted({text for one, other, _ in checked for text in (one, other)})
        if not texts:
            return self._labels.add([], [])
        vectors = dict(zip(texts, self._embed(texts), strict=True))
        found = [Pair(one, other, same, float(vectors[one] @ vectors[other]), "given") for one, other, same in checked]
        return self._labels.add(found, [vectors[pair.one] for pair in found])

    def _put_to_test(self, asked: Asked, hit: CacheHit, vector: Floats | None) -> None:
        def verify() -> None:
            try:
                reply = asked.call()
                same = self._judged(asked.question, hit.answer, reply.text)
            except BaseException:
                self._counters.add(unverified=1)
                raise
            self._counters.add(verified=1, wrong=int(not same))
            own = self._embed([asked.question])[0] if vector is None else vector
            self._labels.add([Pair(asked.question, hit.question, same, hit.score, "shadow")], [own])
            if not same:
                self._answered(asked, reply, own, (), None)  # from now on this question has an answer of its own

        if not self._background.put(verify):
            self._counters.add(unverified=1)

    def _judged(self, question: str, cached: str, fresh: str) -> bool:
        if self._judge is not None:
            return bool(self._judge(question, cached, fresh))
        return same_answer(cached, fresh, self._collection.embedder)

    @strict
    def report(self) -> CacheReport:
        """What all instances on this collection did, in every scope, since it was made."""
        counts = self._counters.all(self._collection)
        whole = {name: int(counts.get(name, 0)) for name in counts}

        def of(name: str) -> int:
            return whole.get(name, 0)

        verified, wrong = of("verified"), of("wrong")
        tokens = of("prompt_tokens"), of("completion_tokens")
        money = None if self._price is None else sum(p * n for p, n in zip(self._price, tokens, strict=True)) / 1e6
        return CacheReport(
            entries=self._collection.count({KIND: "answer"}), lookups=of("lookups"), exact_hits=of("exact"),
            semantic_hits=of("semantic"), misses=of("misses"),
            refused={name.removeprefix("refused."): count for name, count in whole.items() if name.startswith("refused.")},
            shared=of("shared"), stale=of("stale"), expired=of("expired"), stored=of("stored"), failed=of("failed"),
            passed_by=of("passed_by"), verified=verified, unverified=of("unverified"), wrong=wrong,
            wrong_rate=wrong / verified if verified else None, interval=wilson(wrong, verified) if verified else None,
            error_budget=self._budget, threshold=self._labels.threshold, labels=len(self._labels),
            prompt_tokens=tokens[0], completion_tokens=tokens[1], money=money, currency=self._currency,
            seconds=float(counts.get("seconds", 0.0)),
        )  # fmt: skip

    def wait(self) -> None:
        """Until the verifications that were begun are done."""
        self._background.wait()

    def close(self) -> None:
        """Wait for verifications and write the counters. The collection stays open; closing twice does no harm."""
        self.wait()
        if self._counters.any:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"SemanticCache({self._collection.name!r}, error_budget={self._budget:g}, scope={Scope(self._fields, self._model).plain})"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _check_ttl(ttl_s: object) -> None:
    if ttl_s is not None and (not _is_number(ttl_s) or not ttl_s > 0):  # type: ignore[operator]
        raise InvalidOption(f"ttl_s is a number of seconds above 0, or None, not {ttl_s!r}.")
