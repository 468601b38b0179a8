"""Korean questions: what their words are without particles and endings, and how they are asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from adjoin.llm.cache import korean
from adjoin.llm.cache import lexicon as lex
from adjoin.llm.cache.english import STEMS, stem, typed
from adjoin.llm.cache.words import MARKED, MARKS, Parts, Word

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


_ASKED_ROLES: Final = (
    ("subject", re.compile(r"(?<!\S)(?:누가|누구가|무엇이|뭐가|뭣이|어디가|어느 것이)(?=\s|$)")),
    ("object", re.compile(r"(?<!\S)(?:누구를|누굴|무엇을|뭐를|뭘|무얼|어디를|어딜)(?=\s|$)")),
)


def take_apart(text: str, held: list[Word]) -> Parts:
    parts = Parts()
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
    if not parts.asks and re.search(r"[가-힣][은는]\?\s*$", text):  # 가장 높은 산은?
        parts.asks.add("what")
    parts.modals = frozenset() if "how" in parts.asks else korean.modals(text)
    for at, token in enumerate(tokens):
        glued = at > 0 and f"{tokens[at - 1]}{token}" in closed
        _korean_word(token, tokens, at, glued, held, parts)
    roles = {role for role, pattern in _ASKED_ROLES if pattern.search(text)}
    parts.asked_role = roles.pop() if len(roles) == 1 else ""
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


def _korean_word(token: str, tokens: list[str], at: int, glued: bool, held: list[Word], parts: Parts) -> None:
    if MARKED.match(token):
        parts.words.append(held[ord(token) - MARKS[0]])
        return
    hangul = "가" <= token[0] <= "힣"
    last = parts.words[-1] if parts.words else None
    if hangul and glued and last is not None and token in lex.PARTICLE_ROLES:
        parts.words[-1] = last._replace(role=lex.PARTICLE_ROLES[token])
        return
    if not hangul:
        special = (
            typed(token.lower(), token[0].isupper(), [token.lower()], 0)
            if token.isascii() and token.isalpha()
            else None
        )
        low = token.lower()
        key = lex.SAME_KOREAN.get(low) or STEMS.get(stem(low), stem(low))
        parts.words.append(special or Word("word", key, token, capital=token[0].isupper()))
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
