"""Text encoders from the Hugging Face hub: brought to its cache once, then a folder like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adjoin.embed.folder import GRAPHS, folder_embedder
from adjoin.embed.static import StaticEmbedder, is_static
from adjoin.embed.text import TextEmbedder
from adjoin.errors import InvalidOption, MissingExtra, NotFound

SMALL = ("*.json", "1_Pooling/config.json")
STATIC = ("model.safetensors", "0_StaticEmbedding/*")
ONNX = tuple(pattern for graph in GRAPHS for pattern in (graph, f"{graph}_data*", f"{graph}.data*"))
SAFETENSORS = ("model*.safetensors",)


def hub_embedder(name: str, **options: Any) -> TextEmbedder | StaticEmbedder:
    """`hf:ORG/NAME[@revision]`; the options are those of a folder.

    Downloads what is missing in the hub's cache: the small files and the graph, or safetensors where there is no graph.
    With HF_HUB_OFFLINE=1 only the cache is read.
    Raises MissingExtra without huggingface_hub, NotFound when the model cannot be had.
    """
    return folder_embedder(_snapshot(*_split(name)), name=name, **options)


def hub_folder(name: str, patterns: tuple[str, ...]) -> Path:
    """The hub's cache of `hf:ORG/NAME[@revision]` with the files that the patterns mean. Raises as `hub_embedder`."""
    repository, revision = _split(name)
    return _download(repository, revision, (*SMALL, *patterns))


def _split(name: str) -> tuple[str, str | None]:
    repository, _, revision = name.removeprefix("hf:").partition("@")
    if not repository.strip("/"):
        raise InvalidOption(f"{name!r} names no model. Write hf:ORG/NAME, or hf:ORG/NAME@REVISION.")
    return repository, revision or None


def _snapshot(repository: str, revision: str | None) -> Path:
    folder = _download(repository, revision, (*SMALL, *ONNX))
    if is_static(folder):  # which may have a graph too
        folder = _download(repository, revision, (*SMALL, *STATIC))
    elif not any((folder / graph).is_file() for graph in GRAPHS):
        folder = _download(repository, revision, (*SMALL, *SAFETENSORS))
    return folder


def _download(repository: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as exc:
        raise MissingExtra.of("huggingface_hub", "hub", f"the embedder 'hf:{repository}'") from exc
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(patterns)))
    except (
        Exception
    ) as exc:  # its own errors, the file system's, and those of an HTTP library that changes with its version
        raise NotFound(
            f"the model {repository!r}{f' at {revision!r}' if revision else ''} cannot be had from the hub or its cache: "
            f"{' '.join(str(exc).split()).rstrip('.')}. Check the name and the network, or give the path of a folder that holds it."
        ) from exc
