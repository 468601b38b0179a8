"""The words of a message, as they are compared: composed, lower case, without what says nothing, in Korean and English."""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata
from typing import Final

MOST_TERMS: Final = 64


def vocabulary(text: str) -> frozenset[str]:
    """Words written with spaces between them."""
    return frozenset(text.split())


_WORD: Final = re.compile(r"\d+(?:[.,:/-]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?")
_HANGUL: Final = re.compile("[가-힣]+$")
_NUMBER: Final = re.compile(r"\d")
# Particles and the commonest endings, longest first; what is left must have two syllables.
_PARTICLES: Final = re.compile(
    "(?:이라고|에서는|에게서|으로는|이에요|입니다|이랑|에서|에게|한테|부터|까지|으로|하고|이야|예요|처럼|보다|마다|라고|은|는|이|가|을|를|에|의|로|와|과|도|만|야|요)$"
)
_STOP: Final = vocabulary(
    """
    a an the and or but so of to in on at for with from by as is are was were be been am do does did have has had
    will would can could should may might must it its this that these those i me my mine you your yours he him his
    she her we us our they them their what which who whom whose when where why how not no yes if then than there
    here about into over up down out just also too very really please tell say said know 나 내 저 제 너 네 우리 그
    이 저것 그것 이것 것 수 등 및 더 좀 잘 뭐 무엇 누구 어디 언제 왜 어떻게 그리고 그런데 하지만 그래서
    """
)
_FILLERS: Final = vocabulary(
    """
    a an the please really very just so also well actually hey hi hello oh um uh again by way btw ok okay yes yeah
    좀 정말 진짜 아주 매우 너무 그냥 음 아 어 네 응 저기 있잖아 다시 참
    """
)
_CONTRACTED: Final = tuple(
    (re.compile(pattern), full)
    for pattern, full in (
        (r"\bwon't\b", "will not"), (r"\bcan't\b", "can not"), (r"\bcannot\b", "can not"), (r"n't\b", " not"),
        (r"\bi'm\b", "i am"), (r"'re\b", " are"), (r"'ve\b", " have"), (r"'ll\b", " will"), (r"\b(it|that|he|she|what|who)'s\b", r"\1 is"),
        (r"\bfavorite\b", "favourite"), (r"\bcolor\b", "colour"),
    )
)  # fmt: skip


def plain(text: str) -> str:
    """Composed (NFC), case-folded, with straight apostrophes and English contractions written out."""
    folded = unicodedata.normalize("NFC", text).casefold().replace("’", "'")
    for pattern, full in _CONTRACTED:
        folded = pattern.sub(full, folded)
    return unicodedata.normalize("NFC", folded)


def words(text: str) -> list[str]:
    """Every word and number, in order.

    >>> words("I'm 31, 서울에서 살아!")
    ['i', 'am', '31', '서울에서', '살아']
    """
    return _WORD.findall(plain(text))


@functools.lru_cache(maxsize=4096)
def terms(text: str) -> tuple[str, ...]:
    """What a message can be found by, each once, in order, at most 64: words without stop words, particles and the plural;
    numbers whole; and the pairs of syllables of longer Korean words, whose endings no list is long enough for.

    >>> terms("The cats live in 부산에서 with 3,000 books")
    ('cat', 'live', '부산', '3,000', 'book')
    """
    found: dict[str, None] = {}
    for word in words(text):
        for term in _stems(word):
            if term not in _STOP:
                found[term] = None
    return tuple(found)[:MOST_TERMS]


def _stems(word: str) -> list[str]:
    if _NUMBER.match(word):
        return [word]
    if _HANGUL.match(word):
        bare = _PARTICLES.sub("", word)
        bare = bare if len(bare) >= 2 else word
        return [bare, *(bare[i : i + 2] for i in range(len(bare) - 1))] if len(bare) > 2 else [bare]
    if word in _STOP:
        return []
    word = word.removesuffix("'s")
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            word = word.removesuffix(ending) + ("y" if ending == "ies" else "")
            break
    return [word]


def is_number(term: str) -> bool:
    return bool(_NUMBER.match(term))


_POLITE: Final = tuple(
    (re.compile(f"{ending}$"), bare)
    for ending, bare in (("(?:입니다|이에요|예요|에요)", "이야"), ("합니다", "해"), ("(?<=[가-힣])요", ""))
)
_PAST: Final = frozenset(chr(code) for code in range(0xAC00 + 20, 0xD7A4, 28))  # syllables that end in ㅆ
_HUMBLE: Final = {
    "저는": "나는",
    "전": "나는",
    "난": "나는",
    "제": "내",
    "제가": "내가",
    "저": "나",
    "저도": "나도",
    "저의": "나의",
}


def _without_politeness(word: str) -> str:
    """A Korean word as it is said among friends."""
    if word.endswith("습니다") and word[-4:-3] in _PAST:
        word = f"{word.removesuffix('습니다')}어"
    for pattern, bare in _POLITE:
        word, changed = pattern.subn(bare, word)
        if changed:
            break
    if len(word) > 2 and word.endswith("야") and not word.endswith("이야"):
        word = f"{word.removesuffix('야')}이야"
    return _HUMBLE.get(word, word)


def signature(text: str) -> str:
    """Equal for messages that say the same in the same order, but for fillers, articles, case, marks and politeness.

    >>> signature("I really love the sea!") == signature("i love sea")
    True
    >>> signature("I love the sea") == signature("I do not love the sea")
    False
    """
    all_words = words(text)
    kept = [word for word in all_words if word not in _FILLERS] or all_words or [plain(text).strip()]
    plain_style = [_without_politeness(word) if _HANGUL.match(word) else word for word in kept]
    # The marks matter in one way: a question is not the statement.
    asked = "?" if text.rstrip().endswith(("?", "？")) else "."
    return hashlib.blake2b("\0".join([*plain_style, asked]).encode(errors="surrogatepass"), digest_size=8).hexdigest()
