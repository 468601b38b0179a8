"""Peers in processes of their own: installed, loaded, turned to the recall that is wanted, timed in turn, and weighed."""

from __future__ import annotations

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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ROOT, Dataset, environment, metadata
from questions import Class, K, Questions, questions

HERE = Path(__file__).resolve().parent
CACHE = ROOT / ".cache" / "peers"
TARGET = 0.95
LOAD_LIMIT_S, SEARCH_LIMIT_S = 1_800, 300


class Worker:
    """A peer's process, and the conversation with it."""

    def __init__(self, peer: str, python: str, log: Path) -> None:
        away = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONPATH")  # the first two make NumPy slow
        env = {name: value for name, value in os.environ.items() if name not in away}
        env |= {"ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}  # fmt: skip
        if peer.startswith("adjoin"):
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
    parts: dict[str, int] = field(default_factory=dict)
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
        return not self.key.startswith("adjoin") and self.about.get("kind") == "database" and not self.failed

    def median(self, title: str) -> float | None:
        return statistics.median(self.p50[title]) if self.p50.get(title) else None

    def load(self, what: str) -> float:
        return statistics.median(one[what] for one in self.loads)

    @property
    def disk(self) -> int:
        return sum(self.parts.values())

    @property
    def most_at_load(self) -> int:
        return max(one["peak"] for one in self.loads)


@dataclass
class Result:
    """What a contest on one data set found."""

    data: Dataset
    rows: int
    texts_bytes: int
    kinds: list[Class]
    contenders: list[Contender]
    loads: int
    rounds: int
    busy: list[float]
    """Processes that wanted to run at the end of each round, ours among them: 1 on a machine that does nothing else."""

    @property
    def dim(self) -> int:
        return int(self.data.vectors.shape[1])

    @property
    def raw_bytes(self) -> int:
        return self.rows * self.dim * 4


def compare(
    data: Dataset, peers: Sequence[str], *, rows: int | None = None, loads: int = 2, rounds: int = 5, per_round: int = 200,
    kinds: Sequence[str] | None = None,
) -> Result:  # fmt: skip
    """Measure these peers on one data set. kinds: the titles of the searches, all when None."""
    rows = min(rows or len(data.vectors), len(data.vectors))
    contenders, busy = [Contender(key) for key in peers], list[float]()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{data.name}-", dir=CACHE) as name:
        work = Path(name)
        given = work / "given"
        given.mkdir()
        texts = data.texts[:rows]
        np.save(given / "vectors.npy", data.vectors[:rows])
        (given / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
        (given / "metadata.json").write_text(json.dumps(metadata(rows)), encoding="utf-8")
        _say(f"{data.name}, {rows:,} rows: exact neighbours of the queries …")
        found = questions(data, rows, work)
        asked = {kind: one for kind, one in found.items() if kinds is None or kind.title in kinds}
        for one in contenders:
            _attempt(one, _install)
        for number in range(loads):
            for one in contenders:
                _attempt(one, lambda c, n=number: _load(c, n, data, given, work))
        try:
            for one in contenders:
                _attempt(one, lambda c: _open(c, data, work / "queries.npy"))
            for kind, questioned in asked.items():
                for one in contenders:
                    _attempt(one, lambda c, k=kind, q=questioned: _calibrate(c, k, q, texts))
            for number in range(rounds):
                for kind, questioned in asked.items():
                    for one in contenders:
                        _attempt(one, lambda c, k=kind, q=questioned, n=number: _time(c, k, q, n, per_round))
                busy.append(os.getloadavg()[0])
                _say(f"{data.name}: round {number + 1} of {rounds}, load average {busy[-1]:.1f}")
            for one in contenders:
                _attempt(one, _weigh)
        finally:
            for one in contenders:
                if one.worker:
                    one.worker.stop()
    result = Result(data, rows, sum(len(text.encode()) for text in texts), list(asked), contenders, loads, rounds, busy)
    _keep(result)
    return result


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
    one.parts = _parts(place)
    if one.place:
        shutil.rmtree(one.place)
    one.place = place
    _say(f"{data.name}: {one.name} loaded in {done['total_s']:.1f} s, {one.disk / 1e6:.0f} MB")


def _parts(folder: Path) -> dict[str, int]:
    """Bytes that the files take up, by file: holes in them take none."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_blocks * 512 for path in files}


def _open(one: Contender, data: Dataset, queries: Path) -> None:
    one.worker = Worker(one.key, one.python, CACHE / f"{one.key}.log")
    efforts = one.about["efforts"]
    opened = one.worker.ask(
        "open", SEARCH_LIMIT_S, folder=str(one.place), dim=data.vectors.shape[1], metric=data.metric,
        queries=str(queries), effort=efforts[len(efforts) // 2],
    )  # fmt: skip
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


def _keep(result: Result) -> None:
    """All that was measured, beside the environments, for whoever wants more than the table."""
    hidden = ("worker", "place", "python")
    peers = [{name: value for name, value in vars(one).items() if name not in hidden} for one in result.contenders]
    values = {"when": time.time(), "loads": result.loads, "rounds": result.rounds, "busy": result.busy, "peers": peers}
    path = CACHE / f"{result.data.name}-{result.rows}.json"
    path.write_text(json.dumps(values, indent=1, default=str), encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
