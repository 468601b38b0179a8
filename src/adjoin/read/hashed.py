"""What a file contains, in a few characters."""

from __future__ import annotations

import hashlib
from pathlib import Path

from adjoin.read.decode import BLOCK_BYTES, open_regular


def content_hash(path: str | Path) -> str:
    """A digest of the file's bytes, read in blocks. Raises UnreadableFile when it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    with open_regular(Path(path)) as binary:
        while block := binary.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
