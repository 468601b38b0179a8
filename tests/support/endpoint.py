"""An HTTP endpoint of OpenAI's shape on the loopback, which answers each request by the next of its script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, TypeAlias

from tests.support.loopback import Quiet, serving

Act: TypeAlias = "Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]"


@dataclass
class Endpoint:
    """requests: the bodies that came, in order; keys: the Authorization of each."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)


@contextmanager
def endpoint(*acts: Act) -> Iterator[Endpoint]:
    """acts: what is done for each request; the last one for all that follow."""

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                number = len(found.requests)
                found.requests.append(body)
                found.keys.append(self.headers["Authorization"])
                found.times.append(time.monotonic())
            acts[min(number, len(acts) - 1)](self, body)

    lock = threading.Lock()
    found = Endpoint("")
    with serving(Handler) as url:
        found.url = f"{url}/v1"
        yield found


def answer(text: str | None, *, finish: str = "stop", refusal: str | None = None) -> Act:
    """A good answer: whole or streamed, as it was asked for."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        usage = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
        if not body.get("stream"):
            message = {"role": "assistant", "content": text, "refusal": refusal}
            choice = {"index": 0, "message": message, "finish_reason": finish}
            send(handler, 200, _completion("chat.completion", [choice]) | {"usage": usage})
            return
        begin_stream(handler)
        for piece in (text or "").split(" "):
            send_event(handler, piece_of(" " + piece if piece != (text or "").split(" ")[0] else piece))
        send_event(handler, piece_of(None, finish))
        if body.get("stream_options"):
            send_event(handler, _completion("chat.completion.chunk", []) | {"usage": usage})
        end_stream(handler)

    return act


def error(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Act:
    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        told = {"error": {"message": message, "type": "error", "code": code, "param": param}}
        send(handler, status, told, headers)

    return act


def raw(text: str, content_type: str = "application/json") -> Act:
    """Status 200 and any bytes."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        encoded = text.encode()
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(encoded)))
        handler.end_headers()
        handler.wfile.write(encoded)

    return act


def slow(seconds: float) -> Act:
    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return act


def cut_off(*pieces: str, how: str = "closed") -> Act:
    """A stream that ends after some pieces: the connection `closed` in the middle of a chunk, `silent` for long, or with a
    clean `end` that nobody announced, an `error` event, or a `broken` one."""

    def act(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        begin_stream(handler)
        for piece in pieces:
            send_event(handler, piece_of(piece))
        if how == "error":
            send_event(handler, {"error": {"message": "the server is on fire", "code": 500}})
        elif how == "broken":
            _chunk(handler, b'data: {"choices": [{"delta": \n\n')
        elif how == "end":
            end_stream(handler, done=False)
            return
        elif how == "silent":
            time.sleep(1.5)
        elif how == "closed":
            handler.wfile.write(b"ff\r\ndata: {")
        handler.wfile.flush()
        handler.close_connection = True

    return act


def _completion(kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": "1", "object": kind, "created": 0, "model": "tiny", "choices": choices}


def piece_of(text: str | None, finish: str | None = None) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return _completion("chat.completion.chunk", [{"index": 0, "delta": delta, "finish_reason": finish}])


def send(
    handler: BaseHTTPRequestHandler, status: int, body: dict[str, Any], headers: Sequence[tuple[str, str]] = ()
) -> None:
    encoded = json.dumps(body).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(encoded)))
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(encoded)


def begin_stream(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()


def send_event(handler: BaseHTTPRequestHandler, event: dict[str, Any]) -> None:
    _chunk(handler, f"data: {json.dumps(event)}\n\n".encode())


def end_stream(handler: BaseHTTPRequestHandler, *, done: bool = True) -> None:
    if done:
        _chunk(handler, b"data: [DONE]\n\n")
    handler.wfile.write(b"0\r\n\r\n")


def _chunk(handler: BaseHTTPRequestHandler, data: bytes) -> None:
    handler.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    handler.wfile.flush()
