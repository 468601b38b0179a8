"""The client of endpoints of OpenAI's shape, against a real server on the loopback that fails in every way."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from adjoin.errors import AnswerCutOff, ContextTooLong, InvalidOption, ModelError, ModelRefused, ModelUnavailable
from adjoin.llm import model
from adjoin.llm.base import LanguageModel, Message, Reply
from adjoin.llm.openai import OpenAIModel
from tests.support.endpoint import Act, Endpoint, answer, cut_off, endpoint, error, raw, slow

ASKED = [Message("system", "Be brief."), Message("user", "수도가 어디인가요?")]
SECRET = "sk-a-secret-key-123"


def made(found: Endpoint, **options: Any) -> OpenAIModel:
    return OpenAIModel("tiny", base_url=found.url, **{"api_key": SECRET, "timeout_s": 0.5, "retries": 0} | options)


def whole(model: LanguageModel) -> Reply:
    return model.generate(ASKED)


def streamed(model: LanguageModel) -> Reply:
    *pieces, reply = model.stream(ASKED)
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text
    return reply


def awaited(model: LanguageModel) -> Reply:
    return asyncio.run(model.agenerate(ASKED))


def awaited_stream(model: LanguageModel) -> Reply:
    async def gather() -> list[str | Reply]:
        return [piece async for piece in model.astream(ASKED)]

    *pieces, reply = asyncio.run(gather())
    assert isinstance(reply, Reply)
    assert "".join(map(str, pieces)) == reply.text
    return reply


WAYS = (whole, streamed, awaited, awaited_stream)
Way = Callable[[LanguageModel], Reply]
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@each_way
def test_it_answers_with_counts(way: Way) -> None:
    with endpoint(answer("서울 입니다. 끝")) as found:
        reply = way(made(found))
    assert (reply.text, reply.finish, reply.prompt_tokens, reply.completion_tokens) == (
        "서울 입니다. 끝",
        "stop",
        11,
        3,
    )
    assert reply.seconds > 0
    assert found.keys == [f"Bearer {SECRET}"]
    (request,) = found.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "수도가 어디인가요?"},
    ]
    assert (request["model"], request["temperature"]) == ("tiny", 0.0)


def test_options_reach_the_endpoint_and_a_cut_answer_says_so() -> None:
    with endpoint(answer("one two", finish="length")) as found:
        reply = made(found, extra_body={"seed": 1}).generate(ASKED, max_tokens=2, temperature=0.5, stop=["\n"])
    request = found.requests[0]
    assert [request[key] for key in ("max_tokens", "temperature", "stop", "seed")] == [2, 0.5, ["\n"], 1]
    assert reply.finish == "length"


@each_way
@pytest.mark.parametrize(
    ("act", "kind", "told"),
    [
        (error(401, f"Incorrect API key provided: {SECRET}."), ModelRefused, "OPENAI_API_KEY"),
        (error(403, "not yours"), ModelRefused, "not yours"),
        (error(404, "The model `tiny` does not exist"), ModelRefused, "base_url="),
        (error(400, "bad thing"), ModelRefused, "bad thing"),
        (error(422, "worse thing"), ModelRefused, "worse thing"),
        (error(429, "You exceeded your current quota", code="insufficient_quota"), ModelRefused, "quota"),
        (error(429, "slow down"), ModelUnavailable, "slow down"),
        (error(500, "oh"), ModelUnavailable, "500"),
        (error(503, "loading"), ModelUnavailable, "loading"),
        (
            error(400, "This model's maximum context length is 8 tokens", code="context_length_exceeded"),
            ContextTooLong,
            "longer",
        ),
        (
            error(400, "the request exceeds the available context size, try increasing it"),
            ContextTooLong,
            "Give less context",
        ),
        (error(413, "too large"), ContextTooLong, "longer"),
        (slow(0.9), ModelUnavailable, "within 0.5 s"),
        (raw("{'this is no JSON"), AnswerCutOff, ""),
        (raw("<html>a gateway</html>", "text/html"), AnswerCutOff, ""),
        (raw("[]"), AnswerCutOff, ""),
        (raw('{"choices": []}'), AnswerCutOff, ""),
        (raw('{"choices": "no"}'), AnswerCutOff, ""),
        (raw('{"choices": [{"message": {"content": {"a": 1}}, "finish_reason": "stop"}]}'), AnswerCutOff, ""),
        (raw("null"), AnswerCutOff, ""),
        (answer("half", finish="content_filter"), ModelRefused, "filter"),
        (answer(None, finish="tool_calls"), AnswerCutOff, "tool_calls"),
    ],
)
def test_each_failure_is_an_error_that_says_what_to_do(way: Way, act: Act, kind: type[ModelError], told: str) -> None:
    with endpoint(act) as found, pytest.raises(ModelError) as raised:
        way(made(found))
    assert type(raised.value) is kind, raised.value
    assert told in str(raised.value)
    assert SECRET not in str(raised.value)
    assert len(found.requests) == 1


@pytest.mark.parametrize("way", [streamed, awaited_stream])
@pytest.mark.parametrize("how", ["closed", "silent", "end", "error", "broken"])
def test_a_stream_that_breaks_off_raises_after_its_pieces(way: Way, how: str) -> None:
    with endpoint(cut_off("서울", " 은", how=how)) as found, pytest.raises(AnswerCutOff) as raised:
        way(made(found, retries=2))
    assert "after 2 pieces" in str(raised.value)
    assert len(found.requests) == 1, "an answer that has begun is not asked for again"


def test_the_pieces_of_a_stream_come_before_it_breaks() -> None:
    with endpoint(cut_off("서울", " 은", how="error")) as found:
        stream = made(found).stream(ASKED)
        assert [next(stream), next(stream)] == ["서울", " 은"]
        with pytest.raises(AnswerCutOff, match="on fire"):
            next(stream)


@each_way
def test_nobody_there(way: Way) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ModelUnavailable, match="cannot be reached"):
        way(OpenAIModel("tiny", base_url=f"http://127.0.0.1:{port}/v1", retries=0))


@each_way
def test_what_is_transient_is_tried_again_and_retry_after_is_honoured(way: Way) -> None:
    busy = error(429, "slow down", headers=[("Retry-After", "0.3")])
    with endpoint(busy, busy, answer("서울")) as found:
        assert way(made(found, retries=2)).text == "서울"
    waits = [later - sooner for sooner, later in zip(found.times, found.times[1:], strict=False)]
    assert len(waits) == 2
    assert all(0.29 < wait < 0.7 for wait in waits), waits


def test_retries_end_and_refusals_are_not_retried() -> None:
    with endpoint(error(503, "loading", headers=[("Retry-After", "0.01")])) as found:
        with pytest.raises(ModelUnavailable, match="tried 3 times"):
            made(found, retries=2).generate(ASKED)
        assert len(found.requests) == 3
    with endpoint(error(401, "no")) as found:
        with pytest.raises(ModelRefused):
            made(found, retries=2).generate(ASKED)
        assert len(found.requests) == 1


def test_a_timeout_is_tried_again() -> None:
    with endpoint(slow(0.5), answer("서울")) as found:
        assert made(found, retries=1, timeout_s=0.2).generate(ASKED).text == "서울"


@each_way
def test_options_that_an_endpoint_turns_down_are_left_out_from_then_on(way: Way) -> None:
    refuses = (
        error(400, "Unsupported value: 'temperature' does not support 0", param="temperature"),
        error(400, "Use 'max_completion_tokens' instead of 'max_tokens'", param="max_tokens"),
    )
    with endpoint(*refuses, answer("서울")) as found:
        client = made(found)
        assert client.generate(ASKED, max_tokens=5).text == "서울"
        assert way(client).text == "서울"
    assert "temperature" not in found.requests[-1]
    assert found.requests[2]["max_completion_tokens"] == 5
    assert len(found.requests) == 4


def test_a_server_without_stream_options_streams() -> None:
    with endpoint(error(400, "unknown field stream_options"), answer("서울 은")) as found:
        reply = streamed(made(found))
    assert (reply.text, reply.prompt_tokens) == ("서울 은", None)


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with endpoint(answer("서울")) as found:
        client = OpenAIModel("tiny", base_url=found.url)
        client.generate(ASKED)
    assert found.keys == [f"Bearer {SECRET}"]
    assert SECRET not in repr(client) + client.name + repr(vars(OpenAIModel))


def test_without_a_key_or_an_endpoint_nothing_is_sent() -> None:
    with pytest.raises(ModelRefused, match="OPENAI_API_KEY"):
        OpenAIModel("tiny").generate(ASKED)


def test_an_endpoint_of_one_s_own_needs_no_key() -> None:
    with endpoint(answer("서울")) as found:
        assert OpenAIModel("tiny", base_url=found.url).generate(ASKED).text == "서울"


def test_a_stream_left_early_closes_its_connection() -> None:
    with endpoint(answer(" ".join(["word"] * 500))) as found:
        stream: Iterator[str | Reply] = made(found).stream(ASKED)
        assert next(stream) == "word"
        stream.close()  # type: ignore[attr-defined]
        assert made(found).generate(ASKED).text.startswith("word")


def test_many_threads_ask_at_once() -> None:
    with endpoint(answer("서울")) as found:
        client, texts = made(found, timeout_s=10), list[str]()
        threads = [threading.Thread(target=lambda: texts.append(client.generate(ASKED).text)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == ["서울"] * 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_asks_by_a_connection_of_its_own() -> None:
    with endpoint(answer("서울")) as found:
        client = made(found, timeout_s=5)
        client.generate(ASKED)
        child = os.fork()
        if child == 0:
            os._exit(0 if client.generate(ASKED).text == "서울" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.generate(ASKED).text == "서울"


def test_names_tell_endpoints_and_options_apart() -> None:
    names = {
        model("openai:tiny", base_url=url, **options).name
        for url, options in (
            (None, {}), ("http://a/v1", {}), ("http://b/v1", {}), ("http://a/v1", {"extra_body": {"seed": 1}}),
        )
    }  # fmt: skip
    assert len(names) == 4
    assert "secret" not in model("openai:tiny", base_url="http://user:secret@a/v1").name


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("openai:", {}), ("openai:tiny", {"timeout": 3}), ("openai:tiny", {"timeout_s": 0}), ("gpt-4", {}), (3, {}),
        ("openai:tiny", {"tokenizer": 3}), ("openai:tiny", {"retries": -1}),
    ],
)  # fmt: skip
def test_wrong_names_and_options_are_refused(spec: Any, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption):
        model(spec, **options)


def test_nothing_is_connected_before_the_first_question(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    made_now = OpenAIModel("tiny", api_key="x")
    assert made_now.count_tokens(ASKED) > 5
