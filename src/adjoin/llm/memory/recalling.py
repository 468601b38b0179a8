"""What is recalled, and how it is shown."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from adjoin.llm.base import Message
from adjoin.llm.memory.policy import Policy
from adjoin.llm.memory.record import STATE, Record, State, message_of, spot
from adjoin.llm.memory.scope import Scope
from adjoin.llm.memory.scoring import Score, Weights, recency, relevance
from adjoin.llm.memory.words import terms
from adjoin.types import Hit, Where, shown

if TYPE_CHECKING:
    from adjoin.types import Floats

_NEAREST = 96  # candidates by vector; where those are not all there are, as many more by words, and of the important
_MORE = 48
_IMPORTANT = 0.5
_LONGEST_CHAIN = 32
_AS_NEAR = 0.5
_LEAST_SHOWN = 20
_RECALLED: tuple[State, ...] = ("live", "superseded")


@dataclass(frozen=True, slots=True)
class Memorised:
    """A recalled message. score: None for a neighbour, which is there because of the message beside it."""

    record: Record
    score: Score | None = None

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def text(self) -> str:
        return self.record.text

    @property
    def role(self) -> str:
        return self.record.role

    @property
    def session(self) -> str:
        return self.record.session

    def __str__(self) -> str:
        return f"{self.score or 'neighbour'}  {self.record}"


class Recalled(Sequence[Memorised]):
    """The messages that matter, best first; `neighbours` stand beside them in their sessions.

    tokens: of hits and neighbours together, as they were counted for the budget.
    """

    def __init__(
        self, user: str, query: str, hits: Sequence[Memorised], neighbours: Sequence[Memorised], tokens: int
    ) -> None:
        self.user = user
        self.query = query
        self.hits = tuple(hits)
        self.neighbours = tuple(neighbours)
        self.tokens = tokens

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Memorised: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Memorised, ...]: ...
    def __getitem__(self, index: int | slice) -> Memorised | tuple[Memorised, ...]:
        return self.hits[index]

    def __iter__(self) -> Iterator[Memorised]:
        return iter(self.hits)

    @property
    def ids(self) -> list[str]:
        return [hit.id for hit in self.hits]

    @property
    def texts(self) -> list[str]:
        return [hit.text for hit in self.hits]

    def in_order(self) -> list[Record]:
        """Hits and neighbours as they were said, each session together, the one with the newest message last."""
        records = [one.record for one in (*self.hits, *self.neighbours)]
        newest: dict[str, int] = {}
        for record in records:
            newest[record.session] = max(newest.get(record.session, 0), record.n)
        return sorted(records, key=lambda one: (newest[one.session], one.session, one.n))

    def as_messages(self) -> list[Message]:
        """For a model's prompt, as they were said."""
        return [Message(record.role, record.text) for record in self.in_order()]

    def to_dicts(self) -> list[dict[str, object]]:
        """One plain dict a hit and a neighbour, with the parts of the score."""
        return [
            {
                **one.record.to_dict(),
                "neighbour": one.score is None,
                "score": one.score
                and {
                    "total": one.score.total, "relevance": one.score.relevance, "recency": one.score.recency,
                    "importance": one.score.importance,
                },
            }
            for one in (*self.hits, *self.neighbours)
        ]  # fmt: skip

    def __repr__(self) -> str:
        title = f"Recalled({len(self)} for {shown(self.query, 60)!r}, {len(self.neighbours)} neighbours, {self.tokens} tokens)"
        return "\n".join([title, *(f"  {one}" for one in (*self.hits, *self.neighbours))])

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><td>{number}</td><td>{html.escape(str(one.score or 'neighbour'))}</td>"
            f"<td style='text-align:left'>{html.escape(str(one.record))}</td></tr>"
            for number, one in enumerate((*self.hits, *self.neighbours), 1)
        )
        return (
            f"<table><caption>{html.escape(shown(self.query, 120))}</caption>"
            f"<thead><tr><th></th><th>score</th><th>message</th></tr></thead><tbody>{cells}</tbody></table>"
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What recall goes by."""

    weights: Weights
    half_life_s: float
    half_life_messages: float
    policy: Policy
    count_tokens: Callable[[Record], int]


def recall(
    scope: Scope,
    query: str,
    vector: Floats,
    settings: Settings,
    *,
    n: int,
    token_budget: int | None,
    condition: Where | None,
    neighbours: int,
    newest: int,
    now: float,
) -> Recalled:
    """newest: the highest number that is known of the user's messages."""
    ranked = _ranked(scope, query, vector, settings, condition, newest, now, n)
    budget = math.inf if token_budget is None else token_budget
    spent = 0
    hits: list[Memorised] = []
    for one in ranked:
        cost = settings.count_tokens(one.record) if token_budget is not None else 0
        if spent + cost <= budget:  # a long message that does not fit leaves room for a shorter one
            hits.append(one)
            spent += cost
    beside: list[Memorised] = []
    for record in _neighbours(scope, hits, neighbours, condition):
        cost = settings.count_tokens(record) if token_budget is not None else 0
        if not settings.policy.is_expired(record, now) and spent + cost <= budget:
            beside.append(Memorised(record))
            spent += cost
    if token_budget is None:
        spent = sum(settings.count_tokens(one.record) for one in (*hits, *beside))
    return Recalled(scope.user, query, hits, beside, spent)


def candidates(
    scope: Scope, vector: Floats, query_terms: Sequence[str], condition: Where | None, states: Sequence[State], n: int
) -> list[Hit]:
    """The nearest; those that share words with the query, which vectors miss when it is about names and numbers; and the
    nearest of the important ones, which in a long log stand behind much that is only put alike."""
    most = max(_NEAREST, 4 * n)
    found = {hit.id: hit for hit in scope.nearest(vector, most, condition, states)}
    if len(found) == most:
        more: list[Where] = [{"importance": {"$gte": _IMPORTANT}}]
        if query_terms:
            more.append({"terms": {"$in": list(query_terms)}})
        for one in more:
            both = {"$and": [one, condition]} if condition else one
            for hit in scope.nearest(vector, max(_MORE, 2 * n), both, states):
                found.setdefault(hit.id, hit)
    return list(found.values())


def _ranked(
    scope: Scope,
    query: str,
    vector: Floats,
    settings: Settings,
    condition: Where | None,
    newest: int,
    now: float,
    n: int,
) -> list[Memorised]:
    query_terms = terms(query)
    hits = candidates(scope, vector, query_terms, condition, _RECALLED, n)
    states = _states(hits)
    rows = [
        (hit, hit.metadata, state)
        for hit, state in zip(hits, states, strict=True)
        if state != "folded" and not settings.policy.expires(hit.metadata["at"], hit.metadata["importance"], now)
    ]
    if not rows:
        return []
    weights = settings.weights
    newest = max(newest, *(kept["n"] for _, kept, _ in rows))
    near = relevance(
        [hit.score for hit, _, _ in rows], [kept["terms"] for _, kept, _ in rows], query_terms, weights.lexical
    )
    new = recency(
        [newest - kept["n"] for _, kept, _ in rows],
        [None if kept["at"] > now else now - kept["at"] for _, kept, _ in rows],
        settings.half_life_messages,
        settings.half_life_s,
    )
    heavy = np.array([kept["importance"] for _, kept, _ in rows], np.float32)
    outdated = np.array([_outdated(kept, state) for _, kept, state in rows], np.float32)
    whole = weights.relevance + weights.recency + weights.importance or 1.0
    total = (weights.relevance * near + weights.recency * new + weights.importance * heavy) / whole
    total -= weights.superseded * outdated
    order = sorted(range(len(rows)), key=lambda i: (-float(total[i]), -rows[i][1]["n"], str(rows[i][0].id)))
    by = _replacers(hits)
    # Messages are made of those alone that may be shown: of the best, and of what superseded any of them.
    first = dict.fromkeys(order[: max(_LEAST_SHOWN, 3 * n)])
    later = {id_ for i in first for id_ in (*rows[i][1].get("replaced_by", ()), by.get(rows[i][0].id))}
    chosen = [i for i in order if i in first or rows[i][0].id in later or rows[i][1].get("replaced_by")]
    scored = {}
    for i in chosen:
        hit, _, state = rows[i]
        made = message_of(hit)
        if state != made.state or (hit.id in by and not made.replaced_by):
            made = replace(made, state=state, replaced_by=made.replaced_by or (by[hit.id],))
        score = Score(float(total[i]), float(near[i]), float(new[i]), float(heavy[i]))
        scored[made.id] = Memorised(made, score)
    return _latest_first(scope, list(scored.values()), scored, condition, n)


def _outdated(kept: Mapping[str, Any], state: State) -> float:
    """How much of a message holds no more."""
    return 1.0 if state == "superseded" else 0.5 if kept.get("replaced_by") else 0.0


def _replacers(hits: Sequence[Hit]) -> dict[Any, str]:
    """By which of the hits each message was replaced."""
    return {id_: str(hit.id) for hit in hits for id_ in hit.metadata.get("replaces", ())}


def _states(hits: Sequence[Hit]) -> list[State]:
    """The states as they are once a killed process's work is finished: one that died between the two writes of a `remember`
    left those that the new message replaces looking as if they still held."""
    by = _replacers(hits)
    same = {str(hit.id): hit.metadata["same"] for hit in hits} if by else {}
    states: list[State] = []
    for hit in hits:
        state: State = hit.metadata[STATE]
        if hit.id in by and not hit.metadata.get("replaced_by"):
            if same[by[hit.id]] == hit.metadata["same"]:
                state = "folded"
            elif hit.metadata.get("only_facts"):
                state = "superseded"
        states.append(state)
    return states


def _latest_first(
    scope: Scope, order: Sequence[Memorised], scored: dict[str, Memorised], condition: Where | None, n: int
) -> list[Memorised]:
    """The first n, with each superseded message behind the one that superseded it."""
    missing = [
        id_
        for one in order[:n]
        if one.record.state == "superseded"
        for id_ in one.record.replaced_by
        if id_ not in scored
    ]
    known = dict(scored)
    if missing and condition is None:  # with a condition the later one may lie outside of what was asked for
        known |= {record.id: Memorised(record) for record in scope.get(missing) if record.state != "folded"}
    chosen: dict[str, Memorised] = {}

    def take(one: Memorised, depth: int = 0) -> None:
        for id_ in one.record.replaced_by if depth < _LONGEST_CHAIN else ():
            later = known.get(id_)
            if (
                later is not None
                and id_ not in chosen
                and (one.record.state == "superseded" or _is_as_near(later, one))
            ):
                take(Memorised(later.record, later.score or one.score), depth + 1)
        chosen.setdefault(one.id, one)

    for one in order:
        if len(chosen) >= n:
            break
        take(one)
    return list(chosen.values())[:n]


def _is_as_near(later: Memorised, one: Memorised) -> bool:
    """Of a message that holds in part: whether the query is about as much about what is outdated of it."""
    if later.score is None or one.score is None:
        return False
    return later.score.relevance >= _AS_NEAR * one.score.relevance


def _neighbours(scope: Scope, hits: Sequence[Memorised], reach: int, condition: Where | None) -> list[Record]:
    """The messages before and after each hit that meet the condition too, those of better hits first."""
    if reach < 1 or not hits:
        return []
    taken = {hit.id for hit in hits}
    wanted = {
        spot(hit.session, hit.record.place + step): (rank, abs(step))
        for rank, hit in reversed(list(enumerate(hits)))
        for step in (*range(-reach, 0), *range(1, reach + 1))
        if hit.record.place + step > 0
    }
    if not wanted:
        return []
    beside: Where = {"spot": {"$in": list(wanted)}}
    found = [
        one for one in scope.scan({"$and": [beside, condition]} if condition else beside)
        if one.id not in taken and taken.isdisjoint(one.replaced_by)  # what is there already in a later form
    ]  # fmt: skip
    return sorted(found, key=lambda one: wanted.get(spot(one.session, one.place), (len(hits), 0)))
