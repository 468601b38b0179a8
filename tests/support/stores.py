"""Helpers for tests of the store: other processes, files as they are, and rows that can be told by their id."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
HOLDER = """
import sqlite3, sys
holder = sqlite3.connect(sys.argv[1] + "/adjoin.db", isolation_level=None)
holder.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
holder.execute("ROLLBACK")
print("free", flush=True)
"""
"""Another program that holds the write lock until it is told a line. In this process it would be no obstacle:
POSIX locks are between processes."""


def python(code: str, *args: object, check: bool = True, timeout: float = 60) -> str:
    """What a fresh Python prints that runs this code, with adjoin and the tests to import."""
    command = [sys.executable, "-W", "error", "-c", code, *map(str, args)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """The same, running beside the test, with its standard input and output in our hands."""
    command = [sys.executable, "-u", "-W", "error", "-c", code, *map(str, args)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def files(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder: its bytes' hash and when it was changed."""
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def vector(id_: object, version: int = 0, dim: int = 8) -> NDArray[np.float32]:
    """A vector that nothing else has."""
    seed = hashlib.blake2b(f"{type(id_).__name__}{id_}/{version}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed)).standard_normal(dim, dtype=np.float32)


def vectors(count: int, dim: int = 8, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)


def contents(collection: Any) -> dict[Any, tuple[Any, dict[str, Any], bytes]]:
    """Everything a collection holds, by id."""
    return {
        document.id: (document.content, document.metadata, document.vector.tobytes())
        for document in collection.scan(vectors=True)
    }
