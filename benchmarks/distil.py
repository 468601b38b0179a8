"""What a static model loses beside a transformer, and what it gains: `default`, `fast` plain and trained, and BM25.

    python benchmarks/distil.py > benchmarks/results/distil.md

R@1 of a title for the first 200 characters of its own text. LibreOffice's help pages and Debian's descriptions are of the
half that `fast` did not learn from, but of the same kinds of text; GNOME's help pages (CC-BY-SA) are of a kind that it never
saw. Plain is distilled here from the same pieces. BM25 is on bigrams of characters within words, k1 1.2, b 0.75.
Speed: English titles and passages of 200 characters in one process; the first round, whose words are new, and the median of
five; by the clock and by processor time, which says more on a machine that others use too.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "scripts")]

from tests.support.known_item import CHARACTERS, known_item_recall  # noqa: E402
from tests.support.pairs import Pair, Text, description_pairs, hangul, help_pairs, test_half  # noqa: E402

import adjoin  # noqa: E402
from adjoin.embed.distil import distil  # noqa: E402
from adjoin.embed.static import SHIPPED  # noqa: E402

WAYS = ("ko→ko", "en→en", "ko→en", "en→ko")
GNOME = ROOT / ".cache" / "gnome-help"
ROUNDS = 5
SHORT, LONG = 4_000, 2_000
Array = np.ndarray[Any, np.dtype[Any]]


def gnome_pairs() -> list[Pair]:
    """GNOME's help pages in both languages, clean in the sense of tests/support/pairs.py."""
    if not GNOME.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                ["apt-get", "download", "-q", "gnome-user-docs"], cwd=folder, capture_output=True, check=False
            )
            packages = list(Path(folder).glob("*.deb"))
            if done.returncode or not packages:
                return []
            subprocess.run(["dpkg-deb", "-x", str(packages[0]), str(GNOME)], check=True)
    root = GNOME / "usr/share/help"
    found, seen = [], set()
    for path in sorted((root / "C" / "gnome-help").glob("*.page")):
        twin = root / "ko" / "gnome-help" / path.name
        if twin.exists():
            ko, en = _page(twin), _page(path)
            texts = (ko.title, ko.body, en.title, en.body)
            if all(texts) and hangul(ko.body) > 0.3 and hangul(ko.title) > 0 and not seen.intersection(texts):
                seen.update(texts)
                found.append(Pair(path.name, ko, en))
    return found


def _page(path: Path) -> Text:
    """Title and body of a page in Mallard."""
    source = re.sub(
        r"<info>.*?</info>|<!--.*?-->|<comment>.*?</comment>", " ", path.read_text(encoding="utf-8"), flags=re.S
    )
    title = re.search(r"<title>(.*?)</title>(.*)", source, re.S)
    if title is None:
        return Text("", "")
    plain = [" ".join(re.sub(r"<[^>]+>", " ", part).split()) for part in title.groups()]
    return Text(plain[0], plain[1])


def bm25_recall(pairs: Sequence[Pair]) -> dict[str, float]:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import CountVectorizer

    found = {}
    for way in WAYS:
        asked, wanted = way.split("→")
        passages = [getattr(pair, wanted).body[:CHARACTERS] for pair in pairs]
        counter = CountVectorizer(analyzer="char_wb", ngram_range=(2, 2))
        counts = counter.fit_transform(passages).astype(np.float64)
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        idf = np.log(1 + (len(passages) - counts.getnnz(axis=0) + 0.5) / (counts.getnnz(axis=0) + 0.5))
        rows, columns = counts.nonzero()
        norm = 1.2 * (0.25 + 0.75 * lengths[rows] / lengths.mean())
        weights = csr_matrix((counts.data * 2.2 / (counts.data + norm) * idf[columns], (rows, columns)), counts.shape)
        queries = (counter.transform([getattr(pair, asked).title for pair in pairs]) > 0).astype(np.float64)
        scores = (queries @ weights.T).toarray()
        found[way] = float((scores.argmax(axis=1) == np.arange(len(pairs))).mean())
    return found


def speed(model: Any, texts: list[str], most: int) -> tuple[float, float, float]:
    """Texts a second: the median by the clock, the first and the median by processor time."""
    clock, processor = [], []
    model.embed(["a short text"])
    for _ in range(ROUNDS):
        started, used = time.perf_counter(), time.process_time()
        model.embed(texts[:most])
        clock.append(most / (time.perf_counter() - started))
        processor.append(most / (time.process_time() - used))
    return statistics.median(clock), processor[0], statistics.median(processor)


def peak_mb(name: str) -> int:
    """Of a process that embeds 20,000 short texts with it."""
    count = 20_000 if name == "fast" else 200
    code = (
        f"import adjoin; model = adjoin.embedder({name!r}); model.embed(['a short text'])\n"
        f"model.embed(['the river froze early that winter'] * {count})\n"
        "print(*(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return int(told.stdout) // 1024


def main() -> None:
    sets = {
        "523 help pages": test_half(help_pairs()),
        "400 package descriptions": test_half(description_pairs())[:400],
        "GNOME help": gnome_pairs(),
    }
    if not all(sets.values()):
        sys.exit("the texts are not here: run `python -m tests.support.fetch`")
    default, fast = adjoin.embedder("default"), adjoin.embedder("fast")
    report = json.loads((SHIPPED / "embedder.json").read_text(encoding="utf-8"))["settings"]
    plain = distil(default, dim=report["dim"], vocabulary=27_000, train=False)
    models = {"`default`": default, "`fast`, trained": fast, "plain distillation": plain}
    for name, pairs in sets.items():
        print(f"| R@1, {name if name[0].isdigit() else f'{len(pairs)} pages of {name}'} | " + " | ".join(WAYS) + " |")
        print("|---" * (len(WAYS) + 1) + "|")
        rows = {label: known_item_recall(model, pairs) for label, model in models.items()}
        rows["BM25 on bigrams"] = bm25_recall(pairs)
        for label, found in rows.items():
            print(f"| {label} | " + " | ".join(f"{found[way]:.3f}" for way in WAYS) + " |")
        print(flush=True)
    print_speed(default, fast)


def print_speed(default: Any, fast: Any) -> None:
    titles = [pair.en.title for pair in (*help_pairs(), *description_pairs())]
    passages = [pair.en.body[:CHARACTERS] for pair in (*help_pairs(), *description_pairs())]
    print("| texts a second | titles, clock | first | median | 200 characters, clock | first | median | files | peak |")
    print("|---" * 9 + "|")
    for label, model, name, few in (("`default`", default, "default", 20), ("`fast`", fast, "fast", 1)):
        rates = (*speed(model, titles, SHORT // few), *speed(model, passages, LONG // few))
        folder = SHIPPED if name == "fast" else SHIPPED.parent / "e5-small"
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        shown = " | ".join(f"{rate:,.0f}" for rate in rates)
        print(f"| {label} | {shown} | {size:.1f} MB | {peak_mb(name)} MB |", flush=True)
    print(f"\nA title is {np.mean([len(title) for title in titles]):.0f} characters on average.")


if __name__ == "__main__":
    main()
