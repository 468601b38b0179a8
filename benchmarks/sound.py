"""Recall on labelled sounds class by class, phrases found by another voice, speakers told apart, and speed.

    python benchmarks/sound.py [samples effects voices speed] > benchmarks/results/sound.md

Sonic Pi's samples (classes are the first part of a name), Tux Paint's sound effects (classes are folders) and Asterisk's
prompts (the same phrases by two people) come by `python -m tests.support.media`. Nothing is random but the noise of the long
clip, which has seed 0.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support import media  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed.sound.decode import clip_of  # noqa: E402

EMBEDDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "MFCC means": ("mfcc", {"deviations": False}), "`mfcc`": ("mfcc", {}), "`sound`": ("sound", {}),
    "`spectrogram`": ("spectrogram", {}), "`speech`": ("speech", {}), "`voice`": ("voice", {}),
}  # fmt: skip
HOURS = 3
PHRASES = 150


def main() -> None:
    if sys.argv[1:2] == ["--timed"]:
        print(json.dumps(timed(sys.argv[2], Path(sys.argv[3]))))
        return
    parts = {
        "samples": lambda: classes("Sonic Pi's samples", media.samples()),
        "effects": lambda: classes("Tux Paint's sound effects", effects()),
        "voices": voices,
        "speed": speed,
    }
    chosen = sys.argv[1:] or parts
    if not media.SAMPLES.is_dir() and set(chosen) != {"speed"}:
        sys.exit(media.NO_MEDIA)
    for name in chosen:
        parts[name]()


def effects() -> list[tuple[Path, str]]:
    return [row for row in media.effects() if not row[1].startswith("symbols")]


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def classes(title: str, rows: list[tuple[Path, str]]) -> None:
    labels = np.array([label for _, label in rows])
    counts = Counter(labels.tolist())
    usual = max(counts.values()) / len(rows)
    right = {}
    for shown, (name, options) in EMBEDDERS.items():
        vectors = unit(adjoin.embedder(name, **options).embed([path for path, _ in rows]))
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -2)
        right[shown] = labels[likeness.argmax(axis=1)] == labels
    print(f"### {title}: {len(rows)} clips, {len(counts)} classes\n")
    print(f"Recall@1 of the class by cosine. Always naming the commonest class is right in {usual:.3f}; reduction of error is "
          "the gain over that, in multiples of what MFCC means gain. "
          "What `spectrogram` is made of was chosen with these clips in sight.\n")  # fmt: skip
    print("| | all | reduction of error |" + "".join(f" {label} ({count}) |" for label, count in counts.most_common()))
    print("|---|---|---|" + "---|" * len(counts))
    base = float(right["MFCC means"].mean()) - usual
    for shown, hits in right.items():
        gain = float(hits.mean()) - usual
        ratio = f"{gain / base:.2f} ×" if base > 0 else f"{gain:+.3f}; MFCC means {base:+.3f}"
        each = "".join(f" {hits[labels == label].mean():.2f} |" for label, _ in counts.most_common())
        print(f"| {shown} | {hits.mean():.3f} | {ratio} |{each}")
    print(flush=True)


def voices() -> None:
    print("### The same phrase by another voice\n")
    print("Recall@1 of the phrase among all phrases of the other speaker, in both directions; real people at 8 kHz.\n")
    print(
        "| | "
        + " | ".join(f"{language}: phrases, → , ←" for language in media.VOICES)
        + " |\n|---|"
        + "---|" * len(media.VOICES)
    )
    pairs = {language: media.phrases(language)[:PHRASES] for language in media.VOICES}
    for shown in ("MFCC means", "`sound`", "`speech`"):
        name, options = EMBEDDERS[shown]
        model = adjoin.embedder(name, **options)
        cells = []
        for rows in pairs.values():
            first, second = (unit(model.embed([row[n] for row in rows])) for n in (0, 1))
            likeness = first @ second.T
            here = np.arange(len(rows))
            cells.append(
                f"{len(rows)}, {(likeness.argmax(1) == here).mean():.3f}, {(likeness.argmax(0) == here).mean():.3f}"
            )
        print(f"| {shown} | " + " | ".join(cells) + " |", flush=True)
    print("\n### Who speaks\n")
    clips = [(row[n], f"{language} {n}") for language, rows in pairs.items() for row in rows[:30] for n in (0, 1)]
    clips = [(item, label) for item, label in clips if clip_of(item).seconds > 0.8]
    labels = np.array([label for _, label in clips])
    print(
        f"{len(clips)} clips of 4 speakers (2 languages): the nearest clip that says another phrase is the same speaker's.\n"
    )
    print("| | recall@1 of the speaker |\n|---|---|")
    for shown in ("MFCC means", "`sound`", "`speech`", "`voice`"):
        name, options = EMBEDDERS[shown]
        vectors = unit(adjoin.embedder(name, **options).embed([item for item, _ in clips]))
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -2)
        print(f"| {shown} | {(labels[likeness.argmax(1)] == labels).mean():.3f} |", flush=True)
    print()


def speed() -> None:
    print("### Speed and memory\n")
    print(f"One worker; a clip of a minute, and one of {HOURS} hours (8 kHz FLAC of tones in noise), "
          "each in a process of its own.\n")  # fmt: skip
    print(f"| | times faster than a minute lasts | the {HOURS} hours: s | processor, s | times faster by that "
          f"| peak memory, MB: a minute, {HOURS} hours |")  # fmt: skip
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        minute, long = Path(name) / "minute.flac", Path(name) / "long.flac"
        write(minute, 1)
        write(long, HOURS * 60)
        for shown in ("`sound`", "`mfcc`", "`spectrogram`", "`speech`", "`voice`"):
            short, whole = (measured(EMBEDDERS[shown][0], path) for path in (minute, long))
            print(f"| {shown} | {60 / short['seconds']:.0f} | {whole['seconds']:.0f} | {whole['processor']:.0f} "
                  f"| {HOURS * 3600 / whole['processor']:.0f} | {short['peak_mb']:.0f}, {whole['peak_mb']:.0f} |", flush=True)  # fmt: skip


def write(path: Path, minutes: int) -> None:
    import soundfile

    rng = np.random.default_rng(0)
    clip = (rng.normal(size=8000 * 60) * 0.05 + np.sin(np.arange(8000 * 60) * 0.2) * 0.3).astype(np.float32)
    with soundfile.SoundFile(path, "w", 8000, 1) as file:
        for number in range(minutes):
            file.write(clip * np.float32(0.5 + number / minutes / 2))


def measured(model: str, path: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--timed", model, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def timed(name: str, path: Path) -> dict[str, float]:
    model = adjoin.embedder(name, workers=1)
    model.embed([{"path": str(path), "seconds": [0, 2]}])
    began, used = time.perf_counter(), time.process_time()
    model.embed([path])
    return {
        "seconds": time.perf_counter() - began,
        "processor": time.process_time() - used,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
    }


if __name__ == "__main__":
    main()
