"""Finds an embedder by its name."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from adjoin.embed.base import Embedder
from adjoin.embed.saved import MANIFEST, family_of
from adjoin.errors import InvalidOption, NotFound, UnreadableFile


@dataclass(frozen=True, slots=True)
class Family:
    """Embedders of one kind, by one name.

    module: has the function `make`, which gives a new one, and `load_saved(path, **options)` where it can be saved.
    about: what it is for, in a few words. needs: modules beyond the base install. extra: what brings them.
    takes: what its items are. files: its folders in embed/models. ready: although it can be saved, it needs no data first.
    """

    module: str
    make: str
    about: str
    extra: str | None = None
    needs: tuple[str, ...] = ()
    load_saved: str | None = None
    takes: str = "text"
    languages: str = ""
    files: tuple[str, ...] = ()
    ready: bool = False


FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {
        "default": Family(
            "adjoin.embed.default",
            "default_embedder",
            "text by meaning, multilingual-e5-small",
            languages="Korean, English",
            files=("e5-small",),
        ),
        "records": Family(
            "adjoin.embed.records.embedder",
            "records_embedder",
            "dicts, rows and data frames, field by field",
            takes="record",
            extra="learn",
            needs=("sklearn",),
            load_saved="load_saved",
        ),
        "reduce": Family(
            "adjoin.embed.reduction",
            "reduced_embedder",
            "another embedder's vectors in fewer dimensions",
            extra="learn",
            needs=("sklearn",),
            load_saved="load_saved",
        ),
        "concat": Family(
            "adjoin.embed.compose", "concat_embedder", "several embedders' vectors of one item, side by side"
        ),
        "weighted": Family(
            "adjoin.embed.compose",
            "weighted_embedder",
            "several fields of one item, each by its embedder",
            takes="record",
        ),
        "joint": Family(
            "adjoin.embed.towers",
            "joint_embedder",
            "texts and pictures in one space, by two networks trained together",
            extra="images",
            needs=("PIL",),
            takes="image",
        ),
        "counts": Family(
            "adjoin.embed.vectorspace",
            "counts",
            "how often each term stands in a text",
            "learn",
            ("sklearn",),
            "load_space",
        ),
        "tfidf": Family(
            "adjoin.embed.vectorspace",
            "tfidf",
            "terms weighed by how rare they are",
            "learn",
            ("sklearn",),
            "load_space",
        ),
        "lsa": Family(
            "adjoin.embed.vectorspace", "lsa", "TF-IDF reduced to a few dimensions", "learn", ("sklearn",), "load_lsa"
        ),
        "word2vec": Family(
            "adjoin.embed.words",
            "word2vec",
            "words and sentences, trained or from a file",
            "words",
            ("gensim",),
            "load_words",
        ),
        "fasttext": Family(
            "adjoin.embed.words", "fasttext", "words of parts: unknown ones too", "words", ("gensim",), "load_words"
        ),
        "glove": Family(
            "adjoin.embed.words", "glove", "words by what stands beside them", "words", ("scipy",), "load_words"
        ),
        "fast": Family(
            "adjoin.embed.static",
            "fast_embedder",
            "Korean and English text, without a network",
            load_saved="load_static",
            languages="Korean, English",
            files=("fast",),
            ready=True,
        ),
        "cnn": Family(
            "adjoin.embed.train.convolutional",
            "cnn_embedder",
            "pictures, trained on labels",
            "torch",
            ("torch",),
            "load_cnn",
            takes="image",
        ),
        "sound-cnn": Family(
            "adjoin.embed.train.convolutional",
            "sound_cnn_embedder",
            "clips, trained on labels",
            "torch",
            ("torch",),
            "load_cnn",
            takes="sound",
        ),
        "head": Family(
            "adjoin.embed.train.head",
            "head_embedder",
            "a map over another embedder, trained on labels",
            "learn",
            ("sklearn",),
            "load_head",
        ),
        "image": Family(
            "adjoin.embed.images.network",
            "image_embedder",
            "pictures, by a pretrained network",
            "images",
            ("PIL",),
            files=("efficientnet-lite0",),
            takes="image",
        ),
        "torch-image": Family(
            "adjoin.embed.images.torch_network",
            "torch_image_embedder",
            "pictures, by any network of timm, torchvision or transformers",
            "torch",
            ("torch", "PIL"),
            takes="image",
        ),
        "pixels": Family(
            "adjoin.embed.images.classic",
            "pixels_embedder",
            "pictures, by their own small pixels",
            "images",
            ("PIL",),
            takes="image",
        ),
        "imagehash": Family(
            "adjoin.embed.images.classic",
            "imagehash_embedder",
            "copies of pictures, by 64 bits for hamming",
            "images",
            ("PIL", "scipy"),
            takes="image",
        ),
        "histogram": Family(
            "adjoin.embed.images.classic",
            "histogram_embedder",
            "pictures, by their colours",
            "images",
            ("PIL",),
            takes="image",
        ),
        "hog": Family(
            "adjoin.embed.images.classic",
            "hog_embedder",
            "pictures, by their edges",
            "images",
            ("PIL", "skimage"),
            takes="image",
        ),
        "descriptors": Family(
            "adjoin.embed.images.classic",
            "descriptors_embedder",
            "pictures, by colours, edges and layout",
            "images",
            ("PIL", "skimage"),
            takes="image",
        ),
        "sound": Family(
            "adjoin.embed.sound.statistics",
            "sound_embedder",
            "sounds, by statistics of their log-mel spectrogram",
            "audio",
            ("soundfile", "soxr"),
            takes="sound",
        ),
        "mfcc": Family(
            "adjoin.embed.sound.statistics",
            "mfcc_embedder",
            "sounds, by statistics of their MFCC",
            "audio",
            ("soundfile", "soxr"),
            takes="sound",
        ),
        "spectrogram": Family(
            "adjoin.embed.sound.statistics",
            "spectrogram_embedder",
            "sounds, by a picture network over their spectrogram",
            "audio,images",
            ("soundfile", "soxr", "PIL"),
            takes="sound",
        ),
        "speech": Family(
            "adjoin.embed.sound.network",
            "speech_embedder",
            "phrases, whoever speaks them",
            "audio",
            ("soundfile", "soxr"),
            files=("speech",),
            takes="sound",
        ),
        "voice": Family(
            "adjoin.embed.sound.network",
            "voice_embedder",
            "speakers, whatever they say",
            "audio",
            ("soundfile", "soxr"),
            files=("voice",),
            takes="sound",
        ),
    }
)
"""By the name that `embedder` takes, which is also the family in a saved one's folder."""

OTHERS: Final = (
    "a folder's path",
    "hf:ORG/NAME[@revision]",
    "openai:MODEL",
    "a function",
    "an object with identity, dim and embed",
)
_SECRET: Final = {"api_key"}


def embedder(name: str | Path | Embedder | Callable[..., Any], **options: Any) -> Embedder:
    """The embedder of that name; its model is loaded by its first `embed`.

    name: one of those that `adjoin embedders` lists, such as `default`; the path of one that was saved, or of a folder with
    an encoder in the layout of Hugging Face; `hf:ORG/NAME[@revision]`; `openai:MODEL` at any endpoint of that shape; a
    function from a list of items to a vector each, with the options of `adjoin.embed.function`; or any object with
    `identity` (an Identity, or a str that names the model and changes with it), `dim` and `embed`.
    options: the family's own; a wrong one is answered with those there are.
    Raises InvalidOption for an unknown name or option, NotFound for a path that is not there, MissingExtra.
    """
    if inspect.isroutine(name) or isinstance(name, functools.partial):
        from adjoin.embed.own_function import function

        made: Embedder = _made(function, options, name)
        return made
    if not isinstance(name, str | Path):
        from adjoin.embed.checked import checked

        _refuse(options, ())
        return checked(name)
    text = str(name)
    if isinstance(name, str) and " {" in text and is_name(text):  # as `_named` writes it
        text, _, kept = text.partition(" {")
        options = json.loads("{" + kept) | options
    if text in FAMILIES and not isinstance(name, Path):
        family = FAMILIES[text]
        model = _made(getattr(import_module(family.module), family.make), options)
        return _reopened_by(model, _named(text, options)) if family.ready or not family.load_saved else model
    from adjoin.embed import folder as folders

    if text.startswith("hf:"):
        from adjoin.embed.hub import hub_embedder

        _refuse(options, folders.OPTIONS)
        return _reopened_by(hub_embedder(text, **options), _named(text, options))
    if text.startswith("openai:"):
        from adjoin.embed.provider import ProviderEmbedder

        return _reopened_by(_made(ProviderEmbedder, options, text.removeprefix("openai:")), _named(text, options))
    path = Path(text).expanduser()
    if (path / MANIFEST).is_file():
        return _reopened_by(_loaded(path, options), str(path.absolute()))
    if path.is_dir():
        _refuse(options, folders.OPTIONS)
        return _reopened_by(folders.folder_embedder(path, **options), _named(str(path.absolute()), options))
    if isinstance(name, Path) or "/" in text or "\\" in text:
        raise NotFound(
            f"there is no folder {text!r} to load an embedder from. A model on the hub is named hf:ORG/NAME."
        )
    raise InvalidOption.unknown("embedder", text, (*FAMILIES, *OTHERS))


def is_name(text: str) -> bool:
    """Whether the text names an embedder from any folder: no path. Options may follow a name as JSON: `image {"dim": 64}`."""
    return text.split(" {", 1)[0] in FAMILIES or text.startswith(("hf:", "openai:", "/"))


def _named(name: str, options: dict[str, Any]) -> str | None:
    """The name with its options behind it; None where they are no plain values."""
    options = {
        option: str(value.absolute()) if isinstance(value, Path) else value
        for option, value in options.items()
        if option not in _SECRET
    }
    if not options:
        return name
    try:
        return f"{name} {json.dumps(options, ensure_ascii=False, sort_keys=True, allow_nan=False)}"
    except (TypeError, ValueError):
        return None


def _reopened_by(model: Embedder, name: str | None) -> Embedder:
    if name is not None:
        model.reopened_by = name  # type: ignore[attr-defined]  # those of this package have it
    return model


def _loaded(path: Path, options: dict[str, Any]) -> Embedder:
    name = family_of(path)
    family = FAMILIES.get(name or "")
    if family is None or family.load_saved is None:
        raise UnreadableFile(f"{path} holds an embedder of the family {name!r}, which this version does not know.")
    return _made(getattr(import_module(family.module), family.load_saved), options, path)


def _made(make: Callable[..., Embedder], options: dict[str, Any], *args: object) -> Embedder:
    """make(*args, **options), its options being the keywords that it has."""
    known = {
        parameter.name: parameter.default is inspect.Parameter.empty
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    _refuse(options, tuple(known))
    missing = [name for name, needed in known.items() if needed and name not in options]
    if missing:
        raise InvalidOption(
            f"this embedder needs {', '.join(name + '=' for name in missing)}. It takes: {', '.join(known)}."
        )
    return make(*args, **options)


def _refuse(options: dict[str, Any], known: tuple[str, ...]) -> None:
    for option in options:
        if option not in known:
            raise InvalidOption.unknown("embedder option", option, known or ("none for an object",))
