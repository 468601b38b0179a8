"""Makes a float32 ONNX graph smaller by its weights alone: what is computed stays float32.

Matrices become int8 with one scale for each row (output channel), the rest float16; the graph unpacks them, which ONNX
Runtime does once when it loads. So a vector depends on its item alone, unlike with dynamic int8, whose scale of the
activations comes from all that is in a call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 64  # weights fewer than these stay as they are
Array = np.ndarray[Any, np.dtype[Any]]


def packed(model: onnx.ModelProto, form: str = "int8") -> onnx.ModelProto:
    """A copy with small weights. form: `int8`, or `float16` for all."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    graph = model.graph
    unpacking: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        name = tensor.name
        if values.dtype != np.float32 or values.size < SMALLEST:
            tensors.append(tensor)
        elif form == "int8" and _is_matrix(values):
            scales, whole = _rows(values)
            tensors += [
                numpy_helper.from_array(whole, f"{name}:int8"),
                numpy_helper.from_array(scales, f"{name}:scale"),
            ]
            unpacking += [
                helper.make_node("Cast", [f"{name}:int8"], [f"{name}:float"], to=TensorProto.FLOAT),
                helper.make_node("Mul", [f"{name}:float", f"{name}:scale"], [name]),
            ]
        else:
            tensors.append(numpy_helper.from_array(values.astype(np.float16), f"{name}:half"))
            unpacking.append(helper.make_node("Cast", [f"{name}:half"], [name], to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(unpacking + nodes)
    graph.initializer.extend(tensors)
    onnx.checker.check_model(model)
    return model


def _is_matrix(values: Array) -> bool:
    """Many inputs for each output. Depthwise kernels have 9 or 25: rounding them hurts most, and they are few."""
    return values.ndim >= 2 and int(np.prod(values.shape[_row_axes(values) :])) > 25


def _row_axes(values: Array) -> int:
    """How many leading axes name a row: one for a convolution; two for an LSTM's (directions, rows, inputs)."""
    return 2 if values.ndim == 3 else 1


def _rows(values: Array) -> tuple[Array, Array]:
    axes = tuple(range(_row_axes(values), values.ndim))
    scales = np.abs(values).max(axis=axes, keepdims=True) / 127
    scales = np.where(scales == 0, 1, scales).astype(np.float32)
    return scales, np.rint(values / scales).clip(-127, 127).astype(np.int8)
