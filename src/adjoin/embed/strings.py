"""Many strings as one array of bytes, which is kept without pickling and read fast."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ESCAPED = re.compile(r"\\(.)", re.S)


def packed(strings: Iterable[str]) -> NDArray[np.uint8]:
    """UTF-8, one string a line; a line end or backslash inside one is escaped. None of them may be empty."""
    import numpy as np

    text = "\n".join(string.replace("\\", "\\\\").replace("\n", "\\n") for string in strings)
    return np.frombuffer(text.encode(), np.uint8)


def unpacked(array: NDArray[np.uint8]) -> list[str]:
    """The strings of `packed`."""
    text = array.tobytes().decode()
    if not text:
        return []
    strings = text.split("\n")
    if "\\" not in text:
        return strings
    return [_ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], string) for string in strings]
