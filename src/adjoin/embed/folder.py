"""Text encoders from a folder in the layout of Hugging Face and sentence-transformers.

Read: config.json, tokenizer.json, and weights as model.onnx, onnx/model.onnx or model*.safetensors. Where they are
there: modules.json, 1_Pooling/config.json, config_sentence_transformers.json, sentence_bert_config.json,
tokenizer_config.json.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from adjoin.embed.hashes import sha256
from adjoin.embed.identity import ARCHITECTURE, Identity
from adjoin.embed.rounding import Output, check_output
from adjoin.embed.static import StaticEmbedder, is_static, static_folder
from adjoin.embed.text import DEFAULT_MAX_TOKENS, POOLINGS, Parts, Pooling, TextEmbedder
from adjoin.errors import InvalidOption, NotFound, UnreadableFile, Unsupported
from adjoin.types import Kind

if TYPE_CHECKING:
    from adjoin.embed.text import Encoder

CLIP_TOKENS = 77
OPTIONS = ("pooling", "prompts", "max_tokens", "dim", "output", "workers")
GRAPHS = ("model.onnx", "onnx/model.onnx")
POOLING_MODES: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "last",
    "mean": "mean",
    "cls": "cls",
    "lasttoken": "last",
}
"""How 1_Pooling/config.json names them: a switch for each, or one name in newer files."""
PROMPT_NAMES: dict[Kind, tuple[str, ...]] = {"document": ("document", "passage", "corpus"), "query": ("query",)}
_NOT_OF_THE_NETWORK = {
    "_name_or_path",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "architectures",
    "id2label",
    "label2id",
}
PLAIN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the folder's files say, with the caller's options over it."""

    config: Mapping[str, Any]
    pooling: Pooling
    prompts: Mapping[str, str]
    normalize: bool
    max_tokens: int
    dim: int


def folder_embedder(
    folder: Path,
    *,
    name: str | None = None,
    pooling: Pooling | None = None,
    prompts: Mapping[str, str] | None = None,
    max_tokens: int | None = None,
    dim: int | None = None,
    output: Output = "float32",
    workers: int | None = None,
) -> TextEmbedder | StaticEmbedder:
    """The encoder in that folder. Its files are hashed when its identity is first asked for.

    name: what reopens it; the folder's path if None. pooling: mean, cls or last. prompts: `document` and `query` → text
    put before each item. max_tokens: cut longer texts. dim: keep the first numbers only (for Matryoshka models).
    output: "float32", "int8" or "binary" (for metric="hamming"); see `rounding.rounded`.
    workers: texts at once; the cores for a graph, 1 for safetensors, whose NumPy uses the cores itself.
    A static model, in the layout of Model2Vec or sentence-transformers, has neither pooling nor prompts nor workers.
    Raises NotFound for a file that is missing, InvalidOption, and Unsupported for modules that are not known.
    """
    check_output(output)
    if is_static(folder):
        _refuse_for_static(pooling=pooling, prompts=prompts, workers=workers)
        return static_folder(folder, name=name, dim=dim, max_tokens=max_tokens)
    weights = _weights(folder)
    settings = _settings(folder, pooling, prompts, max_tokens, dim)

    def identity() -> Identity:
        return Identity(
            name=name or str(folder.resolve()),
            model=str(settings.config.get("model_type", "encoder")),
            dim=settings.dim,
            weights=sha256(*weights),
            tokenizer=sha256(folder / "tokenizer.json"),
            pooling=settings.pooling,
            prompts=settings.prompts,
            normalize=settings.normalize,
            max_tokens=settings.max_tokens,
            settings=({} if output == "float32" else {"output": output}) | _architecture(weights, settings.config),
        )

    if workers is None and weights[0].suffix == ".safetensors":
        workers = 1
    parts = Parts(folder / "tokenizer.json", lambda: _encoder(weights, settings, pooling))
    return TextEmbedder(identity, parts, workers=workers)


def text_tower(folder: Path, graph: Path, name: str) -> TextEmbedder:
    """The half that reads texts, of a model in the layout of Hugging Face whose other half sees pictures.

    graph: the half's own file, with the projected vector as `text_embeds`. Raises NotFound, UnreadableFile, Unsupported.
    """
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).is_file():
            raise NotFound(f"{folder} has no {needed}, which a joint model's folder has in the layout of Hugging Face.")
    config = _json(folder / "config.json")
    if str(config.get("model_type", "")).startswith("siglip"):
        raise Unsupported(f"{folder} is {config['model_type']}, which reads texts padded to one length. Take a CLIP.")
    reads = config.get("text_config") or {}
    dim = int(config.get("projection_dim") or 0)
    if not dim:
        raise UnreadableFile(f"{folder / 'config.json'} does not say projection_dim.")
    most = int(reads.get("max_position_embeddings") or CLIP_TOKENS)
    weights = _with_data(graph)

    def identity() -> Identity:
        return Identity(
            name=name, model=str(config.get("model_type", "joint")), dim=dim, weights=sha256(*weights),
            tokenizer=sha256(folder / "tokenizer.json"), pooling="graph", normalize=True, max_tokens=most,
        )  # fmt: skip

    def load() -> Encoder:
        from adjoin.embed.onnx import OnnxEncoder

        encoder = OnnxEncoder(graph)
        if not encoder.pools:
            raise Unsupported(f"{graph} has no output text_embeds: export the text tower with its projection.")
        return encoder

    return TextEmbedder(identity, Parts(folder / "tokenizer.json", load))


def _architecture(weights: list[Path], config: Mapping[str, Any]) -> dict[str, str]:
    """What a config says of how the weights are put to use; a graph says so itself."""
    if weights[0].suffix == ".onnx":
        return {}
    told = {name: value for name, value in config.items() if name not in _NOT_OF_THE_NETWORK}
    return {ARCHITECTURE: hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()}


def _refuse_for_static(**options: object) -> None:
    for option, given in options.items():
        if given is not None:
            raise InvalidOption(f"a static model has no {option}; dim and max_tokens can be chosen.")


def _weights(folder: Path) -> list[Path]:
    """The files with the weights: a graph first, with its data beside it, else safetensors."""
    for needed in ("config.json", "tokenizer.json"):
        if not (folder / needed).is_file():
            raise NotFound(f"{folder} has no {needed}, which an encoder's folder has in the layout of Hugging Face.")
    for graph in GRAPHS:
        if (folder / graph).is_file():
            return _with_data(folder / graph)
    tensors = sorted(folder.glob("model*.safetensors"))
    if not tensors:
        raise NotFound(f"{folder} has no weights: none of {', '.join(GRAPHS)}, model.safetensors.")
    return tensors


def _with_data(graph: Path) -> list[Path]:
    beside = (sorted(graph.parent.glob(f"{graph.name}{mark}data*")) for mark in "_.")
    return [graph, *itertools.chain(*beside)]


def _settings(
    folder: Path,
    pooling: Pooling | None,
    prompts: Mapping[str, str] | None,
    max_tokens: int | None,
    dim: int | None,
) -> Settings:
    config = _json(folder / "config.json")
    width = int(config.get("hidden_size", 0) or config.get("dim", 0))
    if not width:
        raise UnreadableFile(f"{folder / 'config.json'} does not say hidden_size.")
    if dim is not None and not 1 <= dim <= width:
        raise InvalidOption(f"dim={dim} is not between 1 and the model's {width} dimensions.")
    if pooling is not None and pooling not in POOLINGS:
        raise InvalidOption.unknown("pooling", pooling, POOLINGS)
    for kind in prompts or {}:
        if kind not in get_args(Kind):
            raise InvalidOption.unknown("prompt", kind, get_args(Kind))
    most = _most_tokens(folder, config)
    if max_tokens is not None and not 3 <= max_tokens <= most:
        raise InvalidOption(f"max_tokens={max_tokens} is not between 3 and the {most} that the model can read.")
    return Settings(
        config,
        pooling or _pooling(folder),
        dict(prompts) if prompts is not None else _prompts(folder),
        _normalizes(folder),
        max_tokens or _usual_tokens(folder, most),
        dim or width,
    )


def _normalizes(folder: Path) -> bool:
    """Whether vectors are brought to unit length. Raises Unsupported for modules that would change them further."""
    path = folder / "modules.json"
    if not path.is_file():
        return True
    kinds = [str(module.get("type", "")).rsplit(".", 1)[-1] for module in json.loads(path.read_text(encoding="utf-8"))]
    other = [kind for kind in kinds if kind not in PLAIN_MODULES]
    if other:
        raise Unsupported(f"{path} names the modules {', '.join(other)}; only {', '.join(PLAIN_MODULES)} can be run.")
    return "Normalize" in kinds


def _pooling(folder: Path) -> Pooling:
    config = _json(folder / "1_Pooling" / "config.json")
    chosen = [mode for mode, on in config.items() if mode.startswith("pooling_mode") and on is True]
    if isinstance(config.get("pooling_mode"), str):
        chosen = [config["pooling_mode"]]
    if not chosen:
        return "mean"
    if len(chosen) > 1 or chosen[0] not in POOLING_MODES:
        raise Unsupported(
            f"{folder / '1_Pooling' / 'config.json'} asks for {', '.join(chosen)}; one of {', '.join(POOLING_MODES)} can be "
            "had. Choose one with pooling=."
        )
    return POOLING_MODES[chosen[0]]


def _prompts(folder: Path) -> dict[str, str]:
    given = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    found: dict[str, str] = {}
    for kind, names in PROMPT_NAMES.items():
        prompt = next((given[name] for name in names if given.get(name)), None)
        if prompt:
            found[kind] = prompt
    return found


def _most_tokens(folder: Path, config: Mapping[str, Any]) -> int:
    """What the positions allow; RoBERTa's begin after the padding id."""
    positions = int(config.get("max_position_embeddings", DEFAULT_MAX_TOKENS))
    offset = int(config.get("pad_token_id", 1)) + 1 if "roberta" in str(config.get("model_type")) else 0
    return positions - offset


def _usual_tokens(folder: Path, most: int) -> int:
    """What the model was made for: max_seq_length, or the tokenizer's length where there is none."""
    asked = _json(folder / "sentence_bert_config.json").get("max_seq_length")
    asked = asked or _json(folder / "tokenizer_config.json").get("model_max_length")
    return min(int(asked), most) if asked else most


def _encoder(weights: list[Path], settings: Settings, pooling: Pooling | None) -> Encoder:
    if weights[0].suffix == ".onnx":
        from adjoin.embed.onnx import OnnxEncoder

        encoder = OnnxEncoder(weights[0])
        if encoder.pools and pooling is not None:
            raise InvalidOption(f"{weights[0]} pools by itself, so pooling={pooling!r} cannot be had.")
        return encoder
    from adjoin.embed.bert import BertEncoder
    from adjoin.embed.safetensors import read_tensors

    return BertEncoder(settings.config, read_tensors(*weights))


def _json(path: Path) -> dict[str, Any]:
    """The object in the file; empty when there is none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise UnreadableFile(f"{path} is no JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise UnreadableFile(f"{path} holds {type(found).__name__}, not an object.")
    return found
