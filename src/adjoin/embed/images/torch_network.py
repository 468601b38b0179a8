"""Pictures through any network of PyTorch: by a name of timm, torchvision or transformers, or a module at hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.contents import Lazy
from adjoin.embed.identity import Identity
from adjoin.embed.images.base import Describe, ImageEmbedder
from adjoin.embed.images.network import Channels, Fit, Preparation, prepared_size, three_numbers
from adjoin.errors import AdjoinError, InvalidOption, MissingExtra, NotFound, Unsupported

if TYPE_CHECKING:
    from adjoin.types import Floats

SOURCES: Final = ("timm", "torchvision", "transformers")
_IMAGENET: Final = Preparation((224, 224), fit="crop")


def torch_image_embedder(
    *,
    model: Any,
    size: int | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    fit: Fit | None = None,
    channels: Channels | None = None,
    pretrained: bool = True,
    normalize: bool = True,
    model_name: str | None = None,
    workers: int | None = None,
) -> ImageEmbedder:
    """A network of PyTorch without its last layer: its features, of unit length.

    model: `timm:NAME`, `torchvision:NAME`, `transformers:NAME` (or a folder behind it), whose weights those packages bring;
    or a torch.nn.Module that takes (1, 3, height, width) and gives a vector, a map or tokens, which are pooled by mean.
    size, mean, std, fit, channels: how a picture is prepared (`network.Preparation`, values from 0 to 1); what the model says
    of itself where an option is not given, else ImageNet's usual ones.
    pretrained: False takes the seeded beginnings instead of trained weights. model_name: what to call a module of your own.
    workers: pictures at once; PyTorch uses several threads for each, so one if None.
    Raises MissingExtra, NotFound for a model that is not there, InvalidOption.
    """
    given = {"size": size, "mean": mean, "std": std, "fit": fit, "channels": channels}
    source, known = (None, None) if not isinstance(model, str) else _split(model)
    _torch()
    held: Lazy[tuple[Any, Preparation]] = Lazy(lambda: _loaded(model, source, known, pretrained, given))

    def load() -> Describe:
        network, preparation = held.get()
        return _describer(network, preparation, normalize)

    def identity() -> Identity:
        network, preparation = held.get()
        import numpy as np
        from PIL import Image

        blank = Image.fromarray(np.full((8, 8, 3), 128, np.uint8))
        return Identity(
            "torch-image", model if isinstance(model, str) else model_name or type(network).__name__,
            len(_describer(network, preparation, normalize)(blank)), weights=_weights(network), pooling="mean",
            normalize=normalize, settings=preparation.to_settings(),
        )  # fmt: skip

    return ImageEmbedder(identity, load, workers=workers or 1)


def _split(model: str) -> tuple[str, str]:
    source, _, name = model.partition(":")
    if source not in SOURCES or not name:
        raise InvalidOption(
            f"model={model!r} names no network: write {', '.join(f'{each}:NAME' for each in SOURCES)}, "
            "or pass a torch.nn.Module."
        )
    return source, name


def _loaded(
    model: Any, source: str | None, name: str | None, pretrained: bool, given: dict[str, Any]
) -> tuple[Any, Preparation]:
    torch = _torch()
    own: dict[str, Any] = {}
    if source is None or name is None:
        if not isinstance(model, torch.nn.Module):
            raise InvalidOption(f"model is a name or a torch.nn.Module, not a {type(model).__name__}.")
        network = model
    else:
        try:
            network, own = _READERS[source](name, pretrained)
        except AdjoinError:
            raise
        except Exception as exc:  # each of the three has its own errors for a name, a file, or a hub that is not there
            raise NotFound(f"{source} cannot load {name!r}: {exc}") from exc
    chosen = own | {key: value for key, value in given.items() if value is not None}
    preparation = Preparation(
        size=prepared_size(chosen.get("size", 224)),
        mean=three_numbers("mean", chosen.get("mean", _IMAGENET.mean)),
        std=three_numbers("std", chosen.get("std", _IMAGENET.std)),
        channels=chosen.get("channels", "rgb"),
        fit=chosen.get("fit", "crop"),
    )
    return network.eval(), preparation


def _of_timm(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    timm = _package("timm", name)
    network = timm.create_model(name, pretrained=pretrained, num_classes=0)
    own = timm.data.resolve_model_data_config(network)
    return network, {"size": list(own["input_size"][1:]), "mean": own["mean"], "std": own["std"]}


def _of_torchvision(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    torchvision = _package("torchvision", name)
    torch = _torch()
    network = torchvision.models.get_model(name, weights="DEFAULT" if pretrained else None)
    for head in ("fc", "classifier", "head", "heads"):  # where torchvision's families keep their last layer
        if hasattr(network, head):
            setattr(network, head, torch.nn.Identity())
            return network, {}
    raise Unsupported(f"torchvision:{name} has no last layer that is known here. Pass the module without it.")


def _of_transformers(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    transformers = _package("transformers", name)
    if pretrained:
        network = transformers.AutoModel.from_pretrained(name)
    else:
        network = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(name))
    network = getattr(network, "vision_model", network)  # a joint model's half that sees
    try:
        seen = transformers.AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError):
        return network, {"size": getattr(network.config, "image_size", 224)}
    size = getattr(seen, "crop_size", None) or seen.size
    sides = size.get("shortest_edge") or [size["height"], size["width"]]
    return network, {"size": sides, "mean": seen.image_mean, "std": seen.image_std}


_READERS: Final[dict[str, Callable[[str, bool], tuple[Any, dict[str, Any]]]]] = {
    "timm": _of_timm, "torchvision": _of_torchvision, "transformers": _of_transformers,
}  # fmt: skip


def _package(package: str, name: str) -> Any:
    try:
        return import_module(package)
    except ImportError as exc:
        raise MissingExtra.of(package, "torch", f"The network {package}:{name}") from exc


def _describer(network: Any, preparation: Preparation, normalize: bool) -> Describe:
    torch = _torch()

    def describe(image: Any) -> Floats:
        with torch.inference_mode():
            out = network(torch.from_numpy(preparation.apply(image)[None]))
            if not isinstance(out, torch.Tensor):
                pooled = getattr(out, "pooler_output", None)
                out = pooled if pooled is not None else out.last_hidden_state
            if out.ndim == 4:
                out = out.mean((2, 3))
            elif out.ndim == 3:
                out = out.mean(1)
            vector = out.reshape(-1).float()
            if normalize:
                vector = vector / vector.norm().clamp_min(1e-12)
            found: Floats = vector.numpy()
            return found

    return describe


def _weights(network: Any) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(_torch().uint8).numpy().tobytes())
    return digest.hexdigest()


def _torch() -> Any:
    try:
        import torch
    except ImportError as exc:
        raise MissingExtra.of("torch", "torch", "A network of PyTorch") from exc
    return torch
