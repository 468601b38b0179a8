"""What a question comes back with."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

from adjoin.llm.base import Message, Reply
from adjoin.types import Hit, Hits, Origin


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit as it stands in the prompt.

    number: what it is cited by, from 1, in the order of the prompt. text: as the model reads it. source: where it is from,
    on one line. cut: only a part of it fitted.
    """

    number: int
    hit: Hit
    text: str
    source: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt within its budget.

    tokens: by the model's own count. budget: the most it may have. left_out: id and reason of each hit that is not in it.
    """

    messages: tuple[Message, ...]
    passages: tuple[Passage, ...]
    tokens: int
    budget: int
    left_out: tuple[tuple[Any, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Citation:
    """A number that the answer cites. hit: the passage, None where no passage in the prompt has that number."""

    number: int
    hit: Hit | None
    source: str = ""

    @property
    def valid(self) -> bool:
        """Whether it was in the prompt."""
        return self.hit is not None

    @property
    def origin(self) -> Origin | None:
        return self.hit.origin if self.hit else None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the answer, without its citations.

    support: from 0 to 1, how likely the passages say it (docs/rag.md). supported: whether that is enough, and nothing speaks
    against it. why: what does. citations: the numbers it cites. passage: the number of the one that supports it best.
    """

    text: str
    support: float
    supported: bool
    citations: tuple[int, ...] = ()
    passage: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, what it rests on, and what became of each step.

    text: what to show. refused: the documents do not answer, and `why` says how that is known. question: as asked;
    searched: as it was searched for, rewritten with the history. citations: by number. timings: step → milliseconds.
    """

    text: str
    question: str
    searched: str
    refused: bool = False
    why: str = ""
    sentences: tuple[Sentence, ...] = ()
    citations: dict[int, Citation] = field(default_factory=dict)
    passages: tuple[Passage, ...] = ()
    left_out: tuple[tuple[Any, str], ...] = ()
    prompt: tuple[Message, ...] = ()
    prompt_tokens: int = 0
    hits: Hits | None = None
    reply: Reply | None = None
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def supported(self) -> float:
        """The share of its sentences that the passages support; 1 where there are none."""
        return sum(one.supported for one in self.sentences) / len(self.sentences) if self.sentences else 1.0

    @property
    def unsupported(self) -> tuple[Sentence, ...]:
        return tuple(one for one in self.sentences if not one.supported)

    @property
    def invalid_citations(self) -> tuple[int, ...]:
        """Numbers that it cites and that no passage of the prompt has."""
        return tuple(number for number, citation in self.citations.items() if not citation.valid)

    @property
    def cut_off(self) -> bool:
        """Whether it ends where answer_tokens ended."""
        return self.reply is not None and self.reply.finish == "length"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for `json.dumps(…, default=str)`."""
        return {
            "text": self.text,
            "question": self.question,
            "searched": self.searched,
            "refused": self.refused,
            "why": self.why,
            "supported": self.supported,
            "sentences": [
                {
                    "text": one.text, "support": one.support, "supported": one.supported,
                    "citations": list(one.citations), "passage": one.passage, "why": one.why,
                }
                for one in self.sentences
            ],
            "citations": [
                {"number": one.number, "valid": one.valid, "source": one.source} | ({"hit": one.hit.to_dict()} if one.hit else {})
                for one in self.citations.values()
            ],
            "passages": [
                {"number": one.number, "id": one.hit.id, "source": one.source, "text": one.text, "cut": one.cut}
                for one in self.passages
            ],
            "left_out": [{"id": id_, "why": why} for id_, why in self.left_out],
            "hits": self.hits.to_dicts() if self.hits is not None else [],
            "prompt": [message._asdict() for message in self.prompt],
            "prompt_tokens": self.prompt_tokens,
            "model": self.reply.model if self.reply else None,
            "cut_off": self.cut_off,
            "timings": dict(self.timings),
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [self.text]
        if self.refused:
            return f"{self.text}\n({self.why})" if self.why else self.text
        cited = [f"[{one.number}] {one.source or 'not in the prompt'}" for one in self.citations.values()]
        lines += ["", *cited] if cited else []
        lines += [f"not supported: {one.text} ({one.why})" for one in self.unsupported]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.refused or not self.sentences:
            return f"<p>{html.escape(self.text)}</p><p><small>{html.escape(self.why)}</small></p>"
        body = " ".join(_marked(one) for one in self.sentences)
        cited = "".join(
            f"<li value='{one.number}'>{html.escape(one.source) if one.valid else '<b>not in the prompt</b>'}</li>"
            for one in self.citations.values()
        )
        return f"<p>{body}</p>" + (f"<ol>{cited}</ol>" if cited else "")


def _marked(sentence: Sentence) -> str:
    numbers = "".join(f"<sup>[{number}]</sup>" for number in sentence.citations)
    text = html.escape(sentence.text)
    if sentence.supported:
        return f"<span title='support {sentence.support:.2f}'>{text}</span>{numbers}"
    told = html.escape(f"support {sentence.support:.2f}: {sentence.why}", quote=True)
    return f"<span title='{told}' style='text-decoration: underline wavy #c00'>{text}</span>{numbers}"
