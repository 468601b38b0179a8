"""Vectors in fewer bits: signs alone, or whole numbers of one byte. They stay float32 arrays, of other numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from adjoin.errors import InvalidOption

if TYPE_CHECKING:
    from adjoin.types import Floats, Metric

Output: TypeAlias = Literal["float32", "int8", "binary"]
OUTPUTS: tuple[Output, ...] = get_args(Output)


def check_output(output: str) -> None:
    if output not in OUTPUTS:
        raise InvalidOption.unknown("output", output, OUTPUTS)


def metric_of(output: str) -> Metric:
    """By what a collection compares vectors of that output where no metric is named."""
    return "hamming" if output == "binary" else "cosine"


def rounded(vectors: Floats, output: str) -> Floats:
    """vectors: (…, dim). `int8`: whole numbers from -127 to 127, each vector by a scale of its own, so that its direction
    is kept to about 1/127 of its largest component; a collection with storage="int8" then loses nothing more. `binary`: 1
    where a component is above 0, else 0, for metric="hamming". `float32`: as they are.
    """
    import numpy as np

    if output == "binary":
        return (vectors > 0).astype(np.float32)
    if output == "int8":
        largest = np.abs(vectors).max(axis=-1, keepdims=True, initial=0)
        return np.rint(vectors / np.where(largest > 0, largest, 1) * 127).astype(np.float32)
    return vectors
