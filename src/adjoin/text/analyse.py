"""Texts as the terms that counts, TF-IDF and trained words are made of.

All forms of a text that look alike give the same terms: it is composed (NFC) and its case is folded. Words are those of a
pattern, but for Hangul, whose words carry particles and endings and so are taken apart: into morphemes by kiwipiepy
(extra `korean`), or, where that is not installed, into pairs of neighbouring syllables.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final, Literal, TypeAlias, get_args

from adjoin.errors import InvalidOption, MissingExtra

Korean: TypeAlias = Literal["auto", "morphemes", "bigrams", "words"]
Units: TypeAlias = Literal["word", "char", "char_wb"]

WORDS: Final = r"\b\w\w+\b"
"""Two or more letters or digits: scikit-learn's `token_pattern`."""
ALL_WORDS: Final = r"\w+|[\u2600-\u27bf\U0001f000-\U0001faff]"
"""Every word, and every emoji."""
KOREAN: Final = get_args(Korean)
UNITS: Final = get_args(Units)

_HANGUL_RUN = re.compile(r"[가-힣]+(?:[ \t]+[가-힣]+)*")
_ASCII_WORDS = bytes(code if re.match(r"\w", chr(code), re.ASCII) else 32 for code in range(256))
"""Each byte of a word as it is, and all others a space."""
_SPACES = re.compile(r"\s\s+")
_KEPT_TAGS = ("NNG", "NNP", "NNB", "NR", "NP", "VV", "VA", "MM", "MAG", "XR", "SL", "SN", "SH")
_MOST_SYLLABLES = 1000
_LONGEST_WORD = 50
"""Longer runs and words are given to the morpheme analyser in parts: its cost grows faster than they do."""


@dataclass(frozen=True)
class Analyser:
    """How a text becomes terms. Two that are equal give the same terms.

    units: "word"; "char", n-grams of characters; "char_wb", those inside words, which are padded with a space.
    ngrams: the shortest and the longest n-gram.
    pattern: what a word is outside of Hangul; must have at most one group. Used by "word" alone.
    korean: what a run of Hangul becomes: "morphemes" (content words and stems, without particles and endings), "bigrams"
    (pairs of syllables inside a word; a word of one syllable stays), "words" (the pattern's, as of any script);
    "auto" is "morphemes" where kiwipiepy is installed and else "bigrams". Used by "word" alone.
    lowercase: fold the case (`str.casefold`).
    stop_words: words left out before n-grams are made.
    """

    units: Units = "word"
    ngrams: tuple[int, int] = (1, 1)
    pattern: str = WORDS
    korean: Korean = "auto"
    lowercase: bool = True
    stop_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.units not in UNITS:
            raise InvalidOption.unknown("units", self.units, UNITS)
        if self.korean not in KOREAN:
            raise InvalidOption.unknown("korean", self.korean, KOREAN)
        shortest, longest = self.ngrams
        if not 1 <= shortest <= longest:
            raise InvalidOption(
                f"ngrams must be (shortest, longest) with 1 <= shortest <= longest, not {self.ngrams!r}."
            )
        try:
            groups = re.compile(self.pattern).groups
        except re.error as exc:
            raise InvalidOption(f"the pattern {self.pattern!r} is no regular expression: {exc}.") from exc
        if groups > 1:
            raise InvalidOption(
                f"the pattern {self.pattern!r} has {groups} groups; with more than one it is not clear which is the word."
            )
        if self.korean == "auto":
            object.__setattr__(self, "korean", "morphemes" if find_spec("kiwipiepy") else "bigrams")
        object.__setattr__(self, "ngrams", (shortest, longest))
        object.__setattr__(self, "stop_words", tuple(sorted({self.normalised(word) for word in self.stop_words})))

    def normalised(self, text: str) -> str:
        """The text as it is analysed."""
        composed = unicodedata.normalize("NFC", text)
        return unicodedata.normalize("NFC", composed.casefold()) if self.lowercase else composed

    def terms(self, text: str) -> list[str]:
        """The terms in their order, repeated as often as they stand there. Cost: linear in the text."""
        whole = self.normalised(text)
        shortest, longest = self.ngrams
        if self.units == "word":
            words = self.words(whole)
            return words if longest == 1 else list(_word_ngrams(words, shortest, longest))
        spaced = _SPACES.sub(" ", whole)
        if self.units == "char":
            return list(_char_ngrams(spaced, shortest, longest))
        return list(_padded_ngrams(spaced, shortest, longest))

    def words(self, normalised: str) -> list[str]:
        """The words of a text that was normalised."""
        found = self._found(normalised) if self.korean == "words" else self._mixed(normalised)
        stop = self._stop
        return [word for word in found if word not in stop] if stop else found

    def settings(self) -> dict[str, Any]:
        """Plain values, of which `of` makes it again."""
        return asdict(self) | {"ngrams": list(self.ngrams), "stop_words": list(self.stop_words)}

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Analyser:
        return cls(**settings | {"ngrams": tuple(settings["ngrams"]), "stop_words": tuple(settings["stop_words"])})

    def identity(self) -> dict[str, Any]:
        """What of it decides the terms, as the identity of an embedder states it."""
        stated = self.settings()
        if self.units != "word":
            del stated["pattern"], stated["korean"]
        elif self.korean == "morphemes":
            stated["korean"] = "morphemes by kiwipiepy"
        return stated

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def _stop(self) -> frozenset[str]:
        return frozenset(self.stop_words)

    def _found(self, text: str) -> list[str]:
        """Words by the pattern."""
        if self.pattern == ALL_WORDS and text.isascii():  # the same, in less than half the time
            return text.encode().translate(_ASCII_WORDS).decode().split()
        return self._pattern.findall(text)

    def _mixed(self, text: str) -> list[str]:
        """Words by the pattern, and of each run of Hangul what `korean` says."""
        runs = list(_HANGUL_RUN.finditer(text))
        if not runs:
            return self._found(text)
        parts = [run[0] for run in runs]
        taken_apart = morphemes(parts) if self.korean == "morphemes" else [syllable_pairs(part) for part in parts]
        found: list[str] = []
        end = 0
        for run, words in zip(runs, taken_apart, strict=True):
            found += self._pattern.findall(text[end : run.start()])
            found += words
            end = run.end()
        return found + self._pattern.findall(text[end:])


def syllable_pairs(run: str) -> list[str]:
    """Pairs of neighbouring syllables inside each word; a word of one syllable stays.

    >>> syllable_pairs("데이터를 찾는 눈")
    ['데이', '이터', '터를', '찾는', '눈']
    """
    return [
        word[at : at + 2] for word in run.split() for at in range(max(len(word) - 1, 1))
    ]  # fmt: skip


def morphemes(runs: list[str]) -> list[list[str]]:
    """The content words of each run of Hangul: nouns, stems of verbs and adjectives, adverbs, roots.

    Raises MissingExtra where kiwipiepy is not installed. Cost: some 2 µs a character, and a second to load the model.
    """
    parts: list[str] = []
    counts: list[int] = []
    for run in runs:
        cut = list(_cut(run))
        parts += cut
        counts.append(len(cut))
    with _analysing:
        analysed = [_content_words(tokens) for tokens in _kiwi().tokenize(parts)]
    found: list[list[str]] = []
    at = 0
    for count in counts:
        found.append([word for words in analysed[at : at + count] for word in words])
        at += count
    return found


def morpheme_version() -> str:
    """Of the installed morpheme analyser, major.minor: another may take words apart otherwise."""
    try:
        return ".".join(version("kiwipiepy").split(".")[:2])
    except ModuleNotFoundError:
        return ""


def has_hangul(text: str) -> bool:
    """Whether a composed text has a Hangul syllable."""
    return _HANGUL_RUN.search(text) is not None


_analysing = threading.Lock()


@lru_cache(maxsize=1)
def _kiwi() -> Any:
    try:
        from kiwipiepy import Kiwi
    except ImportError as exc:
        raise MissingExtra.of("kiwipiepy", "korean", "taking Korean words apart into morphemes") from exc
    return Kiwi(num_workers=1)  # its own threads would not survive a fork


def _content_words(tokens: Any) -> list[str]:
    return [token.form for token in tokens if token.tag.split("-")[0] in _KEPT_TAGS]


def _cut(run: str) -> Iterator[str]:
    """The run itself, or parts of it between words; a word that is too long is cut inside."""
    if len(run) <= _LONGEST_WORD:
        yield run
        return
    part: list[str] = []
    size = 0
    for word in run.split():
        for at in range(0, len(word), _LONGEST_WORD):
            piece = word[at : at + _LONGEST_WORD]
            if part and size + len(piece) > _MOST_SYLLABLES:
                yield " ".join(part)
                part, size = [], 0
            part.append(piece)
            size += len(piece) + 1
    if part:
        yield " ".join(part)


def _word_ngrams(words: list[str], shortest: int, longest: int) -> Iterator[str]:
    for n in range(shortest, min(longest, len(words)) + 1):
        if n == 1:
            yield from words
        else:
            for at in range(len(words) - n + 1):
                yield " ".join(words[at : at + n])


def _char_ngrams(text: str, shortest: int, longest: int) -> Iterator[str]:
    for n in range(shortest, min(longest, len(text)) + 1):
        for at in range(len(text) - n + 1):
            yield text[at : at + n]


def _padded_ngrams(text: str, shortest: int, longest: int) -> Iterator[str]:
    """As scikit-learn's char_wb: a word shorter than n counts once, whole."""
    for word in text.split():
        padded = f" {word} "
        for n in range(shortest, longest + 1):
            yield padded[:n]
            for at in range(1, len(padded) - n + 1):
                yield padded[at : at + n]
            if n >= len(padded):
                break
