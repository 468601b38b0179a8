"""The one place where a memory reads: each read is confined to one user by the filter that the engine evaluates, and every
row that comes back is looked at again before anyone sees it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from adjoin.errors import InvalidContent, InvalidId, NotFound, StoreError
from adjoin.llm.memory.record import STATE, STATES, Record, State, message_of
from adjoin.types import Document, Erased, Hit, Where

if TYPE_CHECKING:
    from adjoin.collection import Collection
    from adjoin.types import Floats

LONGEST_NAME: Final = 1_000


def checked_name(value: object, what: str) -> str:
    """A user's or session's id as it is kept: any Unicode text, composed (NFC).

    The composed and the decomposed spelling of a name are one user, since no one can tell them apart by looking, and
    filters do not either. Nothing else is changed: case, spaces and invisible characters tell users apart.
    Raises InvalidId for what is not a text, is empty or blank, has a lone surrogate, or more than 1,000 characters.
    """
    if not isinstance(value, str):
        raise InvalidId(
            f"a {what} is a str, not {type(value).__name__} ({value!r:.80}). Write {what}={str(value)!r:.80}."
        )
    if not value.strip():
        raise InvalidId(f"the {what} is empty. Give each {what} a name of its own.")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise InvalidId(f"the {what} {value!r:.80} has a lone surrogate, which no encoding can keep.") from exc
    composed = unicodedata.normalize("NFC", str.__str__(value))
    if len(composed) > LONGEST_NAME:
        raise InvalidId(f"the {what} has {len(composed):,} characters; {LONGEST_NAME:,} is the most. Use a hash of it.")
    return composed


def checked_text(value: object, most: int | None = None) -> str:
    if not isinstance(value, str):
        raise InvalidContent(f"a message is a str, not {type(value).__name__} ({value!r:.80}).")
    if not value.strip():
        raise InvalidContent("the message is empty. Nothing was stored.")
    if most is not None and len(value) > most:
        raise InvalidContent(
            f"the message has {len(value):,} characters, and the policy allows {most:,}. Nothing was stored. "
            "Shorten or split it, or raise max_characters."
        )
    return value


class Scope:
    """One user's rows of a collection, and no others."""

    def __init__(self, collection: Collection, user: str) -> None:
        """user: checked."""
        self._collection = collection
        self.user = user

    def where(self, condition: Where | None = None, states: Sequence[State] = STATES) -> dict[str, Any]:
        """The user's rows that meet the condition. The condition stands beside the scope and cannot widen it."""
        own: dict[str, Any] = {"user": {"$eq": self.user}, STATE: {"$in": list(states)}}
        return {"$and": [own, condition]} if condition else own

    def _own(self, rows: Iterable[Document | Hit]) -> Iterator[Document | Hit]:
        for row in rows:
            if row.metadata.get("user") != self.user or STATE not in row.metadata:
                raise StoreError(
                    "the engine answered a filter on one user with a row of another. Nothing of it is shown. "
                    "Run `adjoin doctor` on the store."
                )
            yield row

    def scan(self, condition: Where | None = None, states: Sequence[State] = STATES) -> list[Record]:
        """In the order of their numbers."""
        rows = self._own(self._collection.scan(where=self.where(condition, states)))
        return sorted(map(message_of, rows), key=lambda one: (one.n, one.at, one.id))

    def nearest(
        self, vector: Floats, k: int, condition: Where | None = None, states: Sequence[State] = STATES
    ) -> list[Hit]:
        """With their scores, which rise with likeness. `message_of` makes messages of them, which takes its time for many."""
        hits = self._collection.search(vector, k=k, where=self.where(condition, states))
        return [hit for hit in self._own(hits) if isinstance(hit, Hit)]

    def get(self, ids: Sequence[str]) -> list[Record]:
        """Those that exist and are the user's."""
        if not ids:
            return []
        rows = self._collection.get(list(dict.fromkeys(ids)))
        # An id can name anyone's row, so here another's is no fault: it is as if it were not there.
        mine = [row for row in rows if row.metadata.get("user") == self.user and STATE in row.metadata]
        return [message_of(row) for row in self._own(mine)]

    def count(self, condition: Where | None = None) -> int:
        return self._collection.count(where=self.where(condition))

    def relink(self, records: Iterable[Record]) -> None:
        """Store what became of messages; those that another process removed meanwhile are passed over."""
        mine = [one for one in records if one.user == self.user]
        if not mine:
            return
        try:
            self._collection.update([one.id for one in mine], [one.links() for one in mine])
        except NotFound:
            there = {one.id for one in self.get([one.id for one in mine])}
            if left := [one for one in mine if one.id in there]:
                self._collection.update([one.id for one in left], [one.links() for one in left])

    def delete(self, records: Sequence[Record]) -> int:
        mine = [one.id for one in records if one.user == self.user]
        return self._collection.delete(mine) if mine else 0

    def erase(self) -> Erased:
        return self._collection.erase(where=self.where())


def owner(collection: Collection, id_: object) -> str | None:
    """Whose message has an id, and nothing else of it; None where no message has it."""
    row = collection.get(id_) if isinstance(id_, str) else None
    return None if row is None or STATE not in row.metadata else message_of(row).user


def users(collection: Collection) -> list[str]:
    """Who has messages. This reading and `owner` are no user's, and give names alone."""
    everyone: Where = {STATE: {"$in": list(STATES)}}
    return sorted({str(row.metadata.get("user")) for row in collection.scan(where=everyone)})
