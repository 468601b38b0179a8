"""What holds of any texts and any order of remembering and undoing."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import adjoin
from adjoin.llm.memory import Memory
from adjoin.llm.memory.facts import read
from adjoin.llm.memory.folding import facts
from adjoin.llm.memory.scoring import importance, is_question, is_small_talk
from adjoin.llm.memory.words import MOST_TERMS, signature, terms
from adjoin.testing import TinyEmbedder

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=120)
SAYINGS = (
    "I live in Seoul.", "I live in Seoul!", "I moved to Busan.", "이제 대구에 살아.", "My name is Mina and I live in Oslo.",
    "My name is Minji.", "나는 커피를 좋아해", "나는 커피를 안 좋아해", "The sea is calm.", "the sea is calm", "ok",
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_any_text_has_words_a_weight_and_facts_the_same_in_either_composition(text: str) -> None:
    other = unicodedata.normalize("NFD", text)
    assert 0 <= importance(text) <= 1
    assert is_small_talk(text) in (True, False)
    assert is_question(text) in (True, False)
    assert len(terms(text)) <= MOST_TERMS
    assert len(set(terms(text))) == len(terms(text))
    composed = unicodedata.normalize("NFC", text)
    assert signature(other) == signature(composed)
    assert facts(other) == facts(composed)
    assert terms(other) == terms(composed)


@settings(max_examples=100, deadline=None)
@given(
    answer=TEXTS | st.sampled_from(["[", "{}", "[[[[", '[{"about":1}]', "null", "[null]", '{"a": {"b": {}}}']),
    text=TEXTS,
)
def test_any_answer_of_a_model_is_read_without_harm(answer: str, text: str) -> None:
    found = read(answer, text)
    assert isinstance(found.facts, tuple)
    assert found.problem is None or found.problem.endswith(".")


def _kept(memory: Memory) -> list[Any]:
    return [
        (one.id, one.state, one.times, one.first_at, sorted(one.about), sorted(one.replaced_by), sorted(one.replaces))
        for one in memory.list("kim")
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(SAYINGS), min_size=1, max_size=8))
def test_undoing_what_was_remembered_last_leaves_all_as_it_was_before(said: list[str]) -> None:
    with adjoin.open("memory://") as db:
        memory = Memory(db.collection("memory", embedder=TinyEmbedder()), clock=lambda: 1_700_000_000.0)
        before = [_kept(memory)]
        ids = []
        for text in said:
            ids.append(memory.remember("kim", "s", "user", text).id)
            before.append(_kept(memory))
        # What is recalled never has a folded message, and no fact that does not hold before the one that does.
        found = memory.recall("kim", "Where do I live, in Seoul or Busan?", n=20)
        assert all(one.record.state != "folded" for one in found)
        places = {one.id: place for place, one in enumerate(found)}
        for one in found:
            if one.record.state == "superseded":
                assert all(places[later] < places[one.id] for later in one.record.replaced_by if later in places)
        for number in range(len(said) - 1, -1, -1):
            assert memory.undo(ids[number]).action == "forgotten"
            assert _kept(memory) == before[number]
