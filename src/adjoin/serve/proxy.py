"""An OpenAI-compatible proxy with a cache in it: any client points its base URL here, and chat completions that were answered
before are answered from the cache. Everything else, and every error, goes through as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from adjoin.errors import AdjoinError, AnswerCutOff, InvalidOption, MissingExtra, ModelError
from adjoin.llm.base import Reply
from adjoin.serve.completions import Gathered, Request, as_reply, completion, events, failure, parse, usage_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request as HttpRequest
    from starlette.responses import Response

    from adjoin.llm.cache import Answered, SemanticCache

_log = logging.getLogger(__name__)

_HOP_BY_HOP: Final = frozenset(
    (
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
        "host", "content-length",
    )
)  # fmt: skip
_MARK: Final = "x-adjoin-cache"
"""The header that says how it was answered: `hit`, `exact`, `shared`, `miss`, or `pass` and why."""


class _Piece(NamedTuple):
    """Bytes of a stream. last: the sign of the end is in them."""

    data: bytes
    last: bool


class _Upstream(ModelError):
    """The endpoint answered with an error, which is passed on as it came."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"the endpoint answered {status}")
        self.status, self.headers, self.body = status, headers, body


class Proxy:
    """The application's state: the cache, the endpoint, and the client that reaches it.

    cache_sampled: also keep answers to requests with a temperature above 0; the temperature is then part of the scope.
    A request without a temperature counts as one that asks for no variety.
    """

    def __init__(
        self, cache: SemanticCache, upstream: str, *, cache_sampled: bool = False, timeout_s: float = 600.0
    ) -> None:
        try:
            import httpx2
        except ImportError as exc:
            raise MissingExtra.of("httpx2", "serve", "the proxy") from exc
        if not upstream.startswith(("http://", "https://")):
            raise InvalidOption(f"the endpoint is a URL that begins with http:// or https://, not {upstream!r}.")
        self._http = httpx2
        self._cache = cache
        self._upstream = upstream.rstrip("/")
        self._cache_sampled = cache_sampled
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(timeout_s, connect=min(10.0, timeout_s)), follow_redirects=False, trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=50),
        )  # fmt: skip

    async def close(self) -> None:
        await self._client.aclose()
        await asyncio.to_thread(self._cache.close)

    # -------------------------------------------------------------------------------------------------------- requests

    async def chat(self, request: HttpRequest) -> Response:
        """POST …/chat/completions."""
        body = await request.body()
        wanted = self._wanted(request, body)
        if isinstance(wanted, str):
            return await self._pass(request, body, wanted)
        try:
            return await self._answer(request, body, wanted)
        except _Upstream as error:
            return self._response(error.body, error.status, error.headers, "miss")
        except ModelError as error:
            return self._response(
                failure(str(error), "adjoin_upstream_error"), 502, {"content-type": "application/json"}, "miss"
            )
        except AdjoinError as error:  # the cache is no reason not to answer
            _log.warning("the cache could not be used: %s", error)
            return await self._pass(request, body, "the cache failed")

    def _wanted(self, request: HttpRequest, body: bytes) -> Request | str:
        if "no-store" in request.headers.get("cache-control", ""):
            return "no-store"
        try:
            parsed = json.loads(body)
        except ValueError:
            return "no JSON"
        return parse(parsed, cache_sampled=self._cache_sampled)

    async def _answer(self, request: HttpRequest, body: bytes, wanted: Request) -> Response:
        """The model is asked by the first of those who ask the same; its pieces go to that one at once, to the others at the end."""
        pieces: asyncio.Queue[_Piece | None] = asyncio.Queue(maxsize=1000)

        async def ask_upstream(_: str) -> Reply:
            if wanted.streams:
                return await self._streamed(request, body, pieces)
            return await self._whole(request, body)

        asking = asyncio.ensure_future(
            self._cache.aask(
                wanted.question, ask_upstream, model=wanted.model, system=wanted.system, context=wanted.context,
                tenant=_tenant(request, wanted.user), scope={"parameters": dict(wanted.parameters), "upstream": self._upstream},
            )
        )  # fmt: skip
        if not wanted.streams:
            return self._told(await _unless_gone(request, asking), wanted)
        first = asyncio.ensure_future(pieces.get())
        try:
            await asyncio.wait({asking, first}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            asking.cancel()
            raise
        if (
            not first.done()
        ):  # nothing came from the endpoint for this request: an answer that was kept or shared, or an error
            first.cancel()
            answered = asking.result()
            return self._stream(
                _of(events(answered.text, wanted.model, self._usage(answered) if wanted.with_usage else None)),
                _how(answered),
            )
        if first.result() is None:  # it broke off, or ended, before it began
            answered = await asking
            return self._stream(_of(events(answered.text, wanted.model, None)), _how(answered))
        return self._stream(self._passing(first.result(), pieces, asking), "miss")

    async def _passing(
        self, first: _Piece | None, pieces: asyncio.Queue[_Piece | None], asking: asyncio.Future[Answered]
    ) -> AsyncIterator[bytes]:
        """Pieces as they come. The last one is sent only after the answer is kept, since clients hang up when they have it; one
        who hangs up before ends the call. A stream that broke ends broken."""
        whole = False
        try:
            piece = first
            while piece is not None:
                if piece.last:
                    whole = True
                    await asyncio.shield(asking)
                yield piece.data
                piece = await pieces.get()
            whole = True
            await asyncio.shield(asking)
        finally:
            if not whole and not asking.done():
                asking.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await asking

    def _told(self, answered: Answered, wanted: Request) -> Response:
        raw = answered.reply.extra.get("raw") if answered.reply is not None else None
        shown = raw if raw is not None else completion(answered.text, wanted.model, self._usage(answered))
        return self._response(
            json.dumps(shown, ensure_ascii=False).encode(), 200, {"content-type": "application/json"}, _how(answered)
        )

    @staticmethod
    def _usage(answered: Answered) -> dict[str, int]:
        if answered.hit is not None:
            return usage_of(answered.hit.metadata)
        reply = answered.reply
        return usage_of(
            {"prompt_tokens": reply.prompt_tokens or 0, "completion_tokens": reply.completion_tokens or 0}
            if reply
            else {}
        )

    # -------------------------------------------------------------------------------------------------------- upstream

    async def _whole(self, request: HttpRequest, body: bytes) -> Reply:
        began = time.perf_counter()
        with self._failures():
            answer = await self._client.send(self._request(request, body))
        if answer.status_code != 200:
            raise _Upstream(answer.status_code, answer.headers, answer.content)
        try:
            raw = json.loads(answer.content)
        except ValueError:
            raise _Upstream(
                answer.status_code, answer.headers, answer.content
            ) from None  # not ours to judge; never stored
        if not isinstance(raw, Mapping):
            raise _Upstream(answer.status_code, answer.headers, answer.content)
        return as_reply(raw, time.perf_counter() - began)

    async def _streamed(self, request: HttpRequest, body: bytes, pieces: asyncio.Queue[_Piece | None]) -> Reply:
        began = time.perf_counter()
        gathered = Gathered()
        try:
            with self._failures():
                answer = await self._client.send(self._request(request, body), stream=True)
                try:
                    if answer.status_code != 200 or "event-stream" not in answer.headers.get("content-type", ""):
                        raise _Upstream(answer.status_code, answer.headers, await answer.aread())
                    async for piece in answer.aiter_bytes():
                        gathered.feed(piece)
                        await pieces.put(_Piece(piece, gathered.ended))
                        if gathered.ended:
                            break
                finally:
                    await answer.aclose()
        except _Upstream:
            raise
        except BaseException:
            await _put_end(pieces)
            raise
        await pieces.put(None)
        return gathered.reply(time.perf_counter() - began)

    @contextlib.contextmanager
    def _failures(self) -> Any:
        """The client's exceptions as ours, which name no key."""
        try:
            yield
        except self._http.TimeoutException as exc:
            raise _Upstream(
                504,
                {"content-type": "application/json"},
                failure(f"the endpoint did not answer in time ({type(exc).__name__})", "adjoin_upstream_timeout"),
            ) from exc
        except (self._http.RemoteProtocolError, self._http.ReadError) as exc:
            raise AnswerCutOff(f"the endpoint's answer broke off ({type(exc).__name__}). Nothing was stored.") from exc
        except self._http.HTTPError as exc:
            raise _Upstream(
                502,
                {"content-type": "application/json"},
                failure(
                    f"the endpoint {self._upstream} cannot be reached ({type(exc).__name__})",
                    "adjoin_upstream_unreachable",
                ),
            ) from exc

    def _request(self, request: HttpRequest, body: bytes) -> Any:
        path = request.url.path
        if ".." in path.split("/") or "//" in path:
            raise _Upstream(
                400,
                {"content-type": "application/json"},
                failure("the path is not one of an endpoint", "invalid_request_error"),
            )
        if path.startswith("/v1") and self._upstream.rsplit("/", 1)[-1].startswith("v"):
            path = path.removeprefix("/v1")
        url = self._upstream + path + (f"?{request.url.query}" if request.url.query else "")
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in _HOP_BY_HOP | {"accept-encoding"}
        ]
        return self._client.build_request(
            request.method, url, headers=[*headers, ("accept-encoding", "identity")], content=body
        )

    async def forward(self, request: HttpRequest) -> Response:
        """Everything but chat completions."""
        return await self._pass(request, await request.body(), "another path")

    async def _pass(self, request: HttpRequest, body: bytes, why: str) -> Response:
        """The endpoint's own answer, piece by piece, untouched."""
        try:
            with self._failures():
                answer = await self._client.send(self._request(request, body), stream=True)
        except _Upstream as error:
            return self._response(error.body, error.status, error.headers, f"pass; {why}")
        except AnswerCutOff as error:
            return self._response(
                failure(str(error), "adjoin_upstream_error"), 502, {"content-type": "application/json"}, f"pass; {why}"
            )

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for piece in answer.aiter_raw():
                    yield piece
            finally:
                await answer.aclose()

        from starlette.responses import StreamingResponse

        return StreamingResponse(pieces(), answer.status_code, _kept(answer.headers) | {_MARK: f"pass; {why}"})

    async def report(self, request: HttpRequest) -> Response:
        """GET /adjoin/report."""
        found = await asyncio.to_thread(self._cache.report)
        return self._response(
            json.dumps(found.to_dict(), ensure_ascii=False).encode(),
            200,
            {"content-type": "application/json"},
            "report",
        )

    @staticmethod
    def _response(body: bytes, status: int, headers: Mapping[str, str], how: str) -> Response:
        from starlette.responses import Response

        return Response(body, status, _kept(headers) | {_MARK: how})

    @staticmethod
    def _stream(pieces: AsyncIterator[bytes], how: str) -> Response:
        from starlette.responses import StreamingResponse

        return StreamingResponse(pieces, 200, {_MARK: how, "cache-control": "no-cache"}, media_type="text/event-stream")


async def _put_end(pieces: asyncio.Queue[_Piece | None]) -> None:
    """The sign of the end, also where the queue is full: what broke off need not be read to its end."""
    while pieces.full():
        pieces.get_nowait()
    pieces.put_nowait(None)


async def _unless_gone(request: HttpRequest, asking: asyncio.Future[Answered]) -> Answered:
    """The answer; if the client's task is cancelled, the call too, so that another who waits for it takes over."""
    try:
        return await asking
    except asyncio.CancelledError:
        asking.cancel()
        raise


async def _of(pieces: Any) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _how(answered: Answered) -> str:
    if answered.shared:
        return "shared"
    return "miss" if answered.hit is None else "exact" if answered.hit.exact else "hit"


def _tenant(request: HttpRequest, user: str | None) -> str:
    """Who asks: the key's hash and the end user's name. One key's answers are never another's; no key is kept."""
    parts = [
        request.headers.get(name, "")
        for name in ("authorization", "api-key", "x-api-key", "openai-organization", "openai-project")
    ]
    return hashlib.blake2b(json.dumps([*parts, user]).encode(), digest_size=16).hexdigest()


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def make_app(
    cache: SemanticCache, upstream: str, *, cache_sampled: bool = False, timeout_s: float = 600.0
) -> Starlette:
    """The ASGI application, for uvicorn or any other server. Raises MissingExtra, and InvalidOption for what is no URL."""
    try:
        from starlette.applications import Starlette
        from starlette.routing import Route
    except ImportError as exc:
        raise MissingExtra.of("starlette", "serve", "the proxy") from exc
    proxy = Proxy(cache, upstream, cache_sampled=cache_sampled, timeout_s=timeout_s)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await proxy.close()

    every = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(
        routes=[
            Route("/adjoin/report", proxy.report, methods=["GET"]),
            Route("/v1/chat/completions", proxy.chat, methods=["POST"]),
            Route("/chat/completions", proxy.chat, methods=["POST"]),
            Route("/{path:path}", proxy.forward, methods=every),
        ],
        lifespan=lifespan,
    )


def serve(
    cache: SemanticCache,
    upstream: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    cache_sampled: bool = False,
    timeout_s: float = 600.0,
) -> None:
    """Serve until interrupted."""
    try:
        import uvicorn
    except ImportError as exc:
        raise MissingExtra.of("uvicorn", "serve", "the proxy") from exc
    uvicorn.run(
        make_app(cache, upstream, cache_sampled=cache_sampled, timeout_s=timeout_s),
        host=host,
        port=port,
        log_level="warning",
    )
