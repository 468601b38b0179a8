"""Runs an encoder graph through ONNX Runtime, one text a call."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjoin.errors import UnreadableFile, Unsupported

if TYPE_CHECKING:
    from adjoin.embed.tokens import Ids
    from adjoin.types import Floats

MASKED_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
POOLED_OUTPUTS = ("vector", "text_embeds", "sentence_embedding")
PREFERRED_OUTPUTS = ("vector", "text_embeds", "last_hidden_state", "token_embeddings", "sentence_embedding")


class OnnxEncoder:
    """A graph that takes token ids and gives token states, or a pooled vector.

    One thread a call: many calls at once use the cores better than one call on many threads, and the result then does
    not depend on how the work was split.
    """

    def __init__(self, path: Path, *, inner_states: str | None = None) -> None:
        """inner_states: the name, inside a graph that pools, of the token states that it pools; the graph is loaded once more
        for them when they are first asked for.

        Raises UnreadableFile when the file is no usable graph.
        """
        self._session: Any = _session(path, str(path))
        self._inputs = [node.name for node in self._session.get_inputs()]
        outputs = [node.name for node in self._session.get_outputs()]
        self._output = _chosen_output(outputs)
        self._states = inner_states if inner_states is not None else _states_among(outputs)
        self._path = path
        self._with_states: Any = self._session if inner_states is None else None
        self._loading = threading.Lock()
        self._flat = self._inputs == ["ids"]
        if not self._flat and not set(self._inputs) <= MASKED_INPUTS:
            raise Unsupported(
                f"{path} takes {', '.join(self._inputs)}; a text encoder takes {', '.join(sorted(MASKED_INPUTS))}."
            )

    @property
    def pools(self) -> bool:
        """Whether the graph itself makes one vector of a text."""
        return self._output in POOLED_OUTPUTS

    def encode(self, ids: Ids) -> Floats:
        """Token states (tokens, dim), or the vector (dim,) when the graph pools."""
        return self._run(self._session, ids, self._output)

    def states(self, ids: Ids) -> Floats:
        """Token states (tokens, dim). Raises Unsupported for a graph that has pooled vectors only."""
        if self._states is None:
            raise Unsupported(
                f"this graph gives pooled vectors only ({self._output}). Export one with last_hidden_state among its outputs."
            )
        with self._loading:
            if self._with_states is None:
                self._with_states = _session(self._path, _with_output(self._path.read_bytes(), self._states))
        return self._run(self._with_states, ids, self._states)

    def _run(self, session: Any, ids: Ids, output: str) -> Floats:
        import numpy as np

        if self._flat:
            result: Floats = session.run([output], {"ids": ids})[0]
            return result
        row = ids[None, :]
        given = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
        out = session.run([output], {name: given[name] for name in self._inputs})[0]
        states: Floats = np.asarray(out[0], dtype=np.float32)
        return states


def _session(path: Path, graph: str | bytes) -> Any:
    """graph: the path, or the model's bytes. Raises UnreadableFile, naming the path."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # every text has another length, so a plan made for one is of no use
    if not _multiplies_bytes_exactly():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # ONNX Runtime has an exception class of its own for each status
        raise UnreadableFile(f"{path} cannot be run by ONNX Runtime: {exc}") from exc


def _multiplies_bytes_exactly() -> bool:
    """Whether this processor has AVX-512 VNNI. Without it, unsigned × signed int8 saturates on x86, and the exact kernels
    are taken, which on a processor that has it would cost 1.8 times as much for the same result."""
    try:
        features = import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):  # another NumPy keeps them elsewhere
        return False
    return bool(features.get("AVX512_CLX") or features.get("AVX512_ICL"))


def _states_among(names: list[str]) -> str | None:
    states = [name for name in names if name not in POOLED_OUTPUTS]
    return next(
        (name for name in PREFERRED_OUTPUTS if name in states), states[0] if len(names) == 1 and states else None
    )


def _with_output(model: bytes, name: str) -> bytes:
    """The model with one more output, a tensor inside it.

    Of messages written one behind the other, protobuf merges the fields: here ModelProto.graph (7), its output (12), and that
    one's name (1).
    """
    value = _field(1, name.encode())
    return model + _field(7, _field(12, value))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def _chosen_output(names: list[str]) -> str:
    for name in PREFERRED_OUTPUTS:
        if name in names:
            return name
    return names[0]
