"""Pictures through any network of PyTorch: by a name of timm, torchvision or transformers, or a module at hand."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed.contents import Lazy
from adjoin.embed.identity import Identity
from adjoin.embed.images.base import Describe, ImageEmbedder
from adjoin.embed.images.preparation import Preparation, merged, of_processor, preparation_of, prepared_size
from adjoin.errors import AdjoinError, InvalidOption, MissingExtra, NotFound, Unsupported

if TYPE_CHECKING:
    from adjoin.embed.images.preparation import Channels, Fit, Resample
    from adjoin.types import Floats

SOURCES: Final = ("timm", "torchvision", "transformers")


def torch_image_embedder(
    *,
    model: Any,
    size: int | Sequence[int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    scale: float | None = None,
    fit: Fit | None = None,
    resize: int | None = None,
    resample: Resample | None = None,
    channels: Channels | None = None,
    pretrained: bool = True,
    normalize: bool = True,
    model_name: str | None = None,
    workers: int | None = None,
) -> ImageEmbedder:
    """A network of PyTorch without its last layer: its features, of unit length.

    model: `timm:NAME`, `torchvision:NAME`, `transformers:NAME` (or a folder behind it), whose weights those packages bring;
    or a torch.nn.Module that takes (1, 3, height, width) and gives a vector, a map or tokens, which are pooled by mean.
    size, mean, std, scale, fit, resize, resample, channels: how a picture is prepared, see `Preparation`. What
    the model says of itself is taken where an option is not given, else ImageNet's usual ones, cropped.
    pretrained: False takes untrained weights, always the same ones for a version of PyTorch. model_name: what to call a module
    of your own. workers: pictures at once; PyTorch uses several threads for each, so one if None.
    Raises MissingExtra, NotFound for a model that is not there, Unsupported for one that gives no features, InvalidOption.
    """
    given = {
        "size": size,
        "mean": mean,
        "std": std,
        "scale": scale,
        "fit": fit,
        "resize": resize,
        "resample": resample,
        "channels": channels,
    }
    _ = merged({}, given)  # a wrong option is told here, not by the first embed
    source, known = (None, None) if not isinstance(model, str) else _split(model)
    torch_itself()
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
            "torch-image", _told(network, model, source, model_name),
            len(_describer(network, preparation, normalize)(blank)), weights=digest_of(network), pooling="mean",
            normalize=normalize, settings=preparation.to_settings(),
        )  # fmt: skip

    return ImageEmbedder(identity, load, workers=workers or 1)


def _told(network: Any, model: Any, source: str | None, model_name: str | None) -> str:
    """What the identity calls the model: never a folder's path, for the model is the same elsewhere."""
    if source == "transformers":
        return f"{source}:{network.config.model_type}"
    return model if isinstance(model, str) else model_name or type(network).__name__


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
    torch = torch_itself()
    own: dict[str, Any] = {}
    if source is None or name is None:
        if not isinstance(model, torch.nn.Module):
            raise InvalidOption(f"model is a name or a torch.nn.Module, not a {type(model).__name__}.")
        network = model
    else:
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                network, own = _READERS[source](name, pretrained)
        except AdjoinError:
            raise
        except ImportError as exc:  # transformers imports what a model needs when it is asked for
            raise unfit(source, exc) from exc
        except Exception as exc:  # each of the three has its own errors for a name, a file, or a hub that is not there
            raise NotFound(f"{source} cannot load {name!r}: {exc}") from exc
    wanted = merged({"size": 224, "fit": "crop"} | own, given)
    return network.eval(), preparation_of(wanted, prepared_size(wanted["size"]))


def _of_timm(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    timm = package("timm", name)
    network = timm.create_model(name, pretrained=pretrained, num_classes=0)
    said = timm.data.resolve_model_data_config(network)
    own = {
        "size": list(said["input_size"][1:]),
        "mean": said["mean"],
        "std": said["std"],
        "resample": said["interpolation"],
    }
    shorter = math.floor(min(own["size"]) / said["crop_pct"])
    if said["crop_mode"] == "squash":
        return network, own | {"fit": "squeeze"}
    if own["size"][0] != own["size"][1]:
        return network, own  # the crop's share means another thing for each side
    return network, own | {"resize": shorter}


def _of_torchvision(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    models = package("torchvision", name).models
    try:
        maker, weights = models.get_model_builder(name), models.get_model_weights(name).DEFAULT
    except ValueError as exc:
        raise NotFound(f"torchvision has no network {name!r}.") from exc
    if name not in models.list_models(module=models):
        raise Unsupported(f"torchvision:{name} finds or divides things; take a network that classifies pictures.")
    said = weights.transforms()
    built = {"weights": weights if pretrained else None}
    if not pretrained and name.startswith("vit"):  # built for one size, which only trained weights bring with them
        built["image_size"] = said.crop_size[0]
    network = maker(**built)
    own = {"size": said.crop_size[0], "resize": said.resize_size[0], "mean": said.mean, "std": said.std,
           "resample": said.interpolation.value}  # fmt: skip
    return _without_last_layer(network), own


def _without_last_layer(network: Any) -> Any:
    torch = torch_itself()
    for head in ("fc", "classifier", "head", "heads"):  # where torchvision's families keep their last layer
        layers = getattr(network, head, None)
        if isinstance(layers, torch.nn.Linear):
            setattr(network, head, torch.nn.Identity())
            return network
        if isinstance(layers, torch.nn.Sequential) and isinstance(layers[-1], torch.nn.Linear):
            layers[-1] = torch.nn.Identity()
            return network
    return network.features  # SqueezeNet's last layer is a convolution: the map before it


def _of_transformers(name: str, pretrained: bool) -> tuple[Any, dict[str, Any]]:
    transformers = package("transformers", name)
    if pretrained:
        network = transformers.AutoModel.from_pretrained(name)
    else:
        network = transformers.AutoModel.from_config(transformers.AutoConfig.from_pretrained(name))
    network = getattr(network, "vision_model", network)  # a joint model's half that sees
    if getattr(network, "main_input_name", "pixel_values") != "pixel_values":
        raise Unsupported(f"transformers:{name} takes {network.main_input_name}, not pictures.")
    try:
        said = transformers.AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError):  # the model comes without one
        return network, {"size": getattr(network.config, "image_size", 224)}
    return network, {"fit": "squeeze"} | of_processor(said.to_dict())


_READERS: Final[dict[str, Callable[[str, bool], tuple[Any, dict[str, Any]]]]] = {
    "timm": _of_timm, "torchvision": _of_torchvision, "transformers": _of_transformers,
}  # fmt: skip


def package(source: str, name: str) -> Any:
    """The package whose network is named. Raises MissingExtra, and Unsupported where it does not go with this PyTorch."""
    try:
        return import_module(source)
    except ImportError as exc:
        raise MissingExtra.of(source, "torch", f"The network {source}:{name}") from exc
    except RuntimeError as exc:  # torchvision's compiled part, which timm needs too, is of another build of PyTorch
        raise unfit(source, exc) from exc


def unfit(package: str, exc: Exception) -> Unsupported:
    return Unsupported(
        f"{package} is installed, but does not go with this PyTorch ({exc}). Install torch and torchvision of one build, "
        "such as both from PyTorch's index for CPUs, or export the network to ONNX."
    )


def _describer(network: Any, preparation: Preparation, normalize: bool) -> Describe:
    torch = torch_itself()

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


def digest_of(network: Any) -> str:
    """SHA-256 over the names and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch_itself().uint8).numpy().tobytes())
    return digest.hexdigest()


def torch_itself() -> Any:
    try:
        import torch
    except ImportError as exc:
        raise MissingExtra.of("torch", "torch", "A network of PyTorch") from exc
    return torch
