"""SHA-256 of files, remembered while they do not change."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path


def sha256(*paths: Path) -> str:
    """Of one file, or over the digests of several in their order. Read again only when size or time has changed."""
    digests = [_digest(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


@lru_cache(maxsize=256)
def _digest(path: str, size_bytes: int, modified_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
