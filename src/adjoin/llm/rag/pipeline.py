"""`RAG`: the four steps in order, each to be looked at and replaced."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from adjoin.errors import InvalidContent, InvalidOption
from adjoin.llm.base import LanguageModel, Message, Reply, as_messages
from adjoin.llm.models import model as find_model
from adjoin.llm.rag.answer import Answer, Passage, Prompt
from adjoin.llm.rag.citations import Checked, check
from adjoin.llm.rag.conversation import arewritten, rewritten
from adjoin.llm.rag.prompt import NO_ANSWER, NO_ANSWER_KO, Template, build, default_template, no_answer
from adjoin.llm.rag.refusal import ASK_FOR, DEFAULT_ERROR, Background, Backgrounds, Source, Verdict
from adjoin.llm.rag.unrelated import ENGLISH, KOREAN
from adjoin.text import one_line
from adjoin.types import Hits, Where

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.llm.rag.evaluate import Evaluation, Question
    from adjoin.types import Floats

History: TypeAlias = "Sequence[Message | tuple[str, str] | dict[str, str]]"
Retrieve: TypeAlias = Callable[..., Hits]
Rewrite: TypeAlias = Callable[[str, Sequence[Message]], str]
Generate: TypeAlias = "Callable[[Sequence[Message]], Reply | str]"
Check: TypeAlias = "Callable[[str, Sequence[Passage]], Checked]"
DEFAULT_CONTEXT: Final = 4096
"""Tokens for prompt and answer where neither the model nor the user says."""


@dataclass
class _Asked:
    """A question on its way."""

    question: str
    searched: str
    options: dict[str, Any]
    timings: dict[str, float] = field(default_factory=dict)
    hits: Hits | None = None
    prompt: Prompt | None = None

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.timings[step] = (time.perf_counter() - began) * 1000


class RAG:
    """Answers questions from a collection, and says where each answer is from, how far the passages bear it out, and when
    they do not answer at all.

    >>> import adjoin
    >>> from adjoin.testing import ScriptedModel, TinyEmbedder
    >>> places = adjoin.open("memory://").collection("places", embedder=TinyEmbedder())
    >>> places.add(["Seoul is the capital of Korea.", "Busan is a port in the south."], ids=["seoul", "busan"])
    ['seoul', 'busan']
    >>> rag = RAG(places, ScriptedModel("The capital of Korea is Seoul [1]."), refuse=False)
    >>> answer = rag.ask("What is the capital of Korea?")
    >>> answer.text, answer.citations[1].hit.id, answer.sentences[0].supported
    ('The capital of Korea is Seoul [1].', 'seoul', True)
    """

    def __init__(
        self,
        collection: Collection,
        llm: str | LanguageModel | Callable[..., Any],
        *,
        k: int = 8,
        where: Where | None = None,
        recall: float = 0.95,
        context_tokens: int | None = None,
        answer_tokens: int = 512,
        prompt: Template | None = None,
        retrieve: Retrieve | None = None,
        rewrite: Rewrite | None = None,
        generate: Generate | None = None,
        check: Check | None = None,
        refuse: bool | float = True,
    ) -> None:
        """llm: see `adjoin.llm.model`. k, where, recall: of each search; a `where=` of a question narrows this one further.
        context_tokens: prompt and answer together; what the model says without it, or 4,096. answer_tokens: at most, for the
        answer. prompt: makes messages of a question and passages in the place of `default_template`; the budget holds for it.
        retrieve: finds passages in the place of `collection.search`, with its arguments. rewrite: makes a question and the
        history into one question, in the place of the model. generate: makes the reply to a prompt, in the place of the model;
        it comes in one piece. check: finds what an answer cites and what bears it out, in the place of `citations.check`.
        refuse: whether to refuse what the collection's background says it does not answer (docs/rag.md), without asking
        the model; a number is the share of unrelated questions that may pass, 0.05 with True.
        """
        if k < 1 or answer_tokens < 1:
            raise InvalidOption(f"k and answer_tokens are 1 or more, not {k!r} and {answer_tokens!r}.")
        if context_tokens is not None and context_tokens <= answer_tokens:
            raise InvalidOption(
                f"context_tokens ({context_tokens}) holds the prompt and the answer, so it is more than answer_tokens "
                f"({answer_tokens})."
            )
        self.collection = collection
        self.llm = find_model(llm)
        self.k = k
        self.where = where
        self.recall = recall
        self.answer_tokens = answer_tokens
        self._context_tokens = context_tokens
        self._template = prompt or default_template
        self._retrieve = retrieve
        self._rewrite = rewrite
        self._generate = generate
        self._check = check
        self._backgrounds = None if refuse is False else Backgrounds(DEFAULT_ERROR if refuse is True else refuse)
        self._unrelated: dict[tuple[str, tuple[str, ...]], Floats] = {}
        self._mean_cosines: dict[str, float] = {}
        self._known: tuple[Any, str] = (None, "")
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RAG({self.collection!r}, {self.llm.name!r}, k={self.k})"

    def ask(self, question: str, history: History = (), **search: Any) -> Answer:
        """The answer. history: earlier turns, oldest first, as (role, text). search: options of `collection.search`.

        Raises ModelError and its kin where the model does not answer, ContextTooLong where the question does not fit.
        """
        asked = self._begin(question)
        with asked.timed("rewrite"):
            asked.searched = self.rewrite(asked.question, history)
        if (refusal := self._look(asked, search)) is not None:
            return refusal
        assert asked.prompt is not None
        with asked.timed("generate"):
            reply = self.generate(asked.prompt.messages)
        return self._end(asked, reply)

    def stream(self, question: str, history: History = (), **search: Any) -> Iterator[str | Answer]:
        """The pieces of the answer as they come, and then the whole `Answer`, checked. Raises where it breaks off."""
        asked = self._begin(question)
        with asked.timed("rewrite"):
            asked.searched = self.rewrite(asked.question, history)
        if (refusal := self._look(asked, search)) is not None:
            yield from (refusal.text, refusal)
            return
        assert asked.prompt is not None
        began = time.perf_counter()
        with closing(self._pieces(asked.prompt.messages)) as pieces:  # left early, the model stops
            for piece in pieces:
                if isinstance(piece, str):
                    yield piece
                else:
                    asked.timings["generate"] = (time.perf_counter() - began) * 1000
                    yield self._end(asked, piece)

    async def aask(self, question: str, history: History = (), **search: Any) -> Answer:
        """`ask`, awaited: what blocks runs in threads."""
        asked = self._begin(question)
        with asked.timed("rewrite"):
            asked.searched = await self._arewrite(asked.question, history)
        if (refusal := await asyncio.to_thread(self._look, asked, search)) is not None:
            return refusal
        assert asked.prompt is not None
        with asked.timed("generate"):
            reply = await self._agenerate(asked.prompt.messages)
        return await asyncio.to_thread(self._end, asked, reply)

    async def astream(self, question: str, history: History = (), **search: Any) -> AsyncIterator[str | Answer]:
        """`stream`, awaited."""
        asked = self._begin(question)
        with asked.timed("rewrite"):
            asked.searched = await self._arewrite(asked.question, history)
        if (refusal := await asyncio.to_thread(self._look, asked, search)) is not None:
            yield refusal.text
            yield refusal
            return
        assert asked.prompt is not None
        began = time.perf_counter()
        async with aclosing(self._apieces(asked.prompt.messages)) as pieces:
            async for piece in pieces:
                if isinstance(piece, str):
                    yield piece
                else:
                    asked.timings["generate"] = (time.perf_counter() - began) * 1000
                    yield await asyncio.to_thread(self._end, asked, piece)

    # The steps

    def rewrite(self, question: str, history: History = ()) -> str:
        """The question as it is searched for: with what the conversation before it makes clear."""
        turns = _turns(history)
        if self._rewrite is not None:
            return self._rewrite(question, turns)
        return rewritten(question, turns, self.llm, budget=self.context_tokens)

    async def _arewrite(self, question: str, history: History) -> str:
        turns = _turns(history)
        if self._rewrite is not None:
            return await asyncio.to_thread(self._rewrite, question, turns)
        return await arewritten(question, turns, self.llm, budget=self.context_tokens)

    def retrieve(self, question: str, **search: Any) -> Hits:
        """The hits for a question, best first."""
        return (self._retrieve or self.collection.search)(question, **self._options(search))

    def judge(self, question: str, hits: Hits, **search: Any) -> Verdict | None:
        """Whether the hits are near enough to answer the question; None where `refuse=False`."""
        if self._backgrounds is None or self.collection.embedder is None:
            return None
        return self._backgrounds.judge(question, hits, self._source(search))

    def background(self, question: str, **search: Any) -> Background | None:
        """What a question of this language is measured by; None where `refuse=False`."""
        if self._backgrounds is None or self.collection.embedder is None:
            return None
        return self._backgrounds.background(question, self._source(search))

    def _source(self, search: Mapping[str, Any]) -> Source:
        options = self._options(search)
        return Source(
            retrieve_many=lambda asked: self._retrieve_many(asked, options),
            documents=lambda: self.collection.scan(options["where"]),
            rows=self.collection.count(options["where"]),
            options=options | {"embedder": self._model_key()},
            takes=self._takes,
        )

    def build_prompt(self, question: str, hits: Hits) -> Prompt:
        """The messages for the model, with the passages in them, within the budget by the model's own count."""
        return build(
            question, hits, count=self.llm.count_tokens, budget=self.context_tokens - self.answer_tokens,
            template=self._template, takes=self._takes,
        )  # fmt: skip

    def generate(self, messages: Sequence[Message]) -> Reply:
        """The model's reply to a prompt."""
        if self._generate is None:
            return self.llm.generate(messages, max_tokens=self.answer_tokens)
        began = time.perf_counter()
        made = self._generate(messages)
        return made if isinstance(made, Reply) else Reply(made, "callable", seconds=time.perf_counter() - began)

    async def _agenerate(self, messages: Sequence[Message]) -> Reply:
        if self._generate is None:
            return await self.llm.agenerate(messages, max_tokens=self.answer_tokens)
        return await asyncio.to_thread(self.generate, messages)

    def _pieces(self, messages: Sequence[Message]) -> Generator[str | Reply, None, None]:
        if self._generate is None:
            yield from self.llm.stream(messages, max_tokens=self.answer_tokens)
            return
        reply = self.generate(messages)
        yield from (reply.text, reply)

    async def _apieces(self, messages: Sequence[Message]) -> AsyncGenerator[str | Reply, None]:
        if self._generate is None:
            pieces = self.llm.astream(messages, max_tokens=self.answer_tokens)
            try:
                async for piece in pieces:
                    yield piece
            finally:
                if (aclose := getattr(pieces, "aclose", None)) is not None:
                    await aclose()
            return
        reply = await asyncio.to_thread(self.generate, messages)
        yield reply.text
        yield reply

    def check(self, answer: str, passages: Sequence[Passage], question: str = "") -> Checked:
        """What the answer cites, and how far the passages bear out each of its sentences."""
        if self._check is not None:
            return self._check(answer, passages)
        embed = self._embed if self._takes == "text" and self.collection.embedder is not None else None
        background = self._background_cosine() if embed and answer.strip() else 0.0
        return check(answer, passages, embed=embed, background=background, question=question)

    def evaluate(self, questions: Sequence[Question], *, answers: bool = True, **search: Any) -> Evaluation:
        """How well it does on questions with known answers: see `adjoin.llm.rag.evaluate.evaluate`."""
        from adjoin.llm.rag.evaluate import evaluate

        return evaluate(self, questions, answers=answers, **search)

    @property
    def context_tokens(self) -> int:
        """Of prompt and answer together: the smaller of what was asked for and what the model has."""
        has = self.llm.context_tokens
        wanted = self._context_tokens or has or DEFAULT_CONTEXT
        room = wanted if has is None else min(wanted, has)
        if room <= self.answer_tokens:
            raise InvalidOption(
                f"{self.llm.name!r} has {room:,} tokens for prompt and answer together; answer_tokens ({self.answer_tokens:,}) "
                "has to be less."
            )
        return room

    # What holds them together

    def _begin(self, question: str) -> _Asked:
        if not isinstance(question, str) or not question.strip():
            raise InvalidContent(f"a question is a text with something in it, not {question!r:.80}.")
        return _Asked(question, question, {})

    def _look(self, asked: _Asked, search: Mapping[str, Any]) -> Answer | None:
        """Retrieve and build the prompt; an Answer where it ends there."""
        with asked.timed("retrieve"):
            asked.hits = self.retrieve(asked.searched, **search)
        if not asked.hits:
            return self._refused(asked, self._why_nothing(search))
        with asked.timed("judge"):
            verdict = self.judge(asked.searched, asked.hits, **search)
        if verdict is not None and not verdict.answerable:
            return self._refused(asked, verdict.why)
        with asked.timed("prompt"):
            asked.prompt = self.build_prompt(asked.searched, asked.hits)
        if not asked.prompt.passages:
            return self._refused(asked, "nothing that was found can be read by a language model")
        return None

    def _why_nothing(self, search: Mapping[str, Any]) -> str:
        if self.collection.count() == 0:
            return f"the collection {self.collection.name!r} is empty"
        where = self._options(search)["where"]
        return "no document matches the filter" if where and not self.collection.count(where) else "nothing was found"

    def _refused(self, asked: _Asked, why: str) -> Answer:
        return Answer(
            no_answer(asked.question), asked.question, asked.searched, refused=True, why=why, hits=asked.hits,
            timings=asked.timings,
        )  # fmt: skip

    def _end(self, asked: _Asked, reply: Reply) -> Answer:
        assert asked.prompt is not None
        prompt = asked.prompt
        with asked.timed("check"):
            checked = self.check(reply.text, prompt.passages, asked.searched)
        refused = not checked.citations and says_no_answer(reply.text)
        return Answer(
            reply.text.strip(), asked.question, asked.searched, refused=refused,
            why="the model found no answer in the passages" if refused else "",
            sentences=() if refused else checked.sentences, citations=checked.citations, passages=prompt.passages,
            left_out=prompt.left_out, prompt=prompt.messages, prompt_tokens=prompt.tokens, hits=asked.hits, reply=reply,
            timings=asked.timings,
        )  # fmt: skip

    def _options(self, search: Mapping[str, Any]) -> dict[str, Any]:
        """Options of one search: a filter given with the question narrows the one that all have, and never widens it."""
        options = {"k": self.k, "recall": self.recall, **search}
        given = [where for where in (self.where, search.get("where")) if where]
        return options | {"where": {"$and": given} if len(given) > 1 else given[0] if given else None}

    def _retrieve_many(self, questions: Sequence[str], options: dict[str, Any]) -> Sequence[Hits]:
        if self._retrieve is not None or options.get("mode", "auto") not in ("auto", "vector"):
            return [(self._retrieve or self.collection.search)(question, **options) for question in questions]
        vectors = self._vectors_of(questions) if questions in (ENGLISH, KOREAN) else questions
        return self.collection.search_many(vectors, **(options | {"k": ASK_FOR, "offset": 0, "max_distance": None}))

    def _vectors_of(self, questions: Sequence[str]) -> Floats:
        """Those of the fixed questions, embedded once."""
        key = (self._model_key(), tuple(questions))
        if key not in self._unrelated:
            embedder = self.collection.embedder
            assert embedder is not None
            self._unrelated[key] = embedder.embed(list(questions), "query")
        return self._unrelated[key]

    def _model_key(self) -> str:
        """What tells the collection's embedder from the one that it had before it was embedded again."""
        embedder = self.collection.embedder
        if embedder is not self._known[0]:
            self._known = (embedder, embedder.identity.to_json() if embedder is not None else "")
        return self._known[1]

    @property
    def _takes(self) -> str:
        return str(getattr(self.collection.embedder, "takes", "text") or "text")

    def _embed(self, texts: Sequence[str]) -> Floats:
        embedder = self.collection.embedder
        assert embedder is not None
        whole = [text.encode("utf-8", "replace").decode("utf-8") or " " for text in texts]  # a model may send anything
        vectors = embedder.embed(whole, "document")
        scaled: Floats = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return scaled

    def _background_cosine(self) -> float:
        """The mean cosine of two texts that have nothing to do with each other, by the collection's embedder."""
        key = self._model_key()
        with self._lock:
            if key not in self._mean_cosines:
                vectors = self._embed([*ENGLISH[::4], *KOREAN[::4]])
                cosines = vectors @ vectors.T
                self._mean_cosines[key] = min(0.95, float(cosines[np.triu_indices(len(vectors), 1)].mean()))
            return self._mean_cosines[key]


def _turns(history: History) -> list[Message]:
    try:
        return as_messages(history) if history else []
    except (ValueError, TypeError, KeyError) as exc:
        if isinstance(exc, InvalidOption):
            raise
        raise InvalidOption(
            f'a history is a list of turns like ("user", "…") or ("assistant", "…"), not {history!r:.120}.'
        ) from exc


def says_no_answer(text: str) -> bool:
    """Whether the model says that the passages do not answer, in the words that it was given or nearly so."""
    said = one_line(text).strip(" .!\"'“”").casefold()
    known = [sentence.strip(".").casefold() for sentence in (NO_ANSWER, NO_ANSWER_KO)]
    return any(sentence in said for sentence in known) and len(said) < 3 * max(map(len, known))
