"""Whether a collection answers a question at all: by how near it lies to questions that have nothing to do with it."""

from __future__ import annotations

import json
import random
import statistics
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from adjoin.errors import InvalidOption
from adjoin.llm.rag.prompt import as_text, is_copy, shingles
from adjoin.llm.rag.unrelated import ENGLISH, KOREAN
from adjoin.llm.rag.words import covered, is_korean, numbers, stems, terms
from adjoin.text import sentences
from adjoin.types import Document, Hit

RetrieveMany: TypeAlias = Callable[[Sequence[str]], Sequence[Sequence[Hit]]]

DEFAULT_ERROR: Final = 0.05
WORDS: Final = 3.0
"""How many spreads of the background the question's words in a passage are worth, if it has them all."""
NEIGHBOURS: Final = 0.15
"""The share of questions made of rows that are refused when their own row is left out."""
MOST_RAISED: Final = 2.0
"""Spreads by which those may raise the limit: in a collection that says everything twice, a row's neighbours answer it."""
_BEST: Final = 3
ASK_FOR: Final = 5
"""Hits of each such question: its own row, copies of it, and the nearest of the others."""
_SAMPLE: Final = 96
_FEWEST: Final = 24
_LOOKED_AT: Final = 20_000
_KEPT: Final = 64
_GROWN: Final = 0.05
"""Measured again when the collection has grown or shrunk by so much since."""


class Source(NamedTuple):
    """A collection as its background is measured. retrieve_many: finds passages as they were found for the question.
    documents: its rows. rows: how many there are. options: of the search. takes: what its items are."""

    retrieve_many: RetrieveMany
    documents: Callable[[], Iterable[Document]]
    rows: int
    options: Mapping[str, Any]
    takes: str = "text"


@dataclass(frozen=True, slots=True)
class Background:
    """What questions that have nothing to do with a collection find in it, in one language.

    centre, spread: median and scaled median deviation of the distance to their nearest passage. limit: the nearness that
    a question has to reach. rows: of the collection then. questions, neighbours: unrelated ones, and those made of rows.
    """

    centre: float
    spread: float
    limit: float
    rows: int
    questions: int
    neighbours: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """nearness: of the question's best passage, in spreads beyond the background's centre, words counted in.
    limit: what it has to reach. answerable: whether it does."""

    nearness: float
    limit: float
    answerable: bool

    @property
    def why(self) -> str:
        if self.answerable:
            return ""
        return (
            f"the nearest passage is no nearer than those of questions that have nothing to do with this collection "
            f"(nearness {self.nearness:.1f}, from {self.limit:.1f} it would be)"
        )


class Backgrounds:
    """The backgrounds of a collection, measured when first needed and kept while it stays about as large.

    Cost: 160 searches for each language and filter, once.
    """

    def __init__(self, error: float = DEFAULT_ERROR) -> None:
        """error: the share of unrelated questions that may pass, in (0, 0.5]."""
        if not 0 < error <= 0.5:
            raise InvalidOption(f"refuse= is a share of unrelated questions between 0 and 0.5, not {error!r}.")
        self.error = error
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Background] = OrderedDict()

    def judge(self, question: str, hits: Sequence[Hit], source: Source) -> Verdict:
        """Whether the hits are nearer than those of a question without an answer are likely to be."""
        background = self.background(question, source)
        found = nearness(question, hits, background.centre, background.spread, source.takes)
        return Verdict(found, background.limit, found >= background.limit)

    def background(self, question: str, source: Source) -> Background:
        korean = is_korean(question)
        key = json.dumps([korean, source.options], default=repr, sort_keys=True, ensure_ascii=False)
        with self._lock:  # one measures, and the others wait for it
            kept = self._kept.get(key)
            if kept is None or abs(kept.rows - source.rows) > _GROWN * kept.rows:
                asked = KOREAN if korean else ENGLISH
                kept = measured(asked, source.retrieve_many(asked), source.rows, self.error, source.takes)
                if source.takes == "text":
                    kept = raised(kept, source, korean=korean)
                self._kept[key] = kept
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return kept


def measured(
    questions: Sequence[str], found: Sequence[Sequence[Hit]], rows: int, error: float, takes: str = "text"
) -> Background:
    """The background from what unrelated questions found.

    Median and median deviation, because a collection may be about what a few of the questions ask; the limit is where a
    normal distribution of that centre and spread leaves `error` above.
    """
    nearest = [-hits[0].distance for hits in found if hits]
    centre, spread = _robust(nearest)
    reached = [
        nearness(asked, hits, centre, spread, takes) for asked, hits in zip(questions, found, strict=True) if hits
    ]
    middle, width = _robust(reached)
    return Background(centre, spread, middle + statistics.NormalDist().inv_cdf(1 - error) * width, rows, len(nearest))


def raised(background: Background, source: Source, *, korean: bool) -> Background:
    """The background with a limit that also holds back a share of the questions made of rows in the question's language.

    Such a question is a row's first sentence, and its row is left out with its near-copies: what it finds is what a
    question of this collection's own subject finds that it does not answer. Few such rows leave the limit as it is.
    """
    rows = [row for row in sampled(source.documents()) if is_korean(row.content) == korean]  # type: ignore[arg-type]
    if len(rows) < _FEWEST:
        return background
    asked = [_first_sentence(str(row.content)) for row in rows]
    reached = []
    for question, row, hits in zip(asked, rows, source.retrieve_many(asked), strict=True):
        marks = _marks(str(row.content))
        others = [hit for hit in hits if hit.id != row.id and not is_copy(marks, _marks(as_text(hit)))]
        if others:
            reached.append(nearness(question, others, background.centre, background.spread))
    if len(reached) < _FEWEST:
        return background
    among = sorted(reached)[int(NEIGHBOURS * len(reached))]
    limit = max(background.limit, min(among, background.limit + MOST_RAISED))
    return replace(background, limit=limit, neighbours=len(reached))


def sampled(documents: Iterable[Document]) -> list[Document]:
    """A fair sample of the texts among the first rows; the same for the same rows."""
    pick, kept, seen = random.Random(0), list[Document](), 0
    for document in islice(documents, _LOOKED_AT):
        if not isinstance(document.content, str) or not document.content.strip():
            continue
        seen += 1
        if len(kept) < _SAMPLE:
            kept.append(document)
        elif (place := pick.randrange(seen)) < _SAMPLE:
            kept[place] = document
    return kept


def _first_sentence(text: str, most: int = 120) -> str:
    start, end = sentences(text)[0]
    return text[start : min(end, start + most)]


def _marks(text: str) -> tuple[set[str], set[str]]:
    return shingles(text), numbers(text)


def nearness(question: str, hits: Sequence[Hit], centre: float, spread: float, takes: str = "text") -> float:
    """Of the best hit: its distance in spreads from the background's centre, and the question's words that it has."""
    wanted = terms(question)
    return max(
        (
            (-hit.distance - centre) / spread + WORDS * covered(wanted, stems(as_text(hit, takes)))
            for hit in hits[:_BEST]
        ),
        default=float("-inf"),
    )


def _robust(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    middle = statistics.median(values)
    spread = 1.4826 * statistics.median(abs(value - middle) for value in values)
    return middle, max(spread, 1e-3 * max(1.0, abs(middle)))
