"""The hash by which a text is known again."""

from __future__ import annotations

import hashlib

from adjoin.errors import InvalidContent


def hash_text(text: str) -> bytes:
    """16 bytes of BLAKE2b over the UTF-8. Raises InvalidContent for a lone surrogate."""
    try:
        return hashlib.blake2b(text.encode(), digest_size=16).digest()
    except UnicodeEncodeError as exc:
        raise InvalidContent(
            f"a text has a lone surrogate ({exc.object[exc.start : exc.end]!r}), which no encoding can keep. "
            "Decode its bytes with errors='replace'."
        ) from exc
