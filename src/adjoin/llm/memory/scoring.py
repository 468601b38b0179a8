"""Which messages matter: by relevance, recency and importance.

The three-part score is that of Park et al., Generative Agents (UIST 2023); the parts are ours and said below.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.errors import InvalidOption
from adjoin.llm.memory.words import is_number, plain, vocabulary, words

if TYPE_CHECKING:
    from adjoin.types import Floats


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts how much. relevance, recency, importance: shares of the score. lexical: of the relevance, the part that
    shared words have; the rest is the vectors'. superseded: what is taken off what a later message has replaced.

    The defaults were tuned on the training half of `benchmarks/memory.py`'s conversations alone.
    """

    relevance: float = 1.0
    recency: float = 0.05
    importance: float = 0.45
    lexical: float = 0.4
    superseded: float = 0.25

    def __post_init__(self) -> None:
        for name in ("relevance", "recency", "importance", "lexical", "superseded"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise InvalidOption(f"the weight {name} is a number of 0 or more, not {value!r}.")
        if self.lexical > 1:
            raise InvalidOption(f"the weight lexical is a share from 0 to 1, not {self.lexical!r}.")


@dataclass(frozen=True, slots=True)
class Score:
    """Why a message was recalled. Each part is from 0 to 1; total is their weighted mean, less what superseding takes off."""

    total: float
    relevance: float
    recency: float
    importance: float

    def __str__(self) -> str:
        return (
            f"{self.total:.3f} (relevance {self.relevance:.2f}, recency {self.recency:.2f}, "
            f"importance {self.importance:.2f})"
        )


_LEAST_SPAN: Final = 0.1


def relevance(
    similarities: Sequence[float], found_terms: Sequence[Sequence[str]], query_terms: Sequence[str], lexical: float
) -> Floats:
    """From 0 to 1 for each candidate: the vectors' similarity, from the least to the greatest among the candidates, and
    the share of the query's terms that it has, rare ones and numbers counting more."""
    near: Floats = np.asarray(similarities, np.float32)
    # The least span keeps two messages that are about as near from being told all and nothing.
    span = max(_LEAST_SPAN, float(near.max() - near.min())) if len(near) else 1.0
    near = 1 - (near.max(initial=-np.inf) - near) / span
    if not query_terms:
        return near
    sets = [frozenset(terms) for terms in found_terms]
    weights = {}
    for term in query_terms:
        holders = sum(term in one for one in sets)
        weights[term] = math.log(1 + (len(sets) + 1) / (holders + 0.5)) * (1.5 if is_number(term) else 1.0)
    # Terms that no candidate has tell nothing about the candidates, but keep a lone shared word from counting as all.
    whole = sum(weights.values())
    shared = np.array([sum(weights[t] for t in query_terms if t in one) / whole for one in sets], np.float32)
    blended: Floats = (1 - lexical) * near + lexical * shared
    return blended


def recency(
    ages: Sequence[int], seconds: Sequence[float | None], half_life_messages: float, half_life_s: float
) -> Floats:
    """From 0 to 1: the mean of a half-life by messages since and one by time.

    seconds: None for a message whose time is later than now, which a clock that went backwards makes: it is aged by count
    alone. Counts are monotone, whatever the clock does.
    """
    by_count = [0.5 ** (max(0, age) / half_life_messages) for age in ages]
    return np.array(
        [
            count if passed is None else (count + 0.5 ** (passed / half_life_s)) / 2
            for count, passed in zip(by_count, seconds, strict=True)
        ],
        np.float32,
    )


_SMALL_TALK: Final = vocabulary(
    """
    ok okay k kk yes yeah yep yup no nope nah sure right fine good great nice cool awesome perfect wow oh ah haha
    hahaha lol lmao hmm um uh thanks thank you thx ty welcome hi hello hey bye goodbye morning night sounds got it
    i see understood agreed done alright very much so that is all the a and to me well are too will do later 응 네
    넵 넹 예 아니 아니요 그래 그래요 좋아 좋아요 좋네 고마워 고마워요 고맙습니다 감사 감사해요 감사합니다 안녕
    안녕하세요 알겠어 알겠어요 알겠습니다 알았어 그렇구나 그렇군 그렇군요 오 아 음 헐 대박 굿 수고 수고하세요
    수고했어 미안 미안해 죄송합니다 잘자 잘가 맞아 맞아요 오케이 ㅇㅋ 정말 진짜 너무 아주
    """
)
_JAMO_ONLY: Final = re.compile("^[\u3131-\u318e\u1100-\u11ff]+$")
_DATE: Final = re.compile(
    r"\b(?:\d{4}-\d\d?-\d\d?|\d{1,2}[:/]\d{2}|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|june|"
    r"july|august|september|october|november|december|tomorrow|tonight|birthday|anniversary|deadline)\b"
    r"|\d+\s?(?:년|월|일|시|분)|[월화수목금토일]요일|내일|모레|생일|기념일|마감"
)
_FIRST_PERSON: Final = re.compile(
    r"\b(?:my|mine|i am|i have|i live|i work|i moved|i like|i love|i hate|i prefer|i need|i want|i was|i use|i study|"
    r"i speak|i was born|we are|our)\b|(?:^|\s)(?:내|제|나는|난|저는|전|나의|저의|우리|나도|저도)(?=\s|$)|(?:^|\s)(?:내가|제가)(?=\s|$)"
)
_ASKED_TO_REMEMBER: Final = re.compile(
    r"\b(?:remember (?:that|this|my|to)|don't forget|do not forget|keep in mind|note that|important)\b|기억해|잊지 ?마|명심|중요"
)
_DIGIT: Final = re.compile(r"\d")
_HANGUL: Final = re.compile("[가-힣]")
_NAME: Final = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+|\b[A-Z]{2,}\b|[가-힣]{2,4}(?:씨|님)(?![가-힣])")
_QUESTION: Final = re.compile(
    r"[?？]\s*$|^(?:what|which|who|whose|when|where|why|how|do|does|did|is|are|can|could|will|would|should)\b"
    r"|(?:뭐야|뭐지|뭐였지|어디야|어디지|언제야|언제지|누구야|누구지|몇이야|얼마야|나요|까요|인가요|였더라|이더라)[.?!\s]*$"
)


def is_small_talk(text: str) -> bool:
    """Whether it only greets, thanks, agrees or laughs.

    >>> [is_small_talk(text) for text in ("ok, thank you!", "ㅋㅋㅋ", "고마워~", "🎉", "I see a cat", "42")]
    [True, True, True, True, False, False]
    """
    found = words(text)
    return len(found) <= 8 and all(word in _SMALL_TALK or _JAMO_ONLY.match(word) for word in found)


def is_question(text: str) -> bool:
    return bool(_QUESTION.search(plain(text).strip()))


def importance(text: str, role: str = "user", *, states_fact: bool = False) -> float:
    """From 0 to 1, by rule: what the speaker says of themselves, names, numbers and dates, and what they ask to be
    remembered are more; questions, short remarks and what a model said are less; small talk is next to nothing.

    states_fact: whether a fact was found in it.

    >>> importance("ok") < importance("What was it?") < importance("My dog Rex was born on 3 May 2021.")
    True
    """
    if is_small_talk(text):
        return 0.02
    folded = plain(text)
    hangul = len(_HANGUL.findall(text))
    # In words: Korean writes in a syllable what English does in some letters, and drops its subjects and articles.
    length = (len(text) - hangul) / 5.5 + hangul / 2.3
    value = 0.2 + 0.1 * min(1.0, length / 12) + 0.4 * states_fact
    value += 0.15 * bool(_DIGIT.search(folded)) + 0.1 * bool(_DATE.search(folded)) + 0.05 * bool(_NAME.search(text))
    value += 0.05 * bool(_FIRST_PERSON.search(folded)) + 0.25 * bool(_ASKED_TO_REMEMBER.search(folded))
    if is_question(text):
        value *= 0.35
    if role != "user":
        value *= 0.8
    # Beyond a plain fact there is nothing to gain: a message with a date and a name besides is not the more needed.
    return round(min(1.0, value / 0.6), 3)
