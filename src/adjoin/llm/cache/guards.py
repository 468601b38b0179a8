"""Whether two questions may have one answer, by what stands in them word for word.

An embedding tells what a question is about, not what it says: "how do I enable it" and "how do I disable it" have a cosine near 1.
So what differs between two questions is looked at, and every difference that may matter keeps them apart: a word that the
lists do not know as equal is such a difference. The guards refuse more than they must, and say why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from adjoin.llm.cache import korean
from adjoin.llm.cache import lexicon as lex
from adjoin.llm.cache.english import stem
from adjoin.llm.cache.reading import read
from adjoin.llm.cache.words import Reading, Word


class Refusal(NamedTuple):
    """Why two questions are kept apart. kind: one of KINDS. why: with the words that differ."""

    kind: str
    why: str


KINDS: Final = (
    "language", "quote", "code", "number", "unit", "date", "time", "negation", "antonym", "direction", "entity", "question",
    "modality", "tense", "person", "word",
)  # fmt: skip

Equal = frozenset[frozenset[str]]
"""Pairs of words that were seen to mean the same."""


def compare(one: str, other: str, equal: Collection[frozenset[str]] = frozenset()) -> Refusal | None:
    """The first reason for which the two may have different answers, or None. The order of the two does not matter.

    equal: pairs of keys that are one word here, as `differing` gives them.
    Cost: some tenths of a millisecond for questions that were not read yet, else some hundredths.
    """
    a, b = read(one), read(other)
    if a.exact == b.exact:
        return None
    for guard in _GUARDS:
        refusal = guard(a, b)
        if refusal is not None:
            return refusal
    return _words(a, b, equal)


def differing(one: str, other: str) -> frozenset[str] | None:
    """The two words in which the questions differ, where they differ in nothing else; what `compare` takes as `equal`."""
    a, b = read(one), read(other)
    if any(guard(a, b) is not None for guard in _GUARDS):
        return None
    left, right, _ = _matched(a, b, frozenset())
    if len(left) != 1 or len(right) != 1 or left[0].kind != "word" or right[0].kind != "word":
        return None
    if _opposite(left[0], right[0]) or left[0].capital or right[0].capital:
        return None
    return frozenset({_key(left[0]), _key(right[0])})


def _key(word: Word) -> str:
    return korean.stem_of(word.key) if word.hangul else word.key


def _language(a: Reading, b: Reading) -> Refusal | None:
    if a.language != b.language:
        return Refusal("language", f"one is in {a.language} letters, the other in {b.language}")
    return None


def _typed(kind: str) -> Callable[[Reading, Reading], Refusal | None]:
    def guard(a: Reading, b: Reading) -> Refusal | None:
        left, right = ([word for word in reading.words if word.kind == kind] for reading in (a, b))
        ours, theirs = Counter(word.key for word in left), Counter(word.key for word in right)
        if ours == theirs:
            return None
        only = (
            [word.text for word in left if word.key not in theirs],
            [word.text for word in right if word.key not in ours],
        )
        shown = _shown(only[0] or [w.text for w in left], only[1] or [w.text for w in right])
        if kind == "number" and Counter(w.key.split()[0] for w in left) == Counter(w.key.split()[0] for w in right):
            return Refusal("unit", f"units differ: {shown}")
        return Refusal(kind, f"{kind}s differ: {shown}")

    return guard


def _shown(left: list[str], right: list[str]) -> str:
    return f"{', '.join(map(repr, left)) or 'none'} and {', '.join(map(repr, right)) or 'none'}"


def _negation(a: Reading, b: Reading) -> Refusal | None:
    if a.negations != b.negations:
        return Refusal("negation", f"one denies {a.negations} times, the other {b.negations}")
    if a.negated != b.negated:
        return Refusal("negation", f"something else is denied: {_shown([*a.negated], [*b.negated])}")
    return None


def _question(a: Reading, b: Reading) -> Refusal | None:
    if a.asks != b.asks:
        return Refusal(
            "question", f"one asks {' and '.join(a.asks) or 'nothing'}, the other {' and '.join(b.asks) or 'nothing'}"
        )
    if a.asked_role and b.asked_role and a.asked_role != b.asked_role:
        return Refusal("direction", "one asks who does it, the other to whom it is done")
    if a.mood and b.mood and a.mood != b.mood:
        return Refusal("question", "one asks, the other requests")
    return None


def _modality(a: Reading, b: Reading) -> Refusal | None:
    if a.modals != b.modals:
        return Refusal(
            "modality",
            f"one says {' and '.join(sorted(a.modals)) or 'neither can nor must'}, the other {' and '.join(sorted(b.modals)) or 'neither'}",
        )
    return None


def _tense(a: Reading, b: Reading) -> Refusal | None:
    if a.past != b.past or a.future != b.future:
        return Refusal("tense", "one is of another time than the other")
    return None


def _person(a: Reading, b: Reading) -> Refusal | None:
    if "2" in a.persons ^ b.persons and "1" in a.persons ^ b.persons:
        return Refusal("person", "one is about who asks, the other about who answers")
    return None


_GUARDS: Final = (
    _language, _typed("quote"), _typed("code"), _typed("number"), _typed("date"), _typed("time"), _negation, _question,
    _modality, _tense, _person,
)  # fmt: skip


def _words(a: Reading, b: Reading, equal: Collection[frozenset[str]]) -> Refusal | None:
    left, right, pairs = _matched(a, b, equal)
    if left or right:
        return _difference(left, right)
    return _direction(a, b, pairs)


def _matched(
    a: Reading, b: Reading, equal: Collection[frozenset[str]]
) -> tuple[list[Word], list[Word], list[tuple[int, int]]]:
    """Words that only one side has, and places of those that both have."""
    free = list(range(len(b.words)))
    pairs: list[tuple[int, int]] = []
    alone: list[int] = []
    for at, word in enumerate(a.words):
        partner = next(
            (
                place
                for place in free
                if word.key == b.words[place].key
                and word.kind == b.words[place].kind
                and word.role == b.words[place].role
            ),
            None,
        )
        if partner is None:
            partner = next((place for place in free if word.same(b.words[place])), None)
        if partner is None and equal and word.kind == "word":
            partner = next((place for place in free if frozenset({_key(word), _key(b.words[place])}) in equal), None)
        if partner is None:
            alone.append(at)
        else:
            free.remove(partner)
            pairs.append((at, partner))
    alone, free = _compounds(a, b, alone, free)
    return [a.words[at] for at in alone], [b.words[at] for at in free], pairs


def _compounds(a: Reading, b: Reading, left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """Without what is one word here and two there: web site, 거실 조명."""
    for ours, theirs, one, many in ((a, b, left, right), (b, a, right, left)):
        for at in list(one):
            whole = ours.words[at]
            for first, second in pairwise(many):
                if second == first + 1:
                    joined = theirs.words[first].text + theirs.words[second].text
                    if joined.lower() == whole.text.lower() or (whole.hangul and korean.same_word(joined, whole.text)):
                        one.remove(at)
                        many.remove(first)
                        many.remove(second)
                        break
    return left, right


_DENYING: Final = (
    "un",
    "in",
    "im",
    "ir",
    "il",
    "dis",
    "non",
    "mis",
    "anti",
    "de",
    "re",
    "불",
    "비",
    "미",
    "무",
    "부",
    "반",
)


def _opposite(one: Word, other: Word) -> bool:
    for left, right in ((one, other), (other, one)):
        long, short = left.text.lower(), right.text.lower()
        if any(long == prefix + short for prefix in _DENYING):
            return True
    keys = [{word.key, word.text.lower(), _key(word)} for word in (one, other)]
    table = lex.OPPOSITE_KOREAN if one.hangul else lex.OPPOSITE_ENGLISH
    return any(frozenset({x, y}) in table for x in keys[0] for y in keys[1]) or (
        any(frozenset({x, y}) in _OPPOSITE_STEMS for x in keys[0] for y in keys[1])
    )


def _opposite_stems() -> frozenset[frozenset[str]]:
    return frozenset(
        frozenset(stem(lex.SAME_ENGLISH.get(word, word)) for word in pair) for pair in lex.OPPOSITE_ENGLISH
    )


_OPPOSITE_STEMS: Final = _opposite_stems()


def _difference(left: list[Word], right: list[Word]) -> Refusal:
    shown = _shown([word.text for word in left], [word.text for word in right])
    if any(_opposite(one, other) for one in left for other in right):
        return Refusal("antonym", f"opposites: {shown}")
    if any(word.capital for word in (*left, *right)):
        return Refusal("entity", f"names differ: {shown}")
    return Refusal("word", f"words differ: {shown}")


_KOREAN_LOUD: Final = frozenset({"from", "to", "than", "without", "only"})


def _direction(a: Reading, b: Reading, pairs: list[tuple[int, int]]) -> Refusal | None:
    """From A to B is not from B to A, and who bites is not who is bitten."""
    roles = [_roles(a.words[at], b.words[place]) for at, place in pairs]
    for one, other in roles:
        if one != other and (other, one) in roles and {one, other} != {"subject", "object"}:
            return Refusal("direction", "two words have changed their parts")
    moved = 0
    for at, place in pairs:
        one, other = _roles(a.words[at], b.words[place])
        if one == other or not (_loud(one, a) or _loud(other, b)):
            continue
        moved += 1
        if moved > 1 or not _alike(one, other, a, b):
            return Refusal("direction", f"{a.words[at].text!r} has another part: {one or 'none'} and {other or 'none'}")
    plain = [
        (at, place) for at, place in pairs
        if not set(_roles(a.words[at], b.words[place])) - {"", "object", "subject"}
    ]  # fmt: skip
    if a.language == "hangul":
        return _swapped(a, b, pairs)
    order = [place for _, place in plain]
    if order != sorted(order) and _matters(a, b, plain):
        return Refusal("direction", "the same words stand in another order")
    return None


def _roles(one: Word, other: Word) -> tuple[str, str]:
    if one.hangul and other.hangul and one.suffix is None and other.suffix is None and one.key != other.key:
        found = korean.same_word(one.key, other.key)
        if found is not None:
            return found[0].role, found[1].role
    return one.role, other.role


def _loud(role: str, reading: Reading) -> bool:
    return role in (_KOREAN_LOUD if reading.language == "hangul" else lex.LOUD_ROLES)


def _alike(one: str, other: str, a: Reading, b: Reading) -> bool:
    if a.language == "hangul":
        quiet = {one, other}
        if quiet <= {"to", "at", "object", ""}:
            return not any(word.role == "from" for word in (*a.words, *b.words))
        return quiet <= {"from", "at", ""} and not any(word.role == "to" for word in (*a.words, *b.words))
    return {one, other} <= {"to", "for", "at", ""} and "from" not in {word.role for word in (*a.words, *b.words)}


def _swapped(a: Reading, b: Reading, pairs: list[tuple[int, int]]) -> Refusal | None:
    """Korean order is free where particles tell the parts; where they do not, the order does."""
    changed = []
    for at, place in pairs:
        one, other = _roles(a.words[at], b.words[place])
        if {one, other} == {"subject", "object"}:
            changed.append(a.words[at].text)
    if len(changed) > 1:
        return Refusal("direction", f"who does it to whom differs: {_shown(changed, [])}")
    bare = [place for at, place in pairs if a.words[at].kind != "word" or not any(_roles(a.words[at], b.words[place]))]
    typed = [place for at, place in pairs if a.words[at].kind in ("number", "date", "time", "code", "quote")]
    names = [
        (at, place)
        for at, place in pairs
        if a.words[at].kind == "word" and not any(_roles(a.words[at], b.words[place]))
    ]
    if typed != sorted(typed):
        return Refusal("direction", "the same figures stand in another order")
    order = [place for _, place in names[:-1]]
    if len(names) > 2 and order != sorted(order) and len(bare) == len(pairs):
        return Refusal("direction", "the same words stand in another order")
    return None


def _matters(a: Reading, b: Reading, plain: list[tuple[int, int]]) -> bool:
    """Words in another order are one question where only a noun has moved before or behind the verb of a request."""
    nouns = [(at, place) for at, place in plain if a.words[at].key not in _MOVABLE]
    order = [place for _, place in nouns]
    return order != sorted(order)


_MOVABLE: Final = frozenset(
    {"activat", "deactivat", "off", "up", "down", "out", "back", "all", "every", "bright", "mean", "cost"}
)


def explain(one: str, other: str) -> Iterator[str]:
    """Every guard's refusal, for people."""
    a, b = read(one), read(other)
    for guard in (*_GUARDS, lambda x, y: _words(x, y, frozenset())):
        refusal = guard(a, b)
        if refusal is not None:
            yield f"{refusal.kind}: {refusal.why}"
