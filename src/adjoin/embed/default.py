"""The embedder `default`: multilingual-e5-small for Korean and English, shipped with the package.

scripts/build_default_model.py makes the files; models/e5-small/ORIGIN.md says where they come from.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from adjoin.embed.identity import Identity
from adjoin.embed.rounding import Output, check_output
from adjoin.embed.text import Parts, TextEmbedder

if TYPE_CHECKING:
    from adjoin.embed.correction import Correction
    from adjoin.embed.text import Encoder

STATES = "LayerNormalization_230_0"
"""What the graph calls its last token states, which it pools itself."""
FOLDER = Path(__file__).parent / "models" / "e5-small"


def default_embedder(
    folder: Path = FOLDER, *, correction: bool = True, output: Output = "float32", workers: int | None = None
) -> TextEmbedder:
    """The shipped model.

    correction: False gives the model's own vectors, which prefer passages in the query's language.
    output: "float32", "int8" or "binary" (for metric="hamming"); see `rounding.rounded`.
    workers: texts at once; as many as there are cores if None. folder: another build of the same layout.
    """
    check_output(output)
    return TextEmbedder(
        lambda: read_identity(folder, correction=correction, output=output),
        Parts(
            tokenizer=folder / "tokenizer.json",
            load_encoder=lambda: _encoder(folder),
            load_correction=(lambda: _correction(folder)) if correction else None,
        ),
        workers=workers,
    )


def read_identity(folder: Path = FOLDER, *, correction: bool = True, output: Output = "float32") -> Identity:
    """The identity that was written when the model was built; no file is hashed and no model run."""
    identity = Identity.from_json((folder / "identity.json").read_text(encoding="utf-8"))
    if not correction:
        identity = replace(identity, correction="", canary=())
    return identity if output == "float32" else replace(identity, settings={"output": output}, canary=())


def changed_files(folder: Path = FOLDER) -> list[str]:
    """Names of the shipped files whose SHA-256 is not the one in the identity. Cost: reads all of them."""
    from adjoin.embed.hashes import sha256

    identity = read_identity(folder)
    wanted = {
        "model.onnx": identity.weights,
        "tokenizer.json": identity.tokenizer,
        "correction.npy": identity.correction,
    }
    return [name for name, digest in wanted.items() if not (folder / name).exists() or sha256(folder / name) != digest]


def _encoder(folder: Path) -> Encoder:
    from adjoin.embed.onnx import OnnxEncoder

    return OnnxEncoder(folder / "model.onnx", inner_states=STATES)


def _correction(folder: Path) -> Correction:
    from adjoin.embed.correction import Correction

    return Correction.load(folder / "correction.npy")
