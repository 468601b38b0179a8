"""Threads, forks and interruptions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from adjoin.embed.default import default_embedder
from adjoin.embed.text import TextEmbedder
from adjoin.embed.workers import Workers

TEXTS = [f"번호 {number}: the river froze" for number in range(24)]


def test_many_threads_get_the_vectors_of_one(default: TextEmbedder) -> None:
    expected = default.embed(TEXTS)
    fresh = default_embedder()
    with ThreadPoolExecutor(8) as threads:
        for vectors in threads.map(lambda _: fresh.embed(TEXTS), range(8)):
            np.testing.assert_array_equal(vectors, expected)


def test_cuts_are_counted_exactly_from_many_threads() -> None:
    embedder = default_embedder()
    long = "word " * 600
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: embedder.embed([long, "short", long]), range(4)))
    assert embedder.truncated == 8


FORK = """
import os, sys, threading
import numpy as np
from adjoin.embed import embedder
e = embedder("default", workers=2)
texts = [f"text {n}" for n in range(8)]
before = e.embed(texts)
stop = threading.Event()
def busy():
    while not stop.is_set():
        e.embed(texts)
other = threading.Thread(target=busy)
other.start()
for _ in range(3):
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(e.embed(texts), before) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, status
stop.set()
other.join()
assert np.array_equal(e.embed(texts), before)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_embeds_while_its_parent_does() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "done", done.stderr


INTERRUPTED = """
import threading
from adjoin.embed import embedder
e = embedder("default", workers=2)
e.embed(["warm", "up"])
print("ready", flush=True)
try:
    e.embed(["강물이 얼었다. " * 200] * 2000)
except KeyboardInterrupt:
    print("interrupted", flush=True)
e.embed(["still", "works"])
print("done", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_stops_promptly_and_leaves_no_stuck_threads() -> None:
    with subprocess.Popen([sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        sent = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.stdout.readline() == "done\n"
        assert process.wait(timeout=10) == 0
        assert time.perf_counter() - sent < 5


def test_an_error_in_one_worker_is_raised_and_stops_the_others() -> None:
    done: list[int] = []

    def work(value: int) -> None:
        if value == 3:
            raise ValueError("three")
        time.sleep(0.001)
        done.append(value)

    workers = Workers(2)
    with pytest.raises(ValueError, match="three"):
        workers.run(work, range(10_000))
    assert len(done) < 100
    workers.close()


def test_closing_ends_the_threads_and_the_next_run_starts_new_ones() -> None:
    before = set(threading.enumerate())
    workers = Workers(2)
    done: list[int] = []
    workers.run(done.append, range(5))
    workers.close()
    assert set(threading.enumerate()) <= before
    workers.run(done.append, range(5))
    workers.close()
    assert sorted(done) == sorted([*range(5), *range(5)])
