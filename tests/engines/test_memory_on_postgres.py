"""A memory keeps its promises on another engine than the embedded one."""

from __future__ import annotations

import unicodedata

import pytest

import adjoin
from adjoin.errors import NotFound
from adjoin.llm.memory import Memory, Policy
from adjoin.testing import TinyEmbedder
from tests.support.said import Says


def test_a_memory_in_postgres_is_apart_folds_supersedes_undoes_and_erases(url: str) -> None:
    with adjoin.open(url) as db:
        memory = Memory(
            db.collection("memory", embedder=TinyEmbedder()),
            Says(),
            extract_facts=False,
            policy=Policy(max_messages=50),
        )
        first = memory.remember("김민수", "s", "user", "I live in Seoul.")
        again = memory.remember(unicodedata.normalize("NFD", "김민수"), "s", "user", "I live in Seoul!")
        moved = memory.remember("김민수", "t", "user", "이제 부산에 살아")
        memory.remember('{"$ne": ""}', "s", "user", "I live in Oslo.")
        assert again.folded == (first.id,)
        assert moved.superseded == (again.id,)
        found = memory.recall("김민수", "Where do I live, in Seoul?", n=5)
        assert found.texts == ["이제 부산에 살아", "I live in Seoul!"]
        assert memory.recall('{"$ne": ""}', "Where do I live?").texts == ["I live in Oslo."]
        assert memory.recall("$ne", "Where do I live?").texts == []
        with pytest.raises(NotFound):
            memory.explain(first.id, user="$ne")
        assert len(memory.chat("김민수", "t", "And what now?").extra["stored"]) == 2
        assert memory.similar_questions("김민수", "what now?")[0].answer.text == "You said: And what now?"
        assert memory.undo(moved.id).restored == (again.id,)
        assert [one.n for one in memory.list("김민수")] == [1, 2, 4, 5]
        assert memory.erase("김민수").deleted == 4
        assert memory.users() == ['{"$ne": ""}']
