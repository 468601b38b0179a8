"""BERT's forward pass in NumPy: for folders that have safetensors weights and no ONNX graph.

Right first: it takes two to four times as long as ONNX Runtime does, so export a graph where that matters.
Source: Devlin et al., "BERT", 2019; RoBERTa's positions as in Liu et al., 2019.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from adjoin.errors import UnreadableFile, Unsupported

if TYPE_CHECKING:
    from adjoin.embed.tokens import Ids
    from adjoin.types import Floats

FAMILIES = {"bert": False, "roberta": True, "xlm-roberta": True, "camembert": True}
"""model_type → whether positions begin after the padding id, as RoBERTa's do."""


class BertEncoder:
    """Token states from token ids, one text a call."""

    pools = False

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Floats]) -> None:
        """Raises Unsupported for another architecture, UnreadableFile for a tensor that is missing."""
        family = config.get("model_type")
        relative = config.get("position_embedding_type", "absolute") != "absolute"
        if family not in FAMILIES or relative or config.get("hidden_act", "gelu") not in ACTIVATIONS:
            raise Unsupported(
                f"safetensors weights of the model type {family!r}"
                + (" with relative positions" if relative else "")
                + f" cannot be run; these can: {', '.join(FAMILIES)}. Put an ONNX graph into the folder as onnx/model.onnx: "
                "pip install 'optimum[onnxruntime]' && optimum-cli export onnx --model FOLDER FOLDER/onnx"
            )
        self._tensors = {_plain(name): values for name, values in tensors.items()}
        self._heads = int(config["num_attention_heads"])
        self._layers = int(config["num_hidden_layers"])
        self._epsilon = float(config.get("layer_norm_eps", 1e-12))
        self._first_position = int(config.get("pad_token_id", 1)) + 1 if FAMILIES[family] else 0
        self._activation = ACTIVATIONS[config.get("hidden_act", "gelu")]

    def states(self, ids: Ids) -> Floats:
        return self.encode(ids)

    def encode(self, ids: Ids) -> Floats:
        """ids: shape (tokens,). Returns shape (tokens, dim)."""
        start = self._first_position
        states = (
            self._get("embeddings.word_embeddings.weight")[ids]
            + self._get("embeddings.position_embeddings.weight")[start : start + len(ids)]
            + self._get("embeddings.token_type_embeddings.weight")[0]
        )
        states = self._norm(states, "embeddings.LayerNorm")
        for layer in range(self._layers):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Floats, name: str) -> Floats:
        attended = self._linear(self._attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self._norm(states + attended, f"{name}.attention.output.LayerNorm")
        inner = self._activation(self._linear(states, f"{name}.intermediate.dense"))
        return self._norm(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, states: Floats, name: str) -> Floats:
        import numpy as np

        tokens, dim = states.shape
        query, key, value = (
            self._linear(states, f"{name}.{part}").reshape(tokens, self._heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )  # each (heads, tokens, dim / heads)
        scores = query @ key.swapaxes(1, 2) / np.float32(math.sqrt(dim // self._heads))  # (heads, tokens, tokens)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed: Floats = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return mixed.swapaxes(0, 1).reshape(tokens, dim)

    def _linear(self, states: Floats, name: str) -> Floats:
        return states @ self._get(f"{name}.weight").T + self._get(f"{name}.bias")

    def _norm(self, states: Floats, name: str) -> Floats:
        import numpy as np

        centred = states - states.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(self._epsilon))
        normed: Floats = centred / scale * self._get(f"{name}.weight") + self._get(f"{name}.bias")
        return normed

    def _get(self, name: str) -> Floats:
        try:
            return self._tensors[name]
        except KeyError:
            raise UnreadableFile(
                f"the safetensors weights lack the tensor {name!r}, which a BERT encoder has."
            ) from None


def _plain(name: str) -> str:
    """Without the prefix that a model with a head puts before the encoder's names, and in today's names."""
    for start in ("embeddings.", "encoder."):
        at = name.find(start)
        if at >= 0:
            name = name[at:]
            break
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _gelu(states: Floats) -> Floats:
    import numpy as np

    result: Floats = np.float32(0.5) * states * (1 + _erf(states * np.float32(math.sqrt(0.5))))
    return result


def _gelu_tanh(states: Floats) -> Floats:
    import numpy as np

    inner = np.float32(math.sqrt(2 / math.pi)) * (states + np.float32(0.044715) * states**3)
    result: Floats = np.float32(0.5) * states * (1 + np.tanh(inner))
    return result


def _relu(states: Floats) -> Floats:
    import numpy as np

    return np.maximum(states, np.float32(0))


def _erf(x: Floats) -> Floats:
    """Within 1.5e-7. Source: Abramowitz and Stegun, formula 7.1.26."""
    import numpy as np

    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    powers = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    result: Floats = np.sign(x) * (1 - powers * np.exp(-x * x))
    return result.astype(np.float32)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": _relu,
}
