"""Opening a database, by path or URL, and the collections in it."""

from __future__ import annotations

import itertools
import os
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from adjoin.collection import Collection
from adjoin.engine import CollectionSpec, Engine
from adjoin.errors import (
    AdjoinError,
    InvalidOption,
    NotAStore,
    NotFound,
    StoreCorrupted,
    Unsupported,
    listed,
)
from adjoin.held import KEEP, matching, reopening_name
from adjoin.strict import strict
from adjoin.swap import MARK, discard
from adjoin.types import METRICS, Diagnosis, Finding, Id, Metric

if TYPE_CHECKING:
    from adjoin.embed import Embedder

STORAGES: Final = ("float32", "float16", "int8")

_LONGEST_WAIT_S: Final = 1e6  # what a lock and SQLite can count in

EngineOpener = Callable[..., Engine]


@strict
def open(  # noqa: A001  # `adjoin.open`, as in `gzip.open`
    target: str | os.PathLike[str], *, create: bool = True, write_timeout_s: float = 30.0
) -> Database:
    """Open a database: a folder by its path, `memory://`, or an engine by its URL.

    create: make the folder if it is not there. write_timeout_s: how long a write waits for another process's.
    Raises NotFound, NotAStore, NewerFormat or StoreCorrupted, with nothing changed, and Unsupported for a scheme
    that no installed engine serves.
    """
    if isinstance(write_timeout_s, bool) or not isinstance(write_timeout_s, int | float) or not write_timeout_s >= 0:
        raise InvalidOption(f"write_timeout_s is a number of seconds, 0 or more, not {write_timeout_s!r}.")
    write_timeout_s = min(write_timeout_s, _LONGEST_WAIT_S)
    place = os.fspath(target) if isinstance(target, str | os.PathLike) else None
    if not isinstance(place, str) or not place.strip() or "\0" in place or _has_surrogate(place):
        raise InvalidOption(f"open() takes a path or a URL, not {target!r}.")
    scheme, separator, _ = place.partition("://")
    if separator and scheme != "memory":
        return Database(_engine_of(scheme)(place, write_timeout_s=write_timeout_s))
    from adjoin.store.embedded import EmbeddedEngine

    return Database(EmbeddedEngine(None if separator else place, create=create, write_timeout_s=write_timeout_s))


_OWN_ENGINES: Final = {
    "postgresql": "adjoin.engines.postgres:PostgresEngine",
    "postgres": "adjoin.engines.postgres:PostgresEngine",
}
"""Those in this package, as pyproject.toml registers them: a source checkout knows them without being installed anew."""


def _engine_of(scheme: str) -> EngineOpener:
    """The opener that an installed package registered for the scheme in the group `adjoin.engines`, or our own."""
    known = entry_points(group="adjoin.engines")
    own = [EntryPoint(name, value, "adjoin.engines") for name, value in _OWN_ENGINES.items()]
    for point in (*known.select(name=scheme), *(point for point in own if point.name == scheme)):
        opener: EngineOpener = point.load()
        return opener
    schemes = sorted({"memory", *_OWN_ENGINES, *(point.name for point in known)})
    raise Unsupported(
        f"no installed engine opens {scheme}://. Known: {', '.join(name + '://' for name in schemes)}, and a folder's path."
    )


@strict
def doctor(target: str | os.PathLike[str], *, repair: bool = False) -> Diagnosis:
    """Look at a store in a folder, also one that cannot be opened, and name each damage.

    First at the bytes of database and log, where `repair` puts wrong bits right while no one else has the store open;
    then as `Database.doctor` does. Raises NotFound, NotAStore and NewerFormat as `open` does.
    """
    from adjoin.store.raw import examine_raw

    folder = Path(target).absolute()
    raw = examine_raw(folder, repair=repair)
    try:
        with open(folder, create=False) as db:
            found = db.doctor(repair=repair)
    except (NotFound, NotAStore):
        if not raw:
            raise
        return Diagnosis((*raw,), ("bytes of database and log",))
    except StoreCorrupted as exc:
        told = [] if any(not finding.repaired for finding in raw) else [Finding(folder.name, str(exc))]
        return Diagnosis((*raw, *told), ("bytes of database and log",))
    places = {(finding.place, finding.what) for finding in raw}
    rest = [one for one in found.findings if (one.place, one.what) not in places]
    return Diagnosis((*raw, *rest), ("bytes of database and log", *found.checked))


class Database:
    """Collections in one place. A context manager; `close` ends it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._given: dict[
            str, Collection
        ] = {}  # the last of each name, with an embedder that a name may not bring back

    @property
    def location(self) -> str:
        return self._engine.location

    def collections(self) -> list[str]:
        """The names, sorted."""
        return [spec.name for spec in self._engine.collections() if MARK not in spec.name]

    @strict
    def collection(
        self,
        name: str,
        embedder: str | Embedder | None = KEEP,
        metric: Metric | Literal["(as stored)"] = KEEP,
        index: str = KEEP,
        *,
        storage: str = KEEP,
        degree: int | None = None,
        bits: int | None = None,
        init: str | None = None,
        m: int | None = None,
        ef_construction: int | None = None,
        nlist: int | None = None,
    ) -> Collection:
        """The collection of that name, made on first use.

        embedder: a name, a function, an object with `identity`, `dim` and `embed`, or None where the user brings the vectors;
        for a new collection "default". metric: for a new collection the embedder's own, which is "cosine" for nearly all:
        "euclidean" for records, "hamming" for bits.
        index: "auto", or a family: "flat", "graph", "hnsw", "lsh", "pq", "ivf", "ivfpq"; docs/indexes.md says which to
        choose. The families' own parameters: degree, bits, init, ef_construction (graph); m, ef_construction (hnsw);
        bits (lsh); m, bits (pq); nlist (ivf); nlist, m, bits (ivfpq).
        storage: how vectors are kept, "float32", "float16" or "int8"; with the latter two they are rounded when they
        come in, and distances are those of the rounded ones.
        Raises IdentityMismatch if the embedder is not the one that the stored vectors came from, InvalidOption if the
        metric, the index or the storage is another than stored, and Unsupported where the index does not serve the metric.
        """
        name = _checked_name(name)
        given = {
            "degree": degree, "bits": bits, "init": init, "m": m, "ef_construction": ef_construction, "nlist": nlist,
        }  # fmt: skip
        params = {option: value for option, value in given.items() if value is not None}
        stored = self._engine.spec(name)
        if stored is None:
            stored, get_embedder = self._create(name, embedder, metric, index, storage, params)
        else:
            get_embedder = matching(stored, embedder)
        _refuse_other(stored, "metric", stored.metric, metric)
        _refuse_other(stored, "index", stored.index, index)
        _refuse_other(stored, "storage", stored.storage, storage)
        for option, value in params.items():
            _refuse_other(stored, option, stored.params.get(option), value)
        collection = Collection(self._engine, stored, get_embedder)
        self._given[name] = collection
        return collection

    def _create(
        self, name: str, embedder: Any, metric: Any, index: Any, storage: Any, params: dict[str, Any]
    ) -> tuple[CollectionSpec, Callable[[], Any]]:
        index = "auto" if index == KEEP else index
        storage = "float32" if storage == KEEP else storage
        able = self._engine.abilities
        metrics: list[str] = [known for known in METRICS if known in able.metrics]
        if metric != KEEP:
            _refuse_unknown("metric", metric, metrics)
        _refuse_unknown("index", index, sorted(able.indexes, key=_index_order))
        _refuse_unknown("storage", storage, [known for known in STORAGES if known in able.storage])
        embedder = "default" if isinstance(embedder, str) and embedder == KEEP else embedder
        if embedder is None:
            spec = CollectionSpec(
                name, "cosine" if metric == KEEP else metric, index=index, params=params, storage=storage
            )
            return self._engine.create(spec), lambda: None
        from adjoin.embed import embedder as find
        from adjoin.embed import with_canaries

        model = find(embedder)
        if metric == KEEP:
            metric = getattr(model, "metric", "cosine")
            _refuse_unknown("metric", metric, metrics)
        spec = CollectionSpec(
            name,
            metric,
            model.dim,
            reopening_name(embedder),
            with_canaries(model).to_json(),
            index,
            params,
            storage,
        )
        stored = self._engine.create(spec)
        return stored, matching(stored, model)

    @strict
    def drop(self, name: str) -> None:
        """Remove a collection and all its rows. Raises NotFound if there is none of that name."""
        name = _checked_name(name)
        self._engine.drop(name)
        discard(self._engine, name)

    @strict
    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the database to a new folder, as it is at one moment, while it is in use. It appears whole or not at all.

        Every file is checked as it is copied. Raises InvalidOption if something is there already, StoreFull,
        StoreCorrupted, and Unsupported for an engine that has a way of its own.
        """
        self._engine.backup(Path(path))

    @strict
    def doctor(self, repair: bool = False) -> Diagnosis:
        """Look at everything that is stored, and name each damage.

        repair: make again what follows from the rest: indexes, columns, guards; vectors from parity, and where that
        does not reach, from the stored text by the collection's own embedder. What is lost is named row by row.
        Cost: reads every byte of the store.
        """
        found = self._engine.doctor(repair=repair)
        if not repair or found.healthy:
            return found
        tried = [*map(self._with_vectors_again, found.findings)]
        again = self._engine.doctor(repair=True)
        left = {(finding.place, finding.what) for finding in again.findings if not finding.repaired}
        settled = [
            one if one.level == "note" or (one.place, one.what) in left or one.ids else replace(one, repaired=True)
            for one in tried
        ]
        known = {(finding.place, finding.what) for finding in found.findings}
        new = [one for one in again.findings if (one.place, one.what) not in known]
        return Diagnosis((*settled, *new), again.checked)

    def _with_vectors_again(self, finding: Finding) -> Finding:
        """The finding, after texts whose vectors are lost were embedded again, and the other rows set aside."""
        if finding.collection is None or not finding.ids or finding.repaired:
            return finding
        name = finding.collection
        collection = self._given.get(name) or self.collection(name)
        try:
            embedded = set(collection.embed_again(finding.ids))
        except AdjoinError as exc:
            return replace(finding, what=f"{finding.what}. Their texts could not be embedded again: {exc}")
        lost = [id_ for id_ in finding.ids if id_ not in embedded]
        if not lost:
            return replace(finding, repaired=True)
        kept = self._set_aside(name, lost)
        return replace(
            finding,
            what=f"{len(lost):,} rows have lost their vectors: {listed(lost)}. They were taken out, and all else of them is in "
            f"{kept}. Store them again with upsert()",
            ids=tuple(lost),
        )

    def _set_aside(self, name: str, ids: list[Id]) -> str:
        """Write rows without vectors to a file of JSON lines in the folder, and take them out; the file's name."""
        from adjoin.lines import write_lines

        number = itertools.count(1)
        while (path := Path(self.location) / f"lost-{next(number)}.jsonl").exists():
            pass
        write_lines(path, self._engine.rows_without_vectors(name, ids))
        self._engine.delete(name, ids=ids)
        return path.name

    def close(self) -> None:
        """Let go of the files. What was acknowledged is on disk already. Closing twice does no harm."""
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Database({self.location!r})"


def _checked_name(name: object) -> str:
    """NFC, because a shell and a source file may spell the same Hangul differently."""
    if not isinstance(name, str) or not name.strip() or len(name) > 200 or _has_surrogate(name) or MARK in name:
        raise InvalidOption(f"a collection's name is a text of 1 to 200 characters, not {name!r:.60}.")
    return unicodedata.normalize("NFC", name)


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


def _index_order(name: str) -> tuple[int, str]:
    """As documentation lists them: `auto` and `flat` first."""
    return (("auto", "flat", "graph", "hnsw", "lsh", "pq", "ivf", "ivfpq").index(name), name)


def _refuse_unknown(kind: str, given: Any, known: list[str]) -> None:
    if not isinstance(given, str) or given not in known:
        raise InvalidOption.unknown(kind, given, known)


def _refuse_other(spec: CollectionSpec, what: str, stored: Any, given: Any) -> None:
    if given not in (KEEP, stored):
        raise InvalidOption(
            f"collection {spec.name!r} has {what} {stored!r}, not {given!r}. Leave {what}= out, or make another collection."
        )
