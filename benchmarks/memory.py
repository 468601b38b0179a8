"""Whether a memory recalls the message that is needed, beside plain vector search over the same log; and how long it takes.

python benchmarks/memory.py [--tune] [USERS]

--tune tries weights on the training half alone, and prints what they find there.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from typing import Any

import numpy as np

import adjoin
from adjoin.llm.memory import Memory, Weights
from conversations import DAY_S, Conversation, conversations

USERS = 24
TIMED_USERS, TIMED_MESSAGES = 1_000, 100_000


def main() -> None:
    given = [word for word in sys.argv[1:] if word.isdecimal()]
    talked = conversations(int(given[0]) if given else USERS)
    with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/recall.adjoin") as db:
        logs = Logs(db, talked)
        if "--tune" in sys.argv:
            tune(logs)
            return
        report(logs)
    with tempfile.TemporaryDirectory() as folder, adjoin.open(f"{folder}/time.adjoin") as db:
        timed(db, logs)


class Logs:
    """The conversations in a plain collection and in a memory, with the vectors of what is asked."""

    def __init__(self, db: adjoin.Database, talked: list[Conversation]) -> None:
        self.talked = talked
        embedder = adjoin.embedder("default")
        said = [(one.user, each) for one in talked for each in one.said]
        self.vectors = np.asarray(embedder.embed([each.text for _, each in said], kind="document"))
        self.texts = [each.text for _, each in said]
        self.plain = db.collection("plain", embedder="default")
        self.plain.add(
            self.texts,
            ids=list(range(len(said))),
            metadata=[{"user": user} for user, _ in said],
            vectors=self.vectors,
        )
        self.kept = db.collection("memory", embedder="default")
        now = max(each.at for _, each in said) + DAY_S
        self.memory = Memory(self.kept, clock=lambda: now)
        self.ids = self.memory.remember_many(
            [{"user": user, "session": each.session, "role": each.role, "text": each.text, "at": each.at} for user, each in said],
            vectors=self.vectors,
        )  # fmt: skip
        self.now = now
        self.first = dict(
            zip(
                (one.user for one in talked),
                itertools.accumulate([0, *(len(one.said) for one in talked)]),
                strict=False,
            )
        )
        self.asked = [(one, ask) for one in talked for ask in one.asked]
        self.queries = np.asarray(embedder.embed([ask.text for _, ask in self.asked], kind="query"))

    def half(self, which: str) -> list[int]:
        return [
            place
            for place, (one, _) in enumerate(self.asked)
            if (int(one.user.split("-")[1]) % 2 == 0) == (which == "train")
        ]

    def by_vectors(self, place: int, n: int) -> bool:
        one, ask = self.asked[place]
        hits = self.plain.search(self.queries[place], k=n, where={"user": one.user}, exact=True)
        return self.first[one.user] + ask.needed in hits.ids

    def by_memory(self, place: int, n: int, memory: Memory) -> tuple[bool, bool]:
        """Whether it is among n hits, and whether among the best of hits and their neighbours, n together."""
        one, ask = self.asked[place]
        wanted = self.ids[self.first[one.user] + ask.needed]
        found = memory.recall(one.user, ask.text, n, neighbours=0, vector=self.queries[place])
        return wanted in found.ids, found.ids[:1] == [wanted]


def report(logs: Logs) -> None:
    languages = [one.language for one, _ in logs.asked]
    kinds = [ask.kind for _, ask in logs.asked]
    print(
        f"Recall of the needed message, on conversations written by rule among real lines (`benchmarks/conversations.py`): "
        f"{len(logs.talked)} users, {len(logs.texts):,} messages, {len(logs.asked)} questions. Weights were tuned on the "
        "training half alone; neighbours are not counted. `self`: said of oneself, mostly in forms that the rules know; `people`: "
        "numbers and days of eight others; `things`: in forms that no rule knows.\n"
    )
    print("| half | questions | of | plain vectors @10 | memory @10 | plain vectors @1 | memory @1 |")
    print("|---|---|---|---|---|---|---|")
    for which in ("train", "test"):
        places = logs.half(which)
        plain = {place: logs.by_vectors(place, 10) for place in places}
        first = {place: logs.by_vectors(place, 1) for place in places}
        memory = {place: logs.by_memory(place, 10, logs.memory) for place in places}
        groups: dict[str, list[int]] = {"all": places}
        for language in ("en", "ko"):
            for kind in ("self", "people", "things"):
                groups[f"{language}, {kind}"] = [p for p in places if (languages[p], kinds[p]) == (language, kind)]
        for name, chosen in groups.items():
            print(
                f"| {which} | {name} | {len(chosen)} | {mean(plain[p] for p in chosen)} | "
                f"{mean(memory[p][0] for p in chosen)} | {mean(first[p] for p in chosen)} | {mean(memory[p][1] for p in chosen)} |"
            )
    print()


def mean(values: Any) -> str:
    listed = list(values)
    return f"{sum(listed) / max(1, len(listed)):.3f}"


def tune(logs: Logs) -> None:
    places = logs.half("train")
    print("plain", mean(logs.by_vectors(place, 10) for place in places))
    print("| lexical | importance | recency | superseded | @10 | @1 |\n|---|---|---|---|---|---|")
    for lexical, heavy, recent, off in itertools.product((0.2, 0.3, 0.4), (0.25, 0.35, 0.45), (0.05, 0.1), (0.25,)):
        memory = Memory(
            logs.kept,
            weights=Weights(lexical=lexical, importance=heavy, recency=recent, superseded=off),
            clock=lambda: logs.now,
        )
        found = [logs.by_memory(place, 10, memory) for place in places]
        print(
            f"| {lexical} | {heavy} | {recent} | {off} | {mean(a for a, _ in found)} | {mean(b for _, b in found)} |",
            flush=True,
        )


def timed(db: adjoin.Database, logs: Logs) -> None:
    """The same texts and vectors over and over, under other users, so that each has a hundred messages."""
    memory = Memory(db.collection("memory", embedder="default"))
    pick = np.random.default_rng(7)
    chosen = pick.integers(0, len(logs.texts), TIMED_MESSAGES)
    began = time.perf_counter()
    memory.remember_many(
        [
            (f"user-{place % TIMED_USERS}", f"session-{place // TIMED_USERS // 20}", ("user", "assistant")[place // TIMED_USERS % 2],
             logs.texts[source])
            for place, source in enumerate(chosen.tolist())
        ],
        vectors=logs.vectors[chosen],
    )  # fmt: skip
    stored_s = time.perf_counter() - began
    began = time.perf_counter()
    db.collection("memory").optimize()
    sealed_s = time.perf_counter() - began
    took, busy = [], 0.0
    for place in range(1_000):
        which = int(pick.integers(len(logs.asked)))
        user = f"user-{int(pick.integers(TIMED_USERS))}"
        began, busy_before = time.perf_counter(), time.process_time()
        memory.recall(user, logs.asked[which][1].text, 10, vector=logs.queries[which])
        if place >= 50:
            took.append((time.perf_counter() - began) * 1_000)
            busy += (time.process_time() - busy_before) * 1_000
    low, middle, high = np.percentile(took, [50, 95, 99])
    print(
        f"{TIMED_MESSAGES:,} messages of {TIMED_USERS:,} users, stored by `remember_many` in {stored_s:.0f} s and sealed in "
        f"{sealed_s:.0f} s. `recall` of ten messages with their neighbours, beyond embedding the query: "
        f"p50 {low:.2f} ms, p95 {middle:.2f} ms, p99 {high:.2f} ms, least {min(took):.2f} ms; processor time "
        f"{busy / len(took):.2f} ms on average, whoever else has the machine."
    )


if __name__ == "__main__":
    main()
