"""What a message says of someone, by patterns: so that a later message can replace an earlier one.

A fact is an attribute and its value: "I moved to Busan" says `home` is `busan`. A later fact about the same attribute with
another value supersedes the earlier. The patterns cover plain statements in English and Korean; what they do not cover is
left alone, since a wrong supersession costs more than a missed one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, NamedTuple

from adjoin.llm.memory.scoring import is_question
from adjoin.llm.memory.words import plain, vocabulary, words
from adjoin.text import sentences

LONGEST_VALUE: Final = 120


class Fact(NamedTuple):
    """about: what is said something of, such as `home`, `dog name`, `like sushi`. value: what is said of it."""

    about: str
    value: str


_VALUE: Final = r"(?P<v>[^.!?;\n]{1,120}?)(?=\s*(?:[.!;\n]|,? (?:and|but|so|because|since|now that) |, |$))"
_START: Final = r"(?:^|[,;:] ?|\b(?:and|but|now|that|actually|so|well) )"
_NOW: Final = r"(?:(?:now|currently|just|recently|actually) )?"
_ENGLISH: Final = tuple(
    (re.compile(pattern), about)
    for pattern, about in (
        (rf"{_START}my (?P<a>[^\W\d][\w' -]{{0,40}}?) (?:is|are|has changed to|was changed to|changed to|will be) {_NOW}{_VALUE}", None),
        (rf"{_START}call me {_VALUE}", "name"),
        (rf"{_START}i (?:am )?{_NOW}(?:live|living|reside|residing) {_NOW}in {_VALUE}", "home"),
        (rf"{_START}i (?:have )?{_NOW}(?:moved|relocated) (?:from [\w ]{{1,30}} )?to {_VALUE}", "home"),
        (rf"{_START}i (?:have )?{_NOW}(?:work|am working|working|started working|started) {_NOW}(?:at|for) {_VALUE}", "work"),
        (rf"{_START}i (?:have )?{_NOW}joined {_VALUE}", "work"),
        (rf"{_START}i (?:am )?{_NOW}(?:work|working) as (?:an? )?{_VALUE}", "job"),
        (rf"{_START}i am {_NOW}(?P<v>\d{{1,3}})(?: years old)?(?=\s*(?:[.,!;\n]|$| and ))", "age"),
        (rf"{_START}i drive (?:an? )?{_VALUE}", "car"),
    )
)  # fmt: skip
_OTHERS: Final = re.compile(
    rf"(?:^|[,;:] ?|\b(?:and|but) )(?P<s>[^\W\d_]+)'s (?P<a>[^\W\d][\w -]{{0,40}}?) (?:is|are) {_NOW}{_VALUE}"
)
_LIKED: Final = re.compile(
    r"\bi (?:really )?(?:do not (?:really )?(?:like|love|enjoy)|no longer (?:like|love|enjoy)|like|love|enjoy|hate|dislike)\b"
)
_ALLERGY: Final = re.compile(rf"{_START}i am (?P<no>not |no longer )?allergic to {_VALUE}")

_K_IS: Final = "(?:은|는|이|가)"
_K_VALUE: Final = r"(?P<v>[^,.!?\n]{1,60}?)"
_K_PLACE: Final = r"(?P<v>[^\s,]{1,20}(?: [^\s,]{1,20}[구동])?)"
_K_STOP: Final = r"(?=[\s.,!~]|$)"
_K_NOW: Final = "(?:이제|이제는|지금|지금은|요즘|요즘은|현재|최근에|작년에|올해|지난달에) ?"
_K_END: Final = (
    "(?:이야|야|이에요|예요|에요|입니다|이다|임|이라고 해|라고 해|으로 바뀌었어|로 바뀌었어|으로 바꿨어|로 바꿨어)"
)
_KOREAN: Final = tuple(
    (re.compile(pattern), about)
    for pattern, about in (
        (rf"(?:^|[\s,])(?:내|제|나의|저의|우리) ?(?P<a>[가-힣][가-힣 ]{{0,18}}?){_K_IS} (?:{_K_NOW})?{_K_VALUE} ?{_K_END}{_K_STOP}", None),
        (rf"(?:^|[\s,])(?:{_K_NOW})?{_K_PLACE}에서? ?(?:살아|살고|삽니다|산다|살게|살기|거주)", "home"),
        (r"(?P<v>[^\s,]{1,20})(?<!으)(?:으로|로) 이사", "home"),
        (rf"(?:^|[\s,])(?:{_K_NOW})?(?P<v>[^\s,]{{1,20}})에서? ?(?:일해|일하고|일합니다|근무|다녀|다니고|다닙니다|취직|입사)", "work"),
        (r"(?:^|\s)(?:나는|난|저는|전|나|저) ?(?:이제|올해)? ?(?P<v>\d{1,3}) ?살(?:이야|이에요|입니다|이다)?", "age"),
    )
)  # fmt: skip
_K_OTHERS: Final = re.compile(
    rf"(?:^|[\s,])(?P<s>[가-힣]{{2,4}})의 (?P<a>[가-힣][가-힣 ]{{0,14}}?){_K_IS} (?:{_K_NOW})?{_K_VALUE} ?{_K_END}{_K_STOP}"
)
_K_LIKED: Final = re.compile(
    r"(?:^|[,] ?)(?P<v>[^,.!?\n]{1,40}?)(?:을|를|이|가|은|는)? (?:정말 |진짜 |아주 |너무 |더 이상 |더는 |이제 |이제는 )*"
    r"(?P<no>안 |별로 안 )?(?P<verb>좋아하지 않|좋아해|좋아합니다|좋아한다|싫어해|싫어합니다|싫어한다|싫어졌|좋아졌)"
)
_K_SUBJECT: Final = re.compile(r"^(?:(?:나는|난|저는|전|나도|저도|나|저|이제|이제는|요즘|요즘은|사실|원래|더 이상) )+")
_LIKED_THING: Final = re.compile(
    r"\s*(?P<v>[^.!?;,\n]{1,60}?)(?: anymore| any more| a lot| very much| so much)?(?=\s*(?:[.,!;\n]|$| and | but ))"
)

_ABOUT: Final = {
    "이름": "name", "나이": "age", "직업": "job", "직장": "work", "회사": "work", "집": "home", "사는 곳": "home",
    "employer": "work", "company": "work", "workplace": "work", "hometown": "hometown", "full name": "name",
}  # fmt: skip
# Of these one has several, so that another value replaces nothing.
_MANY: Final = vocabulary(
    """
    friend friends colleague hobby hobbies problem question point idea guess hope brother sister cousin head
    stomach 친구 동료 취미 문제 질문 생각 말
    """
)
_DROPPED: Final = re.compile(r"^(?:new|current|own|old) |^(?:새|현재) ?")
_ASKED: Final = vocabulary(
    """
    what who where when which how why 뭐 뭐야 뭔지 무엇 무슨 누구 어디 언제 몇 얼마 어느
    """
)
_QUOTED: Final = re.compile(r"[\"“][^\"“”]{0,500}[\"”]|(?<!\w)'[^'\n]{2,300}'(?!\w)")
_PASSING: Final = re.compile(
    r"^(?:not sure|here|there|ready|fine|ok|okay|good|bad|great|gone|late|on (?:my|the|its|his|her) way|\w+ing)\b"
)
_WITH: Final = re.compile(r" (?:with|near|for|since|in a|as) .*$")
_UNSURE: Final = re.compile(r"^(?:if|when|suppose|imagine|maybe|perhaps|what if|assume)\b|^(?:만약|만일|혹시)")


def facts(text: str) -> tuple[tuple[Fact, ...], bool]:
    """The facts that a message states, and whether it says nothing else.

    Questions, suppositions and what stands in quotes state none.

    >>> facts("My name is Mina and I moved to Busan.")
    ((Fact(about='name', value='mina'), Fact(about='home', value='busan')), True)
    >>> facts("이제 대구에 살아. 어제는 비가 왔어.")
    ((Fact(about='home', value='대구'),), False)
    """
    composed = unicodedata.normalize("NFC", text)
    found: dict[str, str] = {}
    alone = True
    for start, end in sentences(composed):
        stated = dict(_stated(composed[start:end]))
        found |= stated
        alone = alone and bool(stated)
    return tuple(Fact(*pair) for pair in found.items()), alone and bool(found)


def _stated(sentence: str) -> Iterator[tuple[str, str]]:
    bare = plain(_QUOTED.sub(" ", sentence)).strip()
    if is_question(sentence) or _UNSURE.search(bare):
        return
    for pattern, about in (*_ENGLISH, *_KOREAN):
        for match in pattern.finditer(bare):
            attribute = about or _attribute(match["a"])
            value = _value(_WITH.sub("", match["v"]) if about in ("home", "work") else match["v"])
            if attribute and value:
                yield attribute, value
    for pattern in (_OTHERS, _K_OTHERS):
        for match in pattern.finditer(bare):
            attribute, value = _attribute(match["a"]), _value(match["v"])
            if attribute and value and match["s"] not in ("it", "that", "let", "here", "there", "what"):
                yield f"{match['s']} {attribute}", value
    yield from _liking(bare)


def _liking(bare: str) -> Iterator[tuple[str, str]]:
    """Liking something and not liking it are two values of one attribute; liking something else is another attribute."""
    for match in _ALLERGY.finditer(bare):
        yield f"allergic {_value(match['v'])}", "no" if match["no"] else "yes"
    liked = _LIKED.search(bare)
    if liked:
        rest = _LIKED_THING.match(bare, liked.end())
        thing = _value(rest["v"]) if rest else ""
        if thing and not thing.startswith(("to ", "it", "that")):
            negative = bool(re.search(r"not|no longer|hate|dislike", liked[0]))
            yield f"like {thing}", "no" if negative else "yes"
    for match in _K_LIKED.finditer(bare):
        negative = bool(match["no"]) or match["verb"].startswith("싫") or "않" in match["verb"]
        thing = _K_SUBJECT.sub("", f"{match['v']} ").strip()
        thing = re.sub("(?:을|를)$", "", thing)
        if thing:
            yield f"like {thing}", "no" if negative else "yes"


def _attribute(text: str) -> str:
    attribute = _DROPPED.sub("", " ".join(text.split())).replace("'s ", " ")
    parts = attribute.split()
    if not parts or parts[-1] in _MANY or any(word in _ASKED for word in parts):
        return ""
    return _ABOUT.get(attribute, attribute)


def _value(text: str) -> str:
    value = " ".join(text.split()).strip(" '\"“”‘’~")
    for lead in ("the ", "a ", "an "):
        value = value.removeprefix(lead)
    value = re.sub(
        r" (?:now|anymore|these days|at the moment|last (?:week|month|year)|this (?:week|month|year)|yesterday|today)$",
        "",
        value,
    )
    if not value or any(word in _ASKED for word in words(value)[:1]) or _PASSING.search(value):
        return ""
    return value
