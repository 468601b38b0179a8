"""Korean words compared without a dictionary: two forms are one word where what follows their common stem is, on both
sides, a particle or an ending that does not change what is asked.

Words are spelt as letters (jamo) with contractions opened, so that 바꿔 is 바꾸 and 어, and 켜 stands in 켜는 and in 켭니다.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from adjoin.llm.cache.lexicon import KOREAN_SHORT_NOUNS, KOREAN_VERBS, PARTICLE_ROLES, SAME_KOREAN

_LEADS: Final = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS: Final = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_OPENED: Final = {"ㅘ": "ㅗㅏ", "ㅝ": "ㅜㅓ", "ㅕ": "ㅣㅓ", "ㅙ": "ㅚㅓ"}
_NG: Final = "ㆁ"  # ㅇ at the end of a syllable, which sounds; at its beginning it is silent and left out


@lru_cache(maxsize=20_000)
def letters(word: str) -> str:
    """The word's letters, contractions opened: `letters("바꿔") == letters("바꾸어")`."""
    found = []
    for char in word:
        if not "가" <= char <= "힣":
            found.append(char)
            continue
        lead, rest = divmod(ord(char) - 0xAC00, 588)
        vowel, tail = _VOWELS[rest // 28], _TAILS[rest % 28]
        if _LEADS[lead] == "ㅎ" and vowel == "ㅐ":  # 해 is 하여
            opened = "ㅏㅣㅓ"
        else:
            opened = _OPENED.get(vowel, vowel)
        found.append(("" if _LEADS[lead] == "ㅇ" else _LEADS[lead]) + opened + (_NG if tail == "ㅇ" else tail))
    return "".join(found)


class Suffix(NamedTuple):
    """What follows a stem. kind: "bare", "particle", "ending", "light" (하다 after a noun) or "copula"; several where it may
    be either. role: of a particle. past: whether it tells of the past. short: an ending of one syllable."""

    kinds: frozenset[str]
    role: str = ""
    past: bool = False
    short: bool = False
    text: str = ""


_LINKED: Final = """요 줘 줘요 주세요 주십시오 주실래요 주실래 줄래 줄래요 주라 주시겠어요 주겠니 줄 주면 주실 서 라 봐 보세요
    봐요 주는 주기 줬으면""".split()
_PLAIN: Final = """다 는 는다 ㄴ다 ㄴ ㄹ 은 을 고 지 지요 죠 네 네요 나 나요 냐 니 니까 ㅂ니다 습니다 ㅂ니까 습니까 세요
    으세요 십시오 으십시오 시오 ㄹ까 ㄹ까요 을까 을까요 ㄴ가 ㄴ가요 은가 은가요 는가 는가요 는지 ㄴ지 은지
    ㄹ지 을지 는지요 려면 으려면 려고 려고요 으려고요 으려고 면 으면 기 음 ㅁ 게 도록 러 으러 ㄹ래 을래 ㄹ래요
    을래요 라 으라 는데 ㄴ데 은데 는데요 ㄴ데요 인데 기를 기는 기가 는것 을때 ㄹ때 기위해 자면""".split()
_AFTER_PAST: Final = (
    """어 어요 다 나 나요 니 습니까 습니다 을까 을까요 는지 는가 는가요 던 지 죠 냐 는데 는데요 고 을""".split()
)
_COPULA: Final = """이야 야 이에요 예요 인가 인가요 인지 입니까 입니다 이다 이지 이죠 일까 일까요 이니 인데 이란 이라는 이라고
    라고""".split()
_COPULA_PAST: Final = (
    """이었어 이었나요 였어 였나요 이었습니까 였습니까 이었는지 였는지 이었지 였지 이었을까 였을까 였지요""".split()
)


def _all_suffixes() -> dict[str, Suffix]:
    found: dict[str, Suffix] = {}

    def keep(text: str, kind: str, role: str = "", *, past: bool = False) -> None:
        spelt = letters(text)
        old = found.get(spelt)
        kinds = frozenset({kind}) | (old.kinds if old else frozenset())
        syllables = sum("가" <= char <= "힣" for char in text)
        found[spelt] = Suffix(kinds, role or (old.role if old else ""), past, syllables <= 1, text)

    keep("", "bare")
    endings = [(text, False) for text in _PLAIN]
    for link in ("", "어", "아", "여"):
        endings += [(link + text, False) for text in _LINKED]
        endings += [(link, False)] if link else []
        endings += [(f"{link}ㅆ{text}", True) for text in _AFTER_PAST]
    endings += [(f"시{text}", False) for text in _PLAIN]
    endings += [("셨" + text, True) for text in _AFTER_PAST] + [(f"으셨{text}", True) for text in _AFTER_PAST]
    for text, past in endings:
        keep(text, "ending", past=past)
        keep(f"ㄹ{text}", "ending", past=past)  # 만들어 beside 만드는
        if text:
            keep(f"하{text}", "light", past=past)
    keep("할때", "light")
    for text in _COPULA:
        keep(text, "copula")
    for text in _COPULA_PAST:
        keep(text, "copula", past=True)
    for text, role in PARTICLE_ROLES.items():
        keep(text, "particle", role)
    return found


SUFFIXES: Final = _all_suffixes()
_VOWEL_SET: Final = frozenset(_VOWELS)
_SAME: Final = {letters(stem): (stem, group) for stem, group in SAME_KOREAN.items()}
_VERBS: Final = frozenset(map(letters, KOREAN_VERBS))
_LONGEST_SUFFIX: Final = max(map(len, SUFFIXES))
_SLIPPERY: Final = frozenset(map(letters, ["과", "나", "야", "란", "고", "도", "만", "라", "이나", "이야", "이란"]))
"""Particles that after one syllable are more often the end of a noun: 사과, 수도, 나라."""


@lru_cache(maxsize=20_000)
def group_of(word: str) -> tuple[str, Suffix] | None:
    """The group of equals that the word's stem is in, and what follows the stem."""
    spelt = letters(word)
    for cut in range(len(spelt), max(0, len(spelt) - _LONGEST_SUFFIX) - 1, -1):
        known = _SAME.get(spelt[:cut])
        suffix = SUFFIXES.get(spelt[cut:])
        if known is None or suffix is None:
            continue
        if suffix.kinds == {"ending"} and spelt[cut : cut + 1] == "ㄹ" and spelt[cut + 1 : cut + 2] in _VOWEL_SET:
            continue  # 열려 is not of 열다
        stem, group = known
        if len(stem) == 1 and suffix.kinds != {"bare"}:
            wanted = "particle" if stem in KOREAN_SHORT_NOUNS else "ending"
            if wanted not in suffix.kinds or (wanted == "particle" and spelt[cut:] in _SLIPPERY):
                continue
            if wanted == "ending" and "particle" in suffix.kinds and suffix.role:
                continue
        return group, suffix
    return None


@lru_cache(maxsize=50_000)
def same_word(one: str, other: str) -> tuple[Suffix, Suffix] | None:
    """What follows the common stem on either side, where the two are forms of one word; None where they are not."""
    if one == other:
        end = _own_suffix(one)
        return end, end
    left, right = letters(one), letters(other)
    common = 0
    while common < min(len(left), len(right)) and left[common] == right[common]:
        common += 1
    first = min(len(letters(one[:1]).rstrip(_NG)), len(letters(other[:1]).rstrip(_NG)))
    for cut in range(common, max(first - 1, common - 8, 0), -1):
        here, there = SUFFIXES.get(left[cut:]), SUFFIXES.get(right[cut:])
        if here is not None and there is not None and _together(left[:cut], here, there, left[cut:], right[cut:]):
            return here, there
    return None


def _together(stem: str, here: Suffix, there: Suffix, left: str, right: str) -> bool:
    """Whether both may follow the stem in one word, as far as can be told without a dictionary."""
    known_verb = stem in _VERBS
    short = sum(char in _VOWELS for char in stem) <= 1
    nouns = {"bare", "particle", "copula", "light"}
    if here.kinds & nouns and there.kinds & nouns:
        if not short:
            return True
        return not known_verb and not {left, right} & _SLIPPERY and "light" not in here.kinds | there.kinds
    if "ending" in here.kinds and "ending" in there.kinds:
        return known_verb or (not short and not (here.short and there.short))
    return False


def _own_suffix(word: str) -> Suffix:
    """The particle of a word that stands alone, the longest that leaves a stem of two syllables or a known short noun."""
    for cut in range(1, len(word)):
        role = PARTICLE_ROLES.get(word[cut:])
        if role and (cut >= 2 or word[:cut] in KOREAN_SHORT_NOUNS):
            return SUFFIXES[letters(word[cut:])]
    past = bool(_PAST.search(word))
    return Suffix(frozenset({"bare"}), past=past)


_PAST: Final = re.compile("[았었였했갔왔됐렸졌켰겼냈꼈샀났랐컸꿨줬봤]")

_NEGATED: Final = re.compile(
    r"(?<!\S)(?:안|못)(?=\s+\S)|(?<!\S)안(?=되|돼|됩|된|될|켜|켠|켤|하|해|한|할|합|가|나|보|들|열|먹|맞|와|오|좋|써|움직|눌|바뀌|바꾸)"
    r"|(?<!\S)못(?=하|해|한|할|합|가|찾|쓰|써|열|받|들|보|봐|먹|나|오)"
    r"|지\s?(?:는|도|를|가)?\s?(?:않|못|말(?!해|하|씀)|마(?=$|[\s?!.,]|세요|십시오|라))|말고|말아(?!요?$)|없|아니|아닌|아닙|모르|몰라|(?<=[가-힣])잖"
)
_MODALS: Final = (
    ("can", re.compile(r"[ㄹ을할될갈볼쓸열켤끌살꿀둘줄낼뺄울릴칠킬필알길들날받을]\s?수\s?(?:가|는|도)?\s?[있없]|가능")),
    ("must", re.compile(r"[야]\s?(?:만\s?)?(?:하|해|한|할|합|되|돼|된|될|됩)(?!\S*수)|필요")),
    ("may", re.compile(r"[아어해여려켜꺼도]도\s?(?:되|돼|된|될|됩|괜찮|좋)|면\s?안\s?(?:되|돼|된|될|됩)")),
)
_REQUEST: Final = re.compile(
    r"(?:줘|줘요|주세요|주십시오|줄래|줄래요|주실래요|주라|십시오|시오|부탁해|부탁해요|부탁드립니다|부탁드려요|해라|켜라|꺼라)[\s.!?~]*$"
)
_POLITE: Final = re.compile(r"세요[\s.!~]*$")
_ASKED: Final = re.compile(r"(?:\?|까|까요|나요|가요|니|냐|죠|는지|은지|인지|ㄴ지|어때|어떠세요)[\s.!~]*$")
_TOLD: Final = re.compile(
    r"(?:알려|말해|가르쳐|설명|보여)\s?(?:해\s?)?(?:줘|주|줄|봐|다오)\S*[\s.!?]*$|궁금\S*[\s.!?]*$|알고\s?싶\S*[\s.!?]*$"
)


def negations(text: str) -> int:
    """How often something is denied: 안, 못, -지 않다, -지 말다, 없다, 아니다."""
    return len(_NEGATED.findall(text))


def modals(text: str) -> frozenset[str]:
    """Ability, duty, permission."""
    return frozenset(name for name, pattern in _MODALS if pattern.search(text))


def is_told(text: str) -> bool:
    """Whether it asks to be told: 알려줘, 궁금해."""
    return bool(_TOLD.search(text))


def mood(text: str) -> str:
    """ "request", "ask", or "" where it cannot be told, or where the request is for an answer."""
    if _TOLD.search(text):
        return ""
    if _REQUEST.search(text):
        return "request"
    if _ASKED.search(text):
        return "ask"
    return "request" if _POLITE.search(text) else ""


def stem_of(word: str) -> str:
    """A stem for messages and for pairs of opposites: the shortest known verb or the word without its particle."""
    spelt = letters(word)
    for verb in sorted(KOREAN_VERBS, key=len, reverse=True):
        rest = spelt.removeprefix(letters(verb))
        if rest != spelt and "ending" in SUFFIXES.get(rest, Suffix(frozenset())).kinds:
            return verb
    for cut in range(2, len(word)):
        if letters(word[cut:]) in SUFFIXES:
            return word[:cut]
    return word
