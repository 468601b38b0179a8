"""Small convolutional networks, two losses, and augmentation, in PyTorch, which is imported by what needs it."""

from __future__ import annotations

import functools
import io
import math
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Final

NETS: Final = ("vgg", "resnet")
LOSSES: Final = ("triplet", "supcon")


def build(net: str, *, channels: int, width: int, dim: int, mean: Any, deviation: Any) -> Any:
    """A network from bytes as floats (n, channels, side, side) to vectors of unit length (n, dim).

    vgg: three stages of two 3×3 convolutions, halved by maximum between them (Simonyan and Zisserman, ICLR 2015), with batch
    normalisation. resnet: a convolution and three stages of one residual block (He et al., CVPR 2016). Both end in the mean
    over the places, a linear layer, and normalisation of each number over the batch: without it a new network gives all
    pictures nearly the same vector, and the hardest triplets then pull all into one point.
    width: channels of the first stage, doubled by each next.
    mean, deviation: (channels,), of the bytes learned from.
    """
    from torch import nn

    body = _vgg(channels, width) if net == "vgg" else _resnet(channels, width)
    head = [
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, dim),
        nn.BatchNorm1d(dim, affine=False),
        _modules().Unit(),
    ]
    return nn.Sequential(_modules().Standardised(mean, deviation), *body, *head)


def _vgg(channels: int, width: int) -> list[Any]:
    from torch import nn

    layers: list[Any] = []
    for stage in range(3):
        wide = width * 2**stage
        layers += _convolution(channels, wide) + _convolution(wide, wide)
        if stage < 2:
            layers.append(nn.MaxPool2d(2))
        channels = wide
    return layers


def _resnet(channels: int, width: int) -> list[Any]:
    blocks = [
        _modules().Residual(width, width, 1),
        _modules().Residual(width, 2 * width, 2),
        _modules().Residual(2 * width, 4 * width, 2),
    ]
    return [*_convolution(channels, width), *blocks]


def _convolution(given: int, made: int) -> list[Any]:
    from torch import nn

    return [nn.Conv2d(given, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]


@functools.cache
def _modules() -> SimpleNamespace:
    """Classes of PyTorch's, made once PyTorch is needed."""
    import torch
    from torch import nn
    from torch.nn import functional

    class Residual(nn.Module):  # type: ignore[misc]  # torch is not seen by the type checker
        def __init__(self, given: int, made: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(given, made, 3, stride, 1, bias=False), nn.BatchNorm2d(made), nn.ReLU(),
                nn.Conv2d(made, made, 3, 1, 1, bias=False), nn.BatchNorm2d(made),
            )  # fmt: skip
            self.beside = nn.Identity()
            if given != made or stride != 1:
                self.beside = nn.Sequential(nn.Conv2d(given, made, 1, stride, bias=False), nn.BatchNorm2d(made))

        def forward(self, states: Any) -> Any:
            return functional.relu(self.body(states) + self.beside(states))

    class Standardised(nn.Module):  # type: ignore[misc]
        def __init__(self, mean: Any, deviation: Any) -> None:
            super().__init__()
            self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32).view(1, -1, 1, 1))
            self.register_buffer("deviation", torch.as_tensor(deviation, dtype=torch.float32).view(1, -1, 1, 1))

        def forward(self, pixels: Any) -> Any:
            return (pixels - self.mean) / self.deviation

    class Unit(nn.Module):  # type: ignore[misc]
        def forward(self, vectors: Any) -> Any:
            return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-6)

    return SimpleNamespace(Residual=Residual, Standardised=Standardised, Unit=Unit)


def triplet(vectors: Any, labels: Any, *, margin: float) -> Any:
    """Batch-hard triplet loss: for each item its farthest of the same label against its nearest of another, mean of
    max(0, margin + d(same) - d(other)), with Euclidean distances of unit vectors.

    Items without a partner or without a stranger in the batch do not count.
    Source: Schroff, Kalenichenko and Philbin, CVPR 2015; Hermans, Beyer and Leibe, 2017.
    """
    import torch
    from torch.nn import functional

    distances = (2 - 2 * vectors @ vectors.T).clamp_min(1e-9).sqrt()
    same = labels[:, None] == labels[None, :]
    partner = same & ~torch.eye(len(labels), dtype=torch.bool)
    farthest = distances.masked_fill(~partner, -1).max(dim=1).values
    nearest = distances.masked_fill(same, 9).min(dim=1).values
    counts = partner.any(dim=1) & (~same).any(dim=1)
    losses = functional.relu(margin + farthest - nearest)[counts]
    return losses.mean() if len(losses) else vectors.sum() * 0


def supcon(vectors: Any, labels: Any, *, temperature: float) -> Any:
    """Supervised contrastive loss, the form with the sum outside the logarithm: the mean over an item's partners of
    -log softmax of their cosine over temperature, among all others of the batch.

    Source: Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, equation 2.
    """
    import torch

    itself = torch.eye(len(labels), dtype=torch.bool)
    logits = (vectors @ vectors.T / temperature).masked_fill(itself, -math.inf)
    shares = logits - logits.logsumexp(dim=1, keepdim=True)
    partner = (labels[:, None] == labels[None, :]) & ~itself
    counts = partner.sum(dim=1)
    losses = -shares.masked_fill(~partner, 0).sum(dim=1)[counts > 0] / counts[counts > 0]
    return losses.mean() if len(losses) else vectors.sum() * 0


def augmented(pixels: Any, amounts: Mapping[str, float], generator: Any) -> Any:
    """Each picture shifted, scaled and cropped by chance, with its edge carried on where nothing is.

    shift: up to this share of the side, each way. scale: larger or smaller by up to 1 + scale. crop: a part with a side of
    1 - crop to 1 of the whole, from anywhere in it, is brought to the full size.
    """
    import torch
    from torch.nn import functional

    count = len(pixels)

    def chance(low: float, high: float, *shape: int) -> Any:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    part = 1 - chance(0, amounts["crop"])
    zoom = part * torch.exp(chance(-1, 1) * math.log1p(amounts["scale"]))
    moved = chance(-1, 1, 2) * (1 - part)[:, None] + chance(-1, 1, 2) * 2 * amounts["shift"]
    maps = torch.zeros(count, 2, 3)
    maps[:, 0, 0] = maps[:, 1, 1] = zoom
    maps[:, :, 2] = moved
    places = functional.affine_grid(maps, list(pixels.shape), align_corners=False)
    return functional.grid_sample(pixels, places, padding_mode="border", align_corners=False)


def exported(network: Any, channels: int, side: int) -> bytes:
    """The network as ONNX: `pixels` (n, channels, side, side) float32 of 0…255 → `vector` (n, dim)."""
    import torch

    target = io.BytesIO()
    network = network.eval()
    with warnings.catch_warnings():
        # The exporter that needs no further package is told to be of the past.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(2, channels, side, side),), target, input_names=["pixels"], output_names=["vector"],
            dynamic_axes={"pixels": {0: "n"}, "vector": {0: "n"}}, opset_version=17, dynamo=False,
        )  # fmt: skip
    network.eval()
    return target.getvalue()
