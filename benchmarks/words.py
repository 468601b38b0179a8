"""Trained words: time beside gensim and the authors' GloVe, likeness and analogies beside people, misspelt words found.

    python benchmarks/words.py [speed glove misspelt quality] > benchmarks/results/words.md

English is learned from twenty newsgroups (`python -m tests.support.corpora`), Korean from LibreOffice's help pages
(`python -m tests.support.fetch`). The judgements of wordsim353 and the analogies come with gensim. The authors' GloVe in C
is compiled from a copy of github.com/stanfordnlp/GloVe in .cache/glove-reference, or in ADJOIN_GLOVE_REFERENCE; without
it those rows are left out and the table says so. Seeds are 1; rounds are interleaved and the best is told. Processor time
is told beside time, since the machine is shared: it does not count what others took.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support.corpora import (  # noqa: E402
    NO_NEWSGROUPS,
    WORDS,
    glove_text,
    judged_pairs,
    newsgroups,
    questions,
)
from tests.support.pairs import help_pages  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed.words.jamo import composed, taken_apart  # noqa: E402
from adjoin.text.analyse import ALL_WORDS, Analyser  # noqa: E402

REFERENCE = Path(os.environ.get("ADJOIN_GLOVE_REFERENCE", ROOT / ".cache" / "glove-reference"))
TIMED_EVERY = 12
LEARNED_EVERY = 2
ROUNDS = 4
DIM, EPOCHS, WINDOW = 100, 5, 5
GLOVE_DIM, GLOVE_EPOCHS = 100, 10


def main() -> None:
    texts = [text for _, text in newsgroups()]
    if not texts:
        sys.exit(NO_NEWSGROUPS)
    parts = {
        "speed": lambda: speed(texts[::TIMED_EVERY]),
        "glove": lambda: glove_beside_the_reference(texts[::TIMED_EVERY]),
        "misspelt": misspelt,
        "quality": lambda: quality(texts[::LEARNED_EVERY]),
    }
    for name in sys.argv[1:] or parts:
        parts[name]()


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def speed(texts: list[str]) -> None:
    """Both from raw texts, which the same analyser takes apart; ours finds the common component of sentences besides."""
    from gensim.models import FastText, Word2Vec

    analyser = Analyser(pattern=ALL_WORDS, korean="words")
    words = sum(len(analyser.terms(text)) for text in texts)
    common: dict[str, Any] = {
        "vector_size": DIM,
        "window": WINDOW,
        "min_count": 5,
        "negative": 5,
        "epochs": EPOCHS,
        "seed": 1,
    }
    print(f"### Time, {len(texts):,} newsgroup texts, {words:,} words, {EPOCHS} epochs, {DIM} dimensions\n")
    print(
        "Both from raw texts, taken apart by the same analyser; ours finds the sentences' common component besides.\n"
    )
    print(
        "| | threads | adjoin, s | gensim, s | speed | processor, s | gensim's | speed | words a second of processor time |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for threads in (1, 2):
        for name, made, options, own in (
            ("Word2Vec, skip-gram", Word2Vec, {"sg": 1}, {"algorithm": "skip-gram"}),
            ("Word2Vec, CBOW", Word2Vec, {"sg": 0}, {"algorithm": "cbow"}),
            ("FastText, skip-gram", FastText, {"sg": 1, "bucket": 200_000}, {"buckets": 200_000}),
        )[: 3 if threads == 1 else 1]:
            family = "fasttext" if made is FastText else "word2vec"

            def ours(family: str = family, own: dict[str, Any] = own, threads: int = threads) -> None:
                adjoin.embedder(family, dim=DIM, epochs=EPOCHS, workers=threads, **own).fit(texts)  # type: ignore[attr-defined]

            def theirs(made: Any = made, options: dict[str, Any] = options, threads: int = threads) -> None:
                made([analyser.terms(text) for text in texts], workers=threads, **common, **options)

            (a, cpu), (b, their_cpu) = best(ours, theirs)
            print(f"| {name} | {threads} | {a:.1f} | {b:.1f} | {b / a:.2f} × | {cpu:.1f} | {their_cpu:.1f} | {their_cpu / cpu:.2f} × "
                  f"| {words * EPOCHS / cpu:,.0f} |", flush=True)  # fmt: skip
    print(flush=True)


def best(*runs: Callable[[], None]) -> list[tuple[float, float]]:
    """The shortest time of each, and the least of the processor's, in rounds that take turns."""
    times: list[list[tuple[float, float]]] = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, taken in zip(runs, times, strict=True):
            start, used = time.perf_counter(), processor()
            run()
            taken.append((time.perf_counter() - start, processor() - used))
    return [(min(wall for wall, _ in taken), min(cpu for _, cpu in taken)) for taken in times]


def processor() -> float:
    """Seconds of processor time of this process and those it started."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def glove_beside_the_reference(texts: list[str]) -> None:
    analyser = Analyser(pattern=ALL_WORDS, korean="words")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus.txt").write_text("\n".join(" ".join(analyser.terms(text)) for text in texts), "utf-8")
        model = adjoin.embedder("glove", dim=GLOVE_DIM, epochs=GLOVE_EPOCHS)
        start, used = time.perf_counter(), processor()
        model.fit(texts)  # type: ignore[attr-defined]
        taken = time.perf_counter() - start, processor() - used
        rows.append(("adjoin, NumPy", 1, *taken, likeness(model)))
        from scipy.sparse import csr_matrix

        trained = model._trained  # type: ignore[attr-defined]
        shape = (len(trained.words), len(trained.words))
        held = csr_matrix((trained.state["pair_counts"], tuple(trained.state["pairs"])), shape=shape)
        pairs = (held + held.T).nnz
        for threads in (1, 2):
            used = processor()
            found = reference(folder, threads)
            if found:
                seconds, file = found
                rows.append(
                    (
                        "the authors' C",
                        threads,
                        seconds,
                        processor() - used,
                        likeness(adjoin.embedder("glove", file=file)),
                    )
                )
    print(f"### GloVe, the same texts, window 10, {GLOVE_DIM} dimensions, {GLOVE_EPOCHS} epochs\n")
    print(f"{pairs:,} pairs with a count, both ways. The time is that of counting, shuffling and training.\n")
    print(
        "| | threads | s | processor, s | µs of it a pair and epoch | wordsim353, Spearman |\n|---|---|---|---|---|---|"
    )
    for who, threads, seconds, cpu, (rho, number) in rows:
        print(
            f"| {who} | {threads} | {seconds:.1f} | {cpu:.1f} | {cpu / GLOVE_EPOCHS / pairs * 1e6:.2f} | {rho:.3f} ({number} pairs) |"
        )
    if len(rows) == 1:
        print("\nThe authors' program is not here, so it was not run: see this script's first lines.")
    print(flush=True)


def reference(folder: Path, threads: int) -> tuple[float, Path] | None:
    """Seconds of the authors' four programs, and the vectors they wrote."""
    source = REFERENCE / "src"
    if not (source / "glove.c").is_file():
        return None
    for program in ("vocab_count", "cooccur", "shuffle", "glove"):
        if not (folder / program).exists():
            command = ["cc", "-O3", "-march=native", "-funroll-loops", "-pthread", str(source / f"{program}.c"),
                       str(source / "common.c"), "-o", str(folder / program), "-lm"]  # fmt: skip
            subprocess.run(command, check=True, capture_output=True)
    script = f"""
./vocab_count -min-count 5 -verbose 0 < corpus.txt > vocab.txt
./cooccur -memory 4 -vocab-file vocab.txt -verbose 0 -window-size 10 < corpus.txt > pairs.bin
./shuffle -memory 4 -verbose 0 -seed 1 < pairs.bin > shuffled.bin
./glove -save-file vectors -threads {threads} -input-file shuffled.bin -x-max 100 -eta 0.05 -iter {GLOVE_EPOCHS} \
    -vector-size {GLOVE_DIM} -binary 0 -vocab-file vocab.txt -verbose 0 -seed 1
"""
    start = time.perf_counter()
    subprocess.run(["sh", "-e", "-c", script], cwd=folder, check=True, capture_output=True)
    taken = time.perf_counter() - start
    lines = (folder / "vectors.txt").read_text("utf-8").splitlines()
    file = folder / f"vectors-{threads}.txt"
    file.write_text("\n".join(line for line in lines if not line.startswith("<unk>")) + "\n", "utf-8")
    return taken, file


# ── What was learned ─────────────────────────────────────────────────────────────────────────────────────────────────


def quality(texts: list[str]) -> None:
    from gensim.models import Word2Vec

    analyser = Analyser(pattern=ALL_WORDS, korean="words")
    print(f"### Likeness and analogies, learned from {len(texts):,} newsgroup texts\n")
    print("Spearman's correlation with people on wordsim353; first answers right on the analogies whose four words are known "
          "(chance: one in as many as there are words).\n")  # fmt: skip
    print(
        "| | dimensions | words | wordsim353 | pairs | analogies right | of | chance |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for name, options in (
        ("word2vec", {"algorithm": "skip-gram", "workers": 2}),
        ("word2vec", {"algorithm": "cbow", "workers": 2}),
        ("fasttext", {"workers": 2}),
        ("glove", {"epochs": 15, "x_max": 10.0}),
    ):
        model = adjoin.embedder(name, dim=DIM, **options)
        model.fit(texts)  # type: ignore[attr-defined]
        told(f"adjoin {name} {options.get('algorithm', '')}".strip(), model)
    theirs = Word2Vec(
        [analyser.terms(text) for text in texts],
        vector_size=DIM,
        window=5,
        min_count=5,
        sg=1,
        epochs=5,
        workers=2,
        seed=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        theirs.wv.save_word2vec_format(f"{folder}/gensim.txt")
        told("gensim Word2Vec, skip-gram", adjoin.embedder("word2vec", file=f"{folder}/gensim.txt"))
        if WORDS.exists():
            model = adjoin.embedder("glove", file=glove_text(Path(folder) / "glove.txt", 100_000))
            told("GloVe 6B (six thousand million words), for reference", model)
    print(flush=True)


def told(name: str, model: Any) -> None:
    rho, number = likeness(model)
    right, asked = analogies(model)
    print(f"| {name} | {model.dim} | {len(model):,} | {rho:.3f} | {number} | {right} ({right / max(asked, 1):.1%}) | {asked} "
          f"| {1 / len(model):.3%} |", flush=True)  # fmt: skip


def likeness(model: Any) -> tuple[float, int]:
    from scipy.stats import spearmanr

    known = [(a, b, score) for a, b, score in judged_pairs() if a in model and b in model]
    ours = [model.similarity(a, b) for a, b, _ in known]
    return float(spearmanr(ours, [score for *_, score in known])[0]), len(known)


def analogies(model: Any, most: int = 1500) -> tuple[int, int]:
    known = [row[1:] for row in questions() if all(word in model for word in row[1:])]
    asked = random.Random(1).sample(known, min(most, len(known)))
    return sum(model.analogy(b, a, c, k=1)[0].word == d for a, b, c, d in asked), len(asked)


# ── Misspelt words ───────────────────────────────────────────────────────────────────────────────────────────────────


def misspelt() -> None:
    """One letter of a known word is changed; whether the word is among the nearest."""
    print("### Misspelt words: is the right one among the nearest?\n")
    print(
        "One letter (jamo in Korean) of 300 known words is left out, doubled or replaced; 100 dimensions, 5 epochs.\n"
    )
    print("| | words known | first | among 10 |\n|---|---|---|---|", flush=True)
    korean = [f"{page.ko.title} {page.ko.body}" for page in help_pages()[::2]]
    if korean:
        for name, options in (
            ("Korean, FastText, syllables", {}),
            ("Korean, FastText, syllables, n-grams of 1 to 3", {"min_n": 1, "max_n": 3}),
            ("Korean, FastText, jamo", {"jamo": True}),
        ):
            found(name, adjoin.embedder("fasttext", workers=2, **options), korean, korean_errors)
    texts = [text for _, text in newsgroups()[::TIMED_EVERY]]
    found("English, FastText", adjoin.embedder("fasttext", workers=2), texts, english_errors)
    print(flush=True)


def found(name: str, model: Any, texts: list[str], errors: Callable[[list[str]], Iterator[tuple[str, str]]]) -> None:
    model.fit(texts)
    known = set(model.words)
    first = among = asked = 0
    for wrong, right in errors(model.words):
        if wrong in known:
            continue
        nearest = [one.word for one in model.nearest(wrong, 10)]
        first += nearest[0] == right
        among += right in nearest
        asked += 1
        if asked == 300:
            break
    print(f"| {name} | {len(model):,} | {first / asked:.1%} | {among / asked:.1%} |", flush=True)


def korean_errors(words: list[str]) -> Iterator[tuple[str, str]]:
    """Words of three syllables or more, one letter replaced, doubled finals dropped: as typing errors are."""
    chosen = random.Random(1)
    vowels, finals = "ㅏㅑㅓㅕㅗㅛㅜㅠㅡㅣㅐㅔ", "_ㄱㄴㄹㅁㅂㅅㅇ"
    candidates = [word for word in words if len(word) >= 3 and all("가" <= letter <= "힣" for letter in word)]
    chosen.shuffle(candidates)
    for word in candidates:
        letters = list(taken_apart(word))
        at = chosen.randrange(len(word)) * 3 + chosen.choice((1, 2))
        letters[at] = chosen.choice([one for one in (vowels if at % 3 == 1 else finals) if one != letters[at]])
        yield composed("".join(letters)), word


def english_errors(words: list[str]) -> Iterator[tuple[str, str]]:
    chosen = random.Random(1)
    candidates = [word for word in words if len(word) >= 6 and word.isascii() and word.isalpha()]
    chosen.shuffle(candidates)
    for word in candidates:
        at = chosen.randrange(1, len(word) - 1)
        kind = chosen.randrange(3)
        yield (
            word[:at] + word[at + 1 :] if kind == 0
            else word[: at + 1] + word[at:] if kind == 1
            else word[:at] + chosen.choice("aeioutrns") + word[at + 1 :]
        ), word  # fmt: skip


if __name__ == "__main__":
    main()
