"""Users are strictly apart, whatever they are called."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import adjoin
from adjoin.errors import InvalidFilter, InvalidId, NotFound, StoreError
from adjoin.llm.memory import Memory
from adjoin.testing import TinyEmbedder
from tests.support.said import Says

ODD = [
    "$gt", "$ne", '{"$ne": ""}', "user", "*", "%", "' OR 1=1 --", "a", "A", "a ", "é", "e\u0301", "\u200b", "김민수", "0",
    "None", "\U0001f600", "\x00x",
]  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
).filter(lambda name: bool(name.strip()))


@contextmanager
def new(**options: Any) -> Iterator[Memory]:
    with adjoin.open("memory://") as db:
        yield Memory(db.collection("memory", embedder=TinyEmbedder()), **options)


@pytest.fixture
def memory() -> Iterator[Memory]:
    with new() as made:
        yield made


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.lists(NAMES, min_size=2, max_size=5), asked=st.data())
def test_nothing_that_one_user_asks_shows_what_another_said(names: list[str], asked: Any) -> None:
    with new() as memory:
        _look_for_others(memory, names, asked)


def _look_for_others(memory: Memory, names: list[str], asked: Any) -> None:
    for number, name in enumerate(names):
        memory.remember(name, f"s{number}", "user", f"My secret is number {number}.")
        memory.remember(name, names[0], "assistant", f"I keep number {number}.")
    owner = {one.id: one.user for name in names for one in memory.list(name)}
    assert set(owner.values()) == {unicodedata.normalize("NFC", name) for name in names}
    asking = asked.draw(NAMES | st.sampled_from(names))
    mine = unicodedata.normalize("NFC", asking)
    where = asked.draw(st.sampled_from([
        None, {"user": {"$exists": True}}, {"$or": [{"user": {"$ne": mine}}, {"n": {"$gte": 0}}]},
        {"$not": {"user": mine}}, {"user": names[0]},
    ]))  # fmt: skip
    recalled = memory.recall(asking, "What is the secret number?", n=20, neighbours=3, where=where)
    seen = [*recalled.ids, *(one.id for one in recalled.in_order()), *(one.id for one in memory.list(asking))]
    for one in memory.similar_questions(asking, "secret"):
        seen += [one.question.id, one.answer.id]
    for id_ in seen:
        assert owner[id_] == mine
    for id_, whose in owner.items():
        if whose != mine:
            with pytest.raises(NotFound):
                memory.explain(id_, user=asking)
            with pytest.raises(NotFound):
                memory.undo(id_, user=asking)
    before = len(owner)
    memory.erase(asking)
    left = sum(len(memory.list(name)) for name in dict.fromkeys(unicodedata.normalize("NFC", name) for name in names))
    assert left == before - sum(whose == mine for whose in owner.values())


def test_the_prompt_of_a_chat_has_only_the_user_s_own_messages(memory: Memory) -> None:
    model = Says()
    memory = Memory(memory._collection, model, extract_facts=False)
    memory.remember("kim", "s", "user", "My password is hunter2.")
    memory.chat("lee", "s", "What is my password?")
    assert "hunter2" not in str(model.prompts)
    memory.chat("kim", "other", "What is my password?")
    assert "hunter2" in str(model.prompts[-1])


def test_composed_and_decomposed_spellings_are_one_user_and_case_and_spaces_make_others(memory: Memory) -> None:
    memory.remember("é", "s", "user", "Bonjour à tous.")
    assert len(memory.list("e\u0301")) == 1
    memory.remember(unicodedata.normalize("NFD", "김민수"), "s", "user", "안녕하세요 여러분")
    assert memory.list("김민수")[0].user == "김민수"
    for other in ("É", " é", "é ", "é\u200b"):
        assert memory.list(other) == []


@pytest.mark.parametrize("user", ["", " ", "\n", None, 7, b"kim", ["kim"], {"$ne": ""}, "\ud800", "x" * 1_001])
def test_what_is_no_name_is_refused_and_stores_nothing(memory: Memory, user: Any) -> None:
    for call in (
        lambda: memory.remember(user, "s", "user", "hello there"),
        lambda: memory.remember("kim", user, "user", "hello there"),
        lambda: memory.recall(user, "hello"),
        lambda: memory.list(user),
        lambda: memory.erase(user),
        lambda: memory.export(user),
    ):
        with pytest.raises(InvalidId):
            call()
    assert memory.users() == []


def test_rows_of_others_that_an_engine_answers_with_are_never_shown(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look: should the filter fail below, the read fails, and shows nothing."""
    memory.remember("kim", "s", "user", "My secret is 42.")
    collection = memory._collection
    scan, search = collection.scan, collection.search
    monkeypatch.setattr(collection, "scan", lambda where=None, **more: scan({}))
    monkeypatch.setattr(collection, "search", lambda query, k=10, where=None, **more: search(query, k=k))
    for call in (lambda: memory.list("lee"), lambda: memory.recall("lee", "secret"), lambda: memory.sessions("lee")):
        with pytest.raises(StoreError, match="another"):
            call()


def test_a_filter_of_the_user_s_own_is_checked_and_cannot_widen_the_scope(memory: Memory) -> None:
    memory.remember("kim", "s", "user", "My secret is 42.", metadata={"topic": "numbers"})
    memory.remember("lee", "s", "user", "My secret is 43.", metadata={"topic": "numbers"})
    assert memory.recall("lee", "secret", where={"topic": "numbers"}).texts == ["My secret is 43."]
    assert memory.recall("lee", "secret", where={"topic": "letters"}).texts == []
    with pytest.raises(InvalidFilter):
        memory.recall("lee", "secret", where={"$where": "1"})
