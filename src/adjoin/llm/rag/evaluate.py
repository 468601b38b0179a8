"""How well answers are: what was found, what bears out what is said, and how much of the known answer it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, TypeAlias

from adjoin.errors import InvalidInput
from adjoin.llm.rag.words import tokens
from adjoin.types import Id, as_html

if TYPE_CHECKING:
    from adjoin.llm.rag.pipeline import RAG

Question: TypeAlias = "tuple[str, Iterable[Id]] | tuple[str, Iterable[Id], str | None] | Mapping[str, Any]"


@dataclass(frozen=True, slots=True)
class Judged:
    """One question. relevant: how many ids answer it. found: of those, how many were among the k hits.
    rank: of the first of them, None where there is none. overlap: token F1 with the known answer."""

    question: str
    relevant: int
    found: int
    rank: int | None
    refused: bool | None = None
    supported: float | None = None
    overlap: float | None = None
    invalid_citations: int = 0
    citations: int = 0
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All questions together. Shares are None where nothing was there to be counted.

    recall: the mean share of the relevant ids among the k hits. mrr: the mean of 1 / rank of the first. support: the share
    of the sentences that are supported, of the answers that are no refusals. overlap: the mean token F1 with the known
    answers, a refusal counting 0. refused_wrongly: the share refused of the questions with relevant ids; answered_wrongly: the
    share answered of those without. invalid_citations: the share of the cited numbers that are not in the prompt.
    """

    questions: tuple[Judged, ...]
    k: int
    recall: float | None
    mrr: float | None
    support: float | None
    overlap: float | None
    refused: float | None
    refused_wrongly: float | None
    answered_wrongly: float | None
    invalid_citations: float | None
    median_ms: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        rows = [
            (f"recall@{self.k}", self.recall),
            ("MRR", self.mrr),
            ("supported sentences", self.support),
            ("overlap with the known answers (token F1)", self.overlap),
            ("refused", self.refused),
            ("refused although there is an answer", self.refused_wrongly),
            ("answered although there is none", self.answered_wrongly),
            ("citations that are not in the prompt", self.invalid_citations),
        ]
        lines = [f"{len(self.questions):,} questions"]
        lines += [f"{value:7.3f}  {name}" for name, value in rows if value is not None]
        if self.median_ms is not None:
            lines.append(f"{self.median_ms:7.0f}  ms (median)")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return as_html(str(self))


def evaluate(rag: RAG, questions: Sequence[Question], *, answers: bool = True, **search: Any) -> Evaluation:
    """Ask all of them.

    questions: (question, the ids that answer it, the answer's text or None), or dicts with `question`, `ids`, `answer`. No ids
    mean that the collection does not answer it, and a refusal is right. answers: False measures retrieval alone, and asks
    no model. search: options of each search. Raises as `ask` does.
    """
    judged = [_judged(rag, *_parts(one), answers=answers, search=search) for one in questions]
    with_ids = [one for one in judged if one.relevant]
    answered = [one for one in judged if one.refused is False]
    asked = [one for one in judged if one.refused is not None]
    cited = sum(one.citations for one in judged)
    return Evaluation(
        tuple(judged),
        k=search.get("k", rag.k),
        recall=_mean(one.found / one.relevant for one in with_ids),
        mrr=_mean(1 / one.rank if one.rank else 0.0 for one in with_ids),
        support=_mean(one.supported for one in answered if one.supported is not None),
        overlap=_mean(one.overlap for one in judged if one.overlap is not None),
        refused=_mean(float(bool(one.refused)) for one in asked),
        refused_wrongly=_mean(float(bool(one.refused)) for one in asked if one.relevant),
        answered_wrongly=_mean(float(not one.refused) for one in asked if not one.relevant),
        invalid_citations=sum(one.invalid_citations for one in judged) / cited if cited else None,
        median_ms=median(one.ms for one in asked if one.ms is not None) if asked else None,
    )


def _judged(
    rag: RAG, question: str, ids: set[Id], known: str | None, *, answers: bool, search: Mapping[str, Any]
) -> Judged:
    answer = rag.ask(question, **search) if answers else None
    hits = answer.hits if answer is not None else rag.retrieve(question, **search)
    ranks = [rank for rank, hit in enumerate(hits or (), 1) if hit.id in ids]
    judged = Judged(question, len(ids), len(ranks), ranks[0] if ranks else None)
    if answer is None:
        return judged
    return Judged(
        question, len(ids), judged.found, judged.rank,
        refused=answer.refused,
        supported=answer.supported if answer.sentences else None,
        overlap=None if known is None else 0.0 if answer.refused else token_f1(answer.text, known),
        invalid_citations=len(answer.invalid_citations), citations=len(answer.citations), ms=sum(answer.timings.values()),
    )  # fmt: skip


def token_f1(answer: str, known: str) -> float:
    """The harmonic mean of the shares of tokens that each text has of the other (Rajpurkar et al., SQuAD, 2016).

    Stems of words, so that Korean particles and English endings do not count; citations are left out.
    """
    left, right = Counter(tokens(answer)), Counter(tokens(known))
    shared = sum((left & right).values())
    return 2 * shared / (left.total() + right.total()) if shared else float(not left and not right)


def _parts(one: Question) -> tuple[str, set[Id], str | None]:
    if isinstance(one, Mapping):
        question, ids, known = one.get("question"), one.get("ids", ()), one.get("answer")
    elif isinstance(one, tuple | list) and len(one) in (2, 3):
        question, ids, known = (*one, None)[:3]
    else:
        question, ids, known = None, (), None
    if not isinstance(question, str) or not isinstance(known, str | None):
        raise InvalidInput(f"a question to evaluate is (question, relevant ids, answer or None), not {one!r:.120}.")
    return question, {ids} if isinstance(ids, str | int) else set(ids), known


def _mean(values: Iterable[float]) -> float | None:
    listed = list(values)
    return fmean(listed) if listed else None
