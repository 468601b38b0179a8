"""Builds src/adjoin/embed/models/fast/: the embedder `fast`, distilled from `default`.

Needs the texts that `python -m tests.support.fetch` brings. Run from the project's root, some ten minutes on two cores:

    python scripts/build_fast_model.py [--out DIR] [--plain]     --plain: without training, to compare with

Read are only texts of the half that is for estimation (tests/support/pairs.py), which no test reads: LibreOffice's help
pages, and descriptions of Debian's packages in both languages. Titles are taught as queries, passages as documents, as the
teacher is used.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support.pairs import (  # noqa: E402
    Text,
    all_descriptions,
    description_pairs,
    hangul,
    help_pages,
    help_pairs,
    test_half,
)

import adjoin  # noqa: E402
from adjoin.embed.distil import distil  # noqa: E402
from adjoin.embed.static import SHIPPED  # noqa: E402

PIECES, DIM, EPOCHS = 27_000, 256, 12
PASSAGE = 240  # characters
MOST_ENGLISH = {"titles": 14_000, "passages": 22_000}  # of more than there are Korean ones


def for_estimation(key: str) -> bool:
    return hashlib.sha256(key.encode()).digest()[-1] % 2 == 0


def sources() -> Iterator[tuple[Text, int]]:
    """Texts, and how many passages to take of each."""
    for pair in help_pages():
        if for_estimation(pair.key):
            yield pair.ko, 12
            yield pair.en, 12
    for language, most in (("ko", 6), ("en", 1)):
        for key, text in sorted(all_descriptions(language).items()):
            if for_estimation(key):
                yield text, most


def training_texts() -> tuple[list[str], list[str]]:
    """Titles and passages, without any text that a test reads, though it stood in both halves."""
    tested = {text for pair in (*test_half(help_pairs()), *test_half(description_pairs()))
              for language in (pair.ko, pair.en) for text in (language.title, language.body)}  # fmt: skip
    titles, passages = set(), set()
    for text, most in sources():
        if text.title and text.title not in tested:
            titles.add(text.title)
        if text.body and text.body not in tested:
            passages.update(split(text.body)[:most])
    return chosen(titles, MOST_ENGLISH["titles"]), chosen(passages, MOST_ENGLISH["passages"])


def chosen(texts: set[str], most_english: int) -> list[str]:
    mixed = random.Random(0).sample(sorted(texts), len(texts))
    korean = [text for text in mixed if hangul(text) > 0.3]
    return korean + [text for text in mixed if hangul(text) <= 0.3][:most_english]


def split(body: str) -> list[str]:
    """Passages of whole words."""
    passages, words = [], ""
    for word in body.split():
        if words and len(words) + len(word) + 1 > PASSAGE:
            passages.append(words)
            words = word
        else:
            words = f"{words} {word}".strip()
    return [*passages, words] if words else passages


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, default=SHIPPED)
    arguments.add_argument("--plain", action="store_true")
    asked = arguments.parse_args()
    titles, passages = training_texts()
    if not titles:
        sys.exit("the texts are not here: run `python -m tests.support.fetch`")
    print(f"{len(titles):,} titles, {len(passages):,} passages", flush=True)
    told = 0

    def progress(done: int, total: int | None) -> None:
        nonlocal told
        if total and done * 20 // total > told:
            told = done * 20 // total
            print(f"{told * 5} %", flush=True)

    model = distil(
        adjoin.embedder("default"), passages, queries=titles, dim=DIM, vocabulary=PIECES, train=not asked.plain,
        epochs=EPOCHS, progress=progress,
    )  # fmt: skip
    origin = asked.out / "ORIGIN.md"
    text = origin.read_text(encoding="utf-8") if origin.exists() else None
    model.save(asked.out)
    if text is not None:
        origin.write_text(text, encoding="utf-8")
    print(model.report)
    print(", ".join(f"{path.name} {path.stat().st_size:,} bytes" for path in sorted(asked.out.iterdir())))


if __name__ == "__main__":
    main()
