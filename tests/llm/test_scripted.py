"""The model that answers as it is told."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from adjoin.errors import AnswerCutOff, ModelUnavailable
from adjoin.llm.base import LanguageModel, Message, Reply
from adjoin.testing import ScriptedModel

ASKED = [Message("user", "What is the capital?")]


def test_it_answers_by_list_rule_dict_and_text() -> None:
    listed = ScriptedModel(["one", ValueError("two"), "three"])
    assert isinstance(listed, LanguageModel)
    assert listed.generate(ASKED).text == "one"
    with pytest.raises(ValueError, match="two"):
        listed.generate(ASKED)
    assert asyncio.run(listed.agenerate(ASKED)).text == "three"
    with pytest.raises(ModelUnavailable, match="all of its 3 answers"):
        listed.generate(ASKED)
    assert ScriptedModel(lambda messages: messages[-1].content.upper()).generate(ASKED).text == "WHAT IS THE CAPITAL?"
    assert ScriptedModel({"capital": "Seoul."}).generate(ASKED).text == "Seoul."
    assert ScriptedModel({"river": "Han."}).generate(ASKED).text == "I do not know."
    assert [call.question for call in listed.calls] == ["What is the capital?"] * 4


def test_its_pieces_make_the_whole() -> None:
    text = "  서울은 수도이다.\n\nIt is  so. "
    *pieces, reply = ScriptedModel(text).stream(ASKED)
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text == text
    assert len(pieces) > 3


def test_it_breaks_off_fails_and_is_cut() -> None:
    model = ScriptedModel("one two three four", break_after=2)
    stream = model.stream(ASKED)
    assert [next(stream), next(stream)] == ["one", " two"]
    with pytest.raises(AnswerCutOff):
        next(stream)
    with pytest.raises(AnswerCutOff):
        model.generate(ASKED)
    model.break_after, model.fail = None, ModelUnavailable("down")
    with pytest.raises(ModelUnavailable, match="down"):
        asyncio.run(model.agenerate(ASKED))
    model.fail = None
    cut = model.generate(ASKED, max_tokens=2)
    assert (cut.text, cut.finish, cut.completion_tokens) == ("one two", "length", 2)
    assert model.generate(ASKED, stop=["three"]).text == "one two "


def test_it_is_slow_and_counts_calls_of_many_threads() -> None:
    model = ScriptedModel("yes", delay_s=0.05)
    began = time.perf_counter()
    threads = [threading.Thread(target=model.generate, args=(ASKED,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(model.calls) == 20
    assert time.perf_counter() - began > 0.05
