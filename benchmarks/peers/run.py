"""adjoin beside other embedded databases and bare libraries, on the same vectors, texts, filters and queries.

python benchmarks/peers/run.py [--peers adjoin,zvec,…] [--data words,sentences,images,glove] [--rows N] [--rounds R] [--loads L]

Each peer has an environment of its own below .cache/peers/ (made here, versions pinned) and a process of its own. Loads
and rounds of searching go round all peers in turn, so that noise hits all alike; a figure is the median over rounds. For
every kind of filter each peer's accuracy dial is first turned to the cheapest place whose recall@10 over all queries is at
least .95, measured against exact search; with that it is timed. Peak memory is the process's own; disk is what the files
take up. A peer that cannot be installed or run is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ROOT, SEED, Dataset, dataset, environment, metadata

HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "peers"
PEERS = (
    "adjoin", "zvec", "qdrant", "lancedb", "chroma", "milvus", "sqlite_vec", "txtai", "faiss", "hnswlib", "usearch",
)  # fmt: skip
DATA = ("words", "sentences", "images", "glove")
K = 10
TARGET = 0.95
LOAD_LIMIT_S, SEARCH_LIMIT_S = 1_800, 300


@dataclass(frozen=True)
class Class:
    """A kind of search: the share of the rows that match, whether every query has a filter of its own, and which queries."""

    title: str
    share: float | None
    unseen: bool = True
    queries: str = "queries"


CLASSES = (
    Class("no filter", None), Class("50 %", 0.5), Class("10 % unseen", 0.1), Class("10 % repeated", 0.1, False),
    Class("1 %", 0.01), Class("0.1 %", 0.001),
)  # fmt: skip
ELSEWHERE = Class("no filter, queries from elsewhere", None, queries="queries_ood")
# our p50 to the best other database's
BARS = {"no filter": 0.4, "50 %": 0.5, "10 % unseen": 0.8, "10 % repeated": 0.5, "1 %": 1.0, "0.1 %": 1.3}
EXACT = ("1 %", "0.1 %")
DISK_BAR = {100: 3.7, 384: 2.6}


def main() -> None:
    options = _options()
    for name in options.data.split(","):
        print(compare(dataset(name), options), flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--rows", type=int, help="no more than so many; the tables are of all when not given")
    parser.add_argument("--rounds", type=int, default=5, help="of searching")
    parser.add_argument("--loads", type=int, default=2, help="rounds of loading")
    parser.add_argument("--slice", type=int, default=200, help="queries a round")
    options = parser.parse_args()
    unknown = set(options.peers.split(",")) - set(PEERS)
    if unknown:
        parser.error(f"no peer {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    return options


# the questions


@dataclass
class Questions:
    """The queries of one kind of search, a filter for each, and what is right."""

    file: Path
    asked: np.ndarray[Any, Any]
    bounds: list[list[int] | None]
    right: np.ndarray[Any, Any]  # how many rows match, at most k; (queries,)
    scores: np.ndarray[Any, Any]  # of the k-th right row, which rises with likeness; (queries,)
    base: np.ndarray[Any, Any]
    numbers: np.ndarray[Any, Any]

    def recall(self, ids: list[list[int]], rows: list[int]) -> tuple[float, int, int]:
        """Share of the true neighbours found, answers with too few rows, and answers with rows that are wrong.

        A row as near as the last true one counts as true, so that ties are nobody's fault.
        """
        hits = most = short = wrong = 0
        for found, query in zip(ids, rows, strict=True):
            want, limits = int(self.right[query]), self.bounds[query]
            most += want
            short += len(found) < want
            unique = sorted(set(found))
            fits = limits is None or all(limits[0] <= self.numbers[row] < limits[1] for row in unique)
            wrong += not fits or len(unique) != len(found) or len(found) > K
            if unique and fits:
                vectors = self.base[unique]
                scores = vectors @ self.asked[query] - (vectors * vectors).sum(1) / 2
                last = self.scores[query]
                hits += min(int((scores >= last - 2e-6 * max(1.0, abs(last))).sum()), want)
        return hits / max(most, 1), short, wrong


def questions(data: Dataset, rows: int, folder: Path) -> dict[Class, Questions]:
    base = np.array(data.vectors[:rows], np.float32)
    if data.metric == "cosine":  # is Euclidean on unit vectors
        base /= np.linalg.norm(base, axis=1, keepdims=True)
    numbers = np.array([one["number"] for one in metadata(rows)])
    order = np.argsort(numbers)
    found: dict[Class, Questions] = {}
    for name in ("queries", "queries_ood"):
        if not (data.folder / f"{name}.npy").exists():
            continue
        asked = data.queries(name).astype(np.float32)
        file = folder / f"{name}.npy"
        np.save(file, asked)
        if data.metric == "cosine":
            asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
        own = {
            kind: Questions(file, asked, _bounds(kind, rows, len(asked)), *np.zeros((2, len(asked))), base, numbers)
            for kind in (*CLASSES, ELSEWHERE)
            if kind.queries == name
        }
        _answer(own, base[order])
        found |= own
    return found


def _bounds(kind: Class, rows: int, count: int) -> list[list[int] | None]:
    if kind.share is None:
        return [None] * count
    width = round(rows * kind.share)
    random = np.random.default_rng([SEED, round(1 / kind.share)])
    lows = random.integers(0, rows - width + 1, count) if kind.unseen else [rows // 3] * count
    return [[int(low), int(low) + width] for low in lows]


def _answer(kinds: dict[Class, Questions], by_number: np.ndarray[Any, Any]) -> None:
    """Fill in what is right, by exact search. by_number: the rows in the order of `number`, so that a filter is a slice."""
    asked = next(iter(kinds.values())).asked
    half = (by_number * by_number).sum(1) / 2
    for start in range(0, len(asked), 64):
        for query, line in enumerate(asked[start : start + 64] @ by_number.T - half, start):
            for one in kinds.values():
                limits = one.bounds[query]
                matching = line if limits is None else line[limits[0] : limits[1]]
                want = min(K, len(matching))
                one.right[query] = want
                one.scores[query] = np.partition(matching, -want)[-want] if want else 0


# the peers


class Worker:
    """A peer's process, and the conversation with it."""

    def __init__(self, peer: str, python: str, log: Path) -> None:
        away = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")  # the first two make NumPy slow
        env = {name: value for name, value in os.environ.items() if name not in away}
        env |= {"ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
        if peer == "adjoin":
            env["PYTHONPATH"] = str(ROOT / "src")
        self.log = log.open("ab")
        self.process = subprocess.Popen(
            [python, "-P", HERE / "worker.py", peer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            env=env, cwd=log.parent,
        )  # fmt: skip
        self.about = self._answer(120)

    def ask(self, do: str, patience_s: float, **values: Any) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"do": do, **values}).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer(patience_s)

    def _answer(self, patience_s: float) -> dict[str, Any]:
        assert self.process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(patience_s):
                self.stop()
                raise RuntimeError(f"no answer in {patience_s:,} s")
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise RuntimeError(f"its process ended with {code}: {_last_line(Path(self.log.name))}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def stop(self) -> None:
        if self.process.poll() is None:
            assert self.process.stdin
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "it said nothing"


@dataclass
class Contender:
    """A peer and all that was measured of it."""

    key: str
    python: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    loads: list[dict[str, Any]] = field(default_factory=list)
    place: Path | None = None
    disk: int = 0
    worker: Worker | None = None
    opened_s: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)
    effort: dict[str, Any] = field(default_factory=dict)
    recall: dict[str, float] = field(default_factory=dict)
    short: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    p50: dict[str, list[float]] = field(default_factory=dict)
    p95: dict[str, list[float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.about.get("name", self.key)

    @property
    def is_other_database(self) -> bool:
        return self.key != "adjoin" and self.about.get("kind") == "database" and not self.failed

    def median(self, title: str) -> float | None:
        return statistics.median(self.p50[title]) if self.p50.get(title) else None

    def load(self, what: str) -> float:
        return statistics.median(one[what] for one in self.loads)


def compare(data: Dataset, options: argparse.Namespace) -> str:
    """The table of one data set, with the bars below it."""
    rows = min(options.rows or len(data.vectors), len(data.vectors))
    contenders = [Contender(key) for key in options.peers.split(",")]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{data.name}-", dir=CACHE) as name:
        work = Path(name)
        given = work / "given"
        given.mkdir()
        texts = data.texts[:rows]
        np.save(given / "vectors.npy", data.vectors[:rows])
        (given / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        (given / "metadata.json").write_text(json.dumps(metadata(rows)), encoding="utf-8")
        _say(f"{data.name}: exact neighbours of the queries …")
        asked = questions(data, rows, work)
        for one in contenders:
            _attempt(one, _install)
        for number in range(options.loads):
            for one in contenders:
                _attempt(one, lambda c, n=number: _load(c, n, data, given, work))
        try:
            for one in contenders:
                _attempt(one, lambda c: _open(c, data, work))
            for kind, questioned in asked.items():
                for one in contenders:
                    _attempt(one, lambda c, k=kind, q=questioned: _calibrate(c, k, q, texts))
            for number in range(options.rounds):
                for kind, questioned in asked.items():
                    for one in contenders:
                        _attempt(one, lambda c, k=kind, q=questioned, n=number: _time(c, k, q, n, options.slice))
                _say(f"{data.name}: round {number + 1} of {options.rounds}")
            for one in contenders:
                _attempt(one, _weigh)
        finally:
            for one in contenders:
                if one.worker:
                    one.worker.stop()
    _keep(data, rows, contenders, options)
    return report(data, rows, texts, list(asked), contenders, options)


def _attempt(one: Contender, what: Any) -> None:
    if one.failed:
        return
    try:
        what(one)
    except Exception as exc:
        one.failed = " ".join(str(exc).split()) or type(exc).__name__
        _say(f"{one.key}: {one.failed}")


def _install(one: Contender) -> None:
    source = (HERE / "adapters" / f"{one.key}.py").read_text(encoding="utf-8")
    wanted = tuple(re.findall(r'"([^"]+)"', re.search(r"^INSTALL.*?= \((.*?)\)$", source, re.M | re.S)[1]))  # type: ignore[index]
    one.python = environment(one.key, wanted, CACHE) if wanted else sys.executable


def _load(one: Contender, number: int, data: Dataset, given: Path, work: Path) -> None:
    place = work / f"{one.key}-{number}"
    place.mkdir()
    log = CACHE / f"{one.key}.log"
    worker = Worker(one.key, one.python, log)
    one.about = worker.about
    try:
        done = worker.ask(
            "load", LOAD_LIMIT_S, folder=str(place), data=str(given), dim=data.vectors.shape[1], metric=data.metric
        )
    finally:
        worker.stop()
    one.loads.append(done)
    one.disk = _disk(place)
    if one.place:
        shutil.rmtree(one.place)
    one.place = place
    _say(f"{data.name}: {one.name} loaded in {done['total_s']:.1f} s, {one.disk / 1e6:.0f} MB")


def _disk(folder: Path) -> int:
    """Bytes that the files take up: holes in them take none."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def _open(one: Contender, data: Dataset, work: Path) -> None:
    one.worker = Worker(one.key, one.python, CACHE / f"{one.key}.log")
    opened = one.worker.ask(
        "open", SEARCH_LIMIT_S, folder=str(one.place), dim=data.vectors.shape[1], metric=data.metric
    )
    one.opened_s = opened["seconds"]


def _ask(one: Contender, asked: Questions, rows: list[int], effort: Any, **values: Any) -> dict[str, Any]:
    assert one.worker
    bounds = [asked.bounds[row] for row in rows]
    return one.worker.ask(
        "search", SEARCH_LIMIT_S, queries=str(asked.file), rows=rows, bounds=bounds, k=K, effort=effort, **values
    )


def _calibrate(one: Contender, kind: Class, asked: Questions, texts: list[str]) -> None:
    """Turn the dial to the cheapest place that finds enough: halving first on some queries, then sure of it on all."""
    efforts = one.about["efforts"]
    some = list(range(0, len(asked.asked), max(1, len(asked.asked) // 250)))
    low, high = 0, len(efforts) - 1
    while low < high:
        middle = (low + high) // 2
        told = _ask(one, asked, some, efforts[middle], limit_s=2, least=30)
        recall = asked.recall(told["ids"], some[: len(told["ids"])])[0]
        low, high = (low, middle) if recall >= TARGET else (middle + 1, high)
    best: tuple[float, Any] = (-1.0, None)
    for effort in efforts[low:]:
        rows = list(range(len(asked.asked)))
        told = _ask(one, asked, rows, effort, limit_s=5, least=100, texts=True)
        rows = rows[: len(told["ids"])]
        recall, short, wrong = asked.recall(told["ids"], rows)
        if recall > best[0]:
            best = (recall, effort)
            one.effort[kind.title], one.recall[kind.title], one.asked[kind.title] = effort, recall, len(rows)
            one.short[kind.title], one.wrong[kind.title] = short, wrong
        for ids, payload in zip(told["ids"], told["texts"], strict=True):
            if payload != [texts[row] for row in ids]:
                raise RuntimeError("returned other texts than were stored")
        if recall >= TARGET:
            break
    _say(f"  {kind.title}: {one.name} recall {one.recall[kind.title]:.3f} at {one.effort[kind.title]}")


def _time(one: Contender, kind: Class, asked: Questions, number: int, count: int) -> None:
    rows = [(number * count + n) % len(asked.asked) for n in range(min(count, len(asked.asked)))]
    told = _ask(one, asked, rows, one.effort[kind.title], warm=5, limit_s=3, least=20)
    one.p50.setdefault(kind.title, []).append(float(np.percentile(told["ms"], 50)))
    one.p95.setdefault(kind.title, []).append(float(np.percentile(told["ms"], 95)))


def _weigh(one: Contender) -> None:
    assert one.worker
    one.memory = one.worker.ask("memory", 60)


# the page


def report(
    data: Dataset,
    rows: int,
    texts: list[str],
    kinds: list[Class],
    contenders: list[Contender],
    options: argparse.Namespace,
) -> str:
    dim = data.vectors.shape[1]
    raw, payload = rows * dim * 4, sum(len(text.encode()) for text in texts)
    part = "" if rows == len(data.vectors) else f" **The first {rows:,} rows only.**"
    lines = [
        f"### {data.name}: {rows:,} × {dim}, {'Euclidean' if data.metric == 'l2' else data.metric}",
        "",
        f"{data.what}.{part} {len(data.queries()):,} held-out queries, k = {K}; raw vectors {raw / 1e6:.0f} MB, texts "
        f"{payload / 1e6:.1f} MB. Cells: recall@{K} → p50 ms, at the cheapest setting that reaches {TARGET} over the queries "
        f"(or the most it reaches, in italics). {options.loads} loads, {options.rounds} rounds, seed {SEED}. "
        "Bold: the fastest database that reaches it.",
        "",
        "| | load s: searchable, built | disk MB | memory MB: load, search | "
        + " | ".join(kind.title for kind in kinds)
        + " |",
        "|---" * (4 + len(kinds)) + "|",
    ]
    best = {kind.title: _best(contenders, kind.title, all_databases=True) for kind in kinds}
    for one in contenders:
        if one.failed and not one.p50:
            lines.append(f"| {one.name} | could not: {one.failed.replace('|', '/')[:200]} |" + " |" * (2 + len(kinds)))
            continue
        label = f"{one.name} {one.about['version']}" + (" (library)" if one.about["kind"] == "library" else "")
        cells = [_cell(one, kind.title, best[kind.title]) for kind in kinds]
        most = max(load["peak"] for load in one.loads)
        lines.append(
            f"| {label} | {one.load('searchable_s'):.1f}, {one.load('total_s'):.1f} | {one.disk / 1e6:.0f} | "
            f"{most / 1e6:.0f}, {one.memory.get('peak', 0) / 1e6:.0f} | {' | '.join(cells)} |"
        )
    ours = next((one for one in contenders if one.key == "adjoin" and not one.failed), None)
    if ours and any(one.is_other_database for one in contenders):
        lines.append(_ratios(ours, kinds, contenders))
        lines += ["", *_bars(ours, contenders, dim, raw, payload)]
    lines += ["", *_notes(contenders)]
    return "\n".join(lines) + "\n"


def _reaches(one: Contender, title: str, least: float = TARGET) -> bool:
    return not one.failed and one.recall.get(title, 0.0) >= least and bool(one.p50.get(title))


def _best(
    contenders: list[Contender], title: str, *, all_databases: bool = False, least: float = TARGET
) -> Contender | None:
    """The fastest database, ours among them or not, with at least that recall."""
    fit = [
        one for one in contenders
        if _reaches(one, title, least) and (one.is_other_database or (all_databases and one.key == "adjoin"))
    ]  # fmt: skip
    return min(fit, key=lambda one: one.median(title) or 0.0, default=None)


def _cell(one: Contender, title: str, best: Contender | None) -> str:
    middle = one.median(title)
    if middle is None:
        return "–"
    cell = f"{one.recall[title]:.3f} → {_ms(middle)}"
    if one is best:
        cell = f"**{cell}**"
    elif one.recall[title] < TARGET:
        cell = f"_{cell}_"
    for count, what in ((one.short[title], "short"), (one.wrong[title], "wrong")):
        if count:
            cell += f" ({count} of {one.asked[title]} {what})"
    return cell


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _rival(ours: Contender, contenders: list[Contender], title: str) -> Contender | None:
    """Whom to compare with: the fastest other database that reaches the target too, or our recall if we do not."""
    return _best(contenders, title, least=min(TARGET, ours.recall.get(title, TARGET)))


def _ratio(ours: Contender, contenders: list[Contender], title: str) -> tuple[float, Contender] | None:
    rival, mine = _rival(ours, contenders, title), ours.median(title)
    return (mine / rival.median(title), rival) if rival and mine else None  # type: ignore[operator]


def _ratios(ours: Contender, kinds: list[Class], contenders: list[Contender]) -> str:
    others = [one for one in contenders if one.is_other_database]

    def to(value: float, key: Any) -> str:
        rival = min(others, key=key)
        return f"{value / key(rival):.2f} × {rival.name}"

    cells = []
    for kind in kinds:
        found = _ratio(ours, contenders, kind.title)
        cells.append(f"{found[0]:.2f} × {found[1].name}" if found else "–")
    return (
        f"| **adjoin to the best other** | {to(ours.load('searchable_s'), lambda one: one.load('searchable_s'))}, "
        f"{to(ours.load('total_s'), lambda one: one.load('total_s'))} | {to(ours.disk, lambda one: one.disk)} | "
        f"{to(max(x['peak'] for x in ours.loads), lambda one: max(x['peak'] for x in one.loads))}, "
        f"{to(ours.memory['peak'], lambda one: one.memory['peak'])} | {' | '.join(cells)} |"
    )


def _bars(ours: Contender, contenders: list[Contender], dim: int, raw: int, payload: int) -> list[str]:
    lines = ["| bar | measured | |", "|---|---|---|"]

    def judge(what: str, value: float, bar: float, holds: bool = True) -> None:
        lines.append(f"| {what} ≤ {bar} × | {value:.2f} × | {'met' if value <= bar and holds else '**missed**'} |")

    for kind in CLASSES:
        found = _ratio(ours, contenders, kind.title)
        if not found:
            continue
        reached = ours.recall[kind.title] >= TARGET
        whose = f"{found[1].name}'s" + ("" if reached else f"; our recall is only {ours.recall[kind.title]:.3f}")
        judge(f"search p50, {kind.title}, to {whose}", found[0], BARS[kind.title], reached)
        if kind.title in EXACT:
            told = f"recall {ours.recall[kind.title]:.4f}, {ours.short[kind.title]} short"
            holds = ours.recall[kind.title] == 1.0 and not ours.short[kind.title]
            lines.append(f"| {kind.title}: exact and never short | {told} | {'met' if holds else '**missed**'} |")
    zvec = next((one for one in contenders if one.key == "zvec" and not one.failed), None)
    if zvec:
        judge("load, built, to zvec's", ours.load("total_s") / zvec.load("total_s"), 1.0)
        judge("load, searchable, to zvec's built", ours.load("searchable_s") / zvec.load("total_s"), 0.5)
    if dim in DISK_BAR:
        judge(f"disk less the texts, to raw vectors of {dim} dimensions", (ours.disk - payload) / raw, DISK_BAR[dim])
    return lines


def _notes(contenders: list[Contender]) -> list[str]:
    lines = []
    for one in contenders:
        if one.about:
            chosen = "; ".join(f"{title} {effort}" for title, effort in one.effort.items() if effort is not None)
            lines.append(f"- {one.name}: {one.about['note']}." + (f" Chosen: {chosen}." if chosen else ""))
        if one.failed and one.p50:
            lines.append(f"  It ended early: {one.failed}.")
    lines.append(
        "\nMemory at load includes the peer's imports and the vectors, texts and metadata that it is handed: "
        + ", ".join(f"{one.loads[0]['data_bytes'] / 1e6:.0f} MB {one.name}" for one in contenders if one.loads)
        + "."
    )
    return lines


def _keep(data: Dataset, rows: int, contenders: list[Contender], options: argparse.Namespace) -> None:
    """All that was measured, beside the environments, for whoever wants more than the table."""
    hidden = ("worker", "place", "python")
    values = [{name: value for name, value in vars(one).items() if name not in hidden} for one in contenders]
    path = CACHE / f"{data.name}-{rows}.json"
    path.write_text(json.dumps({"when": time.time(), "options": vars(options), "peers": values}, indent=1, default=str))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
