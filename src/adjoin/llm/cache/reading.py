"""What a question says, taken apart so that two can be compared: words, numbers, dates, quotations, and how it is asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from adjoin.llm.cache import english, korean_reading
from adjoin.llm.cache import lexicon as lex
from adjoin.llm.cache.words import MARKED, MARKS, Reading, Word

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


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_WIDE)).strip()


@lru_cache(maxsize=8192)
def read(text: str) -> Reading:
    """Take a question apart. Cost: some tenths of a millisecond; the last 8,192 are kept."""
    clean = _clean(text)
    held: list[Word] = []

    def hold(kind: str, key: str, shown: str) -> str:
        held.append(Word(kind, key, shown))
        return f" {chr(MARKS[len(held) - 1])} " if len(held) < len(MARKS) else " "

    rest = MARKED.sub(" ", clean)
    rest = _FENCED.sub(lambda m: hold("code", (m[1] or m[2] or "").strip(), m[0]), rest)
    rest = _QUOTED.sub(lambda m: hold("quote", next(g for g in m.groups() if g).strip().strip(".,!?"), m[0]), rest)
    rest = _CODE.sub(lambda m: hold("code", m[0], m[0]), rest)
    rest = _NAMED.sub(lambda m: hold("code", m[0].casefold(), m[0]), rest)
    rest = _DATE.sub(lambda m: hold("date", "-".join(str(int(g)) for g in m.groups() if g), m[0]), rest)
    rest = _CLOCK.sub(lambda m: hold("time", _clock(m), m[0]), rest)
    rest = _NUMBER.sub(lambda m: _numbered(m, hold), rest)
    language = _language(rest)
    words = english.take_apart(rest, held) if language != "hangul" else korean_reading.take_apart(rest, held)
    return words.finished(text, language, _exact(clean))


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
