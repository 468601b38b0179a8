"""Every error a user can cause, each saying what happened, to which item, and what to do.

AdjoinError
├── InvalidInput (ValueError)       the call's own words or data; nothing of the call was stored
│   ├── DimensionMismatch           a vector of another length than the collection's
│   ├── InvalidVector               NaN, infinity, or zero length where a direction is needed
│   ├── InvalidId · DuplicateId
│   ├── InvalidContent · InvalidMetadata
│   ├── InvalidFilter               a `where=` that the filter language does not know
│   └── InvalidOption               an unknown name, or a number out of its range
│       └── UnknownKeyword (TypeError)  a keyword that the function does not have
├── NotFound (LookupError)          no such collection, id or path
│   └── CollectionReplaced          another collection goes by that name now
├── IdentityMismatch                the collection was embedded with another model
├── NotFitted                       an embedder that has to see data first
├── Unsupported                     this engine or embedder cannot do it
├── MissingExtra (ImportError)      an optional dependency is not installed
├── UnreadableFile                  a file that could not be read as what it claims to be
├── ModelError                      a model, or whoever runs it, did not answer
│   ├── ModelUnavailable            not there, too slow, or too busy, after all retries
│   ├── ModelRefused                a wrong key, a wrong name, a request it cannot take
│   ├── ContextTooLong              the prompt is longer than the model reads
│   └── AnswerCutOff                it broke off in the middle, or what it sent cannot be read
└── StoreError                      the folder or database itself
    ├── NotAStore · NewerFormat · StoreCorrupted
    └── StoreLocked · StoreFull · StoreClosed
"""

from __future__ import annotations

from collections.abc import Iterable


class AdjoinError(Exception):
    """The base of all errors that adjoin raises on purpose."""


class InvalidInput(AdjoinError, ValueError):
    """What was passed cannot be used. Nothing of the call was stored."""


class DimensionMismatch(InvalidInput):
    """A vector's length differs from the collection's."""

    @classmethod
    def of_vector(cls, collection: str, held: int, given: int, embedder: str) -> DimensionMismatch:
        return cls(
            f"collection {collection!r} holds {held}-dimensional vectors; this one has {given}. "
            f"It was created with embedder {embedder!r}. Embed with that model, or use another collection."
        )


class InvalidVector(InvalidInput):
    """A vector with NaN or infinity, or of zero length under the cosine metric."""


class InvalidId(InvalidInput):
    """An id that is neither a str nor an int of 64 bits."""


class DuplicateId(InvalidInput):
    """An id that exists already, or stands twice in one call."""

    @classmethod
    def existing(cls, collection: str, ids: Iterable[object]) -> DuplicateId:
        return cls(
            f"collection {collection!r} already has {listed(ids)}. Nothing of this call was stored. "
            "Use upsert() to replace, or give other ids."
        )

    @classmethod
    def repeated(cls, ids: Iterable[object]) -> DuplicateId:
        return cls(
            f"{listed(ids)} stands more than once in this call. Nothing of it was stored. Give each item its own id."
        )


class InvalidContent(InvalidInput):
    """An item of a kind that cannot be stored or embedded."""


class InvalidMetadata(InvalidInput):
    """Metadata that cannot be stored faithfully."""


class InvalidFilter(InvalidInput):
    """A filter that is not in the language of docs/filters.md."""


class InvalidOption(InvalidInput):
    """An option with an unknown name or a value out of its range."""

    @classmethod
    def unknown(cls, kind: str, name: object, known: Iterable[str]) -> InvalidOption:
        return cls(f"unknown {kind} {name!r}. Known: {', '.join(known)}.")


class UnknownKeyword(InvalidOption, TypeError):
    """A keyword that the function does not have. Nothing was done."""


class NotFound(AdjoinError, LookupError):
    """Something named is not there."""

    def __str__(self) -> str:  # LookupError would show the repr
        return str(self.args[0]) if self.args else ""


class CollectionReplaced(NotFound):
    """Another collection goes by the name than the one that was opened."""

    @classmethod
    def named(cls, name: str) -> CollectionReplaced:
        return cls(
            f"the collection {name!r} was dropped and made anew, or embedded again, since it was opened. "
            f"Get it again with db.collection({name!r})."
        )


class IdentityMismatch(AdjoinError):
    """The embedder at hand is not the one whose vectors are stored."""


class NotFitted(AdjoinError):
    """The embedder has to learn from data before it can embed."""

    @classmethod
    def of(cls, embedder: str) -> NotFitted:
        return cls(
            f"the embedder {embedder!r} has not seen any data yet. Call fit(items), or load a saved one by its path."
        )


class Unsupported(AdjoinError):
    """The engine or embedder cannot do this, and doing something else silently would be wrong."""


class MissingExtra(AdjoinError, ImportError):
    """An optional dependency is needed."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> MissingExtra:
        return cls(f"{purpose} needs the package {package!r}. Install it with: pip install 'adjoin[{extra}]'")


class UnreadableFile(AdjoinError):
    """A file that could not be read; the others of the call are not affected."""


class ModelError(AdjoinError):
    """A language model or a provider of embeddings did not answer. Nothing was stored of the call."""


class ModelUnavailable(ModelError):
    """It is not there, too slow, or too busy; what is transient was tried again."""


class ModelRefused(ModelError):
    """It does not take the request: the key, the model's name, or an option is wrong. Trying again changes nothing."""


class ContextTooLong(ModelError):
    """The prompt is longer than the model reads."""


class AnswerCutOff(ModelError):
    """The answer broke off, or is no answer."""


class StoreError(AdjoinError):
    """Something is wrong with the store's folder or database."""


class NotAStore(StoreError):
    """The folder or file is not an adjoin store. It was not changed."""


class NewerFormat(StoreError):
    """The store was written by a newer adjoin. It was not changed."""


class StoreCorrupted(StoreError):
    """The database is damaged."""


class StoreLocked(StoreError):
    """Another process kept the write lock too long."""


class StoreFull(StoreError):
    """The disk is full, or the store may not be written."""


class StoreClosed(StoreError):
    """The database was closed."""


def listed(values: Iterable[object], most: int = 5) -> str:
    """`'a', 'b' and 3 more`: a few of many values for a message, each cut short."""
    shown = [_short(repr(value)) for value in values]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def _short(text: str, most: int = 80) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
