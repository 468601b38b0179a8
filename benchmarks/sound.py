"""Recall on labelled sounds class by class, phrases found by another voice, speakers told apart, and speed.

    python benchmarks/sound.py [samples effects drums voices korean speed] > benchmarks/results/sound.md

Sonic Pi's samples (classes are the first part of a name), Tux Paint's sound effects (classes are folders), Hydrogen's drum
kits (classes by the instruments' names) and Asterisk's prompts (the same phrases by two people) come by
`python -m tests.support.media`. Nothing is random but the noise of the long
clip, which has seed 0.
"""

from __future__ import annotations

import hashlib
import itertools
import json
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

from tests.support import media, questions, spoken  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed.sound.decode import clip_of  # noqa: E402
from peak import peak_mb  # noqa: E402

EMBEDDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "MFCC means": ("mfcc", {"deviations": False}), "`mfcc`": ("mfcc", {}), "`sound`": ("sound", {}),
    "`spectrogram`": ("spectrogram", {}), "`speech`": ("speech", {}), "`voice`": ("voice", {}),
}  # fmt: skip
HOURS = 3
SEEN = "What `spectrogram` is made of was chosen with these clips in sight."
PHRASES = 150
MADE = (
    ("m3", 160, 50),
    ("f2", 150, 65),
    ("m7", 190, 30),
    ("f5", 130, 75),
    ("whisper", 160, 50),
)  # variant, speed, pitch


def main() -> None:
    if sys.argv[1:2] == ["--timed"]:
        print(json.dumps(timed(sys.argv[2], Path(sys.argv[3]))))
        return
    parts = {
        "samples": lambda: classes("Sonic Pi's samples", media.samples(), SEEN),
        "effects": lambda: classes("Tux Paint's sound effects", effects(), SEEN),
        "drums": drums,
        "voices": voices,
        "korean": korean,
        "speed": speed,
    }
    chosen = sys.argv[1:] or parts
    if not media.SAMPLES.is_dir() and set(chosen) != {"speed"}:
        sys.exit(media.NO_MEDIA)
    for name in chosen:
        parts[name]()


def drums() -> None:
    rows = media.drums()
    note = "The nearest clip of another kit; nothing was chosen by these."
    classes("Drums across kits, held out", [(path, kind) for path, kind, _ in rows], note, [kit for *_, kit in rows])


def effects() -> list[tuple[Path, str]]:
    return [row for row in media.effects() if not row[1].startswith("symbols")]


def unit(vectors: Any) -> Any:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def classes(title: str, rows: list[tuple[Path, str]], note: str, groups: list[str] | None = None) -> None:
    """groups: a clip's neighbours are those of other groups alone."""
    labels = np.array([label for _, label in rows])
    counts = Counter(labels.tolist())
    usual = max(counts.values()) / len(rows)
    barred = np.eye(len(rows), dtype=bool) if groups is None else np.equal.outer(np.array(groups), np.array(groups))
    right = {}
    for shown, (name, options) in EMBEDDERS.items():
        vectors = unit(adjoin.embedder(name, **options).embed([path for path, _ in rows]))
        likeness = np.where(barred, -2, vectors @ vectors.T)
        right[shown] = labels[likeness.argmax(axis=1)] == labels
    print(f"### {title}: {len(rows)} clips, {len(counts)} classes\n")
    print(f"Recall@1 of the class by cosine. Always naming the commonest class is right in {usual:.3f}; reduction of error is "
          f"the gain over that, in multiples of what MFCC means gain. {note}\n")  # fmt: skip
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
    print("Recall@1 of the phrase among all of the other speaker's of that column, in both directions; real people at 8 kHz. Words "
          "are numbers, days, months, letters and the radio alphabet, whose text the language fixes. Italian phrases are nearly one text "
          "in both voices; French and Spanish ones of one name were translated twice, by different people, and are mostly other "
          "texts.\n")  # fmt: skip
    pairs = {language: media.phrases(language)[:PHRASES] for language in media.VOICES}
    columns = {f"{language}: words": media.phrases(language, fixed=True) for language in media.VOICES}
    columns |= {f"{language}: phrases": rows for language, rows in pairs.items()}
    print(f"| | {' | '.join(f'{name} ({len(rows)}), → , ←' for name, rows in columns.items())} |")
    print("|---|" + "---|" * len(columns))
    for shown in ("MFCC means", "`sound`", "`speech`"):
        name, options = EMBEDDERS[shown]
        model = adjoin.embedder(name, **options)
        found = [[model.embed([row[n] for row in rows]) for n in (0, 1)] for rows in columns.values()]
        print(f"| {shown} | {' | '.join(both_ways(*voices) for voices in found)} |", flush=True)
        less = [[vectors - vectors.mean(axis=0) for vectors in voices] for voices in found]
        print(f"| {shown}, less each voice's mean | {' | '.join(both_ways(*voices) for voices in less)} |", flush=True)
    print("\n### Who speaks\n")
    clips = [(row[n], f"{language} {n}") for language, rows in pairs.items() for row in rows[:30] for n in (0, 1)]
    clips = [(item, label) for item, label in clips if clip_of(item).seconds > 0.8]
    labels = np.array([label for _, label in clips])
    print(f"{len(clips)} clips of {2 * len(pairs)} speakers ({len(pairs)} languages): the nearest clip that says another phrase "
          "is the same speaker's.\n")  # fmt: skip
    print("| | recall@1 of the speaker |\n|---|---|")
    for shown in ("MFCC means", "`sound`", "`speech`", "`voice`"):
        name, options = EMBEDDERS[shown]
        vectors = unit(adjoin.embedder(name, **options).embed([item for item, _ in clips]))
        likeness = vectors @ vectors.T
        np.fill_diagonal(likeness, -2)
        print(f"| {shown} | {(labels[likeness.argmax(1)] == labels).mean():.3f} |", flush=True)
    print()


def korean() -> None:
    told = sorted({one.one for one in questions.asked("test") if one.language == "ko" and 6 <= len(one.one) <= 40})
    phrases = sorted(told, key=lambda text: hashlib.sha256(text.encode()).digest())[:PHRASES]
    clips = [[spoken.say(text, "ko", *each) for text in phrases] for each in MADE]
    print("### The same Korean phrase by another voice\n")
    print(f"{len(phrases)} questions and commands, said by {len(MADE)} made voices of eSpeak NG (of other pitch and speed: no people, "
          "so easier than people); recall@1 of the phrase, mean of all pairs of voices, and of the worst.\n")  # fmt: skip
    print("| | mean | worst pair |\n|---|---|---|")
    for shown in ("MFCC means", "`sound`", "`speech`"):
        name, options = EMBEDDERS[shown]
        model = adjoin.embedder(name, **options)
        vectors = [unit(model.embed(said)) for said in clips]
        here = np.arange(len(phrases))
        found = [((one @ other.T).argmax(1) == here).mean() for one, other in itertools.permutations(vectors, 2)]
        print(f"| {shown} | {np.mean(found):.3f} | {min(found):.3f} |", flush=True)
    print()


def both_ways(first: Any, second: Any) -> str:
    likeness = unit(first) @ unit(second).T
    here = np.arange(len(likeness))
    return ", ".join(f"{(likeness.argmax(axis) == here).mean():.3f}" for axis in (1, 0))


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
        "peak_mb": peak_mb(),
    }


if __name__ == "__main__":
    main()
