"""The same text in Korean and in English, from what tests may read but the repository may not keep.

Help pages of LibreOffice (MPL-2.0) and descriptions of Debian's packages (each under its package's licence). Both are
split once, by a hash of the key: the correction of the default model is estimated on one half, and no test or benchmark
reads that half.

`python -m tests.support.pairs` brings the descriptions to .cache/; `python -m tests.support.fetch` the help pages.
"""

from __future__ import annotations

import hashlib
import html
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.fetch import CACHE

DESCRIPTIONS = CACHE / "descriptions"
HELP_FOLDERS = (
    Path(os.environ.get("ADJOIN_HELP_PAGES", CACHE / "help" / "usr/share/libreoffice/help")),
    Path("/usr/share/libreoffice/help"),
)
NO_HELP = "LibreOffice's help pages are not here: run `python -m tests.support.fetch`, or set ADJOIN_HELP_PAGES"
NO_DESCRIPTIONS = "Debian's package descriptions are not here: run `python -m tests.support.pairs`"


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Pair:
    key: str
    ko: Text
    en: Text

    @property
    def for_estimation(self) -> bool:
        """Whether the correction was estimated with it; tests take the other half."""
        return hashlib.sha256(self.key.encode()).digest()[-1] % 2 == 0


def estimation_half(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if pair.for_estimation]


def test_half(pairs: Iterable[Pair]) -> list[Pair]:
    return [pair for pair in pairs if not pair.for_estimation]


test_half.__test__ = False  # type: ignore[attr-defined]  # no test in spite of its name


@cache
def help_pages() -> tuple[Pair, ...]:
    """All pages that exist in both languages, as they are; empty when they are not on this machine."""
    root = next((folder for folder in HELP_FOLDERS if (folder / "ko").is_dir() and (folder / "en-US").is_dir()), None)
    if root is None:
        return ()
    names = sorted(str(path.relative_to(root / "ko")) for path in (root / "ko/text").rglob("*.html"))
    return tuple(
        Pair(name, _page(root / "ko" / name), _page(root / "en-US" / name))
        for name in names
        if (root / "en-US" / name).exists()
    )


@cache
def help_pairs() -> tuple[Pair, ...]:
    """The clean ones: a Korean title and body that are Korean, and no title or body twice."""
    return tuple(_clean(help_pages()))


@cache
def description_pairs() -> tuple[Pair, ...]:
    """Descriptions of Debian's packages in both languages, clean in the same sense."""
    korean, english = all_descriptions("ko"), all_descriptions("en")
    return tuple(_clean(Pair(key, korean[key], english[key]) for key in sorted(korean.keys() & english.keys())))


def _clean(pairs: Iterable[Pair]) -> Iterator[Pair]:
    seen: set[str] = set()
    for pair in pairs:
        texts = (pair.ko.title, pair.ko.body, pair.en.title, pair.en.body)
        if all(texts) and hangul(pair.ko.body) > 0.3 and hangul(pair.ko.title) > 0 and not seen.intersection(texts):
            seen.update(texts)
            yield pair


def hangul(text: str) -> float:
    """The share of Hangul syllables among the characters that are no space."""
    solid = "".join(text.split())
    return sum("가" <= character <= "힣" for character in solid) / max(len(solid), 1)


def _page(path: Path) -> Text:
    source = path.read_text(encoding="utf-8")
    title = re.search(r"<title>(.*?)</title>", source, re.S)
    start = source.find('<div id="DisplayArea"')
    body = source[source.find(">", start) + 1 :] if start >= 0 else ""
    body = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", body, flags=re.S)
    body = html.unescape(body).split("Help content debug info")[0]  # what follows repeats the title
    return Text(html.unescape(title[1]).strip() if title else "", " ".join(body.split()))


def all_descriptions(language: str) -> dict[str, Text]:
    """Every description in one language, by key, as it is."""
    found = {}
    for path in DESCRIPTIONS.glob(f"*_main_i18n_Translation-{language}"):
        for block in path.read_text(encoding="utf-8", errors="replace").split("\n\n"):
            entry = re.search(r"^Description-md5: (\w+)\nDescription-\w+: (.*)\n((?: .*\n?)*)", block, re.M)
            if entry:
                lines = (line.strip() for line in entry[3].splitlines())
                found[entry[1]] = Text(entry[2], " ".join(line for line in lines if line != ".").strip())
    return found


def fetch_descriptions(languages: str = "ko,en") -> None:
    """Through apt, into folders of our own, so that the system's lists stay as they are."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lists/partial").mkdir(parents=True)
        settings = {
            "Dir::State::lists": f"{folder}/lists", "Dir::Cache": folder, "Acquire::GzipIndexes": "false",
            "Acquire::Languages": languages, "APT::Sandbox::User": "",
        }  # fmt: skip
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        done = subprocess.run(["apt-get", "update", "-q", *options], capture_output=True, check=False, text=True)
        found = list((Path(folder) / "lists").glob("*_main_i18n_Translation-*"))
        if not found:
            print(f"apt-get cannot bring the descriptions: {done.stderr}", file=sys.stderr)
            return
        DESCRIPTIONS.mkdir(parents=True, exist_ok=True)
        for path in found:
            (DESCRIPTIONS / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    fetch_descriptions()
