"""Embeddings over HTTP, against a server of OpenAI's shape on the loopback address."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.embed import embedder
from adjoin.errors import AnswerCutOff, ContextTooLong, InvalidContent, InvalidOption, ModelRefused, ModelUnavailable
from adjoin.testing import TinyEmbedder

pytest.importorskip("openai", reason="the package openai is not installed: pip install 'adjoin[llm]'")


class Endpoint:
    """Embeds as TinyEmbedder does, after the failures it was told of."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.failures: list[tuple[int, dict[str, str], bytes]] = []
        self.spoil: Any = None
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.requests.append(asked | {"key": self.headers["authorization"]})
                if endpoint.failures:
                    status, headers, body = endpoint.failures.pop(0)
                else:
                    vectors = TinyEmbedder(asked.get("dimensions", 8)).embed(asked["input"])
                    data = [
                        {"object": "embedding", "index": n, "embedding": row.tolist()} for n, row in enumerate(vectors)
                    ]
                    answer = {"object": "list", "data": data[::-1], "model": asked["model"],
                              "usage": {"prompt_tokens": 3 * len(data), "total_tokens": 3 * len(data)}}  # fmt: skip
                    if endpoint.spoil:
                        endpoint.spoil(answer)
                    status, headers, body = 200, {}, json.dumps(answer).encode()
                self.send_response(status)
                for name, value in ({"content-type": "application/json"} | headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made = Endpoint()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_vectors_come_in_order_in_batches_and_are_counted(endpoint: Endpoint) -> None:
    model = embedder("openai:tiny", base_url=endpoint.url, batch=4, price_per_million=2.0, api_key="secret")
    texts = [f"text {n}" for n in range(10)] + ["text 0"]
    np.testing.assert_allclose(model.embed(texts), TinyEmbedder(8).embed(texts), atol=1e-6)
    assert [len(one["input"]) for one in endpoint.requests] == [4, 4, 2]  # an equal one once
    assert {one["key"] for one in endpoint.requests} == {"Bearer secret"}
    assert (model.usage.texts, model.usage.tokens) == (10, 30)  # type: ignore[attr-defined]
    assert model.usage.cost == pytest.approx(60e-6)  # type: ignore[attr-defined]
    assert "secret" not in repr(model) + str(model.identity) + str(model.reopened_by)  # type: ignore[attr-defined]
    assert model.embed([]).shape == (0, 8)


def test_prompts_dimensions_and_queries(endpoint: Endpoint) -> None:
    model = embedder("openai:tiny", base_url=endpoint.url, dim=16, prompts={"query": "query: "})
    assert model.dim == 16
    assert endpoint.requests == []
    for _ in range(2):
        found = model.embed(["where?"], "query")
    np.testing.assert_allclose(found, TinyEmbedder(16).embed(["query: where?"]), atol=1e-6)
    assert len(endpoint.requests) == 1


def test_what_is_transient_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.failures = [(429, {"retry-after-ms": "20"}, b"{}"), (503, {"retry-after-ms": "20"}, b"")]
    assert embedder("openai:tiny", base_url=endpoint.url, dim=8).embed(["a"]).shape == (1, 8)
    assert len(endpoint.requests) == 3


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        ((401, {}, b'{"error": {"message": "wrong key"}}'), ModelRefused),
        ((404, {}, b'{"error": {"message": "no such model"}}'), ModelRefused),
        ((400, {}, b'{"error": {"message": "maximum context length is 8191"}}'), ContextTooLong),
        ((400, {}, b'{"error": {"message": "dimensions?"}}'), ModelRefused),
        ((500, {}, b"oops"), ModelUnavailable),
        ((429, {}, b"slow down"), ModelUnavailable),
        ((200, {}, b'{"data": ['), AnswerCutOff),
        ((200, {}, b'{"data": null}'), AnswerCutOff),
        ((200, {"content-type": "text/html"}, b"<html>"), AnswerCutOff),
    ],
)
def test_failures_have_their_names(endpoint: Endpoint, failure: Any, error: type[Exception]) -> None:
    endpoint.failures = [failure]
    with pytest.raises(error):
        embedder("openai:tiny", base_url=endpoint.url, dim=8, retries=0).embed(["a"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda answer: answer["data"].pop(),
        lambda answer: answer["data"][0].update(embedding=[1.0]),
        lambda answer: answer["data"][0].update(embedding=[float("nan")] * 8),
        lambda answer: answer["data"][0].update(index=7),
    ],
)
def test_answers_that_do_not_fit_are_refused(endpoint: Endpoint, spoil: Any) -> None:
    endpoint.spoil = spoil
    with pytest.raises(AnswerCutOff, match="no list of embeddings"):
        embedder("openai:tiny", base_url=endpoint.url, dim=8).embed(["a", "b"])


def test_an_endpoint_that_is_not_there(endpoint: Endpoint) -> None:
    with pytest.raises(ModelUnavailable, match="does not answer"):
        embedder("openai:tiny", base_url="http://127.0.0.1:9/v1", dim=8, retries=0).embed(["a"])
    with pytest.raises(InvalidOption, match="OPENAI_API_KEY"):
        embedder("openai:tiny")
    with pytest.raises(InvalidContent, match="item 1 is empty"):
        embedder("openai:tiny", base_url=endpoint.url, dim=8).embed(["a", " "])
    with pytest.raises(InvalidOption, match="bath"):
        embedder("openai:tiny", bath=3)


def test_limits_are_kept_by_waiting(endpoint: Endpoint) -> None:
    model = embedder("openai:tiny", base_url=endpoint.url, dim=8, batch=1, requests_per_minute=600)
    began = time.monotonic()
    model.embed(["a", "b", "c", "d"])
    assert time.monotonic() - began >= 0.3


def test_a_collection_opens_it_again_without_the_key(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = embedder("openai:tiny", base_url=endpoint.url, dim=32, api_key="secret")
    with adjoin.open(tmp_path / "s") as db:
        db.collection("rows", embedder=model).add(["a red fox", "a blue boat"], ids=["fox", "boat"])
    assert b"secret" not in b"".join(path.read_bytes() for path in (tmp_path / "s").rglob("*") if path.is_file())
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    with adjoin.open(tmp_path / "s") as db:
        assert db.collection("rows").search("red foxes", k=1).ids == ["fox"]
        endpoint.spoil = lambda answer: [one["embedding"].reverse() for one in answer["data"]]
    with adjoin.open(tmp_path / "s") as db, pytest.raises(adjoin.errors.IdentityMismatch, match="canary"):
        db.collection("rows").search("red foxes")  # another model by the same name
