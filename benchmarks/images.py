"""Recall on labelled pictures, what shift, scale and crop leave of it, forms of the network's weights, and speed beside PyTorch.

    python benchmarks/images.py > benchmarks/results/images.md

The stamps of Tux Paint (drawings and photographs cut out, labels are their folders) and MNIST's digits come by
`python -m tests.support.media`; PyTorch is in the environment of the tests. Pictures are read in a fixed order and nothing is
random, so there is no seed. Each engine of the comparison of speed runs in a process of its own, rounds are interleaved, and
medians are told.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "scripts")]

from tests.support import media  # noqa: E402

from peak import peak_mb  # noqa: E402

EMBEDDERS = ("pixels", "imagehash", "histogram", "hog", "descriptors", "image")
CHANGES = {"shift": (0.0, 0.1), "scale": (1.0, 0.8), "crop": (1.0, 0.8)}
FORMS = ("float32", "float16", "int8", "static")
CACHE = ROOT / ".cache" / "images"
ROUNDS, PICTURES = 3, 32


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(timed(sys.argv[1], int(sys.argv[2]))))
        return
    if not media.STAMPS.is_dir():
        sys.exit(media.NO_MEDIA)
    stamps = media.stamps()
    told(f"{len(stamps)} stamps of Tux Paint, {len({fine for *_, fine in stamps})} classes",
         [path for path, _, _ in stamps], [fine for *_, fine in stamps])  # fmt: skip
    digits = media.digits(1000)
    told(f"{len(digits):,} digits of MNIST, 10 classes", [digit for digit, _ in digits], [label for _, label in digits])
    forms(stamps)
    speed()


def told(title: str, pictures: list[Any], labels: list[str]) -> None:
    from adjoin.embed.images import sensitivity

    report = sensitivity(pictures, EMBEDDERS, labels, changes=CHANGES)
    print(f"### {title}\n\nRecall@1 of the same label among the others; in brackets the share kept.\n")
    print("| embedder | unchanged | shifted by 10 % | made smaller to .8 | cropped to 80 % | "
          "own original found when shifted, scaled, cropped |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for name in EMBEDDERS:
        cells = [f"{report.line(name, 'shift', 0.0).same_label:.3f}"]
        found = []
        for change, amount in (("shift", 0.1), ("scale", 0.8), ("crop", 0.8)):
            line = report.line(name, change, amount)
            cells.append(f"{line.same_label:.3f} ({report.kept(name, change, amount):.0%})")
            found.append(f"{line.found:.2f}")
        print(f"| `{name}` | {' | '.join(cells)} | {', '.join(found)} |")
    print(flush=True)


def built(form: str) -> Path:
    folder = CACHE / form
    if not (folder / "identity.json").exists():
        command = [sys.executable, str(ROOT / "scripts" / "build_image_model.py"), "--form", form, str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def forms(stamps: list[tuple[Path, str, str]]) -> None:
    from adjoin.embed.images import decode
    from adjoin.embed.images.network import shipped

    images = [decode.rgb(path) for path, _, _ in stamps]
    labels = [np.array([row[n] for row in stamps]) for n in (1, 2)]
    print("### The network's weights: what a smaller file costs\n")
    print("Leave-one-out nearest neighbour on the stamps. `int8` is shipped: weights alone, one scale a channel; `static` "
          "quantises activations too.\n")  # fmt: skip
    print("| form | MB | 16 classes | 61 classes | cosine to float32: mean, least |\n|---|---|---|---|---|")
    exact = None
    for form in FORMS:
        vectors = shipped(built(form)).embed(images)
        exact = vectors if exact is None else exact
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -1)
        nearest = likeness.argmax(axis=1)
        cosines = (vectors * exact).sum(axis=1)
        right = [f"{(label[nearest] == label).mean():.3f}" for label in labels]
        size = (built(form) / "model.onnx").stat().st_size / 1e6
        print(f"| {form} | {size:.1f} | {right[0]} | {right[1]} | {cosines.mean():.4f}, {cosines.min():.4f} |")
    print(flush=True)


def speed() -> None:
    found: dict[tuple[str, int], list[dict[str, float]]] = {}
    for _ in range(ROUNDS):
        for threads in (1, 2):
            for engine in ("adjoin", "torch-1", "torch-16"):
                command = [sys.executable, __file__, engine, str(threads)]
                environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
                done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
                found.setdefault((engine, threads), []).append(json.loads(done.stdout.splitlines()[-1]))
    print("### Speed beside PyTorch on the same weights\n")
    print(f"{PICTURES} pictures of 224 × 224 in memory, float32 arithmetic, preparation included; medians of {ROUNDS} rounds. "
          "PyTorch in batches of 1 and of 16, channels last, `inference_mode`.\n")  # fmt: skip
    print(
        "| engine | threads | pictures/s | pictures a second of processor time | peak memory, MB |\n|---|---|---|---|---|"
    )
    names = {"adjoin": "`image`", "torch-1": "PyTorch, one a call", "torch-16": "PyTorch, 16 a call"}
    for (engine, threads), rounds in found.items():
        rate = statistics.median(each["rate"] for each in rounds)
        peak = statistics.median(each["peak_mb"] for each in rounds)
        per_cpu = statistics.median(each["per_cpu_s"] for each in rounds)
        print(f"| {names[engine]} | {threads} | {rate:.1f} | {per_cpu:.1f} | {peak:.0f} |")
    for threads in (1, 2):
        told = []
        for measure in ("rate", "per_cpu_s"):
            rates = {engine: statistics.median(each[measure] for each in found[engine, threads]) for engine in names}
            told.append(f"{rates['adjoin'] / max(rates['torch-1'], rates['torch-16']):.2f} ×")
        print(
            f"\n{threads} thread{'s' * (threads > 1)}: {told[0]} PyTorch at its faster by the clock, {told[1]} by processor time."
        )


def timed(engine: str, threads: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (224, 224, 3)).astype(np.uint8) for _ in range(PICTURES)]
    if engine == "adjoin":
        import adjoin

        model = adjoin.embedder("image", workers=threads)
        run = model.embed
    else:
        run = _torch(int(engine.split("-")[1]), threads)
    run(pictures[:16])
    began, used = time.perf_counter(), time.process_time()
    run(pictures)
    took, used = time.perf_counter() - began, time.process_time() - used
    return {
        "rate": PICTURES / took,
        "per_cpu_s": PICTURES / used,
        "peak_mb": peak_mb(),
    }


def _torch(batch: int, threads: int) -> Any:
    import torch
    from PIL import Image

    from build_image_model import PREPARATION, torch_network

    torch.set_num_threads(threads)
    wheels = CACHE / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    network = torch_network(wheels).to(memory_format=torch.channels_last)

    def run(pictures: list[Any]) -> Any:
        found = []
        with torch.inference_mode():
            for start in range(0, len(pictures), batch):
                block = np.stack([PREPARATION.apply(Image.fromarray(each)) for each in pictures[start : start + batch]])
                found.append(network(torch.from_numpy(block).contiguous(memory_format=torch.channels_last)).numpy())
        return np.concatenate(found)

    return run


if __name__ == "__main__":
    main()
