"""What a question says, taken apart so that two can be compared: words, numbers, dates, quotations, and how it is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, NamedTuple

from adjoin.llm.cache import korean
from adjoin.llm.cache import lexicon as lex


class Word(NamedTuple):
    """kind: "word", "number", "date", "time", "code" or "quote". key: equal keys are equal words; for a Korean word of no known
    group it is the word itself, which `same` compares by stem. role: the part it has by its preposition or particle."""

    kind: str
    key: str
    text: str
    role: str = ""
    capital: bool = False
    hangul: bool = False
    suffix: korean.Suffix | None = None

    def same(self, other: Word) -> bool:
        if self.kind != other.kind:
            return False
        if self.key == other.key:
            return True
        return (
            self.hangul and other.hangul and self.suffix is None and other.suffix is None
            and korean.same_word(self.key, other.key) is not None
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """language: of the writing, "hangul", "latin" and others. asks: kinds of question, sorted. persons: "1" who asks, "2" who is
    asked. negated: each negator with the word after it. exact: what equal questions share, by which they are found again."""

    text: str
    language: str
    words: tuple[Word, ...]
    asks: tuple[str, ...]
    negated: tuple[str, ...]
    negations: int
    modals: frozenset[str]
    mood: str
    past: bool
    future: bool
    persons: frozenset[str]
    exact: str


_WIDE: Final = str.maketrans(
    "？！，．：；（）％＃＂＇“”„‟‘’‛´`", "?!,.:;()%#\"'\"\"\"\"''''`", "\u00ad\u200b\u2060\ufeff"
)
_FENCED: Final = re.compile(r"```[^\n]*\n?(.*?)```|`([^`\n]+)`", re.S)
_QUOTED: Final = re.compile(
    r"\"([^\"\n]+)\"|(?<![\w'])'([^'\n]{1,200})'(?!\w)|「([^」]+)」|『([^』]+)』|〈([^〉]+)〉|《([^》]+)》|«([^»]+)»"
)
_CODE: Final = re.compile(
    r"https?://\S+[\w/]|[\w.+-]+@[\w-]+\.[\w.]*\w|(?<![\w.])(?:[A-Za-z]:\\|~?/)[\w./\\~-]*\w|(?<![\w-])--?[A-Za-z][\w-]*"
    r"|\b\w+\([^()\n]*\)|\b[A-Za-z]\w*(?:\.[A-Za-z_]\w*)+\b|\bv?\d+\.\d+\.\d+(?:\.\d+)*(?:-[\w.]+)?\b|\b[A-Za-z0-9]+_\w+\b|\b[A-Za-z][\w]*(?:\+\+|\#)"
    r"|(?<!\w)\.[A-Za-z]{2,5}\b|\b0x[0-9A-Fa-f]+\b|[<>=!]=|&&|\|\||->|=>|::|\$\{?\w*[A-Za-z_]\w*\}?"
)
_NAMED: Final = re.compile(r"(?<![\w-])[A-Za-z]+-?\d[A-Za-z0-9]*(?![A-Za-z0-9_])")
"""Letters with figures in them: mp3, GPT-4, Q1."""
_DATE: Final = re.compile(
    r"\b(\d{4})\s?[-./]\s?(\d{1,2})\s?[-./]\s?(\d{1,2})\b|(\d{4})\s?년\s?(\d{1,2})\s?월(?:\s?(\d{1,2})\s?일)?"
)
_CLOCK: Final = re.compile(
    r"\b(\d{1,2}):(\d{2})(?::\d{2})?\s?([ap]\.?m\b\.?)?|\b(\d{1,2})\s?([ap]\.?m\b\.?)|(?:(오전|오후|아침|저녁|밤|새벽|낮)\s?)?(\d{1,2})\s?시(?!간)\s?(?:(\d{1,2})\s?분|(반))?",
    re.I,
)  # fmt: skip
_NUMBER: Final = re.compile(
    r"(?P<sign>(?<![\w)])[-−+])?(?P<money>[$€₩£¥]\s?)?(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)(?P<order>st|nd|rd|th)?(?![A-Za-z]*\d)"
    r"[\s-]?(?P<unit>%|°[CF]?|[A-Za-z/]+|[가-힣]+)?"
)
_PLAIN: Final = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*", re.U)
_MARKS: Final = range(0xE100, 0xF8FF)
"""Characters without a meaning of their own, each of which stands for what was taken out of the text."""
_MARKED: Final = re.compile("[\ue100-\uf8fe]")


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_WIDE)).strip()


@lru_cache(maxsize=8192)
def read(text: str) -> Reading:
    """Take a question apart. Cost: some tenths of a millisecond; the last 8,192 are kept."""
    clean = _clean(text)
    held: list[Word] = []

    def hold(kind: str, key: str, shown: str) -> str:
        held.append(Word(kind, key, shown))
        return f" {chr(_MARKS[len(held) - 1])} " if len(held) < len(_MARKS) else " "

    rest = _MARKED.sub(" ", clean)
    rest = _FENCED.sub(lambda m: hold("code", (m[1] or m[2] or "").strip(), m[0]), rest)
    rest = _QUOTED.sub(lambda m: hold("quote", next(g for g in m.groups() if g).strip().strip(".,!?"), m[0]), rest)
    rest = _CODE.sub(lambda m: hold("code", m[0], m[0]), rest)
    rest = _NAMED.sub(lambda m: hold("code", m[0].casefold(), m[0]), rest)
    rest = _DATE.sub(lambda m: hold("date", "-".join(str(int(g)) for g in m.groups() if g), m[0]), rest)
    rest = _CLOCK.sub(lambda m: hold("time", _clock(m), m[0]), rest)
    rest = _NUMBER.sub(lambda m: _numbered(m, hold), rest)
    language = _language(rest)
    words = _english(rest, held) if language != "hangul" else _korean(rest, held)
    return words.finished(text, language, clean)


def _clock(m: re.Match[str]) -> str:
    hour = int(m[1] or m[4] or m[7])
    minute = int(m[2] or m[8] or (30 if m[9] else 0))
    half = (m[3] or m[5] or m[6] or "").lower().replace(".", "")
    if half in ("pm", "오후", "저녁", "밤", "낮") and hour < 12:
        return f"{hour + 12}:{minute:02}"
    if half in ("am", "오전", "아침", "새벽") or hour > 12:
        return f"{hour % 12 if hour == 12 else hour}:{minute:02}"
    return f"{hour}:{minute:02}?" if not half else f"{hour}:{minute:02}"


def _numbered(m: re.Match[str], hold: Callable[[str, str, str], str]) -> str:
    try:
        value = format(Decimal(m["digits"].replace(",", "")).normalize(), "f")
    except InvalidOperation:
        value = m["digits"]
    sign = "-" if m["sign"] in ("-", "−") else ""
    unit, left = (lex.UNITS[m["money"].strip()], m["unit"] or "") if m["money"] else _unit(m["unit"] or "")
    if m["order"]:
        unit, left = "th", m["unit"] or ""
    kind = "date" if unit in ("년", "월", "일") else "number"
    return hold(kind, f"{sign}{value} {unit}".strip(), m[0]) + left


def _unit(text: str) -> tuple[str, str]:
    """The unit at the beginning of what follows a number, and the rest: a particle, or another word."""
    low = text.lower()
    if low in lex.UNITS and low != "년" and low != "일":
        return lex.UNITS[low], ""
    if text and "가" <= text[0] <= "힣":
        for name in ("년", "월", "일"):
            if text.startswith(name) and (text[1:] == "" or text[1:] in lex.PARTICLE_ROLES):
                return name, text[1:]
        for cut in range(len(text), 0, -1):
            if text[:cut] in lex.UNITS and (
                text[cut:] in lex.PARTICLE_ROLES
                or text[cut:]
                in ("짜리", "씩", "째", "동안", "간", "마다", "후", "전", "뒤", "이상", "이하", "미만", "초과")
            ):
                return lex.UNITS[text[:cut]], text[cut:]
        if text in lex.PARTICLE_ROLES:
            return "", text
    return "", text


def _language(text: str) -> str:
    counts: dict[str, int] = {}
    for char in text:
        if char.isalpha():
            script = (
                "latin"
                if char < "\u0250"
                else "hangul"
                if "가" <= char <= "힣" or "ㄱ" <= char <= "ㅣ"
                else unicodedata.name(char, "?").split()[0].lower()
            )
            counts[script] = counts.get(script, 0) + (
                2 if script == "hangul" else 1
            )  # a syllable is two letters and more
    if "hiragana" in counts or "katakana" in counts:
        return "kana"
    if counts.get("hangul", 0) * 2 >= sum(counts.values()) * 0.5 and "hangul" in counts:
        return "hangul"
    return max(counts, key=lambda script: counts[script]) if counts else "none"


class _Parts:
    """What is gathered while a question is read."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.asks: set[str] = set()
        self.negated: list[str] = []
        self.negations = 0
        self.modals: frozenset[str] = frozenset()
        self.mood = ""
        self.past = self.future = False
        self.persons: set[str] = set()

    def finished(self, text: str, language: str, clean: str) -> Reading:
        return Reading(
            text, language, tuple(self.words), tuple(sorted(self.asks)), tuple(sorted(self.negated)), self.negations,
            self.modals, self.mood, self.past, self.future, frozenset(self.persons), _exact(clean),
        )  # fmt: skip


_SOFT: Final = re.compile(r"[\s,;:!?…~。、·]+|(?<!\d)\.+(?!\w)|\.+(?=\s|$)")
_VERBATIM: Final = re.compile(f"{_FENCED.pattern}|{_QUOTED.pattern}|{_CODE.pattern}", re.S)


def _exact(clean: str) -> str:
    """The text without differences that no one means: case, spaces, and the punctuation of sentences. Quotations, code, and words
    all in capitals among others (US, IT) stay as they are."""
    shouting = clean.isupper()
    found, at = [], 0
    for m in _VERBATIM.finditer(clean):
        found += [*_plain(clean[at : m.start()], shouting), m[0]]
        at = m.end()
    return " ".join([*found, *_plain(clean[at:], shouting)])


def _plain(text: str, shouting: bool) -> Iterator[str]:
    for word in _SOFT.sub(" ", text).split():
        keep = not shouting and len(word) > 1 and word.isupper() and word.isascii()
        yield word if keep else word.casefold()


# ------------------------------------------------------------------------------------------------------------ English

_SAME_LONG: Final = sorted(((p, p.split()) for p in lex.SAME_ENGLISH if " " in p), key=lambda pair: -len(pair[1]))
_MEANT: Final = sorted(((p.split(), m.split()) for p, m in lex.MEANT.items()), key=lambda pair: -len(pair[0]))
_OPENERS: Final = sorted((p.split() for p in (*lex.OPENERS, *lex.TELLING)), key=len, reverse=True)
_TOKEN: Final = re.compile("[\ue100-\uf8fe]|[^\\W\\d_]+(?:['-][^\\W\\d_]+)*|[&+*/=<>%#@-]|\\d+")


def _english(text: str, held: list[Word]) -> _Parts:
    parts = _Parts()
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
        for words, meant in _MEANT:
            if tokens[at : at + len(words)] == words:
                found += meant
                at += len(words)
                break
        else:
            found.append(tokens[at])
            at += 1
    return found


def _ask(tokens: list[str], parts: _Parts) -> None:
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


def _say(tokens: list[str], capitals: list[bool], held: list[Word], parts: _Parts) -> None:
    tokens, capitals = _phrases(tokens, capitals)
    role, pending = "", 0
    number_at: int | None = None
    for at, token in enumerate(tokens):
        if _MARKED.match(token):
            word = held[ord(token) - _MARKS[0]]
            parts.words.append(word._replace(role=role))
            parts.negated += [word.key] * pending
            role, pending = "", 0
            continue
        if token in lex.NEGATORS:
            parts.negations += 1
            pending += 1
            continue
        if token == "one" and _no_number(tokens, at):
            continue
        typed = _typed(token, capitals[at], tokens, at)
        if typed is not None:
            previous = parts.words[-1] if parts.words and number_at == at - 1 else None
            if typed.kind == "number" and previous is not None:
                parts.words[-1] = _joined(previous, typed)
            else:
                parts.words.append(typed._replace(role=role))
            number_at = at if typed.kind == "number" else None
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
        if token == "around" and at + 1 < len(tokens) and _MARKED.match(tokens[at + 1]):
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
        key = _STEMS.get(stem(key), stem(key)) if " " not in key else key.replace(" ", "_")
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


def _typed(token: str, capital: bool, tokens: list[str], at: int) -> Word | None:
    """Number words, months, days and times of day."""
    if token in lex.NUMBER_WORDS and not (token == "one" and _no_number(tokens, at)):
        return Word("number", str(lex.NUMBER_WORDS[token]), token)
    if token in lex.SCALES and at and (_MARKED.match(tokens[at - 1]) or tokens[at - 1] in lex.NUMBER_WORDS):
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


_STEMS: Final[dict[str, str]] = {}
for _name, _group in lex.SAME_ENGLISH.items():
    if " " not in _name:
        _STEMS.setdefault(stem(_name), stem(_group) if " " not in _group else _group.replace(" ", "_"))


# ------------------------------------------------------------------------------------------------------------- Korean

_KOREAN_TOKEN: Final = re.compile("[\ue100-\uf8fe]|[가-힣ㄱ-ㅣ]+|[^\\W\\d_]+(?:['-][^\\W\\d_]+)*|[&+*/=<>%#@-]|\\d+")
_KNOWN_SPACES: Final = (
    ("할 때", "할때"),
    ("비밀 번호", "비밀번호"),
    ("휴대 전화", "휴대전화"),
    ("전화 번호", "전화번호"),
    ("회원 가입", "회원가입"),
)


_KOREAN_MEANT: Final = (
    (re.compile(r"(?<=[이가은는])\s어떻게\s?(?:되|돼|됩)\S*"), " 뭐"),  # 이름이 어떻게 되세요?
    (re.compile(r"불가능(?:해|한|합)"), "가능하지 않"),
    (re.compile(r"(방법|법|절차)[이은을를]?\s?(?:뭐|뭔|무엇|뭘)\S*"), "방법"),
    (re.compile(r"(방법|법)[을를은이]?\s?(?:잘\s)?(?:모르|몰라)\S*"), "방법"),
    (re.compile(r"려면\s?(?:무엇을|뭘|뭐를|무얼)\s?(?=해)"), "려면 어떻게 "),
    (re.compile(r"(?<=는) 법(?=\s|$|[을이은])"), " 방법"),
)


def _korean(text: str, held: list[Word]) -> _Parts:
    parts = _Parts()
    for apart, together in _KNOWN_SPACES:
        text = text.replace(apart, together)
    for pattern, meant in _KOREAN_MEANT:
        text = pattern.sub(meant, text)
    parts.negations = korean.negations(text)
    parts.mood = korean.mood(text)
    tokens = _KOREAN_TOKEN.findall(text)
    closed = re.sub("([\ue100-\uf8fe]) ", r"\1", text)
    parts.asks = set(_korean_asks(tokens))
    if not parts.asks and korean.is_told(text) and not re.search("[는은을인한할될된]지", text):
        parts.asks.add("what")
    parts.modals = frozenset() if "how" in parts.asks else korean.modals(text)
    for at, token in enumerate(tokens):
        glued = at > 0 and f"{tokens[at - 1]}{token}" in closed
        _korean_word(token, tokens, at, glued, held, parts)
    parts.persons = set(_korean_persons(tokens))
    return parts


def _korean_asks(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        for cut in range(len(token), 0, -1):
            asked = lex.KOREAN_ASKING.get(token[:cut])
            rest = token[cut:]
            if asked and (
                rest == ""
                or korean.letters(rest) in korean.SUFFIXES
                or (cut >= 2 and asked in ("how", "how much"))
                or rest in ("인가", "일", "든", "번", "명", "개", "시", "월", "살", "년")
            ):
                yield asked
                break


def _korean_persons(tokens: Iterable[str]) -> Iterator[str]:
    for token in tokens:
        if token in (
            "나",
            "내",
            "내가",
            "나는",
            "난",
            "나의",
            "저",
            "제",
            "제가",
            "저는",
            "전",
            "저의",
            "우리",
            "우리의",
            "나를",
            "저를",
            "나에게",
        ):
            yield "1"
        elif token in ("너", "네가", "니가", "너는", "넌", "너의", "당신", "당신은", "당신의", "당신이", "너희"):
            yield "2"


_SKIPPED: Final = re.compile(r"^(?:않|못|안|말고|말아|마|마세요|없|아니|아닌|아닙|모르|몰라)")


def _korean_word(token: str, tokens: list[str], at: int, glued: bool, held: list[Word], parts: _Parts) -> None:
    if _MARKED.match(token):
        parts.words.append(held[ord(token) - _MARKS[0]])
        return
    hangul = "가" <= token[0] <= "힣"
    last = parts.words[-1] if parts.words else None
    if hangul and glued and last is not None and token in lex.PARTICLE_ROLES:
        parts.words[-1] = last._replace(role=lex.PARTICLE_ROLES[token])
        return
    if not hangul:
        typed = (
            _typed(token.lower(), token[0].isupper(), [token.lower()], 0)
            if token.isascii() and token.isalpha()
            else None
        )
        low = token.lower()
        key = lex.SAME_KOREAN.get(low) or _STEMS.get(stem(low), stem(low))
        parts.words.append(typed or Word("word", key, token, capital=token[0].isupper()))
        return
    if token in lex.KOREAN_NUMBERS and at + 1 < len(tokens):
        counter = next((c for c in (tokens[at + 1][:2], tokens[at + 1][:1]) if c in lex.KOREAN_COUNTERS), None)
        if counter is not None:
            key = f"{lex.KOREAN_NUMBERS[token]} {lex.UNITS.get(counter, counter)}"
            rest = tokens[at + 1][len(counter) :]
            parts.words.append(
                Word(
                    "time" if counter == "시" else "number", key, f"{token} {counter}", lex.PARTICLE_ROLES.get(rest, "")
                )
            )
            tokens[at + 1] = rest if rest and rest not in lex.PARTICLE_ROLES else "좀"
            return
    word = _korean_typed(token)
    if word is not None:
        parts.words.append(word)
        return
    if token in lex.KOREAN_DROPPED or _SKIPPED.match(token) or any(True for _ in _korean_asks([token])):
        if token[0] in "했됐" or "었" in token or "았" in token or "였" in token:
            parts.past = True
        return
    if (
        re.match(r"(있|하|해|한|할|합|했|되|돼|된|될|됩|됐|싶|싫)", token)
        and korean.letters(token[1:]) in korean.SUFFIXES
    ):
        parts.past = parts.past or token[0] in "했됐" or token.startswith("있었")
        return
    if token.startswith("가능") and "can" in parts.modals:
        return
    found = korean.group_of(token)
    if found is not None:
        group, suffix = found
        parts.past = parts.past or suffix.past
        parts.words.append(Word("word", group, token, suffix.role, hangul=True, suffix=suffix))
        return
    own = korean._own_suffix(token)
    parts.past = parts.past or own.past
    parts.words.append(Word("word", token, token, own.role, hangul=True))


def _korean_typed(token: str) -> Word | None:
    for cut in range(len(token), 0, -1):
        head, rest = token[:cut], token[cut:]
        if rest and rest not in lex.PARTICLE_ROLES and rest not in ("인가요", "이야", "이에요"):
            continue
        role = lex.PARTICLE_ROLES.get(rest, "")
        if head in lex.RELATIVE_DAYS:
            return Word("date", lex.RELATIVE_DAYS[head], token, role)
        if head in lex.DAYS:
            return Word("date", f"w{lex.DAYS[head]}", token, role)
        if head in lex.TIMES_OF_DAY:
            return Word("time", lex.TIMES_OF_DAY[head], token, role)
    return None
