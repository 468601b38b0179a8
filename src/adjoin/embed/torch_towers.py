"""The two towers of a joint model of transformers, run by PyTorch."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import TYPE_CHECKING, Any

from adjoin.embed.images.preparation import of_processor
from adjoin.embed.images.torch_network import digest_of, package, torch_image_embedder, torch_itself, unfit
from adjoin.embed.own_function import FunctionEmbedder
from adjoin.errors import NotFound, Unsupported

if TYPE_CHECKING:
    from adjoin.embed.base import Embedder


def torch_towers(name: str) -> tuple[Embedder, Embedder]:
    """(of texts, of pictures). name: of the hub, or a folder's path. The model is loaded now.

    Raises MissingExtra, NotFound for a model that is not there, Unsupported for one without the two.
    """
    transformers, torch = package("transformers", name), torch_itself()
    try:
        network = transformers.AutoModel.from_pretrained(name).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        said = transformers.AutoImageProcessor.from_pretrained(name).to_dict()
    except ImportError as exc:
        raise unfit("transformers", exc) from exc
    except Exception as exc:  # of transformers, of the hub, of the file system
        raise NotFound(f"transformers cannot load {name!r}: {exc}") from exc
    if not (hasattr(network, "get_text_features") and hasattr(network, "get_image_features")):
        raise Unsupported(
            f"transformers:{name} is a {type(network).__name__}, which does not put texts beside pictures."
        )
    config = network.config.get_text_config()
    padded = "max_length" if str(network.config.model_type).startswith("siglip") else False

    def read(texts: list[str]) -> Any:
        found = []
        with torch.inference_mode():
            for text in texts:
                tokens = tokenizer(
                    unicodedata.normalize("NFC", text), return_tensors="pt", truncation=True, padding=padded,
                    max_length=config.max_position_embeddings,
                )  # fmt: skip
                out = network.get_text_features(**tokens)
                vector = (out if isinstance(out, torch.Tensor) else out.pooler_output)[0].float()
                found.append((vector / vector.norm().clamp_min(1e-12)).numpy())
        return found

    class Sees(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pixels: Any) -> Any:
            return network.get_image_features(pixel_values=pixels)

    kind = f"transformers:{network.config.model_type}"  # not where it lies: what it is follows from its weights
    version = f"{digest_of(network)} {_digest_of_tokenizer(tokenizer)}"  # before it reads, which changes what it says of itself
    texts = FunctionEmbedder(read, dim=len(read(["a"])[0]), name=kind, version=version)
    return texts, torch_image_embedder(model=Sees(), model_name=kind, **{"fit": "squeeze"} | of_processor(said))


def _digest_of_tokenizer(tokenizer: Any) -> str:
    """SHA-256 over all that it is, or over its vocabulary where it is written in Python."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    told = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    return hashlib.sha256(told.encode()).hexdigest()
