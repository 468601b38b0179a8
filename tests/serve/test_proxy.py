"""The proxy, asked by the official client, in front of an endpoint of OpenAI's shape on this machine."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.stores import ROOT

import adjoin
from adjoin.errors import InvalidOption
from adjoin.llm.cache import SemanticCache
from adjoin.serve.proxy import make_app
from adjoin.testing import TinyEmbedder

openai = pytest.importorskip("openai")
uvicorn = pytest.importorskip("uvicorn")
starlette = pytest.importorskip("starlette")


@dataclass
class Endpoint:
    """What the endpoint was asked, and how it behaves: "well", "refuses", "fails", "breaks", "cut", "garbage", "slow", "errs"."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    behaves: str = "well"
    delay_s: float = 0.0
    answer: str = "It is {question} indeed"

    def app(self) -> Any:
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route

        async def models(_: Any) -> Any:
            return JSONResponse(
                {"object": "list", "data": [{"id": "m", "object": "model", "created": 0, "owned_by": "me"}]}
            )

        return Starlette(
            routes=[Route("/v1/chat/completions", self.chat, methods=["POST"]), Route("/v1/models", models)]
        )

    async def chat(self, request: Any) -> Any:
        from starlette.responses import JSONResponse, Response, StreamingResponse

        body = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("authorization", ""))
        await asyncio.sleep(self.delay_s)
        if self.behaves == "refuses":
            return JSONResponse(
                {
                    "error": {
                        "message": "Incorrect API key provided",
                        "type": "invalid_request_error",
                        "code": "invalid_api_key",
                    }
                },
                401,
            )
        if self.behaves == "fails":
            return JSONResponse(
                {"error": {"message": "Rate limit reached", "type": "rate_limit"}}, 429, {"retry-after": "7"}
            )
        if self.behaves == "garbage":
            return Response(b"<html>oops", 200, media_type="application/json")
        last = body["messages"][-1]["content"]
        text = self.answer.format(question=last if isinstance(last, str) else "that")
        finish = "length" if self.behaves == "cut" else "stop"
        usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
        if body.get("stream"):
            return StreamingResponse(self.pieces(text, finish, usage), media_type="text/event-stream")
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if body.get("tools"):
            message |= {
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            }
        choices = [{"index": n, "message": message, "finish_reason": finish} for n in range(body.get("n") or 1)]
        return JSONResponse(
            {
                "id": "x",
                "object": "chat.completion",
                "created": 1,
                "model": "m-2026",
                "choices": choices,
                "usage": usage,
            }
        )

    async def pieces(self, text: str, finish: str, usage: dict[str, int]) -> AsyncIterator[bytes]:
        def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
            head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m-2026"}
            return b"data: " + json.dumps(head | {"choices": choices} | more).encode() + b"\n\n"

        for word in text.split(" "):
            yield event([{"index": 0, "delta": {"content": word + " "}, "finish_reason": None}])
            await asyncio.sleep(0.01)
            if self.behaves == "breaks":
                raise ConnectionError("cut off in mid-stream")
            if self.behaves == "errs":
                yield b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n'
                return
        yield event([{"index": 0, "delta": {}, "finish_reason": finish}])
        yield event([], usage=usage)
        yield b"data: [DONE]\n\n"


class Running:
    """An application on a port of this machine."""

    def __init__(self, app: Any) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = uvicorn.Server(
            uvicorn.Config(app, "127.0.0.1", self.port, log_level="critical", timeout_graceful_shutdown=1)
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started and time.monotonic() < deadline:
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(20)


@pytest.fixture(scope="module")
def endpoint_and_url() -> Iterator[tuple[Endpoint, str]]:
    endpoint = Endpoint()
    running = Running(endpoint.app())
    yield endpoint, running.url
    running.stop()


@pytest.fixture
def endpoint(endpoint_and_url: tuple[Endpoint, str]) -> Endpoint:
    endpoint = endpoint_and_url[0]
    endpoint.__init__()  # type: ignore[misc]
    return endpoint


@pytest.fixture
def cache() -> Iterator[SemanticCache]:
    with adjoin.open("memory://") as db:
        yield SemanticCache(db.collection("cache", embedder=TinyEmbedder()), verify=0.0)


@pytest.fixture
def proxy(cache: SemanticCache, endpoint: Endpoint, endpoint_and_url: tuple[Endpoint, str]) -> Iterator[Running]:
    running = Running(make_app(cache, endpoint_and_url[1], timeout_s=2.0))
    yield running
    running.stop()


@pytest.fixture
def client(proxy: Running) -> Iterator[Any]:
    with openai.OpenAI(base_url=proxy.url, api_key="key-one", max_retries=0) as client:
        yield client


def ask(client: Any, question: str, **options: Any) -> Any:
    return client.chat.completions.create(model="m", messages=[{"role": "user", "content": question}], **options)


def streamed(client: Any, question: str, **options: Any) -> str:
    return "".join(
        event.choices[0].delta.content or "" for event in ask(client, question, stream=True, **options) if event.choices
    )


def how(client: Any, question: str, **options: Any) -> str:
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": question}], **options
    )
    return str(raw.headers["x-adjoin-cache"])


def test_a_question_is_answered_once_by_the_endpoint_and_then_by_the_cache(client: Any, endpoint: Endpoint) -> None:
    first = ask(client, "How do I reset my password?")
    again = ask(client, "how do I reset my password")
    assert (
        first.choices[0].message.content
        == again.choices[0].message.content
        == "It is How do I reset my password? indeed"
    )
    assert (first.model, first.usage.total_tokens, again.usage.total_tokens) == ("m-2026", 16, 16)
    assert len(endpoint.requests) == 1
    assert endpoint.keys == ["Bearer key-one"]
    assert how(client, "How do I reset my password?") == "exact"
    assert how(client, "How do I reset the password, please?") == "hit"
    assert how(client, "How do I not reset my password?") == "miss"


def test_a_stream_passes_piece_by_piece_and_is_kept_when_it_is_whole(client: Any, endpoint: Endpoint) -> None:
    pieces = [event for event in ask(client, "What is Hallasan?", stream=True) if event.choices]
    assert len(pieces) > 4
    assert streamed(client, "what is hallasan") == "It is What is Hallasan? indeed "
    assert ask(client, "What is Hallasan?").choices[0].message.content == "It is What is Hallasan? indeed "
    assert len(endpoint.requests) == 1
    for number in range(
        20
    ):  # a client that stops reading at the last event, and closes, has its answer kept all the same
        streamed(client, f"What is mountain {number}?")
        assert how(client, f"what is mountain {number}") == "exact"
    events = list(ask(client, "What is Hallasan?", stream=True, stream_options={"include_usage": True}))
    assert events[-1].usage.completion_tokens == 5


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("behaves", "error"), [("refuses", "AuthenticationError"), ("fails", "RateLimitError")])
def test_errors_of_the_endpoint_come_through_and_are_not_kept(
    client: Any, endpoint: Endpoint, behaves: str, error: str, streams: bool
) -> None:
    endpoint.behaves = behaves
    with pytest.raises(getattr(openai, error)) as told:
        ask(client, "What is Hallasan?", stream=streams)
    assert ("retry-after" in told.value.response.headers) == (behaves == "fails")
    endpoint.behaves = "well"
    assert ask(client, "What is Hallasan?").choices[0].message.content == "It is What is Hallasan? indeed"
    assert len(endpoint.requests) == 2


def test_a_stream_that_breaks_off_ends_broken_and_is_not_kept(
    client: Any, endpoint: Endpoint, cache: SemanticCache
) -> None:
    endpoint.behaves = "breaks"
    with pytest.raises(Exception, match=r"(?i)peer|closed|incomplete|connection"):
        streamed(client, "What is Hallasan?")
    assert cache.lookup("What is Hallasan?") is None
    assert cache.report().entries == 0
    endpoint.behaves = "errs"
    with pytest.raises(openai.APIError, match="overloaded"):
        streamed(client, "What is Hallasan?")
    assert cache.report().entries == 0


def test_a_client_that_hangs_up_ends_the_call_and_nothing_is_kept(
    client: Any, endpoint: Endpoint, cache: SemanticCache
) -> None:
    endpoint.answer = "word " * 100 + "{question}"
    stream = ask(client, "What is Hallasan?", stream=True)
    next(iter(stream))
    stream.close()
    time.sleep(1.5)  # the whole answer would have come by now
    assert cache.report().entries == 0
    endpoint.answer = "It is {question} indeed"
    assert ask(client, "What is Hallasan?").choices[0].message.content == "It is What is Hallasan? indeed"


@pytest.mark.parametrize("streams", [False, True])
def test_an_answer_cut_at_its_length_is_given_but_not_kept(
    client: Any, endpoint: Endpoint, cache: SemanticCache, streams: bool
) -> None:
    endpoint.behaves = "cut"
    assert (
        streamed(client, "What is it?") if streams else ask(client, "What is it?").choices[0].finish_reason == "length"
    )
    assert cache.report().entries == 0


def test_an_answer_that_is_no_json_comes_through_and_is_not_kept(
    client: Any, endpoint: Endpoint, cache: SemanticCache
) -> None:
    endpoint.behaves = "garbage"
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "What is it?"}]
    )
    assert raw.text == "<html>oops"
    assert cache.report().entries == 0


def test_an_endpoint_that_is_slow_or_not_there_is_an_error_of_its_own(
    cache: SemanticCache, client: Any, endpoint: Endpoint
) -> None:
    endpoint.delay_s = 3.0
    with pytest.raises(openai.InternalServerError, match="did not answer in time"):
        ask(client, "What is Hallasan?")
    gone = Running(make_app(cache, "http://127.0.0.1:9/v1"))
    with (
        openai.OpenAI(base_url=gone.url, api_key="k", max_retries=0) as other,
        pytest.raises(openai.InternalServerError, match="cannot be reached"),
    ):
        ask(other, "What is Hallasan?")
    gone.stop()
    assert cache.report().entries == 0


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]},
        {"logprobs": True},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]}]},
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"extra_headers": {"Cache-Control": "no-store"}},
    ],
)  # fmt: skip
def test_what_is_no_plain_question_is_passed_by(
    client: Any, endpoint: Endpoint, cache: SemanticCache, options: dict[str, Any]
) -> None:
    messages = options.pop("messages", [{"role": "user", "content": "What is Hallasan?"}])
    for _ in range(2):
        raw = client.chat.completions.with_raw_response.create(model="m", messages=messages, **options)
        assert raw.headers["x-adjoin-cache"].startswith("pass; ")
        assert raw.parse().choices
    assert len(endpoint.requests) == 2
    assert cache.report().entries == 0


def test_answers_to_a_temperature_are_kept_where_that_is_wanted(
    cache: SemanticCache, endpoint: Endpoint, endpoint_and_url: tuple[Endpoint, str]
) -> None:
    running = Running(make_app(cache, endpoint_and_url[1], cache_sampled=True))
    with openai.OpenAI(base_url=running.url, api_key="k", max_retries=0) as client:
        assert [how(client, "What is it?", temperature=t) for t in (0.7, 0.7, 0.2, 0.0)] == [
            "miss",
            "exact",
            "miss",
            "miss",
        ]
    running.stop()


def test_keys_models_systems_turns_and_parameters_have_answers_of_their_own(
    proxy: Running, client: Any, endpoint: Endpoint
) -> None:
    question = {"role": "user", "content": "What is Hallasan?"}
    ask(client, question["content"])
    with openai.OpenAI(base_url=proxy.url, api_key="key-two", max_retries=0) as other:
        assert how(other, question["content"]) == "miss"
    for model, messages, options in (
        ("m2", [question], {}),
        ("m", [{"role": "system", "content": "Be rude."}, question], {}),
        ("m", [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}, question], {}),
        ("m", [question], {"max_tokens": 3}),
        ("m", [question], {"response_format": {"type": "json_object"}}),
        ("m", [question], {"user": "alice"}),
    ):
        created = client.chat.completions.with_raw_response.create(model=model, messages=messages, **options)
        assert created.headers["x-adjoin-cache"] == "miss", (model, messages, options)
        created = client.chat.completions.with_raw_response.create(model=model, messages=messages, **options)
        assert created.headers["x-adjoin-cache"] == "exact", (model, messages, options)


def test_no_key_is_kept(client: Any, cache: SemanticCache) -> None:
    ask(client, "What is Hallasan?")
    assert "key-one" not in repr(list(cache._collection.scan()))


@pytest.mark.parametrize("streams", [False, True])
def test_many_who_ask_the_same_at_once_make_one_call(proxy: Running, endpoint: Endpoint, streams: bool) -> None:
    endpoint.delay_s = 0.5
    with (
        openai.OpenAI(base_url=proxy.url, api_key="k", max_retries=0, timeout=30) as client,
        ThreadPoolExecutor(40) as threads,
    ):

        def one(_: int) -> str:
            return (
                streamed(client, "What is it?")
                if streams
                else str(ask(client, "What is it?").choices[0].message.content)
            )

        answers = set(threads.map(one, range(40)))
    assert {answer.strip() for answer in answers} == {"It is What is it? indeed"}
    assert len(endpoint.requests) == 1


def test_other_paths_and_wrong_bodies_go_through(client: Any, proxy: Running) -> None:
    assert [model.id for model in client.models.list()] == ["m"]
    import httpx2

    assert httpx2.get(f"{proxy.url}/nothing").status_code == 404
    told = httpx2.get(f"http://127.0.0.1:{proxy.port}/adjoin/report").json()
    assert told["lookups"] == 0
    assert (
        httpx2.post(f"{proxy.url}/chat/completions", content=b"{").status_code == 500
    )  # the endpoint's own word for it


def test_an_endpoint_is_a_url(cache: SemanticCache) -> None:
    with pytest.raises(InvalidOption, match="http"):
        make_app(cache, "api.openai.com/v1")


def test_the_command_serves_and_its_answers_are_there_afterwards(
    endpoint: Endpoint, endpoint_and_url: tuple[Endpoint, str], tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = str(tmp_path / "db")
    command = [
        sys.executable,
        "-m",
        "adjoin",
        "serve",
        "--proxy",
        endpoint_and_url[1],
        "--db",
        folder,
        "--port",
        str(port),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="k", max_retries=20, timeout=20) as client:
            assert ask(client, "How do I reset my password?").choices[0].message.content.startswith("It is How")
            assert how(client, "How can I reset my password?") == "hit"
            assert how(client, "비밀번호를 어떻게 바꾸나요?") == "miss"
            assert how(client, "비밀번호 변경 방법 알려줘") == "hit"
    finally:
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert f"http://127.0.0.1:{port}/v1" in told
    assert "Traceback" not in told
    assert len(endpoint.requests) == 2
    with adjoin.open(folder) as db:
        report = SemanticCache(db.collection("cache")).report()
    assert (report.entries, report.semantic_hits, report.prompt_tokens) == (2, 2, 22)
