"""Files of word vectors that other programs write and read.

word2vec          text: a line with number and dimension, then a word and its numbers a line
word2vec-binary   the same line, then each word, a space, and its float32
glove             as word2vec, without the first line
fasttext          Facebook's .bin: words, n-grams and the output layer, so that training can go on

Words hold no space in any of them; a phrase is written with an underscore.
"""

# ruff: noqa: A001, A002  # `format` is the word for it

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

from adjoin.embed.words.base import Trained
from adjoin.embed.words.gensim import gensim
from adjoin.embed.words.settings import Settings
from adjoin.errors import AdjoinError, InvalidOption, NotFound, UnreadableFile, Unsupported

if TYPE_CHECKING:
    from adjoin.types import Floats

FORMATS: Final = ("word2vec", "word2vec-binary", "glove", "fasttext")
_FASTTEXT: Final = struct.pack("<i", 793712314)
_HEADER: Final = re.compile(rb"^\s*(\d+)[ \t]+(\d+)\s*$")
_LONGEST_LINE: Final = 1_000_000


def format_of(path: Path) -> str:
    """Which of FORMATS the file looks like, by its first bytes. Raises NotFound, UnreadableFile."""
    with opened(path) as file:
        first = file.readline(_LONGEST_LINE)
        second = file.read(4096)
    if first.startswith(_FASTTEXT):
        return "fasttext"
    header = _HEADER.match(first)
    if header is None:
        if path.suffix == ".bin" and b"\0" in first + second:
            return "fasttext"  # as it was before 2017, without a mark of its own
        if len(first.split()) < 2 or not _is_number(first.split()[-1]):
            raise UnreadableFile(
                f"{path} is no file of word vectors: its first line is neither a header nor a word with numbers."
            )
        return "glove"
    fields = second.split(b"\n", 1)[0].split()[1:20]
    return "word2vec" if fields and all(_is_number(one) for one in fields[:-1] or fields) else "word2vec-binary"


def read(path: Path, format: str, settings: Settings) -> tuple[Trained, dict[str, Any]]:
    """Words and vectors of a file, and settings it brings with it. format: one of FORMATS, or "auto".

    Raises NotFound, UnreadableFile for a file that is damaged, cut short or of another format, and InvalidOption.
    Memory: the vectors twice, while they are read.
    """
    if format not in (*FORMATS, "auto"):
        raise InvalidOption.unknown("format", format, ("auto", *FORMATS))
    if not path.is_file():
        raise NotFound(f"there is no file {str(path)!r} to load word vectors from.")
    format = format_of(path) if format == "auto" else format
    try:
        if format == "fasttext":
            return _read_fasttext(path, settings)
        return (
            _read_binary(path) if format == "word2vec-binary" else _read_text(path, header=format == "word2vec")
        ), {}
    except AdjoinError:
        raise
    except Exception as exc:  # gensim and struct raise many kinds for a damaged file
        raise UnreadableFile(f"{path} cannot be read as {format}: {exc or type(exc).__name__}.") from exc


def write(path: Path, trained: Trained, settings: Settings, format: str) -> Path:
    """Write words and vectors. Text keeps nine digits, which bring float32 back bit for bit. Counts are kept by fasttext alone.

    A model with jamo writes whole syllables as words; "fasttext" its letters, as they were trained.
    Raises InvalidOption for an unknown format, Unsupported where "fasttext" has no subwords to write.
    """
    if format not in FORMATS:
        raise InvalidOption.unknown("format", format, FORMATS)
    path = path.expanduser().absolute()
    if format == "fasttext":
        _write_fasttext(path, trained, settings)
        return path
    draft = path.with_name(f".{path.name}.part")
    line = " ".join(["%.9g"] * settings.dim).replace("%", "%%").replace("%%", "%")
    with open(draft, "wb") as file:
        if format != "glove":
            file.write(f"{len(trained.words)} {settings.dim}\n".encode())
        for word, vector in zip(trained.words, trained.vectors, strict=True):
            if format == "word2vec-binary":
                file.write(word.encode() + b" " + vector.astype("<f4").tobytes() + b"\n")
            else:
                file.write(f"{word} {line % tuple(vector.tolist())}\n".encode())
    draft.replace(path)
    return path


def opened(path: Path) -> BinaryIO:
    """The file's bytes, unpacked where it is compressed by gzip."""
    try:
        with open(path, "rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        return cast("BinaryIO", gzip.open(path, "rb") if compressed else open(path, "rb"))
    except OSError as exc:
        raise UnreadableFile(f"{path} cannot be opened: {exc.strerror}.") from exc


def _read_text(path: Path, *, header: bool) -> Trained:
    import numpy as np

    words: list[str] = []
    rows: list[Floats] = []
    with opened(path) as file:
        expected = dim = None
        if header:
            found = _HEADER.match(file.readline(_LONGEST_LINE))
            if found is None:
                raise UnreadableFile(
                    f"{path} has no line with number and dimension at its start. Is it format='glove'?"
                )
            expected, dim = int(found[1]), int(found[2])
        for number, line in enumerate(file, start=1 + header):
            fields = line.rstrip().split(b" ")
            if dim is None:
                dim = len(fields) - 1
            if len(fields) < dim + 1:
                raise UnreadableFile(
                    f"{path}, line {number} has {len(fields) - 1} numbers, and the file's dimension is {dim}."
                )
            # A few words of published GloVe files hold spaces themselves.
            words.append(b" ".join(fields[: len(fields) - dim]).decode("utf-8", "replace"))
            try:
                rows.append(np.array(fields[len(fields) - dim :], dtype=np.float32))
            except ValueError as exc:
                raise UnreadableFile(f"{path}, line {number} has what is no number: {exc}.") from exc
    if expected is not None and expected != len(words):
        raise UnreadableFile(
            f"{path} promises {expected} words and holds {len(words)}. It was cut short, or is no word2vec text."
        )
    return _checked(path, words, np.stack(rows) if rows else np.zeros((0, 0), np.float32))


def _read_binary(path: Path) -> Trained:
    import numpy as np

    with opened(path) as file:
        found = _HEADER.match(file.readline(_LONGEST_LINE))
        if found is None:
            raise UnreadableFile(f"{path} has no line with number and dimension at its start.")
        number, dim = int(found[1]), int(found[2])
        if number * dim * 4 > 64 * max(path.stat().st_size, 1):
            raise UnreadableFile(f"{path} promises {number} words of {dim} dimensions, which it is too small for.")
        vectors = np.empty((number, dim), np.float32)
        words = []
        for row in range(number):
            word = bytearray()
            while (letter := file.read(1)) != b" ":
                if not letter or len(word) > _LONGEST_LINE:
                    raise UnreadableFile(f"{path} ends after {row} of {number} words. It was cut short.")
                if letter != b"\n":
                    word += letter
            data = file.read(4 * dim)
            if len(data) < 4 * dim:
                raise UnreadableFile(f"{path} ends after {row} of {number} words. It was cut short.")
            words.append(word.decode("utf-8", "replace"))
            vectors[row] = np.frombuffer(data, "<f4")
    return _checked(path, words, vectors)


def _checked(path: Path, words: list[str], vectors: Floats) -> Trained:
    """Each word once, the first of those that are the same, and finite numbers."""
    import numpy as np

    if not words or not vectors.shape[1]:
        raise UnreadableFile(f"{path} holds no word vectors.")
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise UnreadableFile(f"{path} gives the word {words[int(bad.argmax())]!r} a vector with NaN or infinity.")
    first = {word: row for row, word in reversed(list(enumerate(words))) if word}
    rows = sorted(first.values())
    if len(rows) < len(words):
        words, vectors = [words[row] for row in rows], vectors[rows]
    return Trained(words, np.ascontiguousarray(vectors))


def _read_fasttext(path: Path, settings: Settings) -> tuple[Trained, dict[str, Any]]:
    from dataclasses import replace

    from adjoin.embed.words.by_gensim import trained_of

    fasttext = gensim("models.fasttext", "reading a fastText .bin")
    model = fasttext.load_facebook_model(str(path))
    jamo = settings.jamo
    brought = {
        "dim": int(model.vector_size), "window": int(model.window), "min_count": max(int(model.min_count), 1),
        "training": {
            "skip_gram": bool(model.sg), "negative": int(model.negative), "shortest": int(model.wv.min_n),
            "longest": int(model.wv.max_n), "buckets": int(model.wv.bucket),
        },
    }  # fmt: skip
    trained = trained_of(model, replace(settings, family="fasttext", jamo=jamo))
    return trained, brought


def _write_fasttext(path: Path, trained: Trained, settings: Settings) -> None:
    from adjoin.embed.words.by_gensim import model_of

    if trained.subwords is None or not trained.state:
        raise Unsupported(
            f"this {settings.family} model has no n-grams and output layer, which a fastText .bin consists of. "
            f"Write it as one of: {', '.join(FORMATS[:-1])}."
        )
    model = model_of(trained, settings)
    gensim("models.fasttext", "writing a fastText .bin").save_facebook_model(model, str(path))


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
