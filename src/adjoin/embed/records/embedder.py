"""The embedder of records: a block of numbers for each field, all blocks of one size."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from adjoin.embed import saved
from adjoin.embed.base import check_kind
from adjoin.embed.identity import Identity
from adjoin.embed.records.block import Block
from adjoin.embed.records.categories import FOLDS, Category
from adjoin.embed.records.explain import Contribution, Explanation
from adjoin.embed.records.kind import Kind as FieldKind
from adjoin.embed.records.rows import as_record, rows_of, to_json
from adjoin.embed.records.sample import Sample
from adjoin.embed.records.schema import Schema, checked, inferred
from adjoin.embed.records.texts import Text
from adjoin.embed.records.weighing import factors_by_labels
from adjoin.errors import (
    AdjoinError,
    IdentityMismatch,
    InvalidContent,
    InvalidInput,
    InvalidOption,
    NotFitted,
    UnreadableFile,
    Unsupported,
)
from adjoin.types import Kind, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from adjoin.types import Floats

FAMILY: Final = "records"
SAMPLE: Final = 100_000

Unknown: TypeAlias = Literal["refuse", "ignore"]
UNKNOWN: Final = ("refuse", "ignore")


class RecordsEmbedder:
    """Dicts, rows and data frames in, vectors out, whose Euclidean distance is the records' unlikeness.

    Each field has its own columns. They are scaled so that every field of weight 1 adds the same to the squared distance of two
    records of `fit`, on average over all pairs: 1. A field's weight multiplies what it adds.
    """

    takes: Final = "record"
    metric: Final = "euclidean"

    def __init__(
        self,
        *,
        schema: Any = "auto",
        weights: Mapping[str, float] | Literal["labels"] | None = None,
        unknown: Unknown = "refuse",
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> None:
        if unknown not in UNKNOWN:
            raise InvalidOption.unknown("answer to unknown fields", unknown, UNKNOWN)
        if isinstance(sample, bool) or not isinstance(sample, int) or sample < 1:
            raise InvalidOption(f"sample is a whole number of 1 or more, not {sample!r}.")
        self._given = None if isinstance(schema, str) and schema == "auto" else checked(schema)
        if isinstance(weights, str) and weights != "labels":
            raise InvalidOption(f'weights is a dict of field names to numbers, or "labels", not {weights!r:.40}.')
        self._by_labels = weights == "labels"
        self._weights_given = weights is not None
        self._weights = {} if weights is None or isinstance(weights, str) else dict(weights)
        if self._given is not None:
            self._given = self._given.weighted(self._weights)
        self._unknown: Unknown = unknown
        self._most = sample
        self._seed = seed
        self._sample: Sample | None = None
        self._schema: Schema | None = None
        self._blocks: dict[str, Block] = {}
        self._identity: Identity | None = None
        self.reopened_by: str | None = None

    # ── What it is ──

    @property
    def schema(self) -> Schema:
        """The fields: those given, or those inferred by `fit`. Raises NotFitted before."""
        found = self._schema or self._given
        if found is None:
            raise NotFitted.of(FAMILY)
        return found

    @property
    def dim(self) -> int:
        self._fitted()
        return sum(block.width for block in self._blocks.values())

    @property
    def columns(self) -> dict[str, slice]:
        """Where each field stands in the vector."""
        self._fitted()
        return {name: block.columns for name, block in self._blocks.items() if block.width}

    @property
    def identity(self) -> Identity:
        self._fitted()
        if self._identity is None:
            settings, arrays = self._learned()
            described = {**settings, "schema": self._described()}
            self._identity = Identity(
                self.reopened_by or FAMILY, FAMILY, self.dim, weights=saved.digest_of(FAMILY, described, arrays),
                normalize=False, settings={
                    "fields": list(self._blocks), "unknown": self._unknown,
                    **{f"field {name}": spec for name, spec in self._described().items()},  # so that a difference names its field
                },
            )  # fmt: skip
        return self._identity

    @property
    def canary_items(self) -> list[dict[str, Any]]:
        """A record of usual values, and one without any."""
        typical: dict[str, Any] = {}
        for name, block in self._blocks.items():
            value = block.kind.typical()
            source = self.schema.fields[name].source
            if value is not None:
                typical |= dict(zip(source, value if len(source) > 1 else [value], strict=True))
        return [typical, {}]

    def kept(self, item: Any) -> dict[str, Any]:
        """The record as plain JSON values, dates in ISO 8601, which embeds like the record."""
        record = {key: to_json(value) for key, value in self._record(item, 0).items()}
        return {key: value for key, value in record.items() if value is not None}

    def hash_of(self, item: Any) -> bytes:
        """16 bytes over the fields that count: equal for records that have the same vector in any form."""
        return self._hash(self._known(self._record(item, 0), 0))

    # ── Learning ──

    def fit(
        self, items: Iterable[Any], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn from records: their schema where it is `auto`, and each field's scale and categories.

        items: dicts, dataclasses, named tuples, rows in the schema's order, a data frame, or a generator of them. Of more than
        `sample`, that many are drawn evenly (algorithm R; Vitter, 1985) and learned from, so that memory is bounded.
        labels: one a record: classes or numbers. Fields are encoded by them where the schema says so, and weighed by them so that
        neighbours have the same label, unless weights were given.
        Raises InvalidContent naming the record and the field, InvalidInput for no record or labels of another number.
        """
        self._sample = Sample(self._most, self._seed)
        return self._learn(items, labels, progress)

    def partial_fit(
        self, items: Iterable[Any], labels: Sequence[Any] | None = None, *, progress: Progress | None = None
    ) -> Self:
        """Learn from further records too: what comes out is what `fit` on all of them gives. The identity changes.

        Raises Unsupported for one that was loaded: what it had seen is not kept in its folder.
        """
        if self._sample is None and self._blocks:
            raise Unsupported(
                "the records that this embedder learned from are not in its folder. Call fit with all of them."
            )
        if self._sample is None:
            self._sample = Sample(self._most, self._seed)
        return self._learn(items, labels, progress)

    def _learn(self, items: Any, labels: Sequence[Any] | None, progress: Progress | None) -> Self:
        assert self._sample is not None
        drawn = self._sample.copy()
        orders = _orders(items)
        drawn.take(items, labels, None if self._given is None else self._given)
        if not drawn.rows:
            raise InvalidInput("there is no record to learn from. Give one at least.")
        records = [record for _, record, _ in drawn.rows]
        schema = self._given or inferred(records, {**drawn.orders, **orders}).weighted(self._weights)
        drawn.orders.update(orders)
        blocks = {name: Block(kind, schema.fields[name].weight) for name, kind in schema.kinds().items()}
        its_labels = [label for _, _, label in drawn.rows] if drawn.labelled else None
        self._refuse_missing_labels(blocks, its_labels)
        known = [_known_fields(record, position, schema, self._unknown) for position, record, _ in drawn.rows]
        folds = [_fold(self._hash(record)) for record in known]
        read: dict[str, list[Any]] = {}
        for done, (name, block) in enumerate(blocks.items()):
            values = [
                _read(block.kind, schema, name, record, position)
                for (position, _, _), record in zip(drawn.rows, known, strict=True)
            ]
            block.learn(values, its_labels, folds)
            read[name] = values
            if progress:
                progress(done + 1, len(blocks))
        if its_labels is not None and self._weighs(schema):
            schema = _weigh(blocks, read, folds, its_labels, schema)
        _place(blocks)
        if not any(block.width for block in blocks.values()):
            raise InvalidOption("every field of the schema is ignored, so there is nothing to embed.")
        self._sample, self._schema, self._blocks = drawn, schema, blocks
        self._identity = self.reopened_by = None
        return self

    def _weighs(self, schema: Schema) -> bool:
        """Whether labels find the fields' weights: where it was asked for, or nobody has said a weight."""
        unsaid = not self._weights_given and all(field.weight == 1 for field in schema.fields.values())
        return self._by_labels or unsaid

    def _refuse_missing_labels(self, blocks: Mapping[str, Block], labels: Sequence[Any] | None) -> None:
        if self._by_labels and labels is None:
            raise InvalidOption('weights="labels" needs labels, and fit was given none. Write fit(items, labels).')
        for name, block in blocks.items():
            if isinstance(block.kind, Category) and block.kind.needs_labels and labels is None:
                raise InvalidOption(
                    f"the field {name!r} is encoded by labels, and fit was given none. Write fit(items, labels)."
                )

    # ── Embedding ──

    def embed(self, items: Sequence[Any], kind: Kind = "document") -> Floats:
        """Vectors of the records in their order, float32 of shape (len(items), dim).

        A record's vector is the same in any company and order, and as a query. Fields that are absent, None or NaN are missing.
        Raises InvalidContent naming the record and the field that is unknown or of a wrong type; NotFitted.
        Cost: O(n · dim), and that of the embedders of text fields.
        """
        import numpy as np

        check_kind(kind)
        self._fitted()
        records = [self._known(self._record(item, position), position) for position, item in enumerate(rows_of(items))]
        folds = [_fold(self._hash(record)) for record in records] if self._needs_folds else [0] * len(records)
        read = {
            name: [_read(block.kind, self.schema, name, record, position) for position, record in enumerate(records)]
            for name, block in self._blocks.items()
        }
        vectors = np.zeros((len(records), self.dim), np.float32)
        for name, block in self._blocks.items():
            if block.width:
                vectors[:, block.columns] = block.rows(read[name], folds)
        return vectors

    def explain(self, a: Any, b: Any) -> Explanation:
        """What each field adds to the squared Euclidean distance of two records, the greatest first."""
        import numpy as np

        squares = (np.subtract(*self.embed([a, b]).astype(np.float64))) ** 2
        total = float(squares.sum())
        first, second = self._record(a, 0), self._record(b, 1)
        found = [
            Contribution(
                name, (part := float(squares[columns].sum())), part / total if total else 0.0,
                _of(first, self.schema.fields[name].source), _of(second, self.schema.fields[name].source),
            )
            for name, columns in self.columns.items()
        ]  # fmt: skip
        return Explanation(tuple(sorted(found, key=lambda one: -one.squared)))

    # ── Keeping ──

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a folder that `adjoin.embedder(path)` loads: JSON and arrays, none of the records.

        Raises InvalidOption where the embedder of a text field cannot be found again by a name.
        """
        self._fitted()
        settings, arrays = self._learned()
        fields = {name: {**self.schema[name], **block.kind.options} for name, block in self._blocks.items()}
        texts = {
            name: block.kind.embedder.identity.fingerprint
            for name, block in self._blocks.items()
            if isinstance(block.kind, Text)
        }
        why = {name: one.why for name, one in self.schema.fields.items() if one.why}
        folder = saved.save(
            path, FAMILY, {**settings, "schema": fields, "order": list(fields), "texts": texts, "why": why}, arrays
        )
        self.reopened_by = str(folder)
        self._identity = None
        return folder

    def _learned(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        states, arrays = [], {}
        for place, block in enumerate(self._blocks.values()):
            assert block.mean is not None
            settings, its_arrays = block.kind.state()
            states.append({"learned": settings, "signal": block.signal, "scale": block.scale})
            arrays[f"mean-{place}"] = block.mean
            arrays |= {f"{name}-{place}": array for name, array in its_arrays.items() if name != "mean"}
        return {"unknown": self._unknown, "states": states}, arrays

    def _described(self) -> dict[str, Any]:
        """The schema with text embedders by what they are, wherever they are found."""
        described = {}
        for name, block in self._blocks.items():
            spec = {key: value for key, value in self.schema[name].items() if key != "embedder"}
            if isinstance(block.kind, Text):
                spec["embedder"] = block.kind.embedder.identity.fingerprint
            else:
                spec |= block.kind.options
            described[name] = spec
        found: dict[str, Any] = json.loads(json.dumps(described))
        return found

    def restore(self, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Take up what was saved."""
        assert self._given is not None
        self._schema = self._given
        for place, (name, kind) in enumerate(self._given.kinds().items()):
            state = settings["states"][place]
            its_arrays = {
                key.rsplit("-", 1)[0]: array for key, array in arrays.items() if key.rsplit("-", 1)[1] == str(place)
            }
            block = Block(kind.restore(state["learned"], its_arrays), self._given.fields[name].weight)
            block.mean, block.signal, block.scale = its_arrays["mean"], state["signal"], state["scale"]
            self._blocks[name] = block
        _place(self._blocks)
        return self

    # ── Inside ──

    def _fitted(self) -> None:
        if not self._blocks:
            raise NotFitted.of(FAMILY)

    @property
    def _needs_folds(self) -> bool:
        return any(isinstance(block.kind, Category) and block.kind.needs_labels for block in self._blocks.values())

    def _record(self, item: Any, position: int) -> dict[str, Any]:
        schema = self.schema
        return as_record(item, position, schema.sources, schema.sources)

    def _known(self, record: Mapping[str, Any], position: int) -> dict[str, Any]:
        return _known_fields(record, position, self.schema, self._unknown)

    @staticmethod
    def _hash(record: Mapping[str, Any]) -> bytes:
        values = {key: _canonical(to_json(record[key])) for key in sorted(record)}
        text = json.dumps(values, ensure_ascii=True, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    def __repr__(self) -> str:
        told = f"{len(self.schema)} fields, {self.dim} dimensions" if self._blocks else "not fitted"
        return f"RecordsEmbedder({told})"


def _known_fields(record: Mapping[str, Any], position: int, schema: Schema, unknown: Unknown) -> dict[str, Any]:
    """The record's fields that count. Raises InvalidContent for one that the schema does not know."""
    known = {key: value for key, value in record.items() if key in schema.counted}
    if unknown == "refuse" and len(known) < len(record):
        others = sorted(set(record) - set(schema.sources))
        if others:
            raise InvalidContent(
                f"item {position} has the field {others[0]!r}, which the schema does not know. Known: {', '.join(schema.sources)}. "
                "Leave it out, or pass unknown='ignore'. Nothing of the call was embedded."
            )
    return known


def _of(record: Mapping[str, Any], source: Sequence[str]) -> Any:
    """The field's value in the record; None where it or a part of it is missing."""
    values = [record.get(key) for key in source]
    return None if any(value is None for value in values) else values[0] if len(values) == 1 else values


def _read(kind: FieldKind, schema: Schema, name: str, record: Mapping[str, Any], position: int) -> Any:
    source = schema.fields[name].source
    value = record.get(source[0]) if len(source) == 1 else _of(record, source)
    if value is None:
        return None
    try:
        return kind.read(value)
    except ValueError as exc:
        if isinstance(exc, AdjoinError):
            raise
        raise InvalidContent(
            f"item {position}, field {name!r} ({kind.name}): {exc}. Nothing of the call was embedded."
        ) from exc


def _place(blocks: Mapping[str, Block]) -> None:
    start = 0
    for block in blocks.values():
        block.start = start
        start += block.width


def _weigh(
    blocks: Mapping[str, Block],
    read: Mapping[str, Sequence[Any]],
    folds: Sequence[int],
    labels: Sequence[Any],
    schema: Schema,
) -> Schema:
    """Multiply the blocks' weights by what the labels say of them; the schema with these weights."""
    found = {name: block.rows(read[name], folds) for name, block in blocks.items() if block.width}
    for name, factor in factors_by_labels(found, labels).items():
        blocks[name].weight *= factor
    return schema.weighted({name: block.weight for name, block in blocks.items()})


def _canonical(value: Any) -> Any:
    """1 and 1.0 are one number, whichever of them a data frame made of it."""
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, list):
        return [_canonical(one) for one in value]
    if isinstance(value, dict):
        return {key: _canonical(one) for key, one in value.items()}
    return value


def _fold(digest: bytes) -> int:
    return int.from_bytes(digest[:4], "big") % FOLDS


def _orders(items: Any) -> dict[str, list[Any]]:
    """The order of the columns that a data frame of pandas says are ordered."""
    if not hasattr(items, "itertuples") or not hasattr(items, "dtypes"):
        return {}
    return {
        str(name): [one.item() if hasattr(one, "item") else one for one in kind.categories]
        for name, kind in items.dtypes.items()
        if getattr(kind, "ordered", False) and len(getattr(kind, "categories", ())) > 1
    }


def records_embedder(
    *,
    schema: Any = "auto",
    weights: Mapping[str, float] | Literal["labels"] | None = None,
    unknown: Unknown = "refuse",
    sample: int = SAMPLE,
    seed: int = 0,
) -> RecordsEmbedder:
    """One that has to see records first.

    schema: "auto", or a dict of field names to kinds, each a name or a dict of `kind`, its options, and perhaps `weight` and
    `from`, the record's key. weights: field → 0 or more; it multiplies what the field adds to the squared distance; {} for the
    same of all. Without it `fit(items, labels)` finds the weights by which neighbours have the same label, and `fit(items)`
    takes the same for all; "labels" does not go without labels. unknown: fields that the schema does not know are refused or
    ignored. sample, seed: the most records that are learned from.
    """
    return RecordsEmbedder(schema=schema, weights=weights, unknown=unknown, sample=sample, seed=seed)


def load_saved(path: str | os.PathLike[str]) -> RecordsEmbedder:
    """The saved one. Raises UnreadableFile, and IdentityMismatch where a text field's embedder is not what it was."""
    from dataclasses import replace

    found = saved.load(path)
    try:
        settings = found.settings
        given = checked({name: settings["schema"][name] for name in settings["order"]})
        schema = Schema({name: replace(one, why=settings["why"].get(name, "")) for name, one in given.fields.items()})
        made = RecordsEmbedder(schema=schema, unknown=settings["unknown"]).restore(settings, found.arrays)
    except (KeyError, TypeError, IndexError, AttributeError) as exc:
        raise UnreadableFile(f"{path} does not describe an embedder of records: {exc!r}. Save it again.") from exc
    for name, fingerprint in settings["texts"].items():
        kind = made._blocks[name].kind
        assert isinstance(kind, Text)
        if kind.embedder.identity.fingerprint != fingerprint:
            raise IdentityMismatch(
                f"the embedder of the text field {name!r}, {kind.embedder.identity.name!r}, is not the one that the saved embedder "
                "learned with. Bring that one back, or fit again."
            )
    return made
