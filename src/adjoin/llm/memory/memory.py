"""The memory of many users and their sessions, in a collection."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
import uuid
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from adjoin.errors import (
    AnswerCutOff,
    ContextTooLong,
    InvalidInput,
    InvalidMetadata,
    InvalidOption,
    NotFound,
    StoreError,
)
from adjoin.filters import parse
from adjoin.forks import renew_in_child
from adjoin.llm.base import ROLES, LanguageModel, Message, Reply
from adjoin.llm.memory import chatting
from adjoin.llm.memory.export import as_json_lines
from adjoin.llm.memory.facts import extract
from adjoin.llm.memory.folding import Fact, facts
from adjoin.llm.memory.linking import Links, released, restored
from adjoin.llm.memory.policy import Policy
from adjoin.llm.memory.recalling import Recalled, Settings, candidates, recall
from adjoin.llm.memory.record import OWN_KEYS, STATES, Record, message_of, spot
from adjoin.llm.memory.scope import Scope, checked_name, checked_text, owner, users
from adjoin.llm.memory.scoring import Weights, importance, is_question, is_small_talk, relevance
from adjoin.llm.memory.words import signature, terms
from adjoin.strict import strict
from adjoin.types import Erased, Progress, Where, as_html, shown

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.types import Floats

_log = logging.getLogger(__name__)

Records: TypeAlias = list[Record]


_STRIPES: Final = 64
_MOST_HELD: Final = 10_000  # users whose last numbers are kept at hand
_ANSWER_SHARE: Final = 4  # of the model's context, one part in so many is left for the answer


@dataclass(frozen=True, slots=True)
class Remembered:
    """What became of a message. folded, superseded: ids of earlier ones that it replaced. facts: what it was found to say.

    problem: what went wrong with the model that looks for facts; the message is stored all the same.
    """

    id: str
    record: Record
    folded: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(fact for fact, _ in self.record.facts)

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.record.to_dict(), "folded": list(self.folded), "superseded": list(self.superseded), "problem": self.problem,
        }  # fmt: skip

    def __str__(self) -> str:
        said = [f"{self.id}  {self.record}"]
        said += [f"  {fact.about}: {fact.value}" for fact in self.facts]
        said += [f"  folded: {', '.join(self.folded)}"] if self.folded else []
        said += [f"  superseded: {', '.join(self.superseded)}"] if self.superseded else []
        return "\n".join(said + ([f"  note: {self.problem}"] if self.problem else []))


@dataclass(frozen=True, slots=True)
class Answered:
    """An earlier question with the answer that it got. score: from 0 to 1, among the questions that were looked at."""

    question: Record
    answer: Record
    score: float

    def to_dict(self) -> dict[str, Any]:
        return {"score": self.score, "question": self.question.to_dict(), "answer": self.answer.to_dict()}


@dataclass(frozen=True, slots=True)
class Session:
    """A session of a user. messages: with those folded and superseded."""

    session: str
    messages: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Explained:
    """Where a message stands among those it replaced and those that replaced it.

    chain: all of them with the message itself, oldest first. gone: ids named by them that are there no more.
    """

    record: Record
    chain: tuple[Record, ...]
    gone: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{self.record.id} of {self.record.user!r}: {self.record.state}, importance {self.record.importance}"]
        for one in self.chain:
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(one.at)) if 0 <= one.at < 2**36 else f"{one.at:g} s"
            lines.append(f"{'>' if one.id == self.record.id else ' '} {moment} UTC  {one.id}  {one}")
            lines += [
                f"      {fact.about}: {fact.value}" + (f"  (superseded by {by})" if by else "")
                for fact, by in one.facts
            ]
        return "\n".join(lines + ([f"  gone since: {', '.join(self.gone)}"] if self.gone else []))

    def _repr_html_(self) -> str:
        return as_html(str(self))

    def to_dict(self) -> dict[str, Any]:
        return {
            "message": self.record.to_dict(),
            "chain": [one.to_dict() for one in self.chain],
            "gone": list(self.gone),
        }


@dataclass(frozen=True, slots=True)
class Undone:
    """action: `unfolded` or `reinstated`, of a message that had been folded or superseded, or `forgotten`, of one that
    was live. ids: the messages it was done to. restored: those that a forgotten one had replaced."""

    action: str
    ids: tuple[str, ...]
    restored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tidied:
    """removed: messages beyond the policy's limits. mended: those whose folding or superseding a killed process left half
    done."""

    users: int
    removed: int
    mended: int


# `Memory.list` has the name of the type inside the class.
Questions: TypeAlias = list[Answered]
Sessions: TypeAlias = list[Session]
Names: TypeAlias = list[str]
_Drafts: TypeAlias = list[tuple[str, "_Draft"]]
_Conditions: TypeAlias = list[Where]
_Either: TypeAlias = list[dict[str, Any]]
_Places: TypeAlias = dict[str, list[int]]
Stored: TypeAlias = list[Remembered]
_New: TypeAlias = list[Record | None]


@dataclass(slots=True)
class _Numbers:
    """The last numbers that were given. n: of a user's messages. places: in each session."""

    n: int = 0
    places: dict[str, int] = field(default_factory=dict)

    def see(self, records: Iterable[Record]) -> None:
        for one in records:
            self.n = max(self.n, one.n)
            self.places[one.session] = max(self.places.get(one.session, 0), one.place)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A message before it has its numbers."""

    session: str
    role: str
    text: str
    at: float
    importance: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[Fact, ...] = ()
    only_facts: bool = False
    problem: str | None = None
    exchange: str | None = None


class Memory:
    """What users said in their sessions and what they were answered, kept in a collection and recalled when it matters.

    Every read is confined to one user by the engine's own filter, and looked at again (`memory/scope.py`). What a call of
    `remember` or `chat` returned is on disk. All methods may be called from many threads; several processes may share a
    store. Times are seconds since 1970 UTC by `clock`; the order of messages is by counters, whatever the clock does.

    >>> import adjoin
    >>> from adjoin.testing import TinyEmbedder
    >>> memory = Memory(adjoin.open("memory://").collection("memory", embedder=TinyEmbedder()))
    >>> _ = memory.remember("mina", "monday", "user", "I live in Seoul.")
    >>> _ = memory.remember("mina", "friday", "user", "I moved to Busan.")
    >>> memory.recall("mina", "Where do I live?", n=2).texts
    ['I moved to Busan.', 'I live in Seoul.']
    >>> memory.recall("min", "Where do I live?").texts
    []
    """

    @strict
    def __init__(
        self,
        collection: Collection,
        llm: LanguageModel | str | PathLike[str] | Callable[..., Any] | None = None,
        *,
        half_life_s: float = 30 * 86_400.0,
        half_life_messages: float = 500.0,
        policy: Policy | None = None,
        weights: Weights | None = None,
        extract_facts: bool | None = None,
        system: str = chatting.SYSTEM,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """collection: any; other rows in it are left alone. llm: for `chat`, and to find facts; a model, or what
        `adjoin.llm.models.model` makes one of.

        half_life_s, half_life_messages: after which recency is half, by time and by messages of the user since.
        extract_facts: ask the model for the facts of what users say, beside the rules, with one call a message; None does
        where there is a model. system: the chat's instructions.
        """
        for name, value in (("half_life_s", half_life_s), ("half_life_messages", half_life_messages)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
                raise InvalidOption(f"{name} is a number above 0, not {value!r}.")
        if extract_facts and llm is None:
            raise InvalidOption(
                "extract_facts needs a model. Give llm=, or leave it out: rules find facts without one."
            )
        if policy is not None and not isinstance(policy, Policy):
            raise InvalidOption(f"policy is a Policy, not {type(policy).__name__}.")
        self._collection = collection
        self._llm = _as_model(llm)
        self._policy = policy or Policy()
        self._extract = llm is not None if extract_facts is None else extract_facts
        self._system = system
        self._clock = clock
        self._settings = Settings(
            weights or Weights(), float(half_life_s), float(half_life_messages), self._policy, self._tokens_of
        )
        self._renew()
        renew_in_child(self, "_locks", _locks)
        renew_in_child(self, "_guard")

    def _renew(self) -> None:
        self._locks = _locks()
        self._guard = threading.Lock()
        self._held: OrderedDict[str, _Numbers] = OrderedDict()

    def __repr__(self) -> str:
        return f"Memory({self._collection.name!r}, {self._llm.name if self._llm else 'no model'})"

    # Writing

    @strict
    def remember(
        self,
        user: str,
        session: str,
        role: str,
        text: str,
        *,
        importance: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        vector: Any = None,
        at: float | None = None,
    ) -> Remembered:
        """Store a message, fold what it repeats and supersede what it contradicts. When it returns, it is on disk.

        role: "user", "assistant" or "system". importance: from 0 to 1; None has it judged by rule. metadata: your own
        keys, to filter by. vector: where it is at hand, or the collection has no embedder. at: when it was said; now if None.
        A message of the user that says what an earlier one said, but for fillers and marks, folds that one: it is kept, but
        not recalled, and counted. A fact with another value supersedes the earlier: it is kept, and ranks behind.
        Raises InvalidId, InvalidContent, InvalidOption or InvalidMetadata; nothing is then stored.
        """
        scope = self._scope(user)
        draft = self._draft(session, role, text, importance, metadata, at)
        draft = self._with_model_facts(draft)
        with self._lock(scope.user):
            return self._store(scope, [draft], None if vector is None else [vector])[0]

    async def aremember(self, user: str, session: str, role: str, text: str, **options: Any) -> Remembered:
        """`remember` without holding up an event loop."""
        return await asyncio.to_thread(self.remember, user, session, role, text, **options)

    @strict
    def remember_many(
        self,
        messages: Iterable[Mapping[str, Any] | Sequence[Any]],
        *,
        vectors: Any = None,
        progress: Progress | None = None,
    ) -> Names:
        """Store many messages of any users at once, all or none, and return their ids in order: to bring in a log.

        messages: (user, session, role, text), or dicts with these keys and, if wanted, importance, metadata and at.
        They are numbered, folded and superseded as if each were remembered in its turn; facts are found by rules alone.
        vectors: (n, dim), where they are at hand. Cost: the messages are held in memory meanwhile.
        """
        drafts: _Drafts = []
        for number, given in enumerate(messages):
            try:
                drafts.append(self._one_of_many(given))
            except InvalidInput as exc:
                raise type(exc)(f"message {number}: {exc}") from exc
        if vectors is not None and len(vectors) != len(drafts):
            raise InvalidInput(f"{len(drafts)} messages and {len(vectors)} vectors. Give one for each.")
        if not drafts:
            return []
        with self._lock(*{user for user, _ in drafts}):
            return self._store_many(drafts, vectors, progress)

    def _one_of_many(self, given: Any) -> tuple[str, _Draft]:
        keys = ("user", "session", "role", "text")
        if isinstance(given, Mapping):
            known = (*keys, "importance", "metadata", "at")
            unknown = [key for key in given if key not in known]
            missing = [key for key in keys if key not in given]
            if unknown or missing:
                raise InvalidInput(f"a message has the keys {', '.join(known)}; got {', '.join(map(str, given))}.")
            said = dict(given)
        elif isinstance(given, Sequence) and not isinstance(given, str) and len(given) == len(keys):
            said = dict(zip(keys, given, strict=True))
        else:
            raise InvalidInput(f"a message is (user, session, role, text) or a dict, not {shown(given, 80)}.")
        user = checked_name(said["user"], "user")
        return user, self._draft(
            said["session"], said["role"], said["text"], said.get("importance"), said.get("metadata"), said.get("at")
        )

    def _draft(
        self, session: Any, role: Any, text: Any, given_importance: Any, metadata: Any, at: Any, **more: Any
    ) -> _Draft:
        if role not in ROLES:
            raise InvalidOption.unknown("role", role, ROLES)
        if given_importance is not None and (
            isinstance(given_importance, bool)
            or not isinstance(given_importance, int | float)
            or not 0 <= given_importance <= 1
        ):
            raise InvalidOption(f"importance is a number from 0 to 1, not {given_importance!r}.")
        if at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at)):
            raise InvalidOption(f"at is a number of seconds since 1970, not {at!r}.")
        session = checked_name(session, "session")
        text = checked_text(text, self._policy.max_characters)
        if metadata is not None and not isinstance(metadata, Mapping):
            raise InvalidMetadata(f"metadata is a dict, not {type(metadata).__name__} ({metadata!r:.80}).")
        taken = [key for key in metadata or {} if key in OWN_KEYS]
        if taken:
            raise InvalidMetadata(f"the metadata key {taken[0]!r} is the memory's own. Name it otherwise.")
        found, alone = facts(text) if role == "user" else ((), False)
        now = float(self._clock() if at is None else at)
        return _Draft(session, role, text, now, given_importance, dict(metadata or {}), found, alone, **more)

    def _with_model_facts(self, draft: _Draft) -> _Draft:
        """With what the model finds; what it says differently of the same attribute is believed after the rules."""
        if not self._extract or self._llm is None or draft.role != "user":
            return draft
        if is_small_talk(draft.text) or is_question(draft.text):
            return draft
        found = extract(self._llm, draft.text)
        if found.problem:
            _log.info("facts of a message: %s", found.problem.split(":")[0])
        ruled = {fact.about for fact in draft.facts}
        more = tuple(fact for fact in found.facts if fact.about not in ruled)
        alone = draft.only_facts or (bool(more) and not draft.facts)
        return replace(draft, facts=(*draft.facts, *more), only_facts=alone, problem=found.problem)

    def _numbered(self, user: str, draft: _Draft, numbers: _Numbers) -> Record:
        numbers.n += 1
        place = numbers.places[draft.session] = numbers.places.get(draft.session, 0) + 1
        judged = importance(draft.text, draft.role, states_fact=bool(draft.facts))
        return Record(
            id=uuid.uuid4().hex, user=user, session=draft.session, role=draft.role,  # type: ignore[arg-type]  # checked
            text=draft.text, at=draft.at, n=numbers.n, place=place,
            importance=judged if draft.importance is None else float(draft.importance), first_at=draft.at,
            same=signature(draft.text), terms=terms(draft.text), facts=tuple((fact, None) for fact in draft.facts),
            only_facts=draft.only_facts, exchange=draft.exchange, metadata=dict(draft.metadata),
        )  # fmt: skip

    def _store(self, scope: Scope, drafts: Sequence[_Draft], vectors: Any) -> Stored:
        """In one transaction the messages, and in another what becomes of earlier ones."""
        numbers = self._numbers(scope)
        tried = replace(numbers, places=dict(numbers.places))  # given only once they are stored
        new = [self._numbered(scope.user, draft, tried) for draft in drafts]
        links = Links(self._touched(scope, new))
        new = [links.add(one) for one in new]
        earlier = self._put(scope, new, links, vectors)
        numbers.n, numbers.places = tried.n, tried.places
        self._apply_policy(scope)
        return [
            Remembered(
                one.id, one,
                tuple(id_ for id_ in one.replaces if id_ in earlier and earlier[id_].state == "folded"),
                tuple(id_ for id_ in one.replaces if id_ in earlier and earlier[id_].state != "folded"),
                draft.problem,
            )
            for one, draft in zip(new, drafts, strict=True)
        ]  # fmt: skip

    def _touched(self, scope: Scope, new: Sequence[Record]) -> Records:
        """The earlier messages that new ones may fold or supersede."""
        either: _Either = [{"same": {"$in": [one.same for one in new]}}]
        if attributes := [attribute for one in new for attribute in one.about]:
            either.append({"about": {"$in": attributes}})
        return scope.scan({"$or": either}, ("live", "superseded"))

    def _put(self, scope: Scope, new: Sequence[Record], links: Links, vectors: Any) -> dict[str, Record]:
        """Store new messages, then the links of earlier ones; returns the latter by id."""
        final = [links.changed.get(one.id, one) for one in new]
        ids = {one.id for one in new}
        earlier = {id_: one for id_, one in links.changed.items() if id_ not in ids}
        self._add(final, vectors)
        scope.relink(earlier.values())
        return earlier

    def _add(self, records: Sequence[Record], vectors: Any, progress: Progress | None = None) -> None:
        self._collection.add(
            [one.text for one in records], ids=[one.id for one in records], metadata=[one.row() for one in records],
            vectors=vectors, progress=progress,
        )  # fmt: skip

    def _store_many(self, drafts: Sequence[tuple[str, _Draft]], vectors: Any, progress: Progress | None) -> Names:
        by_user: _Places = defaultdict(list)
        for place, (user, _) in enumerate(drafts):
            by_user[user].append(place)
        new: _New = [None] * len(drafts)
        earlier: dict[str, Record] = {}
        numbered: dict[str, _Numbers] = {}
        for user, places in by_user.items():
            scope = Scope(self._collection, user)
            held = scope.scan() if scope.count() else []
            numbers = numbered[user] = _Numbers()
            numbers.see(held)
            links = Links(one for one in held if one.state != "folded")
            added = [links.add(self._numbered(user, drafts[place][1], numbers)) for place in places]
            for place, one in zip(places, added, strict=True):
                new[place] = links.changed.pop(one.id, one)
            earlier |= links.changed
        rows = [one for one in new if one is not None]
        self._add(rows, vectors, progress)
        for user, numbers in numbered.items():
            self._hold(user, numbers)
            scope = Scope(self._collection, user)
            scope.relink(one for one in earlier.values() if one.user == user)
            self._apply_policy(scope)
        return [one.id for one in rows]

    def _numbers(self, scope: Scope) -> _Numbers:
        """The user's last numbers, those of other processes too."""
        with self._guard:
            held = self._held.get(scope.user)
        if held is None:
            numbers = _Numbers()
            numbers.see(scope.scan())
            return self._hold(scope.user, numbers)
        held.see(scope.scan({"n": {"$gt": held.n}}))
        return held

    def _hold(self, user: str, numbers: _Numbers) -> _Numbers:
        with self._guard:
            self._held[user] = numbers
            self._held.move_to_end(user)
            while len(self._held) > _MOST_HELD:
                self._held.popitem(last=False)
        return numbers

    # Limits

    def _apply_policy(self, scope: Scope) -> int:
        policy = self._policy
        if not policy.has_limits:
            return 0
        now = float(self._clock())
        shortest = min(filter(None, (policy.ttl_s, policy.small_talk_ttl_s)), default=None)
        too_many = policy.max_messages is not None and scope.count() > policy.max_messages
        if not too_many and (shortest is None or not scope.count({"at": {"$lt": now - shortest}})):
            return 0
        return scope.delete(policy.leaving(scope.scan(), now))

    @strict
    def tidy(self, user: str | None = None) -> Tidied:
        """Apply the policy, and finish what a killed process left half done, for one user or for all."""
        everyone = users(self._collection) if user is None else [checked_name(user, "user")]
        removed = mended = 0
        for name in everyone:
            scope = Scope(self._collection, name)
            with self._lock(name):
                mended += self._mend(scope)
                removed += self._apply_policy(scope)
        return Tidied(len(everyone), removed, mended)

    def _mend(self, scope: Scope) -> int:
        """Fold and supersede what live messages say they replaced but do not say it themselves."""
        records = scope.scan()
        known = {one.id: one for one in records}
        changed: dict[str, Record] = {}
        for new in records:
            for id_ in new.replaces:
                old = changed.get(id_, known.get(id_))
                if old is None or new.id in old.replaced_by:
                    continue
                folded = old.same == new.same and old.role == new.role
                about = set(new.about) | {fact.about for fact, _ in new.facts}
                held = tuple((fact, by or (new.id if fact.about in about else None)) for fact, by in old.facts)
                outdated = old.only_facts and all(by for _, by in held)
                state = "folded" if folded else "superseded" if outdated else old.state
                changed[id_] = replace(
                    old, state=state, facts=old.facts if folded else held, replaced_by=(*old.replaced_by, new.id)
                )
        scope.relink(changed.values())
        return len(changed)

    # Reading

    @strict
    def recall(
        self,
        user: str,
        query: str,
        n: int = 10,
        token_budget: int | None = None,
        session: str | None = None,
        *,
        neighbours: int = 1,
        where: Where | None = None,
        vector: Any = None,
    ) -> Recalled:
        """The user's messages that matter to a query, best first: n at most, by relevance, recency and importance.

        token_budget: of the messages together, by the model's own count, or, without one, by an estimate that is rather too
        high. session: look in this one alone. neighbours: how many messages before and after each hit come with it, beside
        the n. where: your own filter, on your metadata or `role`, `at` and the rest. vector: the query's, where it is at hand.
        Cost: one or two searches of 96 and 48 candidates, and one look for neighbours.
        """
        scope = self._scope(user)
        _whole("n", n, 1)
        _whole("neighbours", neighbours, 0)
        if token_budget is not None:
            _whole("token_budget", token_budget, 1)
        found = self._query_vector(query, vector)
        if where is not None:
            parse(where)  # refused here, by its own name, before it stands beside another
        conditions: _Conditions = [] if where is None else [where]
        if session is not None:
            conditions.append({"session": {"$eq": checked_name(session, "session")}})
        now = float(self._clock())
        if self._policy.ttl_s is not None:
            conditions.append({"at": {"$gte": now - self._policy.ttl_s}})
        with self._guard:
            held = self._held.get(scope.user)
        return recall(
            scope, query, found, self._settings, n=n, token_budget=token_budget,
            condition={"$and": conditions} if conditions else None, neighbours=neighbours,
            newest=held.n if held else 0, now=now,
        )  # fmt: skip

    async def arecall(self, user: str, query: str, n: int = 10, **options: Any) -> Recalled:
        """`recall` without holding up an event loop."""
        return await asyncio.to_thread(self.recall, user, query, n, **options)

    @strict
    def similar_questions(self, user: str, query: str, n: int = 5, *, vector: Any = None) -> Questions:
        """Earlier messages of the user that are like this one, each with the answer that it got, best first.

        One that was never answered is left out. Of a question asked several times in the same words, it is the last that was answered.
        """
        scope = self._scope(user)
        _whole("n", n, 1)
        found = self._query_vector(query, vector)
        asked = terms(query)
        now = float(self._clock())
        asked_by_user: Where = {"role": {"$eq": "user"}}
        hits = candidates(scope, found, asked, asked_by_user, STATES, n)
        if not hits:
            return []
        records = [message_of(hit) for hit in hits]
        near = relevance(
            [hit.score for hit in hits], [one.terms for one in records], asked, self._settings.weights.lexical
        )
        ranked = sorted(zip(records, near.tolist(), strict=True), key=lambda pair: (-pair[1], -pair[0].n))
        after = [spot(one.session, one.place + 1) for one, _ in ranked]
        answers = {
            (one.session, one.place): one
            for one in scope.scan({"$and": [{"spot": {"$in": after}}, {"role": {"$eq": "assistant"}}]})
        }
        best: dict[str, Answered] = {}
        for one, score in ranked:
            answer = answers.get((one.session, one.place + 1))
            if answer is None or self._policy.is_expired(one, now):
                continue
            held = best.get(one.same)
            if held is None or held.question.n < one.n:
                best[one.same] = Answered(one, answer, score if held is None else held.score)
        return sorted(best.values(), key=lambda each: (-each.score, -each.question.n))[:n]

    def _query_vector(self, query: str, vector: Any) -> Floats:
        if not isinstance(query, str) or not query.strip():
            raise InvalidInput("the query is empty. Ask for something, or use list() to see all messages.")
        if vector is not None:
            return _as_vector(vector)
        embedder = self._collection.embedder
        if embedder is None:
            raise InvalidInput(f"collection {self._collection.name!r} has no embedder, so a query needs vector=.")
        embedded: Floats = embedder.embed([query], kind="query")[0]
        return embedded

    @strict
    def list(self, user: str, session: str | None = None) -> Records:
        """All messages of a user, or of one of their sessions, in the order they were said, folded and superseded ones too."""
        scope = self._scope(user)
        return scope.scan(None if session is None else {"session": {"$eq": checked_name(session, "session")}})

    @strict
    def sessions(self, user: str) -> Sessions:
        """The user's sessions, the one with the newest message last."""
        found: dict[str, Records] = {}
        for one in self._scope(user).scan():
            found.setdefault(one.session, []).append(one)
        listed = sorted(found.items(), key=lambda pair: pair[1][-1].n)
        return [
            Session(name, len(records), min(one.at for one in records), max(one.at for one in records))
            for name, records in listed
        ]

    def users(self) -> Names:
        """The names of all users who have messages, for whoever runs the memory. Cost: reads every message."""
        return users(self._collection)

    @strict
    def explain(self, id: str, *, user: str | None = None) -> Explained:  # noqa: A002
        """What a message replaced, and what replaced it, with times.

        user: give it where users ask, so that another's id is as good as none. Raises NotFound.
        """
        scope, one = self._found(id, user)
        chain, gone = {one.id: one}, dict.fromkeys((*one.replaces, *one.replaced_by))
        waiting = list(gone)
        while waiting:
            for other in scope.get([id_ for id_ in waiting if id_ not in chain]):
                chain[other.id] = other
            more = [id_ for other in chain.values() for id_ in (*other.replaces, *other.replaced_by)]
            waiting = [id_ for id_ in dict.fromkeys(more) if id_ not in chain and id_ not in gone]
            gone.update(dict.fromkeys(waiting))
        ordered = tuple(sorted(chain.values(), key=lambda other: other.n))
        return Explained(one, ordered, tuple(id_ for id_ in gone if id_ not in chain))

    def _found(self, id_: str, user: str | None) -> tuple[Scope, Record]:
        whose = owner(self._collection, id_) if user is None else checked_name(user, "user")
        scope = Scope(self._collection, whose) if whose else None
        found = scope.get([id_]) if scope and isinstance(id_, str) else []
        if not found or scope is None:
            raise NotFound(f"there is no message {id_!r}" + (f" of {user!r}." if user is not None else "."))
        return scope, found[0]

    # Taking back

    @strict
    def undo(self, id: str, *, user: str | None = None) -> Undone:  # noqa: A002
        """Take back the last thing that happened to a message.

        One that was folded or superseded is live again. One that is live is forgotten, with the other half of its exchange,
        and what it had replaced is as if it had not come. user: as in `explain`. Raises NotFound.
        """
        scope, _ = self._found(id, user)
        with self._lock(scope.user):
            scope, one = self._found(id, scope.user)
            if one.replaced_by:
                return self._reinstate(scope, one)
            return self._forget(scope, one)

    def _reinstate(self, scope: Scope, one: Record) -> Undone:
        action = "unfolded" if one.state == "folded" else "reinstated"
        last = one.replaced_by[-1]
        changed = {one.id: restored(one, last)}
        for head in scope.get([last]):
            changed[head.id] = released(head, one)
        if one.state == "folded":  # what its heads were folded into counted it too
            above = [head for head in scope.get([last]) if head.state == "folded"]
            while above:
                higher = scope.get([id_ for head in above for id_ in head.replaced_by])
                for head in higher:
                    changed.setdefault(head.id, replace(head, times=max(1, head.times - one.times)))
                above = [head for head in higher if head.state == "folded"]
        scope.relink(changed.values())
        return Undone(action, (one.id,))

    def _forget(self, scope: Scope, one: Record) -> Undone:
        leaving = scope.scan({"exchange": {"$eq": one.exchange}}) if one.exchange else [one]
        gone = {each.id for each in leaving}
        back: dict[str, Record] = {}
        for each in leaving:
            for old in scope.get(list(each.replaces)):
                if old.id not in gone:
                    back[old.id] = restored(back.get(old.id, old), each.id)
        heads = [id_ for each in leaving for id_ in each.replaced_by]
        for head in scope.get(heads):  # the other half of an exchange may have been replaced itself
            if head.id not in gone:
                for each in leaving:
                    head = released(head, each)
                back[head.id] = head
        rest = scope.scan(states=("live", "superseded"))
        links = Links(back.get(each.id, each) for each in rest if each.id not in gone and each.id not in back)
        for old in sorted(back.values(), key=lambda each: -each.n):
            links.come_back(old)
        # First what comes back, then what goes: a process that dies in between leaves both, and loses nothing.
        scope.relink({**back, **links.changed}.values())
        scope.delete(leaving)
        return Undone("forgotten", tuple(each.id for each in leaving), tuple(back))

    @strict
    def export(self, user: str, path: str | PathLike[str] | None = None) -> str:
        """All that is kept of a user, as JSON lines in the order it was said; written to a new file too, where one is named."""
        told = as_json_lines(self._scope(user).scan())
        if path is not None:
            try:
                with Path(path).open("x", encoding="utf-8") as file:
                    file.write(told)
            except OSError as exc:
                raise InvalidOption(
                    f"{path} cannot be written ({exc.strerror}). Name a file that is not there yet."
                ) from exc
        return told

    @strict
    def erase(self, user: str) -> Erased:
        """Erase a user: messages, ids, facts and the name itself, from every file of the store, and look whether it is so.

        Raises StoreError where something is still found. See `Collection.erase` for cost and reach.
        """
        scope = self._scope(user)
        with self._lock(scope.user):
            with self._guard:
                self._held.pop(scope.user, None)
            erased = scope.erase()
            left = scope.count()
        if left:
            raise StoreError(
                f"{left} messages came while the user was erased. Stop whoever writes them, and erase again."
            )
        return erased

    # The whole loop

    @strict
    def chat(
        self,
        user: str,
        session: str,
        text: str,
        *,
        n: int = 10,
        recent: int = 6,
        token_budget: int = 1_500,
        max_tokens: int | None = None,
        temperature: float = 0.0,
    ) -> Reply:
        """Recall, prompt, generate, remember: the model's answer, with the exchange on disk when it returns.

        Both messages are stored in one transaction once the whole answer is there, so that there is never half an exchange:
        where the model fails, breaks off, says nothing or is killed, nothing is stored, and the call may be made again.
        An answer cut at max_tokens (`finish` is "length") is returned but not stored.
        n, token_budget: of what is recalled. recent: the session's last messages, which come before it.
        `reply.extra` has `stored` (the two ids, or None) and `recalled` (ids). Raises ModelError and its kin.
        """
        model, scope, draft, messages, recalled = self._prepared(
            user, session, text, n, recent, token_budget, max_tokens
        )
        reply = model.generate(messages, max_tokens=max_tokens, temperature=temperature)
        return self._kept(scope, draft, reply, recalled)

    @strict
    def chat_stream(
        self,
        user: str,
        session: str,
        text: str,
        *,
        n: int = 10,
        recent: int = 6,
        token_budget: int = 1_500,
        max_tokens: int | None = None,
        temperature: float = 0.0,
    ) -> Iterator[str | Reply]:
        """`chat` with the pieces of the answer as they come, and at last the whole `Reply`, when the exchange is on disk.

        A reader who stops before that has nothing stored.
        """
        model, scope, draft, messages, recalled = self._prepared(
            user, session, text, n, recent, token_budget, max_tokens
        )

        def pieces() -> Iterator[str | Reply]:
            for piece in model.stream(messages, max_tokens=max_tokens, temperature=temperature):
                if isinstance(piece, Reply):
                    yield self._kept(scope, draft, piece, recalled)
                    return
                yield piece
            raise AnswerCutOff("the model's stream ended without its end. Nothing was stored.")

        return pieces()

    @strict
    async def achat(
        self,
        user: str,
        session: str,
        text: str,
        *,
        n: int = 10,
        recent: int = 6,
        token_budget: int = 1_500,
        max_tokens: int | None = None,
        temperature: float = 0.0,
    ) -> Reply:
        """`chat`, awaited."""
        model, scope, draft, messages, recalled = await asyncio.to_thread(
            self._prepared, user, session, text, n, recent, token_budget, max_tokens
        )
        reply = await model.agenerate(messages, max_tokens=max_tokens, temperature=temperature)
        return await asyncio.to_thread(self._kept, scope, draft, reply, recalled)

    @strict
    async def achat_stream(
        self,
        user: str,
        session: str,
        text: str,
        *,
        n: int = 10,
        recent: int = 6,
        token_budget: int = 1_500,
        max_tokens: int | None = None,
        temperature: float = 0.0,
    ) -> AsyncIterator[str | Reply]:
        """`chat_stream`, to be gone through with `async for`."""
        model, scope, draft, messages, recalled = await asyncio.to_thread(
            self._prepared, user, session, text, n, recent, token_budget, max_tokens
        )
        async for piece in model.astream(messages, max_tokens=max_tokens, temperature=temperature):
            if isinstance(piece, Reply):
                yield await asyncio.to_thread(self._kept, scope, draft, piece, recalled)
                return
            yield piece
        raise AnswerCutOff("the model's stream ended without its end. Nothing was stored.")

    def _prepared(
        self, user: str, session: str, text: str, n: int, recent: int, token_budget: int, max_tokens: int | None
    ) -> tuple[LanguageModel, Scope, _Draft, Sequence[Message], Sequence[str]]:
        model = self._llm
        if model is None:
            raise InvalidOption("chat needs a model. Make the memory with llm=, or use remember() and recall().")
        _whole("recent", recent, 0)
        scope = self._scope(user)
        draft = self._draft(session, "user", text, None, None, None)
        turns = self._recent(scope, draft.session, recent)
        at_hand = {one.id for one in turns}
        recalled = self.recall(user, text, n, token_budget)
        earlier = [one for one in recalled.in_order() if one.id not in at_hand]
        most = None
        if model.context_tokens is not None:
            most = model.context_tokens - (max_tokens or model.context_tokens // _ANSWER_SHARE)
            if most < 1:
                raise ContextTooLong(
                    f"the model reads {model.context_tokens:,} tokens, and {max_tokens:,} are kept for the answer. Lower max_tokens."
                )
        messages = chatting.within(model, most, self._system, earlier, turns, draft.text, recalled.ids)
        return model, scope, draft, messages, recalled.ids

    def _recent(self, scope: Scope, session: str, count: int) -> Records:
        """The session's last messages."""
        if not count:
            return []
        with self._lock(scope.user):
            last = self._numbers(scope).places.get(session, 0)
        places = [spot(session, place) for place in range(max(1, last - count + 1), last + 1)]
        now = float(self._clock())
        found = scope.scan({"spot": {"$in": places}}) if places else []
        return [one for one in found if not self._policy.is_expired(one, now)]

    def _kept(self, scope: Scope, draft: _Draft, reply: Reply, recalled: Sequence[str]) -> Reply:
        """The reply, once the exchange is on disk."""
        if not reply.text.strip():
            raise AnswerCutOff("the model answered with nothing. Nothing was stored; ask again.")
        told: dict[str, Any] = {**reply.extra, "recalled": list(recalled), "stored": None}
        if reply.finish == "length":
            return replace(reply, extra=told)
        exchange = uuid.uuid4().hex
        asked = replace(self._with_model_facts(draft), exchange=exchange)
        # Whole, whatever the policy says of the length of a message.
        answer = _Draft(draft.session, "assistant", reply.text, float(self._clock()), exchange=exchange)
        with self._lock(scope.user):
            stored = self._store(scope, [asked, answer], None)
        return replace(reply, extra={**told, "stored": [one.id for one in stored]})

    # Small things

    def _scope(self, user: str) -> Scope:
        return Scope(self._collection, checked_name(user, "user"))

    def _tokens_of(self, one: Record) -> int:
        """In a prompt."""
        if self._llm is not None:
            return self._llm.count_tokens([Message(one.role, one.text)])
        return estimated_tokens(one.text)

    @contextlib.contextmanager
    def _lock(self, *names: str) -> Iterator[None]:
        """Alone with these users among the threads of this process."""
        locks = self._locks
        with contextlib.ExitStack() as held:
            for stripe in sorted({zlib.crc32(name.encode()) % _STRIPES for name in names}):
                held.enter_context(locks[stripe])
            yield


def estimated_tokens(text: str) -> int:
    """More rather than less than most tokenizers count: a token for three ASCII characters, one for each other, four a turn.

    >>> estimated_tokens("hello there"), estimated_tokens("안녕")
    (8, 6)
    """
    ascii_count = len(text.encode("ascii", "ignore"))
    return math.ceil(ascii_count / 3) + len(text) - ascii_count + 4


def _locks() -> tuple[Any, ...]:
    return tuple(threading.RLock() for _ in range(_STRIPES))


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOption(f"{name} is a whole number of {least} or more, not {value!r}.")


def _as_model(llm: Any) -> LanguageModel | None:
    if llm is not None and (isinstance(llm, str | PathLike) or not hasattr(llm, "generate")):
        from adjoin.llm.models import model

        return model(llm)
    found: LanguageModel | None = llm
    return found


def _as_vector(vector: Any) -> Floats:
    import numpy as np

    found: Floats = np.asarray(vector, np.float32)
    return found
