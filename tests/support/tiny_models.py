"""Folders with tiny encoders of random weights, and a loop-by-loop BERT to compare with."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import erf

Array = np.ndarray[Any, np.dtype[Any]]
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "river", "froze", "a", "cat", "slept", "강", "고양이"]
WIDTH, LAYERS, HEADS, POSITIONS = 16, 2, 4, 12


def write_tokenizer(folder: Path) -> None:
    """Words between [CLS] and [SEP], with truncation and padding set as many published tokenizers have them."""
    special = [{"SpecialToken": {"id": token, "type_id": 0}} for token in ("[CLS]", "[SEP]")]
    text = {"Sequence": {"id": "A", "type_id": 0}}
    ids = {token: {"id": token, "ids": [WORDS.index(token)], "tokens": [token]} for token in ("[CLS]", "[SEP]")}
    described = {
        "version": "1.0", "added_tokens": [], "normalizer": None, "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "post_processor": {"type": "TemplateProcessing", "single": [special[0], text, special[1]],
                           "pair": [special[0], text, special[1]], "special_tokens": ids},
        "model": {"type": "WordLevel", "vocab": {word: i for i, word in enumerate(WORDS)}, "unk_token": "[UNK]"},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")


def write_bert(folder: Path, *, model_type: str = "bert", dtype: str = "F32") -> dict[str, Array]:
    """A safetensors folder; returns its weights as they will be read."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    config = {"model_type": model_type, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
              "max_position_embeddings": POSITIONS, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    weights = _random_weights()
    stored = {name: _encoded(values, dtype) for name, values in weights.items()}
    header, at = {}, 0
    for name, (data, _) in stored.items():
        header[f"{model_type}.{name}"] = {
            "dtype": dtype,
            "shape": list(weights[name].shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    (folder / "model.safetensors").write_bytes(
        struct.pack("<Q", len(text)) + text + b"".join(data for data, _ in stored.values())
    )
    return {name: values for name, (_, values) in stored.items()}


def _random_weights() -> dict[str, Array]:
    random = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}"
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            shapes |= {f"{start}.{part}.weight": (WIDTH, WIDTH), f"{start}.{part}.bias": (WIDTH,)}
        shapes |= {
            f"{start}.intermediate.dense.weight": (4 * WIDTH, WIDTH), f"{start}.intermediate.dense.bias": (4 * WIDTH,),
            f"{start}.output.dense.weight": (WIDTH, 4 * WIDTH), f"{start}.output.dense.bias": (WIDTH,),
        }  # fmt: skip
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{start}.{part}.weight": (WIDTH,), f"{start}.{part}.bias": (WIDTH,)}
    return {name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def _encoded(values: Array, dtype: str) -> tuple[bytes, Array]:
    if dtype == "F16":
        half = values.astype("<f2")
        return half.tobytes(), half.astype(np.float32)
    if dtype == "BF16":
        upper = (values.view(np.uint32) >> 16).astype("<u2")
        return upper.tobytes(), (upper.astype(np.uint32) << 16).view(np.float32)
    return values.astype("<f4").tobytes(), values


def slow_bert(weights: dict[str, Array], ids: list[int], first_position: int = 0) -> Array:
    """The formulas of the paper in float64, one token and one head at a time; shape (tokens, WIDTH)."""
    get = {name: values.astype(np.float64) for name, values in weights.items()}

    def dense(vector: Array, name: str) -> Array:
        return np.asarray(get[f"{name}.weight"] @ vector + get[f"{name}.bias"])

    def norm(vector: Array, name: str) -> Array:
        scaled = (vector - vector.mean()) / math.sqrt(vector.var() + 1e-12)
        return np.asarray(scaled * get[f"{name}.weight"] + get[f"{name}.bias"])

    words, places = get["embeddings.word_embeddings.weight"], get["embeddings.position_embeddings.weight"]
    kinds = get["embeddings.token_type_embeddings.weight"]
    states = [
        norm(words[token] + places[first_position + i] + kinds[0], "embeddings.LayerNorm")
        for i, token in enumerate(ids)
    ]
    size = WIDTH // HEADS
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}"
        query, key, value = (
            [dense(state, f"{start}.attention.self.{part}") for state in states] for part in ("query", "key", "value")
        )
        following = []
        for i, state in enumerate(states):
            heads = []
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                scores = np.exp([query[i][part] @ other[part] / math.sqrt(size) for other in key])
                heads.append(sum(s * v[part] for s, v in zip(scores / scores.sum(), value, strict=True)))
            attended = norm(
                state + dense(np.concatenate(heads), f"{start}.attention.output.dense"),
                f"{start}.attention.output.LayerNorm",
            )
            inner = dense(attended, f"{start}.intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
            following.append(norm(attended + dense(inner, f"{start}.output.dense"), f"{start}.output.LayerNorm"))
        states = following
    return np.array(states)


def write_graph(folder: Path, table: Array, output: str = "last_hidden_state") -> None:
    """An ONNX folder whose token states are rows of the table; the protocol buffers are written by hand."""
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    config = {"model_type": "bert", "hidden_size": table.shape[1], "max_position_embeddings": POSITIONS}
    (folder / "config.json").write_text(json.dumps(config))
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, output) + _text(4, "Gather")
    tensor = b"".join(_number(1, size) for size in table.shape) + _number(2, 1) + _text(8, "table")
    tensor += _bytes(9, table.astype("<f4").tobytes())
    graph = _bytes(1, node) + _text(2, "tiny") + _bytes(5, tensor)
    graph += _bytes(11, _value("input_ids", 7, 2)) + _bytes(11, _value("attention_mask", 7, 2))
    graph += _bytes(12, _value(output, 1, 3))
    model = _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 17))
    (folder / "onnx" / "model.onnx").write_bytes(model)


def _value(name: str, element: int, axes: int) -> bytes:
    shape = b"".join(_bytes(1, _text(2, f"{name}{axis}")) for axis in range(axes))
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, element) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
