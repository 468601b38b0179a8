"""torchvision beside a PyTorch for CPUs.

PyPI has torchvision only as a build for GPUs. Its networks are Python and run on any PyTorch; its compiled part does not load
there, and its import ends at two operators that it does not find, which no network calls that classifies. They are declared here.
"""

from __future__ import annotations

from typing import Any

_DECLARED: list[Any] = []  # PyTorch forgets a library that nobody holds


def declare() -> None:
    import torch

    if _DECLARED or "+cpu" not in torch.__version__:
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
