"""Answers from a collection: what is found, what fits, what is cited, what is borne out, and what is refused.

Real texts in Korean and English: LibreOffice's help pages and the descriptions of Debian's packages (tests/support/pairs.py). A
title is a question, and the body under it is what answers it. The limits of refusals and the weights of support were chosen
with these same texts at hand; the everyday questions are new to the code.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.pairs import Pair, description_pairs, estimation_half, help_pairs, test_half

import adjoin
from adjoin.errors import ContextTooLong, MissingExtra, NotFound
from adjoin.llm import model as find_model
from adjoin.llm.rag import RAG
from adjoin.llm.rag.citations import ENOUGH, support
from adjoin.llm.rag.prompt import build
from adjoin.llm.rag.words import covered, stems, terms
from adjoin.testing import ScriptedModel
from adjoin.text import sentences

SEED, PAGES, CHARACTERS, HELD = 7, 500, 500, 0.6
NAMES = {"ko": "Korean", "en": "English"}


def main() -> None:
    embedder = adjoin.embedder("default")
    helped = chosen(test_half(help_pairs()))
    described = chosen(test_half(description_pairs()))
    if not helped or not described:
        sys.exit("the texts are not here: run `python -m tests.support.fetch`")
    print(
        f"{len(helped)} help pages and {len(described)} descriptions in each language, the default embedder, seed {SEED}\n"
    )
    with adjoin.open("memory://") as db:
        pages = {language: filled(db, f"help {language}", helped, (language,), embedder) for language in ("ko", "en")}
        retrieval(pages, helped)
        budgets(pages["en"], helped)
        citations(pages["ko"], helped)
        refusals(db, helped, described, embedder, pages)
        timings(pages["ko"], helped)
    supports(embedder, chosen(estimation_half(description_pairs()), 250), described[:250])


def chosen(pairs: Sequence[Pair], most: int = PAGES) -> list[Pair]:
    listed = list(pairs)
    random.Random(SEED).shuffle(listed)
    return listed[:most]


def held(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Those whose bodies are in the collection, and those that are left out of it."""
    cut = int(len(pairs) * HELD)
    return list(pairs[:cut]), list(pairs[cut:])


def filled(db: Any, name: str, pairs: Sequence[Pair], languages: Sequence[str], embedder: Any) -> adjoin.Collection:
    collection = db.collection(name, embedder=embedder)
    for language in languages:
        inside, _ = held(pairs)
        collection.add(
            [getattr(pair, language).body[:CHARACTERS] for pair in inside],
            ids=[f"{language} {pair.key}" for pair in inside],
        )
    return collection


def retrieval(pages: dict[str, adjoin.Collection], pairs: Sequence[Pair]) -> None:
    print(
        "**Retrieval.** recall@8 of the page under its title, by `rag.evaluate` and counted over `collection.search`.\n"
    )
    print("| | questions | `rag` | `search` | MRR |\n|---|---|---|---|---|")
    for language, collection in pages.items():
        inside, _ = held(pairs)
        questions = [(getattr(pair, language).title, [f"{language} {pair.key}"]) for pair in inside]
        found = RAG(collection, ScriptedModel()).evaluate(questions, answers=False)
        plain = np.mean([ids[0] in collection.search(title, k=8).ids for title, ids in questions])
        print(f"| {NAMES[language]} | {len(questions)} | {found.recall:.4f} | {plain:.4f} | {found.mrr:.3f} |")


def budgets(collection: adjoin.Collection, pairs: Sequence[Pair]) -> None:
    model, what = counting_model()
    pick, built, over, refused, shares = random.Random(SEED), 0, 0, 0, list[float]()
    for pair in pairs[:40]:
        hits = collection.search(pair.en.title, k=12)
        for _ in range(3):
            budget = pick.randint(120, 2500)
            try:
                prompt = build(pair.en.title, hits, count=model.count_tokens, budget=budget)
            except ContextTooLong:
                refused += 1
                continue
            built += 1
            tokens = model.count_tokens(prompt.messages)
            over += tokens > budget
            shares.append(tokens / budget)
    print(
        f"\n**Budget.** {built} prompts of up to 12 passages for budgets from 120 to 2,500 tokens, counted by {what}: "
        f"{over} exceed theirs; {refused} were refused as too small for one sentence. Filled: {median(shares):.0%} (median).\n"
    )


def counting_model() -> tuple[Any, str]:
    try:
        return find_model("smollm2"), "SmolLM2's own tokenizer"
    except (NotFound, MissingExtra):
        return ScriptedModel(), "the scripted model's tokenizer (SmolLM2 is not here)"


def citations(collection: adjoin.Collection, pairs: Sequence[Pair]) -> None:
    """A model that cites numbers at random, half of which no passage has."""
    pick = random.Random(SEED)
    rag = RAG(collection, ScriptedModel(lambda messages: random_answer(pick)), refuse=False)
    cited = resolved = flagged = wrong = 0
    for pair in pairs[:60]:
        answer = rag.ask(pair.ko.title)
        by_number = {passage.number: passage.hit.id for passage in answer.passages}
        for number, citation in answer.citations.items():
            cited += 1
            resolved += citation.valid and collection.get(citation.hit.id) is not None
            flagged += not citation.valid
            wrong += citation.valid != (number in by_number) or (
                citation.valid and by_number[number] != citation.hit.id
            )
    print(
        f"**Citations.** Of {cited} numbers cited at random, {resolved} resolve to a passage of the prompt that is in the "
        f"collection, {flagged} are flagged as not in the prompt, {wrong} are told wrongly.\n"
    )


def random_answer(pick: random.Random) -> str:
    return " ".join(f"A sentence [{pick.randint(1, 16)}]." for _ in range(4))


def refusals(
    db: Any, helped: Sequence[Pair], described: Sequence[Pair], embedder: Any, pages: dict[str, adjoin.Collection]
) -> None:
    print(
        "**Refusals.** The share of questions that are refused without asking the model: titles whose body is in the collection "
        "(a refusal is wrong), titles of bodies left out, which neighbours answer in part, titles of the other set, which is "
        "about software too, and everyday questions that the calibration does not use. At the stated error of 5 % of "
        "everyday questions.\n"
    )
    print(
        "| collection | question | answerable | left out | other set | everyday | limit: everyday, with neighbours | first time |"
        "\n|---|---|---|---|---|---|---|---|"
    )
    for name, pairs, others in (("help", helped, described), ("descriptions", described, helped)):
        for languages in (("ko",), ("en",), ("ko", "en")):
            both = " and ".join(NAMES[language] for language in languages)
            known = name == "help" and len(languages) == 1
            collection = pages[languages[0]] if known else filled(db, f"{name} {both}", pairs, languages, embedder)
            for language in ("ko", "en"):
                row = refused(collection, pairs, others, language)
                print(f"| {name}, {both} | {NAMES[language]} | {row} |", flush=True)


def refused(collection: adjoin.Collection, pairs: Sequence[Pair], others: Sequence[Pair], language: str) -> str:
    rag = RAG(collection, ScriptedModel())
    inside, outside = held(pairs)
    sets = [
        [getattr(pair, language).title for pair in inside[:200]],
        [getattr(pair, language).title for pair in outside[:200]],
        [getattr(pair, language).title for pair in others[:200]],
        EVERYDAY[language],
    ]
    began = time.perf_counter()
    rag.judge(sets[3][0], rag.retrieve(sets[3][0]))
    first = time.perf_counter() - began
    shares = []
    for titles in sets:
        found = collection.search_many(titles, k=rag.k)
        verdicts = [rag.judge(title, hits) for title, hits in zip(titles, found, strict=True)]
        shares.append(np.mean([not verdict.answerable for verdict in verdicts if verdict is not None]))
    background = rag.background(sets[3][0])
    assert background is not None
    neighbours = f"{background.limit:.1f} ({background.neighbours} neighbours)"
    return " | ".join([*(f"{share:.1%}" for share in shares), neighbours, f"{first:.1f} s"])


def timings(collection: adjoin.Collection, pairs: Sequence[Pair]) -> None:
    rag = RAG(collection, ScriptedModel("서식은 도구 모음에서 바꾼다 [1]. 창을 닫으면 저장된다 [2]."))
    rag.ask(pairs[0].ko.title)
    steps: dict[str, list[float]] = {}
    for pair in pairs[:60]:
        for step, ms in rag.ask(pair.ko.title).timings.items():
            steps.setdefault(step, []).append(ms)
    told = ", ".join(f"{step} {median(values):.1f}" for step, values in steps.items())
    print(f"\n**Time** of each step, median milliseconds, 8 passages, an answer of two sentences: {told}.\n")


def supports(embedder: Any, learnt: Sequence[Pair], tested: Sequence[Pair]) -> None:
    print(
        "**Support.** A package's short description is a sentence, its long one the passage that bears it out, and the long one "
        "of the nearest other package does not: the hardest case. Shares that count as supported, "
        f"{len(tested)} of each; the weights were chosen on both halves.\n"
    )
    print("| | one half: borne out | not | other half: borne out | not |\n|---|---|---|---|---|")
    for said, by in (("ko", "ko"), ("en", "en"), ("ko", "en")):
        cells = [
            f"{np.mean([support(words, cosine, across=said != by) >= ENOUGH for cosine, words in rows]):.1%}"
            for pairs in (learnt, tested)
            for rows in sampled(embedder, pairs, said, by)
        ]
        print(f"| {NAMES[said]} by {NAMES[by]} | {' | '.join(cells)} |", flush=True)


def sampled(
    embedder: Any, pairs: Sequence[Pair], said: str, by: str
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """(cosine, shared words) of each sentence with its own passage, and with the nearest other one."""
    titles = [getattr(pair, said).title for pair in pairs]
    bodies = [getattr(pair, by).body[:700] for pair in pairs]
    vectors, whole = embedder.embed(titles), embedder.embed(bodies)
    near = vectors @ whole.T
    np.fill_diagonal(near, -2)
    parts = [[body[span.start : span.end] for span in sentences(body)] or [body] for body in bodies]
    flat = embedder.embed([part for some in parts for part in some])
    ends = np.cumsum([len(some) for some in parts])
    split = np.split(flat, ends[:-1])

    def features(row: int, other: int) -> tuple[float, float]:
        return float((split[other] @ vectors[row]).max()), covered(terms(titles[row]), stems(bodies[other]))

    return [features(n, n) for n in range(len(pairs))], [features(n, int(near[n].argmax())) for n in range(len(pairs))]


EVERYDAY = {
    "en": [
        "What time does the post office close?", "How do I make pancakes without eggs?", "Who was the first person on the moon?",
        "How often should I water a cactus?", "What is the longest river in Europe?", "Why do onions make you cry?",
        "How do I get from Paris to Lyon?", "What are the ingredients of pesto?", "When did the Berlin Wall fall?",
        "How do I clean suede shoes?", "What is a normal blood pressure?", "How many strings does a violin have?",
        "What do hedgehogs eat in winter?", "How do I stop hiccups?", "Who invented the steam engine?",
        "What is the best age to start school?", "How are pearls made?", "Why is the sky blue?",
        "What should I say at a funeral?", "How long does a cold last?", "Which countries border Switzerland?",
        "How do I grow basil indoors?", "What is the meaning of karma?", "How does a sailing boat go against the wind?",
        "What wine goes with fish?", "How old is the universe?", "What does a midwife do?", "How do I fold a fitted sheet?",
        "Why do dogs chase their tails?", "What is the population of Kenya?", "How do I plan a birthday party?",
        "What causes a rainbow?", "Who composed The Four Seasons?", "How do I lower my heating bill?",
        "What is the rule of three in photography?", "When are strawberries in season?", "How do penguins keep warm?",
        "What is the story of Antigone?", "How do I train for a half marathon?", "Where do monarch butterflies spend winter?",
    ],
    "ko": [
        "우체국은 몇 시에 문을 닫나요?", "달걀 없이 부침개를 만들 수 있나요?", "달에 처음 간 사람은 누구인가요?",
        "선인장에는 물을 얼마나 자주 주나요?", "유럽에서 가장 긴 강은 무엇인가요?", "양파를 썰면 왜 눈물이 나나요?",
        "서울에서 강릉까지 어떻게 가나요?", "된장찌개에는 무엇이 들어가나요?", "베를린 장벽은 언제 무너졌나요?",
        "가죽 구두는 어떻게 닦나요?", "정상 혈압은 얼마인가요?", "가야금은 줄이 몇 개인가요?",
        "고슴도치는 겨울에 무엇을 먹나요?", "딸꾹질은 어떻게 멈추나요?", "증기 기관을 발명한 사람은 누구인가요?",
        "아이는 몇 살에 학교에 가나요?", "진주는 어떻게 만들어지나요?", "하늘은 왜 파란가요?",
        "장례식에서는 어떤 말을 해야 하나요?", "감기는 며칠이나 가나요?", "스위스와 맞닿은 나라는 어디인가요?",
        "집에서 상추를 키우려면 어떻게 하나요?", "윤회란 무슨 뜻인가요?", "돛단배는 어떻게 바람을 거슬러 가나요?",
        "생선에는 어떤 술이 어울리나요?", "우주의 나이는 얼마인가요?", "조산사는 무슨 일을 하나요?",
        "이불은 어떻게 개나요?", "강아지는 왜 꼬리를 쫓나요?", "케냐의 인구는 얼마인가요?",
        "돌잔치는 어떻게 준비하나요?", "무지개는 왜 생기나요?", "사계를 작곡한 사람은 누구인가요?",
        "난방비를 줄이려면 어떻게 해야 하나요?", "꽃 사진을 잘 찍으려면 어떻게 하나요?", "딸기는 언제가 제철인가요?",
        "펭귄은 어떻게 추위를 견디나요?", "춘향전의 줄거리는 무엇인가요?", "마라톤을 준비하려면 어떻게 훈련하나요?",
        "제왕나비는 어디에서 겨울을 나나요?",
    ],
}  # fmt: skip


if __name__ == "__main__":
    main()
