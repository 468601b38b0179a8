"""Static embedders: a table with a vector for each piece of text, whose mean is the text's vector.

No network is run, so they are hundreds of times as fast as a transformer, and know nothing of word order and context.
Read are folders in the layout of Model2Vec (Tulkens and van Dongen, 2024) and of sentence-transformers' StaticEmbedding,
and those that `adjoin.embed.distil` makes; `fast` ships with the package.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from adjoin.embed import saved
from adjoin.embed.base import Identified, check_kind, check_texts
from adjoin.embed.hashes import sha256
from adjoin.embed.identity import Identity
from adjoin.embed.tokens import CHARACTERS_A_TOKEN
from adjoin.errors import InvalidOption, NotFound, UnreadableFile
from adjoin.types import Content, Kind

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray

    from adjoin.types import Floats

FAMILY: Final = "fast"
SHIPPED: Final = Path(__file__).parent / "models" / "fast"
TOKENIZER: Final = "tokenizer.json"
MAX_TOKENS: Final = 512
KEPT_WORDS, KEPT_CHARACTERS = 50_000, 40
"""Words whose pieces are remembered, some 10 MB at most."""
TOKENS_AT_ONCE: Final = 16_384
"""Vectors of so many pieces are in memory at once; of one text more where it alone is longer."""
TABLES: Final = ("embeddings", "embedding.weight")
"""Names of the table in Model2Vec's and in sentence-transformers' files."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a piece's vector is made of: `factors[id] * rows[places[id]]`.

    rows: (rows, dim), float32 or int8. factors: (pieces,) float32: the scale of an int8 row, the piece's weight, or both.
    places: (pieces,), where several pieces share a row; None where each has its own.
    """

    rows: NDArray[Any]
    factors: Floats
    places: NDArray[np.int64] | None = None

    @property
    def dim(self) -> int:
        return int(self.rows.shape[1])

    def looked_up(self, ids: NDArray[np.int64]) -> Floats:
        """Rows of the pieces before their factors, float32 (len(ids), dim)."""
        import numpy as np

        rows = self.rows.take(ids if self.places is None else self.places[ids], axis=0)
        return rows.astype(np.float32, copy=False)

    def of(self, ids: NDArray[np.int64]) -> Floats:
        """Vectors of the pieces, float32 (len(ids), dim)."""
        weighted: Floats = self.looked_up(ids) * self.factors[ids, None]
        return weighted

    def cut(self, dim: int) -> Table:
        """The same with the first numbers only."""
        import numpy as np

        return replace(self, rows=np.ascontiguousarray(self.rows[:, :dim]))

    @property
    def neutral(self) -> Floats:
        """The vector of a text without any known piece: the direction of all pieces' mean. Under cosine, zero has none."""
        import numpy as np

        step = max(1, len(self.factors) // 20_000)
        mean: Floats = self.of(np.arange(0, len(self.factors), step)).mean(axis=0)
        length = np.float32(np.linalg.norm(mean))
        if length > 1e-9:
            return mean / length
        axis: Floats = np.eye(1, self.dim, dtype=np.float32)[0]
        return axis


def quantised(vectors: Floats) -> Table:
    """Rows as int8 with a scale each, a quarter of float32. vectors: (pieces, dim). Its error is below 0.4 % of the largest."""
    import numpy as np

    scales = np.maximum(np.abs(vectors).max(axis=1), 1e-12) / 127
    return Table(np.rint(vectors / scales[:, None]).astype(np.int8), scales.astype(np.float32))


class Pieces:
    """Text → ids of its pieces, without special ones and unknown ones."""

    def __init__(self, described: str, max_tokens: int, *, name: str) -> None:
        """described: the content of a `tokenizer.json`. name: where it is. Raises UnreadableFile when it is none."""
        from tokenizers import Tokenizer as Backend

        try:
            self._backend: Any = Backend.from_str(described)
            parts = json.loads(described)
            self._unknown = unknown_id(self._backend, parts["model"])
            self._by_words = _reads_words_apart(parts)
        except Exception as exc:  # the package raises a bare Exception
            raise UnreadableFile(f"{name} cannot be read as a tokenizer.json: {exc}") from exc
        self._backend.no_truncation()
        self._backend.no_padding()
        self._known: dict[str, list[int]] = {}
        self.max_tokens = max_tokens

    def __len__(self) -> int:
        """How many pieces there are, the special ones among them."""
        return int(self._backend.get_vocab_size(with_added_tokens=True))

    def ids(self, text: str) -> list[int]:
        """Up to one more than `max_tokens`, so that a cut is seen.

        Cost: bounded by `max_tokens`; a tenth of a microsecond for a word that was seen before, else some 2 µs a piece.
        """
        most = self.max_tokens + 1
        length = most * CHARACTERS_A_TOKEN
        while length < len(text):
            found = self._first(text[:length], most)
            if len(found) >= most:
                return found
            length *= 8  # much of it was white space or is unknown
        return self._first(text, most)

    def count(self, text: str) -> int:
        """Pieces of the whole text. Cost: linear in it."""
        return len(self._first(text, len(text) + 1))

    def _first(self, text: str, most: int) -> list[int]:
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)  # decomposed Hangul is the same text
        if not self._by_words:
            return [] if text.isspace() else self._encoded(text)[:most]
        found: list[int] = []
        known = self._known
        for word in text.split(" "):
            ids = known.get(word)
            found += self._new(word) if ids is None else ids
            if len(found) >= most:
                return found[:most]
        return found

    def _new(self, word: str) -> list[int]:
        """The ids of a word, which are kept: a few thousand words make up most of what is ever written."""
        ids = [] if not word or word.isspace() else self._encoded(word)
        if len(word) <= KEPT_CHARACTERS:
            if len(self._known) >= KEPT_WORDS:
                self._known = {}
            self._known[word] = ids
        return ids

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        unknown = self._unknown
        return ids if unknown is None or unknown not in ids else [piece for piece in ids if piece != unknown]


_APART: Final = frozenset({"BertPreTokenizer", "Whitespace", "WhitespaceSplit"})
_BESIDE: Final = frozenset({"Punctuation", "Digits"})
_BY_CHARACTER: Final = frozenset(
    {
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Lowercase",
        "StripAccents",
        "BertNormalizer",
        "Nmt",
        "Precompiled",
        "Replace",
        "Strip",
    }
)


def _reads_words_apart(described: Mapping[str, Any]) -> bool:
    """Whether the pieces of a text are those of its words between spaces, by the parts of tokenizer.json that say so.

    Where it is not known to be so, texts are read whole.
    """
    splits = _parts_of(described.get("pre_tokenizer"), "pretokenizers")
    changes = _parts_of(described.get("normalizer"), "normalizers")
    apart = any(
        part["type"] in _APART
        or (
            part["type"] == "Metaspace"
            and part.get("split", True)
            and part.get("prepend_scheme") in ("always", "first")
        )
        for part in splits
    )
    return (
        apart
        and all(part["type"] in _APART | _BESIDE | {"Metaspace"} for part in splits)
        and all(part["type"] in _BY_CHARACTER for part in changes)
        and not any(" " in token["content"] for token in described.get("added_tokens") or ())
    )


def _parts_of(part: Any, name: str) -> list[Mapping[str, Any]]:
    if part is None:
        return []
    return [each for inner in part[name] for each in _parts_of(inner, name)] if part["type"] == "Sequence" else [part]


def unknown_id(backend: Any, model: Mapping[str, Any]) -> int | None:
    """The id that stands for what no piece covers. model: that part of tokenizer.json."""
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    found = backend.token_to_id(token) if token else None
    return None if found is None else int(found)


@dataclass(frozen=True, slots=True)
class Parts:
    """How a static embedder's parts are read, by the first call that needs them. tokenizer: where it is, for messages."""

    tokenizer: str
    load_tokenizer: Callable[[], str]
    load_table: Callable[[], Table]


def _parts(tokenizer: Path, load_table: Callable[[], Table]) -> Parts:
    return Parts(str(tokenizer), lambda: tokenizer.read_text(encoding="utf-8", errors="replace"), load_table)


class StaticEmbedder(Identified):
    """Texts in, the weighted mean of their pieces' vectors out.

    Safe to use from many threads and in a forked child: it has neither threads nor a network of its own.
    """

    def __init__(self, identity: Identity | Callable[[], Identity], parts: Parts, *, report: Any = None) -> None:
        """identity: or a function that finds it when it is first asked for. report: of the distillation that made it."""
        super().__init__(identity)
        self._parts = parts
        self.report = report
        self._lock = threading.Lock()
        self._loaded: tuple[Pieces, Table, Floats] | None = None
        self._truncated = 0

    @property
    def max_tokens(self) -> int:
        """The longest text that is read to its end, in pieces."""
        return self.identity.max_tokens or MAX_TOKENS

    def tokenizer_json(self) -> str:
        """The content of the `tokenizer.json` that it finds pieces with."""
        return self._parts.load_tokenizer()

    @property
    def truncated(self) -> int:
        """How many of the texts embedded so far were cut at `max_tokens`."""
        return self._truncated

    def embed(self, items: Sequence[Content], kind: Kind = "document") -> Floats:
        """Vectors of the texts in their order, float32 of shape (len(items), dim); documents and queries have the same.

        Of unit length unless the model's own settings say otherwise. A text without any known piece, such as an empty one,
        gets one fixed vector. Texts beyond `max_tokens` pieces are cut and counted in `truncated`.
        Raises InvalidContent naming the first item that is not well-formed text.
        Cost: some 2 µs a piece, nearly all of it for finding the pieces; memory is bounded by the result and one batch.
        """
        import numpy as np

        check_kind(kind)
        texts = check_texts(items)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        if texts:
            pieces, table, neutral = self._model()
            for start, end, flat, counts in _batches(texts, pieces):
                vectors[start:end] = pooled(table, flat, np.minimum(counts, pieces.max_tokens), neutral)
                cut = int((counts > pieces.max_tokens).sum())
                if cut:
                    with self._lock:
                        self._truncated += cut
            if self.identity.normalize:
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors

    def count_tokens(self, texts: Sequence[str], kind: Kind = "document") -> list[int]:
        """Pieces of each text, before any cut. Cost: linear in the text."""
        check_kind(kind)
        pieces = self._model()[0]
        return [pieces.count(text) for text in check_texts(texts)]

    def is_cut(self, texts: Sequence[str], kind: Kind = "document") -> list[bool]:
        """Whether `embed` reads each text only in part. Cost: bounded by `max_tokens` a text."""
        check_kind(kind)
        pieces = self._model()[0]
        return [len(pieces.ids(text)) > pieces.max_tokens for text in check_texts(texts)]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads."""
        table = self._model()[1]
        settings = _settings(self.identity)
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = Path(folder) / TOKENIZER
            tokenizer.write_text(self.tokenizer_json(), encoding="utf-8")
            target = saved.save(path, FAMILY, settings, _arrays(table), {TOKENIZER: tokenizer})
        self.reopened_by = str(target)
        return target

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder in the layout of Model2Vec, float32, which its own library and others read.

        Raises InvalidOption where something is at the path.
        """
        import numpy as np

        from adjoin.embed.safetensors import write_tensors

        target = Path(path).expanduser().absolute()
        if target.exists():
            raise InvalidOption(f"{target} is there already. Give a path where nothing is.")
        _, table, _ = self._model()
        target.mkdir(parents=True)
        write_tensors(target / "model.safetensors", {"embeddings": table.of(np.arange(len(table.factors)))})
        (target / TOKENIZER).write_text(self.tokenizer_json(), encoding="utf-8")
        config = {
            "model_type": "model2vec", "architectures": ["StaticModel"], "tokenizer_name": self.identity.name,
            "hidden_dim": table.dim, "seq_length": 1_000_000, "normalize": self.identity.normalize,
        }  # fmt: skip
        (target / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
        return target

    def close(self) -> None:
        """Let go of the table. A later call loads it again."""
        with self._lock:
            self._loaded = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.identity})"

    def _model(self) -> tuple[Pieces, Table, Floats]:
        model = self._loaded
        if model is None:
            pieces = Pieces(self.tokenizer_json(), self.max_tokens, name=self._parts.tokenizer)
            table = self._parts.load_table()
            if len(table.factors) < len(pieces):
                raise UnreadableFile(
                    f"{self._parts.tokenizer} has {len(pieces):,} pieces, and the table beside it {len(table.factors):,}."
                )
            self._loaded = model = (pieces, table, table.neutral)
        return model


def _batches(texts: list[str], pieces: Pieces) -> Iterator[tuple[int, int, list[int], NDArray[np.int64]]]:
    """Texts start to end, their ids one after another, and how many each has, one more than is read where it is cut."""
    import numpy as np

    start, flat, counts = 0, [], []
    for end, text in enumerate(texts, start=1):
        ids = pieces.ids(text)
        counts.append(len(ids))
        flat += ids[: pieces.max_tokens]
        if len(flat) >= TOKENS_AT_ONCE or end == len(texts):
            yield start, end, flat, np.asarray(counts)
            start, flat, counts = end, [], []


def pooled(table: Table, flat: Sequence[int], counts: NDArray[np.int64], neutral: Floats) -> Floats:
    """Mean vector of each text, (len(counts), dim). flat: their ids one after another."""
    import numpy as np

    means = np.zeros((len(counts), table.dim), dtype=np.float32)
    ids = np.asarray(flat, dtype=np.int64)
    rows, factors = table.looked_up(ids), table.factors.take(ids)
    end = 0
    # One product a text: 20 times as fast as np.add.reduceat over the first axis, and the same in any company.
    for row, count in enumerate(counts.tolist()):
        start, end = end, end + count
        if count:
            np.dot(factors[start:end], rows[start:end], out=means[row])
    means /= np.maximum(counts, 1)[:, None]
    means[counts == 0] = neutral
    return means


# ── Those that are saved, and the one that ships ─────────────────────────────────────────────────────────────────────


def fast_embedder(*, dim: int | None = None) -> StaticEmbedder:
    """The static model that ships with the package, for Korean and English; models/fast/ORIGIN.md says how it was made.

    dim: keep the first numbers only.
    """
    model = load_static(SHIPPED, dim=dim)
    model.reopened_by = name = FAMILY if dim is None else f'{FAMILY} {{"dim": {dim}}}'
    model._identity = replace(model.identity, name=name)
    return model


def load_static(path: Path, *, dim: int | None = None) -> StaticEmbedder:
    """One that was saved. dim: keep the first numbers only, in which most of the likeness lies."""
    folder = Path(path)
    content = saved.load(folder)
    width = int(content.settings["dim"])
    if dim is not None and not 1 <= dim <= width:
        raise InvalidOption(f"dim={dim} is not between 1 and the model's {width} dimensions.")
    table = Table(content.arrays["rows"], content.arrays["factors"])
    identity = _identity(str(folder.absolute()), content.settings, content.digest, dim or width)
    return StaticEmbedder(identity, _parts(content.files[TOKENIZER], lambda: table if dim is None else table.cut(dim)))


def static_embedder(
    table: Table, tokenizer: str, *, report: Any = None, max_tokens: int = MAX_TOKENS
) -> StaticEmbedder:
    """A new one from its table and its tokenizer's JSON, not saved yet."""
    settings = {"dim": table.dim, "max_tokens": max_tokens, "normalize": True}

    def identity() -> Identity:
        digest = hashlib.sha256(tokenizer.encode()).hexdigest()
        return _identity(
            FAMILY, settings, saved.digest_of(FAMILY, settings, _arrays(table), {TOKENIZER: digest}), table.dim
        )

    return StaticEmbedder(identity, Parts(TOKENIZER, lambda: tokenizer, lambda: table), report=report)


def _identity(name: str, settings: Mapping[str, Any], digest: str, dim: int) -> Identity:
    return Identity(
        name=name, model="static", dim=dim, weights=digest, pooling="mean",
        normalize=bool(settings["normalize"]), max_tokens=int(settings["max_tokens"]),
    )  # fmt: skip


def _settings(identity: Identity) -> dict[str, Any]:
    return {"dim": identity.dim, "max_tokens": identity.max_tokens or MAX_TOKENS, "normalize": identity.normalize}


def _arrays(table: Table) -> dict[str, NDArray[Any]]:
    rows = table.rows if table.places is None else table.rows[table.places]
    return {"rows": rows, "factors": table.factors}


# ── Folders of Model2Vec and sentence-transformers ───────────────────────────────────────────────────────────────────


def is_static(folder: Path) -> bool:
    """Whether the folder holds a static model, by what its JSON files say or by its single table."""
    if _json(folder / "config.json").get("model_type") == "model2vec":
        return True
    modules = _json(folder / "modules.json")
    if isinstance(modules, list) and modules:
        return str(modules[0].get("type", "")).endswith("StaticEmbedding")
    return "hidden_size" not in _json(folder / "config.json") and _has_one_table(folder / "model.safetensors")


def static_folder(
    folder: Path, *, name: str | None = None, dim: int | None = None, max_tokens: int | None = None
) -> StaticEmbedder:
    """The static model in that folder. Its files are hashed when its identity is first asked for.

    dim: keep the first numbers only. max_tokens: cut longer texts; 512 if None, as Model2Vec does.
    Raises NotFound for a file that is missing, UnreadableFile, InvalidOption.
    """
    tensors, tokenizer = _static_files(folder)
    width = _width(tensors)
    if dim is not None and not 1 <= dim <= width:
        raise InvalidOption(f"dim={dim} is not between 1 and the model's {width} dimensions.")
    if max_tokens is not None and max_tokens < 1:
        raise InvalidOption(f"max_tokens={max_tokens} is less than 1.")

    def table() -> Table:
        found = _read_table(tensors)
        return found if dim is None else found.cut(dim)

    def identity() -> Identity:
        return Identity(
            name=name or str(folder.resolve()), model="static", dim=dim or width, weights=sha256(tensors),
            tokenizer=sha256(tokenizer), pooling="mean", normalize=_normalizes(folder), max_tokens=max_tokens or MAX_TOKENS,
        )  # fmt: skip

    return StaticEmbedder(identity, _parts(tokenizer, table))


def _static_files(folder: Path) -> tuple[Path, Path]:
    for place in (folder, folder / "0_StaticEmbedding"):
        tensors, tokenizer = place / "model.safetensors", place / "tokenizer.json"
        if tensors.is_file() and tokenizer.is_file():
            return tensors, tokenizer
    raise NotFound(f"{folder} is described as a static model and lacks model.safetensors or tokenizer.json.")


def _normalizes(folder: Path) -> bool:
    modules = _json(folder / "modules.json")
    if isinstance(modules, list) and any(str(module.get("type", "")).endswith("Normalize") for module in modules):
        return True
    return bool(_json(folder / "config.json").get("normalize", False))


def _read_table(path: Path) -> Table:
    import numpy as np

    from adjoin.embed.safetensors import read_tensors

    tensors = read_tensors(path, integers=True)
    name = next((name for name in TABLES if name in tensors), None)
    if name is None or tensors[name].ndim != 2:
        raise UnreadableFile(
            f"{path} has no table of vectors named {' or '.join(TABLES)}; it has {', '.join(tensors)}."
        )
    rows = tensors[name]
    if not np.isfinite(rows).all():
        raise UnreadableFile(f"{path} holds NaN or infinity.")
    places = tensors["mapping"].astype(np.int64) if "mapping" in tensors else None
    count = len(rows) if places is None else len(places)
    if places is not None and (places.min() < 0 or places.max() >= len(rows)):
        raise UnreadableFile(f"{path}: its mapping points beyond its {len(rows):,} rows.")
    weights = tensors["weights"].astype(np.float32) if "weights" in tensors else np.ones(count, np.float32)
    if weights.shape != (count,):
        raise UnreadableFile(f"{path}: weights of shape {weights.shape} for {count:,} pieces.")
    return Table(rows, weights, places)


def _width(path: Path) -> int:
    from adjoin.embed.safetensors import shapes

    found = shapes(path)
    name = next((name for name in TABLES if len(found.get(name, ())) == 2), None)
    if name is None:
        raise UnreadableFile(f"{path} has no table of vectors named {' or '.join(TABLES)}; it has {', '.join(found)}.")
    return int(found[name][1])


def _has_one_table(path: Path) -> bool:
    from adjoin.embed.safetensors import shapes

    try:
        return path.is_file() and len(shapes(path).get("embeddings", ())) == 2
    except UnreadableFile:
        return False


def _json(path: Path) -> Any:
    """What the file holds; an empty object when there is none or it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
