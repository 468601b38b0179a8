"""A cache gives an answer again, to whom it belongs, as long as it holds; and what failed is never kept."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import adjoin
from adjoin.cli.app import app
from adjoin.errors import AnswerCutOff, InvalidInput, InvalidOption, ModelUnavailable, UnknownKeyword
from adjoin.llm.base import Message, Reply
from adjoin.llm.cache import SemanticCache
from adjoin.testing import TinyEmbedder


class Model:
    """A language model that answers by rule, counts its calls, and fails when told."""

    def __init__(
        self, name: str = "scripted", *, error: BaseException | None = None, delay_s: float = 0.0, finish: str = "stop"
    ) -> None:
        self.name, self.context_tokens = name, None
        self.error, self.delay_s, self.finish = error, delay_s, finish
        self.prompts: list[list[Message]] = []

    def generate(self, messages: Any, **_: Any) -> Reply:
        self.prompts.append(list(messages))
        time.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return Reply(f"{self.name}: {messages[-1].content}", self.name, self.finish, 10, 4, 2.5)

    async def agenerate(self, messages: Any, **options: Any) -> Reply:
        self.prompts.append(list(messages))
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return Reply(f"{self.name}: {messages[-1].content}", self.name, self.finish, 10, 4, 2.5)

    stream = astream = count_tokens = None

    @property
    def calls(self) -> int:
        return len(self.prompts)


@pytest.fixture
def db() -> Iterator[adjoin.Database]:
    with adjoin.open("memory://") as db:
        yield db


@pytest.fixture
def collection(db: adjoin.Database) -> adjoin.Collection:
    return db.collection("cache", embedder=TinyEmbedder())


@pytest.fixture
def cache(collection: adjoin.Collection) -> SemanticCache:
    return SemanticCache(collection, verify=0.0)


def test_the_model_is_called_once_for_a_question_and_its_like(cache: SemanticCache) -> None:
    model = Model()
    first = cache.ask("How do I reset my password?", model)
    assert (first.text, first.hit, first.stored) == ("scripted: How do I reset my password?", None, True)
    for like, exact in (
        ("how do i reset my  password", True),
        ("How can I reset my password?", False),
        ("비밀번호", None),
    ):
        answered = cache.ask(like, model)
        assert (answered.hit.exact if answered.hit else None) is exact
    assert model.calls == 2
    again = cache.ask("How can I reset my password?", model).hit
    assert again is not None
    assert again.question == "How do I reset my password?"
    assert 0.6 < again.score < 1
    assert "no guard" in again.why
    assert again.answer == str(again) == first.text


def test_store_and_lookup_need_no_model(cache: SemanticCache) -> None:
    assert cache.lookup("What is the capital of Korea?") is None
    cache.store("What is the capital of Korea?", "Seoul.")
    hit = cache.lookup("what's the capital of Korea")
    assert hit is not None
    assert (hit.answer, hit.exact) == ("Seoul.", False)
    assert cache.lookup("What is the capital of Japan?") is None
    cache.store("What is the capital of Korea?", "Seoul!")
    assert cache.lookup("what is the CAPITAL of korea").answer == "Seoul!"  # type: ignore[union-attr]
    assert cache.report().entries == 1


def test_an_answer_stored_for_every_model_serves_each_and_one_of_a_model_only_its_own(cache: SemanticCache) -> None:
    cache.store("What is up?", "The sky.")
    assert cache.ask("What is up?", Model("a")).text == "The sky."
    cache.ask("What is down?", Model("a"))
    assert cache.lookup("What is down?").answer == "a: What is down?"  # type: ignore[union-attr]
    assert cache.lookup("What is down?", model="b") is None
    assert cache.ask("What is down?", Model("b")).text == "b: What is down?"


SCOPES: list[dict[str, Any]] = [
    {}, {"tenant": "a"}, {"tenant": "b"}, {"tenant": "한글 ✓ \u0000"}, {"model": "m"}, {"system": "Be kind."}, {"system": "x" * 5000},
    {"context": ["earlier", 1]}, {"context": {"a": 1}}, {"scope": {"region": "eu"}}, {"scope": {"tenants": "a"}},
    {"tenant": "a", "scope": {"region": "eu"}}, {"tenant": "é"}, {"tenant": "e\u0301"}, {"parameters": {"max_tokens": 3}},
]  # fmt: skip


def test_scopes_are_strictly_apart(cache: SemanticCache) -> None:
    told = [scope for scope in SCOPES if "\u0000" not in str(scope)]
    for number, scope in enumerate(told):
        cache.store("What is the plan for the garden?", f"plan {number}", **scope)
    for number, scope in enumerate(told):
        hit = cache.lookup("What's the plan for the garden?", **scope)
        assert hit is not None
        wanted = (
            {number} if scope else {number, told.index({"model": "m"}), told.index({"parameters": {"max_tokens": 3}})}
        )
        assert int(hit.answer.split()[1]) in wanted, scope  # a lookup without a model takes any model's
    assert cache.lookup("What's the plan for the garden?", tenant="c") is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["tenant", "system"]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    ),
    st.dictionaries(
        st.sampled_from(["tenant", "system"]),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    ),
)
def test_no_scope_sees_another(cache: SemanticCache, one: dict[str, str], other: dict[str, str]) -> None:
    cache.invalidate(where={})
    cache.store("What is the colour of my house?", "mine", **one)
    assert (cache.lookup("What's the colour of my house?", **other) is not None) == (one == other)
    assert (cache.lookup("what is the COLOUR of my house", **other) is not None) == (one == other)


def test_a_scope_is_checked_on_the_row_too(cache: SemanticCache, collection: adjoin.Collection) -> None:
    entry = cache.store("What is mine?", "mine", tenant="a")
    collection.update([entry], {"tenant": "b"})  # someone has meddled with it
    assert cache.lookup("What is mine?", tenant="a") is None
    assert cache.lookup("What is mine?", tenant="b") is None


def test_within_narrows_the_scope_and_counts_with_the_rest(cache: SemanticCache) -> None:
    mine = cache.within(tenant="me", scope={"region": "eu"})
    mine.store("What is it?", "mine")
    assert mine.lookup("What is it?") is not None
    assert cache.lookup("What is it?") is None
    assert mine.within(system="s").lookup("What is it?") is None
    assert cache.report().lookups == 3
    assert mine.clear() == 1


def test_time_to_live_and_clocks_that_go_back(collection: adjoin.Collection) -> None:
    now = [1000.0]
    cache = SemanticCache(collection, ttl_s=60, clock=lambda: now[0])
    cache.store("What is the plan for the garden?", "this")
    cache.store("Where is it?", "here", ttl_s=10)
    now[0] = 1030.0
    hit = cache.lookup("What's the plan for the garden?")
    assert hit is not None
    assert hit.age_s == 30.0
    assert cache.lookup("Where is it?") is None
    now[0] = (
        900.0  # the clock went back behind the moment of storing: how old it is cannot be told, and it is not served
    )
    assert cache.lookup("What is the plan for the garden?") is None
    now[0] = 1030.0
    assert cache.lookup("What is the plan for the garden?") is not None
    cache.store("Who is it?", "she", ttl_s=1)
    now[0] = 2000.0
    assert cache.prune() == 2
    assert cache.report().expired == 1


def test_an_answer_goes_when_a_passage_it_cites_changes_or_goes(
    db: adjoin.Database, collection: adjoin.Collection
) -> None:
    passages = db.collection("passages", embedder=TinyEmbedder())
    passages.add(["Refunds take 7 days.", "Shipping is free.", "Open at 9."], ids=["refund", "ship", 3])
    cache = SemanticCache(collection, sources=passages)
    cache.store("How long do refunds take?", "7 days.", cites=["refund"])
    cache.store("Is shipping free?", "Yes.", cites=["ship", 3])
    passages.update(["ship"], {"seen": True})  # metadata is not what was cited
    assert cache.lookup("How long do refunds take?") is not None
    assert cache.lookup("Is shipping free?") is not None
    passages.upsert(["Refunds take 14 days."], ids=["refund"])
    passages.delete([3])
    assert cache.lookup("how long do refunds take") is None
    assert cache.lookup("Is the shipping free?") is None
    assert (cache.report().stale, cache.report().entries) == (2, 0)
    with pytest.raises(InvalidInput, match="nowhere"):
        cache.store("Why?", "Because.", cites=["nowhere"])


def test_invalidate_by_id_by_passage_and_by_filter(cache: SemanticCache) -> None:
    first = cache.store("What is one?", "1", cites=["p", 7])
    cache.store("What is two?", "2", cites=[7], tenant="t")
    cache.store("What is three?", "3", model="m")
    assert cache.invalidate(cites=[7]) == 2
    assert cache.invalidate(where={"model": "m"}) == 1
    assert cache.invalidate([first]) == 0
    assert cache.invalidate(cache.store("What is one?", "1")) == 1
    with pytest.raises(InvalidOption, match="one of them"):
        cache.invalidate()


@pytest.mark.parametrize(
    "error", [ModelUnavailable("down"), ValueError("odd"), AnswerCutOff("broke off"), KeyboardInterrupt()]
)
def test_a_call_that_failed_stores_nothing_and_the_next_one_is_made(cache: SemanticCache, error: BaseException) -> None:
    failing = Model(error=error)
    with pytest.raises(type(error)):
        cache.ask("What is it?", failing)
    assert cache.report().entries == 0
    assert cache.report().failed == 1
    assert cache.ask("What is it?", Model()).hit is None
    with pytest.raises(type(error)) if isinstance(error, Exception) else pytest.raises(BaseException):
        cache.ask("Who is it?", failing)


@pytest.mark.parametrize(("model", "text"), [(Model(finish="length"), "scripted: What?"), (lambda _: "  ", "  ")])
def test_an_answer_that_is_cut_off_or_empty_is_returned_but_not_kept(
    cache: SemanticCache, model: Any, text: str
) -> None:
    answered = cache.ask("What?", model)
    assert (answered.text, answered.stored) == (text, False)
    assert cache.report().entries == 0


def test_what_is_no_text_is_an_error(cache: SemanticCache) -> None:
    with pytest.raises(AnswerCutOff, match="int"):
        cache.ask("What?", lambda _: 3)  # type: ignore[arg-type,return-value]
    with pytest.raises(InvalidOption, match="callable"):
        cache.ask("What?", 3)  # type: ignore[arg-type]
    assert cache.report().entries == 0


def test_two_hundred_threads_make_one_call_and_all_have_its_answer_or_its_error(cache: SemanticCache) -> None:
    for error in (None, ModelUnavailable("down")):
        model = Model(
            delay_s=1.5 if error else 0.3, error=error
        )  # who comes after a failure calls again, and is right to
        got: list[object] = []

        def one(model: Model = model, got: list[object] = got) -> None:
            try:
                got.append(cache.ask("How high is Hallasan?", model).text)
            except ModelUnavailable as exc:
                got.append(str(exc))

        if error is not None:
            cache.invalidate(where={})
        threads = [threading.Thread(target=one) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert model.calls == 1
        assert len(got) == 200
        assert set(got) == {"down" if error else "scripted: How high is Hallasan?"}
    assert cache.report().entries == 0


def test_two_hundred_tasks_make_one_call(cache: SemanticCache) -> None:
    model = Model(delay_s=0.2)

    async def all_at_once() -> list[str]:
        return [
            one.text for one in await asyncio.gather(*(cache.aask("How high is Hallasan?", model) for _ in range(200)))
        ]

    assert set(asyncio.run(all_at_once())) == {"scripted: How high is Hallasan?"}
    assert model.calls == 1
    report = cache.report()
    assert (report.lookups, report.shared, report.misses) == (200, 199, 200)


def test_when_the_task_that_calls_is_cancelled_another_takes_over(cache: SemanticCache) -> None:
    model = Model(delay_s=0.3)

    async def drama() -> list[object]:
        first = asyncio.create_task(cache.aask("What is it?", model))
        await asyncio.sleep(0.15)
        others = [asyncio.create_task(cache.aask("What is it?", model)) for _ in range(5)]
        await asyncio.sleep(0.05)
        first.cancel()
        others[0].cancel()  # one that only waits takes nothing from the rest
        return list(await asyncio.gather(first, *others, return_exceptions=True))

    first, waiting, *rest = asyncio.run(drama())
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(waiting, asyncio.CancelledError)
    assert {str(one) for one in rest} == {"scripted: What is it?"}
    assert model.calls == 2


def test_a_model_that_asks_the_cache_itself_does_not_wait_for_ever(cache: SemanticCache) -> None:
    assert cache.ask("What?", lambda q: cache.ask(q, lambda _: "deep").text + "er").text == "deeper"


def test_a_plain_call_in_an_event_loop_does_not_wait_for_a_task_of_it(cache: SemanticCache) -> None:
    async def both() -> tuple[str, str]:
        task = asyncio.create_task(cache.aask("What is it?", Model(delay_s=0.3)))
        await asyncio.sleep(0.15)
        return cache.ask("What is it?", lambda _: "at once").text, (await task).text

    assert asyncio.run(both()) == ("at once", "scripted: What is it?")


def test_asynchronous_callables_answer_too(cache: SemanticCache) -> None:
    async def model(question: str) -> str:
        return question.upper()

    assert asyncio.run(cache.aask("what?", model)).text == "WHAT?"
    assert asyncio.run(cache.aask("What?", lambda q: "sync")).text == "WHAT?"


def test_options_of_the_call_are_part_of_the_scope_and_temperature_passes_by(cache: SemanticCache) -> None:
    model = Model()
    cache.ask("What is it?", model)
    assert cache.ask("What is it?", model, max_tokens=5).hit is None
    assert cache.ask("What is it?", model, max_tokens=5).hit is not None
    assert (
        cache.ask("What is it?", model, prompt=[("user", "Think. What is it?")]).text == "scripted: Think. What is it?"
    )
    assert cache.ask("What is it?", model, system="Be brief.").hit is None
    assert model.prompts[-1][0] == Message("system", "Be brief.")
    before = model.calls
    assert cache.ask("What is it?", model, temperature=0.9).hit is None
    assert cache.ask("What is it?", model, temperature=0.9).stored is False
    assert model.calls == before + 2
    assert cache.report().passed_by == 2


def test_the_decorator_keeps_what_a_function_answered(cache: SemanticCache) -> None:
    calls: list[str] = []

    @cache.cached
    def answer(question: str, language: str = "en") -> str:
        """Answers."""
        calls.append(question)
        return f"{question} in {language}"

    @cache.cached(ttl_s=100)
    async def later(question: str) -> str:
        calls.append(question)
        return "later"

    assert answer.__doc__ == "Answers."
    assert (
        answer("What is the time zone?")
        == answer("what's the time zone?")
        == answer("What is the time zone?", language="en")
    )
    assert answer("What is the time zone?", "ko") == "What is the time zone? in ko"
    assert asyncio.run(later("What is it?")) == asyncio.run(later("What is it?")) == "later"
    assert calls == ["What is the time zone?"] * 2 + ["What is it?"]
    with pytest.raises(InvalidOption, match="object"):
        answer("What?", language=object())
    with pytest.raises(InvalidOption, match="ttl_s"):
        cache.cached(tll_s=3)  # type: ignore[call-overload]


def test_the_report_outlives_the_process_and_adds_up_over_instances(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            adjoin.open(tmp_path / "db") as db,
            SemanticCache(db.collection("cache", embedder=TinyEmbedder()), verify=0, price=(1.0, 10.0)) as cache,
        ):
            cache.ask("What is the plan for the garden?", Model())
            cache.ask("What's the plan for the garden?", Model())
            cache.ask("What is not the plan for the garden?", Model())
    with adjoin.open(tmp_path / "db") as db:
        report = SemanticCache(db.collection("cache", embedder=TinyEmbedder()), price=(1.0, 10.0)).report()
    assert (report.lookups, report.exact_hits, report.semantic_hits, report.misses, report.stored) == (6, 2, 2, 2, 2)
    assert report.refused == {"negation": 1}
    assert (report.prompt_tokens, report.completion_tokens) == (40, 16)
    assert report.money == pytest.approx((40 * 1 + 16 * 10) / 1e6)
    assert report.seconds == pytest.approx(10.0)
    assert report.hit_rate == pytest.approx(4 / 6)
    assert json.loads(json.dumps(report.to_dict()))["hits"] == 4
    assert "hit rate 66.7%" in str(report)
    assert "<pre" in report._repr_html_()


def test_explain_tells_what_refused_a_hit(cache: SemanticCache) -> None:
    cache.store("How do I enable dark mode?", "So.")
    told = cache.explain("How do I disable dark mode?")
    assert told.hit is None
    assert told.considered[0].refusal is not None
    assert told.considered[0].refusal.kind == "antonym"
    assert "disable" in str(told)
    assert cache.explain("how do i enable dark mode").hit is not None
    assert cache.report().lookups == 0


def test_hits_are_verified_in_the_background_and_a_wrong_one_is_put_right(collection: adjoin.Collection) -> None:
    cache = SemanticCache(collection, verify=1.0)
    cache.store("How do I open the door?", "Turn the handle to the left, and push.")
    right = lambda _: "Push, after you turn the handle to the left."  # noqa: E731
    assert cache.ask("How can I open the door?", right).hit is not None
    cache.wait()
    assert (cache.report().verified, cache.report().wrong) == (1, 0)
    assert cache.ask("How to open the door?", lambda _: "Call the number 555 and wait.").hit is not None
    cache.wait()
    report = cache.report()
    assert (report.verified, report.wrong, report.wrong_rate) == (2, 1, 0.5)
    assert report.interval is not None
    assert report.interval[0] < 0.1 < 0.9 < report.interval[1]
    assert cache.ask("How to open the door?", right).text.startswith("Call the number")
    failing = Model(error=ModelUnavailable("down"))
    assert cache.ask("How would I open the door?", failing).hit is not None
    cache.wait()
    assert (cache.report().verified, cache.report().unverified) == (2, 1)


def test_hits_that_prove_wrong_tighten_the_threshold_beyond_the_nearest_of_them(collection: adjoin.Collection) -> None:
    cache = SemanticCache(collection, verify=1.0, judge=lambda *_: False)
    cache.store("How do I open the red door?", "Push.")
    for question in (
        "How can I open the red door?",
        "How to open the red door",
        "Please tell me how to open the red door",
        "How would I open the red door?",
    ):
        cache.ask(question, lambda _: "Pull.")
        cache.wait()
    report = cache.report()
    assert report.wrong >= 2
    assert report.threshold.source == "tightened"
    assert report.threshold.value > max(row.metadata["score"] for row in collection.scan({"cache": "label"}))


def test_labelled_pairs_teach_words_and_a_threshold(collection: adjoin.Collection) -> None:
    cache = SemanticCache(collection, verify=0.0)
    cache.store("How do I book a table?", "Call us.")
    assert cache.lookup("How do I reserve a table?") is None
    learned = cache.learn([("Can I book a room?", "Can I reserve a room?", True)])
    assert learned.equal == 1
    assert cache.lookup("How do I reserve a table?") is not None
    assert SemanticCache(collection).lookup("How do I reserve a table?") is not None
    cache.learn([("Is it OK to book it?", "Is it OK to reserve it?", False)])
    assert cache.lookup("How do I reserve a table?") is None
    pairs = [
        (f"How do I use tool{'abcdefghij'[n % 10]} {n}?", f"how can I use tool{'abcdefghij'[n % 10]} {n}", True)
        for n in range(320)
    ]
    learned = cache.learn(pairs)
    assert learned.threshold.source == "learned"
    assert learned.threshold.bound <= 0.01
    assert cache.report().labels == 322


def test_cosines_of_another_model_teach_no_threshold(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "db") as db:
        rows = db.collection("cache", embedder=TinyEmbedder())
        pairs = [(f"How do I use tool {n}?", f"how can I use tool {n}", True) for n in range(320)]
        assert SemanticCache(rows).learn(pairs).threshold.source == "learned"
        rows.re_embed(TinyEmbedder(32, name="other"))
        assert SemanticCache(rows).report().threshold.source == "unmeasured"
        assert SemanticCache(rows).report().labels == 320


def test_a_budget_of_nothing_gives_exact_hits_alone(collection: adjoin.Collection) -> None:
    cache = SemanticCache(collection, error_budget=0.0)
    cache.store("How do I open it?", "So.")
    assert cache.lookup("how do i open it") is not None
    assert cache.lookup("How can I open it?") is None


def test_other_rows_of_the_collection_are_never_answers(cache: SemanticCache, collection: adjoin.Collection) -> None:
    collection.add(["What is it?"], metadata=[{"answer": "no"}])
    assert cache.lookup("What is it?") is None
    cache.store("What is it?", "yes")
    assert cache.invalidate(where={}) == 1
    assert collection.count({"cache": {"$exists": False}}) == 1


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda c, k: SemanticCache(k, 1.0), "error_budget"),
        (lambda c, k: SemanticCache(k, float("nan")), "error_budget"),
        (lambda c, k: SemanticCache(k, verify=2), "verify"),
        (lambda c, k: SemanticCache(k, ttl_s=0), "ttl_s"),
        (lambda c, k: SemanticCache(k, tenant=3), "tenant"),
        (lambda c, k: SemanticCache(k, scope={"tenant": "x"}), "keyword of its own"),
        (lambda c, k: c.within(context=object()), "scope"),
        (lambda c, k: c.lookup("x", tennant="a"), "tenant="),
        (lambda c, k: c.lookup("  "), "empty"),
        (lambda c, k: c.lookup(None), "text"),
        (lambda c, k: c.store("x", ""), "answer"),
        (lambda c, k: c.store("x", b"bytes"), "answer"),
        (lambda c, k: c.learn([("a", "b")]), "pair 0"),
        (lambda c, k: c.learn([("a", "b", 1)]), "True or False"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_kept(
    cache: SemanticCache, collection: adjoin.Collection, call: Any, error: str
) -> None:
    with pytest.raises((InvalidInput, UnknownKeyword), match=error):
        call(cache, collection)
    assert len(collection) == 0


def test_a_collection_without_a_model_or_with_another_metric_is_refused(db: adjoin.Database) -> None:
    with pytest.raises(InvalidOption, match="cosine"):
        SemanticCache(db.collection("far", embedder=TinyEmbedder(), metric="euclidean"))
    with pytest.raises(InvalidOption, match="embedder"):
        SemanticCache(db.collection("bare", embedder=None)).store("What?", "That.")


def test_a_forked_child_has_a_flight_of_its_own(cache: SemanticCache) -> None:
    started, end = threading.Event(), threading.Event()

    def slow(_: str) -> str:
        started.set()
        end.wait(20)
        return "slow"

    leader = threading.Thread(target=lambda: cache.ask("What?", slow))
    leader.start()
    started.wait(20)
    child = os.fork()
    if child == 0:  # the one who leads is not here: waiting for it would be for ever
        signal.alarm(15)
        status = 1
        try:
            result, shared = cache._flights.run("other", lambda: "own")  # type: ignore[arg-type,return-value]
            status = 0 if (result, shared) == ("own", False) and not cache._flights._flights else 1
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    end.set()
    leader.join()
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.slow
def test_killed_while_it_asks_it_has_every_answer_it_gave_and_none_of_a_failed_call(tmp_path: Path) -> None:
    from tests.support.cache_killing import kill_and_compare

    told = kill_and_compare(tmp_path, rounds=50, seed=7)
    assert told.acknowledged > 100
    assert told.failed > 20


def test_the_commands(tmp_path: Path) -> None:
    folder = str(tmp_path / "db")
    with adjoin.open(folder) as db, SemanticCache(db.collection("cache")) as cache:
        cache.store("How do I enable it?", "So.", cites=["p"], tenant="t")
        cache.store("How do I enable it?", "Thus.")

    def run(*args: str) -> Any:
        return CliRunner().invoke(app, ["cache", *args, "--db", folder])

    assert run("lookup", "how can I enable it").stdout.startswith("Thus.\n")
    miss = run("lookup", "how can I disable it")
    assert (miss.exit_code, "antonym" in miss.stdout) == (1, True)
    told = json.loads(run("stats", "--json").stdout)
    assert (told["entries"], told["lookups"]) == (2, 0)
    assert run("invalidate", "--cites", "p").stdout == "1 answer taken out\n"
    assert "--yes" in str(run("clear").exception)
    assert json.loads(run("clear", "--yes", "--json").stdout) == {"removed": 1}
    assert "one of them" in str(run("invalidate").exception)


def test_the_page_shows_what_is_true() -> None:
    import doctest

    failed, tried = doctest.testfile(
        str(Path(__file__).resolve().parents[2] / "docs" / "cache.md"), module_relative=False
    )
    assert tried >= 7
    assert failed == 0
