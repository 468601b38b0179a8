"""The records that are learned from: all of them, or as many as memory is to hold, drawn evenly."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from adjoin.embed.records.rows import as_record, rows_of
from adjoin.embed.records.schema import Schema
from adjoin.errors import InvalidInput


class Sample:
    """Records drawn evenly from a stream, with their positions and labels."""

    def __init__(self, most: int, seed: int) -> None:
        self._most = most
        self._random = random.Random(seed)
        self.rows: list[tuple[int, dict[str, Any], Any]] = []
        self.seen = 0
        self.labelled = False
        self.orders: dict[str, Sequence[Any]] = {}

    def copy(self) -> Sample:
        """So that a call that is refused leaves nothing behind."""
        other = Sample(self._most, 0)
        other._random.setstate(self._random.getstate())
        other.rows, other.seen, other.labelled = list(self.rows), self.seen, self.labelled
        other.orders = dict(self.orders)
        return other

    def take(self, items: Any, labels: Sequence[Any] | None, schema: Schema | None) -> None:
        if self.seen and self.labelled != (labels is not None):
            raise InvalidInput("some calls gave labels and some did not. Give them with all records, or with none.")
        given = None if labels is None else list(labels)
        names = schema.sources if schema else None
        count = 0
        for item in rows_of(items):
            if given is not None and count >= len(given):
                raise InvalidInput(f"there are {len(given)} labels, and more records. Give one label for each.")
            row = (count, as_record(item, count, names, names or ()), None if given is None else given[count])
            if len(self.rows) < self._most:
                self.rows.append(row)
            elif (place := self._random.randrange(self.seen + 1)) < self._most:
                self.rows[place] = row
            count += 1
            self.seen += 1
        if given is not None and count < len(given):
            raise InvalidInput(f"there are {len(given)} labels for {count} records. Give one label for each.")
        self.labelled = labels is not None
