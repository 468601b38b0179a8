"""The words that the guards know by name, in English and in Korean: our own lists, short, and free to use.

What is not here is compared as it is: a word that differs and is in no group of equals keeps two questions apart. So a list
that lacks a word costs a hit, never a wrong answer; a word that stands in a wrong group would cost one. Only words that
mean the same in almost any question are together.
"""

from __future__ import annotations

from typing import Final

# ------------------------------------------------------------------------------------------------------------ English

FUNCTION_WORDS: Final = frozenset(
    """a an the is are was were be been being am do does did doing have has had having will would shall this
    these there it its i me my mine myself we us our ours you your yours yourself one's to of and so then as
    just please kindly really actually exactly very currently right some any own get got gets getting 's that
    which who whom whose what when where why how can could should may might must hey hi hello thanks thank ok
    okay also simply quickly easily able possible need needs needed want wants like know going""".split()
)
"""Words that say nothing of what is asked; those of them that do (who, can, your) are looked at on their own."""

AUXILIARIES: Final = frozenset(
    """is are was were am do does did can could should would will has have had may might must shall""".split()
)
PREPOSITIONS: Final = {
    "from": "from", "to": "to", "into": "to", "onto": "to", "toward": "to", "towards": "to", "until": "to", "till": "to",
    "through": "to", "than": "than", "before": "before", "after": "after", "since": "from", "by": "by",
    "without": "without", "against": "against", "with": "with", "for": "for", "of": "of", "in": "at", "inside": "at",
    "within": "at", "at": "at", "on": "at", "about": "about", "regarding": "about", "concerning": "about",
    "as": "as", "via": "with", "using": "with", "during": "at", "throughout": "at", "around": "at", "across": "at", "under": "under", "over": "over", "above": "over",
    "below": "under", "between": "between", "among": "between", "near": "near",
}  # fmt: skip
"""Preposition → the part that the noun after it has."""
TELLING_PREPOSITIONS: Final = frozenset(
    ["without", "against", "under", "over", "above", "below", "near", "before", "after", "than", "between"]
)
"""Those that also count as words: a question with one differs from a question without."""
LOUD_ROLES: Final = frozenset(
    ["from", "to", "than", "before", "after", "by", "without", "against", "under", "over", "as"]
)
"""Parts that must be the same on both sides; `in`, `of` and `for` may also be left out: the light in the kitchen, the kitchen light."""

PHRASAL: Final = frozenset(
    """turn switch log sign put plug lock opt check get go come move power hold carry try keep shut break back
    set take give look hang call boot start zoom scroll slow speed roll count fill write clock close tear run""".split()
)
PARTICLES: Final = frozenset(["on", "off", "up", "down", "in", "out", "over", "back", "away", "along", "apart"])

NEGATORS: Final = frozenset(
    """not n't no never none nothing nobody nowhere neither nor cannot without hardly barely scarcely unless""".split()
)
CONTRACTIONS: Final = {
    "can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not", "wont": "will not", "shan't": "shall not",
    "ain't": "is not", "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not", "arent": "are not",
    "wasnt": "was not", "werent": "were not", "shouldnt": "should not", "couldnt": "could not", "wouldnt": "would not",
    "hasnt": "has not", "havent": "have not", "whats": "what is", "hows": "how is", "wheres": "where is", "whos": "who is",
    "i'm": "i am", "im": "i am", "let's": "let us", "gonna": "going to", "wanna": "want to", "gotta": "have to",
    "y'all": "you", "pls": "please", "plz": "please", "u": "you", "ur": "your", "thx": "thanks",
}  # fmt: skip

ASKING: Final = {
    "who": "who", "whom": "who", "whose": "whose", "when": "when", "where": "where", "why": "why", "how": "how",
    "what": "what", "which": "what",
}  # fmt: skip
MODALS: Final = {
    "can": "can", "could": "can", "may": "may", "might": "may", "able": "can", "possible": "can", "allowed": "may",
    "should": "should", "shall": "should", "must": "must", "need": "must", "needs": "must", "ought": "should",
}  # fmt: skip
PAST: Final = frozenset(["did", "was", "were", "had"])
FUTURE: Final = frozenset(["will", "shall"])
PERSONS: Final = {
    "i": "1", "me": "1", "my": "1", "mine": "1", "myself": "1", "we": "1", "us": "1", "our": "1", "ours": "1",
    "you": "2", "your": "2", "yours": "2", "yourself": "2",
}  # fmt: skip

OPENERS: Final = (
    "please", "hi", "hello", "hey", "so", "ok", "okay", "excuse me", "sorry", "quick question", "thanks", "well", "and",
    "can you please", "could you please", "would you please", "will you please", "can you", "could you", "would you",
    "will you", "can i ask", "may i ask", "i was wondering if you could", "i was wondering", "i am wondering", "i wonder",
    "do you know", "does anyone know", "do you happen to know", "any idea", "do you have any idea", "does anyone have an idea", "could anyone tell me", "i do not know", "would you mind",
)  # fmt: skip
TELLING: Final = (
    "tell me about", "tell me", "explain to me", "explain", "show me", "let me know", "help me understand", "help me to",
    "help me", "give me", "teach me", "i want to know", "i would like to know", "i would like you to tell me",
    "i need to know", "i am looking for", "i would like to understand", "describe", "say", "define",
)  # fmt: skip
"""Ways to ask for an answer; they fall away at the start of a question."""

MEANT: Final = {
    "what time": "when", "at what time": "when", "on what date": "when", "on which date": "when", "what date": "when",
    "what day": "when day", "how come": "why", "what is the reason": "why", "what is the reason for": "why",
    "for what reason": "why", "what are the reasons": "why", "in what place": "where", "what place": "where",
    "which person": "who", "what person": "who", "what is the way to": "how to", "what is a way to": "how to", "what is the correct way to": "how to", "what is the right way to": "how to",
    "what is the proper way to": "how to", "what is the correct procedure to": "how to", "what is the right procedure to": "how to",
    "what is the procedure to": "how to", "what is the procedure for": "how to", "what are the steps to": "how to",
    "what are the steps for": "how to", "what do i need to do to": "how to", "what do i have to do to": "how to",
    "what should i do to": "how to", "what must i do to": "how to", "is there a way to": "how to", "is there any way to": "how to",
    "steps to": "how to", "the way to": "how to", "instructions for": "how to", "instructions to": "how to",
    "the procedure for": "how to", "the process for": "how to", "what is the process for": "how to",
    "what is the process to": "how to", "in which way": "how", "in what way": "how", "by what means": "how",
    "have to": "must", "has to": "must", "had to": "must", "need to": "must", "needs to": "must", "want to": "", "would like to": "",
    "what is the meaning of": "what mean", "what is the definition of": "what mean", "what does": "what",
    "what is the price": "how much cost", "what does it cost": "how much cost", "where can i find": "where is", "where do i find": "where is",
    "where can i see": "where is", "how is the weather": "what is the weather", "what is the height of": "how tall", "what is the length of": "how long",
    "what is the weight of": "how heavy", "how much time": "how long", "how many times": "how often", "how frequently": "how often", "what is the age of": "how old",
    "what is the price of": "how much cost", "what is the cost of": "how much cost", "what does the price of": "how much cost",
    "how much is": "how much cost", "how expensive is": "how much cost", "how much does it cost to": "how much cost",
    "what is the number of": "how many", "what number of": "how many", "what amount of": "how much",
}  # fmt: skip
"""Several words → fewer that ask the same, the longest first."""

_SAME_ENGLISH: Final = """
activate, enable, turn on, switch on, power on, put on
deactivate, disable, turn off, switch off, power off
delete, erase, remove, deletion, removal, get rid of
install, installation, installing
uninstall, uninstallation
configure, configuration, set up, setup, config
begin, start, commence
stop, halt, quit, cease
buy, purchase
cancel, cancellation, call off
change, modify, alter, modification
fix, repair, mend
create, make, creation
find, locate
obtain, get hold of, acquire
sign in, log in, login, signin, log on, logon, log into, sign into
sign out, log out, logout, signout, log off, logoff
sign up, register, registration, signup
e-mail, email
phone, telephone
mobile, cellphone, cell phone, smartphone, mobile phone
photo, picture, photograph, pic
movie, film
car, automobile
doctor, physician
kid, child
quick, fast, rapid
big, large
biggest, largest
small, little
smallest, littlest
difficult, hard
easy, simple
happy, glad
sick, ill
rich, wealthy
purpose, aim, goal
answer, reply, respond, response
error, fault
issue, problem
help, assist, assistance
show, display
choose, select, pick, selection
allow, permit
forbid, prohibit
need, require
refund, money back, reimburse, reimbursement
return, send back, give back
deliver, delivery
ship, shipping, shipment
pay, payment
price, cost, fee
total, sum
website, web site, site, webpage, web page
app, application
computer, pc
laptop, notebook
picture, image
folder, directory
directory, folder
document, doc
password, passcode
username, user name, login name
settings, preferences, options
upgrade, upgrading
update, updating
download, downloading
upload, uploading
television, tv
refrigerator, fridge
sofa, couch
lights, light, lamp, lighting
shop, store
shopping list, grocery list
holiday, vacation
autumn, fall season
trip, journey
airplane, plane, aircraft
road, street
nation, country
author, writer
invent, invention
discover, discovery
distance, how far
temperature, temp
percent, percentage
reach, contact, get in touch with
convert, conversion, transform
translate, translation
connect, connection
explain, explanation
compute, calculate, calculation
approximately, roughly
whole, entire
everybody, everyone
someone, somebody
anyone, anybody
every, each, all
mistake, error
mend, repair
begin, start
raise, lift
film, movie
permission, authorization
employee, staff member
boss, manager
pupil, student
speak, talk
shut, close
forget, forgot
hoover, vacuum
method, way, procedure
fastest, quickest
nearest, closest
easiest, simplest
mean, stand for
color, colour
favorite, favourite
center, centre
behavior, behaviour
license, licence
catalog, catalogue
dialog, dialogue
gray, grey
meter, metre
program, programme
canceled, cancelled
labor, labour
neighbor, neighbour
"""

_OPPOSITE_ENGLISH: Final = """
activate deactivate, on off, open close, start stop, begin end, install uninstall, add delete, add remove, increase decrease,
raise lower, up down, in out, before after, above below, over under, more less, most least, more fewer, max min,
maximum minimum, largest smallest, biggest smallest, highest lowest, longest shortest, best worst, better worse,
oldest youngest, older younger, old new, newest oldest, first last, next previous, early late, earliest latest,
long short, high low, big small, big little, hot cold, warm cool, fast slow, quick slow, easy difficult, hard soft,
light dark, light heavy, full empty, true false, yes no, right wrong, right left, left right, good bad, rich poor,
strong weak, wide narrow, thick thin, deep shallow, near far, inside outside, internal external, import export,
upload download, encode decode, encrypt decrypt, compress extract, compress decompress, lock unlock, show hide, mute unmute,
pause resume, pause unpause, connect disconnect, mount unmount, load unload, send receive, buy sell, lend borrow, give take,
push pull, win lose, pass fail, accept reject, accept refuse, allow block, allow deny, allow forbid, include exclude,
public private, male female, man woman, boy girl, husband wife, father mother, son daughter, brother sister, king queen,
day night, morning evening, am pm, summer winter, east west, north south, front back, top bottom, horizontal vertical,
parent child, teacher student, employer employee, buyer seller, client server, input output, read write, ascending descending,
positive negative, gain loss, profit loss, credit debit, deposit withdraw, arrive depart, arrival departure, enter exit,
enter leave, attach detach, merge split, expand collapse, zoomin zoomout, permanent temporary, always never, everything nothing,
everyone nobody, all none, all some, both neither, with without, love hate, like dislike, agree disagree, legal illegal,
birth death, born die, alive dead, war peace, friend enemy, past future, asleep awake, clean dirty, dry wet, safe dangerous,
cheap expensive, single married, odd even, sunrise sunset, sign_in sign_out, minor major, sharp blunt, silent loud,
tighten loosen, freeze melt, float sink, remember forget, ally enemy, guilty innocent, ancient modern, simple complex,
subscribe unsubscribe, follow unfollow, block unblock, archive unarchive, check uncheck, do undo, redo undo, wrap unwrap
"""

IRREGULAR: Final = {
    form: base
    for line in """
    be am is are was were been; go goes went gone; make made; take took taken; get got gotten; give gave given; find found;
    buy bought; bring brought; think thought; write wrote written writing; break broke broken; choose chose chosen; pay paid;
    lose lost losing; send sent; spend spent; build built; keep kept; sell sold; tell told; say said; see saw seen; know knew known;
    run ran running; begin began begun; drink drank; eat ate eaten; drive drove driven; fly flew flown; speak spoke spoken;
    steal stole stolen; win won winning; sing sang sung; swim swam; teach taught; catch caught; fight fought; feel felt; meet met;
    lead led; read reading; hold held; stand stood; understand understood; wear wore worn; forget forgot forgotten; grow grew grown;
    throw threw thrown; draw drew drawn; show shown; hide hid hidden; ride rode ridden; rise rose risen; fall fell fallen;
    become became; come came coming; leave leaves; sleep slept; die died dies dying; lie lying; tie tying;
    man men; woman women; child children; person people; foot feet; tooth teeth; mouse mice; datum data; use used uses using;
    index indices indexes; matrix matrices; life lives; knife knives; half halves; wife wives; have has had having;
    """.replace("\n", " ").split(";")
    if line.strip()
    for base, *forms in [line.split()]
    for form in (base, *forms)
}  # fmt: skip

NUMBER_WORDS: Final = {
    word: value
    for value, words in {
        0: "zero", 1: "one once", 2: "two twice", 3: "three thrice", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight",
        9: "nine", 10: "ten", 11: "eleven", 12: "twelve dozen", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen",
        17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 30: "thirty", 40: "forty", 50: "fifty", 60: "sixty",
        70: "seventy", 80: "eighty", 90: "ninety",
    }.items()
    for word in words.split()
}  # fmt: skip
SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "k": 1000}
ORDINALS: Final = {
    word: place
    for place, word in enumerate(
        """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth""".split(),
        start=1,
    )
}

MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sep sept", "october oct", "november nov", "december dec",
        ), start=1,
    )
    for name in names.split()
}  # fmt: skip
DAYS: Final = {
    name: number
    for number, names in enumerate(
        (
            "monday mon mondays 월요일", "tuesday tue tues tuesdays 화요일", "wednesday wed wednesdays 수요일",
            "thursday thu thur thurs thursdays 목요일", "friday fri fridays 금요일", "saturday sat saturdays 토요일",
            "sunday sun sundays 일요일",
        ), start=1,
    )
    for name in names.split()
}  # fmt: skip
SHORT_DAYS: Final = frozenset(["mon", "tue", "wed", "thu", "fri", "sat", "sun", "mar", "may"])
"""Days and months that are also other words; they count only where they stand with a capital, and not first."""

UNITS: Final = {
    name: unit
    for unit, names in {
        "%": "% percent pct 퍼센트 프로", "km": "km kilometer kilometre kilometers kilometres 킬로미터", "m": "m meter metre meters metres 미터",
        "cm": "cm centimeter centimetre centimeters centimetres 센티미터 센티", "mm": "mm millimeter millimeters millimetre 밀리미터",
        "mile": "mile miles mi 마일", "foot": "foot feet ft 피트", "inch": "inch inches 인치", "yard": "yard yards yd 야드",
        "kg": "kg kilogram kilograms kilo kilos 킬로그램 킬로", "g": "g gram grams 그램", "mg": "mg milligram milligrams 밀리그램",
        "lb": "lb lbs pound pounds 파운드", "oz": "oz ounce ounces 온스", "t": "ton tons tonne tonnes 톤",
        "l": "l liter liters litre litres 리터", "ml": "ml milliliter milliliters 밀리리터", "gallon": "gallon gallons 갤런",
        "cup": "cup cups 컵", "s": "s sec secs second seconds 초", "min": "min mins minute minutes 분", "h": "h hr hrs hour hours 시간",
        "d": "day days 일", "week": "week weeks 주 주일", "month": "month months 개월 달", "year": "year years yr yrs 년 해",
        "ms": "ms millisecond milliseconds 밀리초", "°": "° degree degrees deg 도", "°c": "°c celsius 섭씨", "°f": "°f fahrenheit 화씨",
        "kelvin": "k kelvin 켈빈", "kb": "kb kilobyte kilobytes 킬로바이트", "mb": "mb megabyte megabytes 메가바이트 메가",
        "gb": "gb gigabyte gigabytes 기가바이트 기가", "tb": "tb terabyte terabytes 테라바이트", "usd": "$ usd dollar dollars 달러",
        "krw": "₩ krw won 원", "eur": "€ eur euro euros 유로", "gbp": "£ gbp 파운드화", "jpy": "¥ jpy yen 엔", "cent": "cent cents 센트",
        "kph": "kph km/h", "mph": "mph", "hz": "hz hertz 헤르츠", "v": "v volt volts 볼트", "w": "w watt watts 와트",
        "count": "개 명 사람 마리 권 잔 병 대 장 곳 가지 켤레 그루 송이 벌 채 통 건 편", "age": "살 세", "time": "번 회 차례 times time",
        "floor": "층 floor floors", "people": "인 인분",
    }.items()
    for name in names.split()
}  # fmt: skip
KOREAN_NUMBERS: Final = {
    word: value
    for value, words in enumerate(
        (
            "하나 한", "둘 두", "셋 세 서 석", "넷 네 너 넉", "다섯", "여섯", "일곱", "여덟", "아홉", "열",
        ), start=1,
    )
    for word in words.split()
}  # fmt: skip
KOREAN_COUNTERS: Final = frozenset(
    """개 명 사람 마리 권 잔 병 대 장 곳 가지 살 시 시간 달 주 주일 번 번째 째 켤레 그루 송이 벌 채 통 건 편 분
    개월""".split()
)

RELATIVE_DAYS: Final = {
    "today": "today", "tomorrow": "tomorrow", "yesterday": "yesterday", "tonight": "tonight", "오늘": "today", "내일": "tomorrow",
    "어제": "yesterday", "모레": "in two days", "그저께": "two days ago", "그제": "two days ago", "지금": "now", "now": "now",
    "오늘밤": "tonight",
}  # fmt: skip
TIMES_OF_DAY: Final = {
    "morning": "morning", "noon": "noon", "midday": "noon", "afternoon": "afternoon", "evening": "evening", "night": "night",
    "midnight": "midnight", "아침": "morning", "정오": "noon", "점심": "noon", "오후": "pm", "오전": "am", "저녁": "evening", "밤": "night",
    "자정": "midnight", "새벽": "dawn", "dawn": "dawn", "dusk": "dusk",
}  # fmt: skip

# ------------------------------------------------------------------------------------------------------------- Korean

KOREAN_ASKING: Final = {
    "누구": "who", "누가": "who", "누굴": "who", "언제": "when", "어디": "where", "어딜": "where", "어딨": "where", "왜": "why", "어째서": "why",
    "어떻게": "how", "어떡": "how", "무엇": "what", "무슨": "what", "뭐": "what", "뭘": "what", "뭔": "what", "어느": "what", "어떤": "what",
    "몇": "how many", "얼마": "how much", "얼마나": "how much", "며칠": "which day", "방법": "how", "절차": "how", "이유": "why", "까닭": "why", "어때": "what",
    "어떠": "what", "어떨": "what", "어떤가": "what",
}  # fmt: skip
PARTICLE_ROLES: Final = {
    "에서": "from", "에서는": "from", "에서도": "from", "부터": "from", "에서부터": "from", "로부터": "from", "으로부터": "from", "한테서": "from",
    "에게서": "from", "까지": "to", "까지는": "to", "까지의": "to", "에서의": "from", "으로": "to", "로": "to", "으로는": "to", "로는": "to",
    "에게": "to", "한테": "to", "께": "to",
    "에": "at", "에는": "at", "에도": "at", "엔": "at", "보다": "than", "보다는": "than", "보다도": "than", "이": "subject", "가": "subject",
    "께서": "subject", "을": "object", "를": "object", "은": "", "는": "", "의": "of", "도": "", "와": "with", "과": "with", "랑": "with",
    "이랑": "with", "하고": "with", "이라는": "", "라는": "", "이란": "", "란": "", "이라": "", "처럼": "like", "같이": "like", "마다": "",
    "이나": "", "나": "", "이야": "", "야": "", "들": "", "들을": "object", "들이": "subject", "들은": "", "들의": "of", "만": "only", "만을": "only",
    "만은": "only", "없이": "without", "밖에": "only", "이고": "", "좀": "",
}  # fmt: skip
"""Particle → the part that its noun has; "" where it tells nothing."""

KOREAN_DROPPED: Final = frozenset(
    """좀 제발 혹시 그럼 그러면 그 저기 저기요 안녕하세요 안녕 나 내 내가 나는 난 나의 저 제 제가 저는 전 저의
    우리 우리의 것 거 게 건 수 법 지 정말 진짜 대체 도대체 그냥 바로 한번 한 번 어서 빨리 네 예 자 해 줘
    주세요 주실래요 줄래 줄래요 주라 해줘 해주세요 해라 하세요 하십시오 하기 할까 할까요 하나요 합니까 하니
    하지 하죠 하면 하려면 하는 한다 하다 합니다 하고 해요 했으면 해주실래요 해줄래 해줄래요 되나요 되니 되죠
    되요 돼요 돼 됩니까 되는지 되지 될까요 될까 됩니다 하는지 하는가 있어 있어요 있나요 있습니까 있을까요 있니
    있는 있는지 인가요 인가 입니까 이에요 예요 이야 야 인지 일까요 일까 알려줘 알려주세요 알려줄래 알려줄래요
    알려주십시오 알려주실래요 알려 말해줘 말해주세요 말해줄래 말해 가르쳐줘 가르쳐주세요 가르쳐 설명해줘
    설명해주세요 설명해 설명 설명해줄래 궁금해 궁금해요 궁금합니다 궁금한데 궁금한데요 짜리 건가요 건가 걸까요
    거예요 거죠 아시나요 아세요 아나요 알아 알아요 알고 싶어 싶어요 싶습니다 싶은데 싶은데요 알고싶어
    알고싶어요 알 부탁해 부탁해요 부탁드립니다 부탁드려요 보여줘 보여주세요 어떻게 왜 언제 어디 누구 무엇 뭐
    뭘 무슨 어떤 어느 이유 방법 방법을 방법이 방법은 까닭""".split()
)
"""Eojeols that say nothing of what is asked, whole; 있다 and 없다 are compared as polarity, question words as such."""

_SAME_KOREAN: Final = """
켜, 켜주, 틀, 작동하, 작동시키, 활성화, 작동
끄, 꺼, 비활성화
바꾸, 변경, 수정
삭제, 지우, 제거
추가, 더하, 넣
설치, 깔
시작, 개시
종료, 끝내
멈추, 중지, 정지
일시정지, 일시중지
구매, 구입
판매, 팔
찾, 검색
만들, 생성, 제작
열, 개방
닫, 폐쇄
보내, 전송, 발송
받, 수신, 수령
올리, 높이
내리, 낮추
가격, 값, 비용, 요금
조명, 전등, 불, 라이트, 램프
텔레비전, 티비, 티브이, tv
에어컨, 냉방기, 에어콘
휴대폰, 핸드폰, 휴대전화, 스마트폰
컴퓨터, pc, 피씨
이메일, 메일, 전자우편, email
비밀번호, 패스워드, 암호, 비번
계정, 아이디, 어카운트
로그인, 접속
회원가입, 가입
탈퇴, 해지
환불, 반환
배송, 배달
문제, 이슈
오류, 에러
사진, 이미지
영화, 필름
의사, 닥터
자동차, 차량
집, 주택
나라, 국가
도시, 시티
식당, 음식점, 레스토랑
시장보기, 장보기, 쇼핑
목록, 리스트
설정, 세팅
확인, 체크
사용, 이용
선택, 고르
알람, 자명종
거실, 마루
화장실, 욕실
부엌, 주방
침실, 안방
온도, 기온
모든, 모두, 전부, 전체, 다
현재, 지금
쿠폰, 할인권
연락처, 전화번호
폴더, 디렉터리, 디렉토리
파일, 화일
홈페이지, 웹사이트, 사이트
앱, 애플리케이션, 어플, 어플리케이션
프로그램, 소프트웨어
업데이트, 갱신
취소, 철회
예약, 예매
신청, 접수
뜻, 의미
가장, 제일
차이, 차이점, 다른점
"""

_OPPOSITE_KOREAN: Final = """
켜 끄, 열 닫, 올리 내리, 크 작, 많 적, 길 짧, 높 낮, 있 없, 가능 불가능, 추가 삭제, 시작 종료, 시작 멈추, 시작 끝, 허용 차단, 허용 금지, 오전 오후, 이전 이후, 최대 최소,
최고 최저, 최고 최악, 이상 이하, 초과 미만, 남자 여자, 남성 여성, 아버지 어머니, 아들 딸, 구매 판매, 입금 출금, 늘리 줄이, 증가 감소, 위 아래, 왼쪽 오른쪽, 안 밖, 안쪽 바깥쪽, 앞 뒤,
먼저 나중, 처음 마지막, 빠르 느리, 덥 춥, 밝 어둡, 밝게 어둡게, 좋 나쁘, 쉽 어렵, 싸 비싸, 새 낡, 낮 밤, 아침 저녁, 동쪽 서쪽, 남쪽 북쪽, 업로드 다운로드, 입력 출력, 설치 제거,
가입 탈퇴, 연결 해제, 잠그 열, 보이 숨기, 보내 받, 성공 실패, 합격 불합격, 승인 거부, 포함 제외, 공개 비공개, 긍정 부정, 도착 출발, 입구 출구, 찬성 반대, 전쟁 평화, 사랑 증오,
태어나 죽, 출생 사망, 참 거짓, 옳 그르, 국내 해외, 국내 국외, 부모 자식, 형 동생, 언니 오빠, 여름 겨울, 봄 가을, 따뜻하 차갑, 뜨겁 차갑, 넓 좁, 두껍 얇, 무겁 가볍, 깊 얕, 강하 약하,
유료 무료, 정상 비정상, 합법 불법, 완성 미완성, 압축 해제, 재생 정지, 상승 하락, 확대 축소, 펼치 접, 암호화 복호화, 내보내 가져오, 켜지 꺼지, 젊 늙, 살 죽, 오르 내리, 벗 입, 깨끗하 더럽
"""


def _groups(lines: str) -> dict[str, str]:
    """Word or words → the first of their group, where groups that share a word are one."""
    first: dict[str, str] = {}
    for line in lines.strip().splitlines():
        words = [" ".join(word.split()) for word in line.split(",")]
        met = {first[word] for word in words if word in first}
        name = min(met) if met else words[0]
        for word in [*words, *(word for word, group in first.items() if group in met)]:
            first[word] = name
    return first


def _pairs(lines: str) -> frozenset[frozenset[str]]:
    return frozenset(frozenset(pair.split()) for pair in lines.replace("\n", " ").split(",") if len(pair.split()) == 2)


SAME_ENGLISH: Final = _groups(_SAME_ENGLISH)
KOREAN_VERBS: Final = frozenset(
    """가 오 보 하 되 켜 끄 꺼 팔 주 받 열 닫 찾 넣 놓 먹 타 내 앉 걷 듣 읽 살 알 풀 걸 끊 막 밀 빼 뽑 씻 입 벗
    죽 싸 크 작 길 짧 많 적 높 낮 좋 춥 덥 있 없 맞 틀 깔 바꾸 지우 올리 내리 만들 보내 고르 누르 배우 가르치
    마시 기다리 움직이 빌리 나누 합치 옮기 숨기 맡기 남기 생기 지키 걸리 틀리 들어가 나가 돌아가 켜지 꺼지
    열리 닫히 늘리 줄이 높이 낮추 더하 끝내 멈추 고치 부르 자르 오르 흐르 다르 빠르 느리 비싸 예쁘 아프 바쁘
    나쁘 쉽 어렵 맵 무겁 가볍 넓 좁 깊 얕 밝 어둡 뜨겁 차갑 만나 떠나 일어나 태어나 나타나 사라지 떨어지 만지
    던지 이기 지나 건너 도착하 출발하 필요하 중요하 좋아하 싫어하 사랑하 시작하 사용하 변경하 설정하 삭제하
    추가하 설치하 확인하 취소하 예약하 신청하 요청하 환불하 결제하 주문하 돌리 잠그 펴 접 감 뜨 뛰 쉬 자르 굽
    끓이 볶 튀기 썰 담그 말리 얼리 녹이 채우 비우 붙이 떼 쌓 묶 뒤집 맞추""".split()
)
"""Stems behind which an ending is surely an ending."""
KOREAN_SHORT_NOUNS: Final = frozenset("""불 값 집 앱 뜻 문 물 방 차 책 돈 길 옷 약 표 눈 비 밥 빵 술 차""".split())

SAME_KOREAN: Final = _groups(_SAME_KOREAN)
OPPOSITE_ENGLISH: Final = _pairs(_OPPOSITE_ENGLISH)
OPPOSITE_KOREAN: Final = _pairs(_OPPOSITE_KOREAN)
