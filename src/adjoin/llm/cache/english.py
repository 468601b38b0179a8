"""English questions, and those in other alphabets: phrases, stems, how they are asked."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from adjoin.llm.cache import lexicon as lex
from adjoin.llm.cache.words import MARKED, MARKS, Parts, Word

_SAME_LONG: Final = sorted(((p, p.split()) for p in lex.SAME_ENGLISH if " " in p), key=lambda pair: -len(pair[1]))
_MEANT: Final[dict[str, list[tuple[list[str], list[str]]]]] = {}
for _phrase, _short in sorted(lex.MEANT.items(), key=lambda pair: -len(pair[0].split())):
    _MEANT.setdefault(_phrase.split()[0], []).append((_phrase.split(), _short.split()))
_OPENERS: Final = sorted((p.split() for p in (*lex.OPENERS, *lex.TELLING)), key=len, reverse=True)
_TOKEN: Final = re.compile("[\ue100-\uf8fe]|[^\\W\\d_]+(?:['-][^\\W\\d_]+)*|[&+*/=<>%#@-]|\\d+")


def take_apart(text: str, held: list[Word]) -> Parts:
    parts = Parts()
    tokens, told = _opened(_tokens(text))
    tokens = _meant(tokens)
    capitals = [False] * len(tokens) if text.isupper() else _followed(tokens, text)
    _ask(tokens, parts)
    if told and not parts.asks:
        parts.asks.add("what")
    _say(tokens, capitals, held, parts)
    return parts


def _tokens(text: str) -> list[str]:
    """In small letters, contractions in full."""
    tokens: list[str] = []
    for found in _TOKEN.findall(text):
        low = found.lower()
        if low in lex.CONTRACTIONS:
            tokens += lex.CONTRACTIONS[low].split()
        elif low.endswith("n't"):
            tokens += [low[:-3], "not"]
        elif "'" in low:
            head, tail = low.rsplit("'", 1)
            known = {"s": ["is"] if head in ("what", "who", "where", "how", "when", "why", "it", "that", "there", "here") else ["'s"],
                     "re": ["are"], "ve": ["have"], "ll": ["will"], "d": ["would"], "m": ["am"]}  # fmt: skip
            tokens += [head, *known.get(tail, [tail] if tail else [])]
        elif (
            "-" in low and low.replace("-", "") not in lex.SAME_ENGLISH and low not in lex.SAME_ENGLISH and len(low) > 3
        ):
            tokens += low.split("-")
        else:
            tokens.append(low)
    return tokens


def _followed(tokens: list[str], text: str) -> list[bool]:
    """Which tokens are written with a capital where no sentence begins."""
    large = {m[0].lower() for m in re.finditer(r"(?<![.?!]\s)(?<!^)\b[A-Z]\w*", text)} - {"i"}
    return [token in large for token in tokens]


def _opened(tokens: list[str]) -> tuple[list[str], bool]:
    """Without the ways to begin a question that add nothing to it, and whether one of them asked to be told."""
    told = False
    while opener := next((one for one in _OPENERS if tokens[: len(one)] == one and len(tokens) > len(one)), None):
        told = told or " ".join(opener) in lex.TELLING
        tokens = tokens[len(opener) :]
    while len(tokens) > 1 and (tokens[-1] in ("please", "thanks") or tokens[-2:] == ["thank", "you"]):
        tokens = tokens[: -2 if tokens[-1] == "you" else -1]
    return tokens, told


def _meant(tokens: list[str]) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(tokens):
        for words, meant in _MEANT.get(tokens[at], ()):
            if tokens[at : at + len(words)] == words:
                found += meant
                at += len(words)
                break
        else:
            found.append(tokens[at])
            at += 1
    return found


def _ask(tokens: list[str], parts: Parts) -> None:
    asked = [lex.ASKING[token] for token in tokens if token in lex.ASKING and not _relative(tokens, token)]
    parts.asks = set(asked)
    if not asked and tokens and tokens[0] in lex.AUXILIARIES:
        parts.asks.add("yes or no")
    modal = {lex.MODALS[token] for token in tokens if token in lex.MODALS}
    parts.modals = frozenset(modal & {"must"} if parts.asks & {"how", "where"} else modal)
    parts.past = any(token in lex.PAST for token in tokens) or ("have" in tokens and "been" in tokens)
    parts.future = any(token in lex.FUTURE for token in tokens) or "going to" in " ".join(tokens)
    generic = bool(parts.asks & {"how", "where", "when", "why"})
    for number, token in enumerate(tokens):
        person = lex.PERSONS.get(token)
        if person is None:
            continue
        subject = number > 0 and tokens[number - 1] in lex.AUXILIARIES
        if not (generic and subject):
            parts.persons.add(person)


def _relative(tokens: list[str], token: str) -> bool:
    """`who`, `which` and `that` after a noun: the man who came. They ask nothing when another word does."""
    place = tokens.index(token)
    return token in ("which", "who", "whom", "where") and place > 1 and any(t in lex.ASKING for t in tokens[:place])


def _say(tokens: list[str], capitals: list[bool], held: list[Word], parts: Parts) -> None:
    tokens, capitals = _phrases(tokens, capitals)
    role, pending = "", 0
    number_at: int | None = None
    for at, token in enumerate(tokens):
        if MARKED.match(token):
            word = held[ord(token) - MARKS[0]]
            parts.words.append(word._replace(role=role))
            parts.negated += [word.key] * pending
            role, pending = "", 0
            continue
        if token == "'s":
            if parts.words and not parts.words[-1].role:
                parts.words[-1] = parts.words[-1]._replace(role="of")
            continue
        if token in lex.NEGATORS:
            parts.negations += 1
            pending += 1
            continue
        if token == "one" and _no_number(tokens, at):
            continue
        special = typed(token, capitals[at], tokens, at)
        if special is not None:
            previous = parts.words[-1] if parts.words and number_at == at - 1 else None
            if special.kind == "number" and previous is not None:
                parts.words[-1] = _joined(previous, special)
            else:
                parts.words.append(special._replace(role=role))
            number_at = at if special.kind == "number" else None
            role = ""
            continue
        if (
            token in lex.UNITS
            and parts.words
            and parts.words[-1].kind == "number"
            and " " not in parts.words[-1].key
            and number_at in (at - 1, None)
        ):
            last = parts.words[-1]
            parts.words[-1] = last._replace(key=f"{last.key} {lex.UNITS[token]}", text=f"{last.text} {token}")
            continue
        if token == "around" and at + 1 < len(tokens) and MARKED.match(tokens[at + 1]):
            token = "roughly"  # around 5 pm
        if token in lex.PREPOSITIONS and not _particle(tokens, at):
            infinitive = token == "to" and (
                at == 0 or tokens[at - 1] in lex.FUNCTION_WORDS or tokens[at - 1] in lex.NEGATORS
            )
            role = "" if infinitive else lex.PREPOSITIONS[token]
            if token in lex.TELLING_PREPOSITIONS:
                parts.words.append(Word("word", token, token))
            continue
        if token in ("who", "what", "how", "when", "where", "why", "which") or token in lex.FUNCTION_WORDS:
            continue
        key = lex.SAME_ENGLISH.get(token) or lex.SAME_ENGLISH.get(_base(token)) or token
        key = STEMS.get(stem(key), stem(key)) if " " not in key else key.replace(" ", "_")
        parts.words.append(Word("word", key, token, role, capitals[at]))
        parts.negated += [key] * pending
        role, pending = "", 0
    parts.negated += ["."] * pending


def _joined(left: Word, right: Word) -> Word:
    """`twenty five`, `two hundred`: number words that are one number."""
    try:
        one, two = int(left.key), int(right.key)
    except ValueError:
        return left._replace(key=f"{left.key}/{right.key}", text=f"{left.text} {right.text}")
    value = one * two if two >= 100 else one + two
    return left._replace(key=str(value), text=f"{left.text} {right.text}")


def typed(token: str, capital: bool, tokens: list[str], at: int) -> Word | None:
    """Number words, months, days and times of day."""
    if token in lex.NUMBER_WORDS and not (token == "one" and _no_number(tokens, at)):
        return Word("number", str(lex.NUMBER_WORDS[token]), token)
    if token in lex.SCALES and at and (MARKED.match(tokens[at - 1]) or tokens[at - 1] in lex.NUMBER_WORDS):
        return Word("number", str(lex.SCALES[token]), token)
    if token.isdecimal():
        return Word("number", str(int(token)), token)
    if (token in lex.ORDINALS and token != "second") or (
        token == "second" and at + 1 < len(tokens) and not (at and tokens[at - 1] in lex.NUMBER_WORDS)
    ):
        return Word("number", f"{lex.ORDINALS[token]} th", token)
    if (token in lex.MONTHS or token in lex.DAYS) and (token not in lex.SHORT_DAYS or capital):
        return Word("date", f"m{lex.MONTHS[token]}" if token in lex.MONTHS else f"w{lex.DAYS[token]}", token)
    if token in lex.RELATIVE_DAYS:
        return Word("date", lex.RELATIVE_DAYS[token], token)
    if token in lex.TIMES_OF_DAY:
        return Word("time", lex.TIMES_OF_DAY[token], token)
    return None


def _no_number(tokens: list[str], at: int) -> bool:
    """`which one`, `one of`, and `one` for a person."""
    before = tokens[at - 1] if at else ""
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    return (
        before
        in (
            "which",
            "the",
            "this",
            "that",
            "any",
            "no",
            "every",
            "another",
            "a",
            "does",
            "can",
            "do",
            "should",
            "would",
        )
        or after == ""
    )


def _particle(tokens: list[str], at: int) -> bool:
    """`on` in `turn on` and `turn the light on`, which is part of the verb."""
    token = tokens[at]
    if token not in lex.PARTICLES:
        return False
    if at and _base(tokens[at - 1]) in lex.PHRASAL:
        return True
    after = tokens[at + 1] if at + 1 < len(tokens) else ""
    return after == "" or after in lex.PREPOSITIONS or after in ("and", "or", "when", "if", "automatically")


def _phrases(tokens: list[str], capitals: list[bool]) -> tuple[list[str], list[bool]]:
    """Known phrases as one token each, also where their object stands inside: turn the light on."""
    tokens, capitals = list(tokens), list(capitals)
    known = {_base(token) for token in tokens}
    for phrase, words in _SAME_LONG:
        if words[0] not in known:
            continue
        at = 0
        while at < len(tokens):
            if [_base(token) for token in tokens[at : at + len(words)]] == words:
                tokens[at : at + len(words)] = [lex.SAME_ENGLISH[phrase]]
                capitals[at : at + len(words)] = [False]
            elif (
                len(words) == 2 and words[1] in lex.PARTICLES and _base(tokens[at]) == words[0]
                and (place := _later(tokens, at, words[1])) is not None
            ):  # fmt: skip
                tokens[at] = lex.SAME_ENGLISH[phrase]
                del tokens[place], capitals[place]
            at += 1
    for at in range(len(tokens)) if known & {"on", "off"} else ():
        if (
            tokens[at] in ("on", "off")
            and (at + 1 == len(tokens) or (tokens[at + 1] in lex.PREPOSITIONS and at))
            and at
        ):
            before = [_base(token) for token in tokens[:at]]
            if not any(token in lex.PHRASAL for token in before):  # kitchen light on
                tokens[at] = lex.SAME_ENGLISH["turn on" if tokens[at] == "on" else "turn off"]
    return tokens, capitals


def _later(tokens: list[str], at: int, particle: str) -> int | None:
    for place in range(at + 1, min(len(tokens), at + 9)):
        if tokens[place] == particle and _particle(tokens, place):
            return place
        if tokens[place] == particle and place + 1 < len(tokens) and particle in ("off",):
            return place
    return None


@lru_cache(maxsize=20_000)
def _base(token: str) -> str:
    """The form that lists have: turned → turn, lights → light."""
    if token in lex.IRREGULAR:
        return lex.IRREGULAR[token]
    if token in lex.SAME_ENGLISH or len(token) < 4:
        return token
    for ending, more in (
        ("ies", "y"),
        ("es", "e"),
        ("s", ""),
        ("es", ""),
        ("ing", ""),
        ("ing", "e"),
        ("ed", ""),
        ("ed", "e"),
        ("d", ""),
    ):
        if token.endswith(ending) and not token.endswith("ss"):
            base = token[: -len(ending)] + more
            if base in lex.SAME_ENGLISH or base in lex.PHRASAL:
                return base
            if (
                ending in ("ing", "ed")
                and not more
                and len(base) > 3
                and base[-1] == base[-2]
                and base[:-1] in {*lex.SAME_ENGLISH, *lex.PHRASAL}
            ):
                return base[:-1]
    return token


# fmt: off
_WITH_S: Final = (
    "otherwise", "likewise", "exercis", "promis", "precis", "surpris", "advis", "revis", "compris", "disguis", "enterpris", "franchis",
    "supervis", "merchandis", "expertis", "paradis", "televis", "improvis", "devis", "clockwise", "praise", "raise", "analysis",
    "basis", "emphasis", "hypothesis", "thesis", "crisis", "axis", "chassis", "tennis", "diagnosis", "synthesis", "concise", "demise",
    "premise", "treatise", "appris", "circumcis", "incis", "excis",
)
# fmt: on


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Without the endings that inflect: enabling, enables and enabled → enabl. Endings that make other words stay."""
    word = lex.IRREGULAR.get(word, word)
    if len(word) < 4 or not word.isascii():
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("sses", "ches", "shes", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and re.search("[aeiouy]", base) and not word.endswith("eed"):
            word = base[:-1] if base[-1] == base[-2] and base[-1] not in "lsz" else base
            break
    if word.endswith("y") and len(word) > 4:
        word = word[:-1] + "i"
    if word.endswith(("ise", "is")) and len(word) > 6 and not word.startswith(_WITH_S):
        word = word[: word.rindex("is")] + "ize"  # British spelling
    return word.removesuffix("e") if len(word) > 4 else word


STEMS: Final[dict[str, str]] = {}
for _name, _group in lex.SAME_ENGLISH.items():
    if " " not in _name:
        STEMS.setdefault(stem(_name), stem(_group) if " " not in _group else _group.replace(" ", "_"))
