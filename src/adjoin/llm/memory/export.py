"""One user's memory as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable

from adjoin.llm.memory.record import Record


def as_json_lines(records: Iterable[Record]) -> str:
    """One message a line, in the order of their numbers, with all that is kept of it but its vector."""
    return "".join(json.dumps(one.to_dict(), ensure_ascii=False, default=str) + "\n" for one in records)
