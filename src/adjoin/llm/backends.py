"""llama.cpp from either of two packages: `llama-cpp-python`, or `xllamacpp`, which comes built. The first found is used."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import http.client
import importlib.util
import json
import mmap
import os
import secrets
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Protocol

from adjoin.errors import MissingExtra, ModelUnavailable, UnreadableFile

TEMPLATE_KEY: Final = b"tokenizer.chat_template"
MOST_HEADER: Final = 128 << 20
"""Bytes in which a file's chat template is looked for: its vocabulary comes first, and its weights, far larger, last."""


class Backend(Protocol):
    """One loaded model, used by one thread at a time.

    context_tokens: prompt and answer together, as llama.cpp made it, which rounds up. trained_tokens: what the model was
    trained for, 0 where the file does not say.
    """

    context_tokens: int
    trained_tokens: int

    def __init__(self, path: Path, *, context_tokens: int, threads: int, gpu_layers: int, seed: int) -> None:
        """gpu_layers: -1 for all. Raises UnreadableFile, ModelUnavailable without memory."""

    def rendered(self, messages: Sequence[dict[str, str]]) -> str | None:
        """By the file's own chat template, the answer's turn begun; None where it has none. Raises what a template raises."""

    def tokens(self, text: str, *, special: bool = False, first: bool = False) -> list[int]:
        """special: `<|im_start|>` and its kin are the marks that they name, and not text.
        first: the mark of a text's beginning stands before it, where the model was trained so.
        """

    def answer(
        self,
        tokens: Sequence[int],
        *,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str],
        seed: int,
        put: Callable[[str], None],
        stopped: threading.Event,
    ) -> tuple[str, int]:
        """Puts the pieces until it is told to stop; why it ended ("stop" or "length"), and how many tokens it made.

        At temperature 0 the same tokens give the same answer, whatever was asked before.
        """

    def close(self) -> None:
        """Frees its memory. Twice is fine."""


class LlamaCppPython:
    """`llama-cpp-python`, which calls llama.cpp in this process."""

    def __init__(self, path: Path, *, context_tokens: int, threads: int, gpu_layers: int, seed: int) -> None:
        from llama_cpp import Llama
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        try:
            llama = Llama(
                str(path), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, n_gpu_layers=gpu_layers,
                seed=seed, verbose=False,
            )  # fmt: skip
        except MemoryError as exc:
            raise ModelUnavailable(f"there is not enough memory for {path.name}.") from exc
        except Exception as exc:  # the package raises ValueError, AssertionError and others for a file it cannot load
            raise UnreadableFile(f"llama.cpp cannot load {path} ({type(exc).__name__}: {exc}).") from exc
        self._held: list[Any] = [llama]
        self._close = _closed_in_the_end(self, self._held)
        self.context_tokens = int(llama.n_ctx())
        self.trained_tokens = int(
            llama.metadata.get(f"{llama.metadata.get('general.architecture')}.context_length", 0) or 0
        )
        self._template: Any = None
        if template := llama.metadata.get(TEMPLATE_KEY.decode()):
            words = [self._piece(token) for token in (llama.token_eos(), llama.token_bos())]
            self._template = Jinja2ChatFormatter(template, eos_token=words[0], bos_token=words[1])

    def rendered(self, messages: Sequence[dict[str, str]]) -> str | None:
        return None if self._template is None else str(self._template(messages=list(messages)).prompt)

    def tokens(self, text: str, *, special: bool = False, first: bool = False) -> list[int]:
        return [
            int(token)
            for token in self._open().tokenize(text.encode("utf-8", "replace"), add_bos=first, special=special)
        ]

    def answer(
        self,
        tokens: Sequence[int],
        *,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str],
        seed: int,
        put: Callable[[str], None],
        stopped: threading.Event,
    ) -> tuple[str, int]:
        llama, finish, count = self._open(), "stop", 0
        llama.reset()  # what it computed for another prompt's beginning differs in the last bits
        for event in llama.create_completion(
            list(tokens), stream=True, max_tokens=max_tokens, temperature=temperature, stop=list(stop), seed=seed
        ):
            choice = event["choices"][0]
            finish = choice.get("finish_reason") or finish
            if choice["text"]:
                count += 1
                put(choice["text"])
            if stopped.is_set():
                break
        return finish, count

    def close(self) -> None:
        self._close()

    def _open(self) -> Any:
        if not self._held:
            raise ModelUnavailable("the model was closed.")
        return self._held[0]

    def _piece(self, token: int) -> str:
        return self._open().detokenize([token], special=True).decode("utf-8", "replace") if token >= 0 else ""


class XLlamaCpp:
    """`xllamacpp`, which runs llama.cpp's server in this process.

    Answers come by a call. Its tokenizer and template are reached only at the address where it listens: a port of the
    loopback, which no other machine sees, and which answers nobody without a key made for it alone.
    """

    def __init__(self, path: Path, *, context_tokens: int, threads: int, gpu_layers: int, seed: int) -> None:
        import xllamacpp

        key = secrets.token_urlsafe(32)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_gpu_layers, params.sampling.seed = context_tokens, gpu_layers, seed
        if gpu_layers < 0:
            params.n_gpu_layers = 1 << 20  # to llama.cpp -1 is as many as fit
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.hostnames, params.port, params.api_keys = ["127.0.0.1"], 0, [key]
        params.n_parallel = params.n_threads_http = 1
        params.ui = params.endpoint_slots = params.warmup = params.fit_params = params.prefill_assistant = False
        params.cache_ram_mib = 0
        params.verbosity = -1
        try:
            server = xllamacpp.Server(params)
            _guard_forks()
        except MemoryError as exc:
            raise ModelUnavailable(f"there is not enough memory for {path.name}.") from exc
        except Exception as exc:  # a RuntimeError that does not say why
            raise UnreadableFile(
                f"llama.cpp cannot load {path}: it or its chat template is damaged, or of a kind that this release of xllamacpp "
                "does not know, or it is larger than the memory."
            ) from exc
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection = http.client.HTTPConnection(server.listening_address.removeprefix("http://"), timeout=60)
        self._held: list[Any] = [server, connection]
        self._close = _closed_in_the_end(self, self._held)
        del server
        told = self._ask("/props")
        self.context_tokens = int(told["default_generation_settings"]["n_ctx"])
        self.trained_tokens = int(self._ask("/v1/models")["data"][0]["meta"]["n_ctx_train"])
        # Where a file has no template, llama.cpp takes another model's.
        self._has_template = has_template(path)
        begun = self._tokenize(told["bos_token"], special=True)
        self._begun = begun if begun and self._tokenize("x", begin=True)[:1] == begun else []
        self._begin = str(told["bos_token"]) if self._begun else ""

    def rendered(self, messages: Sequence[dict[str, str]]) -> str | None:
        if not self._has_template:
            return None
        prompt = str(self._ask("/apply-template", {"messages": list(messages)})["prompt"])
        return (
            prompt if prompt.startswith(self._begin) else self._begin + prompt
        )  # it is cut off, to come with the tokens

    def tokens(self, text: str, *, special: bool = False, first: bool = False) -> list[int]:
        return [*(self._begun if first else []), *self._tokenize(text, special=special)]

    def _tokenize(self, text: str, *, special: bool = False, begin: bool = False) -> list[int]:
        asked = {
            "content": text.encode("utf-8", "replace").decode(), "parse_special": special, "add_special": begin,
        }  # fmt: skip
        return [int(token) for token in self._ask("/tokenize", asked)["tokens"]] if text else []

    def answer(
        self,
        tokens: Sequence[int],
        *,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str],
        seed: int,
        put: Callable[[str], None],
        stopped: threading.Event,
    ) -> tuple[str, int]:
        finish, count, failed = "stop", 0, list[Any]()

        def take(event: Any) -> bool:  # what it raises would be lost
            nonlocal finish, count
            try:
                choice = event["choices"][0]
                finish = choice.get("finish_reason") or finish
                count = event.get("usage", {}).get("completion_tokens", count)
                if choice["text"]:
                    put(choice["text"])
            except Exception:
                failed.append(event)
            return stopped.is_set() or bool(failed)

        # Its cache of another prompt's beginning is left alone: with that, the same question has another answer.
        self._open().handle_completions(
            {
                "prompt": list(tokens), "stream": True, "stream_options": {"include_usage": True},
                "max_tokens": max_tokens, "temperature": temperature, "stop": list(stop),
                "seed": seed, "cache_prompt": False,
            },
            take,
        )  # fmt: skip
        if failed:
            raise ModelUnavailable(f"llama.cpp answered {failed[0]}.")
        return finish, count

    def close(self) -> None:
        self._close()

    def _open(self) -> Any:
        if not self._held:
            raise ModelUnavailable("the model was closed.")
        return self._held[0]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self._open()
        connection: http.client.HTTPConnection = self._held[1]
        sent = None if body is None else json.dumps(body).encode()
        for last in (False, True):
            try:
                connection.request("POST" if sent else "GET", path, sent, self._headers)
                response = connection.getresponse()
                got = response.read()
                break
            except (http.client.HTTPException, OSError) as exc:  # it hangs up when nothing was asked for a while
                connection.close()
                if last:
                    raise ModelUnavailable(f"llama.cpp's server in this process does not answer ({exc}).") from exc
        if response.status != 200:
            raise ModelUnavailable(f"llama.cpp answered {response.status}: {got.decode('utf-8', 'replace')}")
        told: dict[str, Any] = json.loads(got)
        return told


BACKENDS: tuple[tuple[str, type[Backend]], ...] = (("llama_cpp", LlamaCppPython), ("xllamacpp", XLlamaCpp))
"""What is imported, and what runs it; the first that is installed is taken."""


def installed(wanted_for: str) -> type[Backend]:
    """The backend to use, found without importing it. Raises MissingExtra."""
    for module, kind in BACKENDS:
        if importlib.util.find_spec(module) is not None:
            return kind
    raise MissingExtra.of("xllamacpp", "local", wanted_for)


def has_template(path: Path) -> bool:
    """Whether a GGUF file has a chat template: a key, as its length and its letters, and the number 8, for text."""
    key = len(TEMPLATE_KEY).to_bytes(8, "little") + TEMPLATE_KEY + (8).to_bytes(4, "little")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(key, 0, MOST_HEADER) >= 0


def _closed_in_the_end(backend: Backend, held: list[Any]) -> Callable[[], None]:
    """What closes a backend, which is also called when it is collected, and when Python ends."""
    close = partial(_shut, held, os.getpid())
    weakref.finalize(backend, close).atexit = False  # where answers may still be made; _stop_all waits for them
    _open.add(backend)
    return close


def _shut(held: list[Any], pid: int) -> None:
    """Frees a model, and closes what else is held with it."""
    if not held:
        return
    model, *others = held
    held.clear()
    for one in others:
        one.close()
    if os.getpid() != pid:
        # A forked child has not its threads, and to free it would wait for them for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(model))
    elif close := getattr(model, "close", None):
        close()


@cache
def _guard_forks() -> None:
    """Lets a forked child end: to destroy its globals, the library would wait for threads that only the parent has."""
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    if hasattr(libc, "on_exit"):  # glibc, where this waiting was seen
        assert libc is not None
        # Called before all that was to be called at the end when the child began, with its exit status. Python has ended then.
        os.register_at_fork(after_in_child=lambda: libc.on_exit(libc._exit, None))


_open: weakref.WeakSet[Backend] = weakref.WeakSet()
_running: set[tuple[threading.Event, threading.Thread]] = set()


@contextlib.contextmanager
def running(stopped: threading.Event, worker: threading.Thread) -> Iterator[None]:
    """Runs a thread that makes an answer, and stops it at the end, or when Python ends while nobody reads on."""
    entry = (stopped, worker)
    _running.add(entry)
    worker.start()
    try:
        yield
    finally:
        stopped.set()
        worker.join()
        _running.discard(entry)


@atexit.register
def _stop_all() -> None:
    for stopped, worker in list(_running):
        stopped.set()
        worker.join()
    for backend in list(_open):
        backend.close()
