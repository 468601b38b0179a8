"""Looking at all that a store is made of, naming each damage, and making again what follows from the rest.

True are the database and the vectors of sealed segments. Vectors are mended from parity where a block of a group is
damaged; indexes, columns and the rest of a segment are made anew. What cannot be had again is named, row by row.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from adjoin.errors import StoreCorrupted, StoreError
from adjoin.store import files
from adjoin.store import manifest as names
from adjoin.store import rows as row_codec
from adjoin.store.connections import Connections
from adjoin.store.files import DamagedFile
from adjoin.store.folder import DATABASE
from adjoin.store.manifest import Manifest, digest
from adjoin.store.pages import examine_pages
from adjoin.store.place import SegmentsFolder
from adjoin.store.rebuild import Job, Rebuild, Superseded
from adjoin.store.snapshot import REMOVED, Snapshot, find, one
from adjoin.store.vectors import VectorCodec
from adjoin.types import Diagnosis, Finding, Id

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

_GUARDS: Final = (names.BLOCKS, names.PARITY)
_SHOWN_ROWS: Final = 5
_LOST: Final = "have lost their vectors"


@dataclass(slots=True)
class _Case:
    """What is known while examining. rebuild: segments to be made anew, by collection."""

    repair: bool
    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)

    def add(
        self, place: str, what: str, *, repairable: bool = False, repaired: bool = False, note: bool = False
    ) -> None:
        self.findings.append(Finding(place, what, "note" if note else "damage", repairable, repaired))


def examine(
    connections: Connections,
    place: SegmentsFolder,
    rebuild: Rebuild,
    forget: Callable[[], None],
    *,
    repair: bool = False,
) -> Diagnosis:
    """Examine database, segments and rows. The caller holds the lock on building. forget: drops what is in memory."""
    connections.refuse_closed()
    case = _Case(repair)
    if not connections.in_memory:
        with contextlib.suppress(StoreError):  # what stops it is found below
            connections.checkpoint()
        if repair:
            connections.let_go()
        case.findings += examine_pages(place.database.parent, repair=repair) if place.database else []
        case.checked.append("pages of the database")
        forget()
    _examine_structure(connections, case)
    for name in _names(connections, case):
        _examine_collection(connections, place, rebuild, forget, name, case)
    _examine_leftovers(connections, place, case)
    return Diagnosis(tuple(case.findings), tuple(case.checked))


def _examine_structure(connections: Connections, case: _Case) -> None:
    """SQLite's own check: trees, indexes, constraints."""
    case.checked.append("structure of the database")
    try:
        with connections.alone() as connection:
            told = [line for (line,) in connection.execute("PRAGMA integrity_check(20)")]
            if told == ["ok"]:
                return
            if case.repair:
                connection.execute("REINDEX")
                left = [line for (line,) in connection.execute("PRAGMA integrity_check(20)")]
                mended = left == ["ok"]
            else:
                mended = False
    except StoreError as exc:
        case.add(DATABASE, str(exc.__cause__ or exc))
        return
    for line in told:
        case.add(DATABASE, line, repairable="index" in line or mended, repaired=mended)


def _names(connections: Connections, case: _Case) -> list[str]:
    try:
        with connections.read() as connection:
            return [name for (name,) in connection.execute("SELECT name FROM collections ORDER BY name")]
    except StoreError as exc:
        case.add(DATABASE, f"collections cannot be listed: {exc.__cause__ or exc}")
        return []


def _examine_collection(
    connections: Connections,
    place: SegmentsFolder,
    rebuild: Rebuild,
    forget: Callable[[], None],
    name: str,
    case: _Case,
) -> None:
    case.checked.append(f"collection {name!r}")
    try:
        with connections.read() as connection:
            now = find(connection, name)
            if now is None:
                return
            manifests = _manifests(connection, now, case)
    except StoreError as exc:
        case.add(name, str(exc.__cause__ or exc))
        return
    if case.repair:
        manifests += _made_again(connections, place, rebuild, forget, now, manifests, case)
    remake = [manifest for manifest in manifests if _examine_segment(connections, place, now, manifest, case)]
    lost = {manifest.id for manifest in remake if _vectors_bad(place, manifest)}
    if case.repair:
        for manifest in remake:
            _make_anew(rebuild, forget, name, manifest, case, salvage=manifest.id in lost)
    _examine_rows(connections, place, name, case)


def _manifests(connection: apsw.Connection, now: Snapshot, case: _Case) -> list[Manifest]:
    found = []
    for segment, text, kept in connection.execute(
        "SELECT id, manifest, digest FROM segments WHERE collection = ? ORDER BY first", (now.key,)
    ):
        try:
            if digest(text) != kept:
                raise ValueError("its digest differs")
            found.append(Manifest.from_json(text))
        except (ValueError, KeyError, TypeError) as exc:
            case.add(now.name, f"the manifest of segment {segment} is damaged: {exc}")
    return found


def _made_again(
    connections: Connections,
    place: SegmentsFolder,
    rebuild: Rebuild,
    forget: Callable[[], None],
    now: Snapshot,
    known: list[Manifest],
    case: _Case,
) -> list[Manifest]:
    """Manifests in the place of damaged ones: of the vectors as they are, if each living row's is the one stored.

    Only from then on may segments be made anew from what is there.
    """
    made = []
    with connections.write() as connection:
        rows = list(connection.execute(
            "SELECT id, first, last, rows FROM segments WHERE collection = ? ORDER BY first", (now.key,)
        ))  # fmt: skip
        for segment, first, last, count in rows:
            if segment in {manifest.id for manifest in known}:
                continue
            manifest = _provisional(connection, place, now, segment, first, last, count)
            if manifest is None:
                continue
            text = manifest.to_json()
            connection.execute(
                "UPDATE segments SET manifest = ?, digest = ? WHERE id = ?", (text, digest(text), segment)
            )
            made.append(manifest)
    for manifest in made:
        _make_anew(rebuild, forget, now.name, manifest, case, salvage=True)
        case.findings = [
            dataclasses.replace(one, repairable=True, repaired=True)
            if f"segment {manifest.id} is damaged" in one.what
            else one
            for one in case.findings
        ]
    return []


def _provisional(
    connection: apsw.Connection, place: SegmentsFolder, now: Snapshot, segment: str, first: int, last: int, rows: int
) -> Manifest | None:
    """A manifest of vectors and seqs alone; None if they are not those of the rows."""
    folder = place.path / segment
    codec = now.codec
    seqs = _seqs_of(connection, now, first, last)
    try:
        content = files.mapped(folder / names.VECTORS)
    except DamagedFile:
        return None
    if len(seqs) != rows or len(content) != rows * codec.row_bytes:
        return None
    sql = f"SELECT seq, {row_codec.DOCUMENT_COLUMNS} FROM documents WHERE collection = ? AND seq BETWEEN ? AND ?"
    for seq, *values in connection.execute(sql, (now.key, first, last)):
        row = int(np.searchsorted(seqs, seq))
        try:
            row_codec.decode(tuple(values), bytes(content[row * codec.row_bytes : (row + 1) * codec.row_bytes]))
        except ValueError:
            return None
    draft = folder / f"{names.SEQS}.made"
    draft.unlink(missing_ok=True)
    files.write_array(draft, seqs)
    draft.replace(folder / names.SEQS)
    files.sync_folder(folder)
    nothing = files.Sum(0, "")  # no file has this sum, so columns come from the database
    return Manifest(
        id=segment, first=first, last=last, rows=rows, dim=codec.dim, metric=now.metric, storage=now.storage,
        family="flat", params={}, centre=(0.0,) * codec.dim, costs=names.Costs(1.0, 1.0, 1.0),
        files={names.VECTORS: files.Sum.of(folder / names.VECTORS), names.SEQS: files.Sum.of(folder / names.SEQS),
               names.COLUMNS: nothing},
    )  # fmt: skip


def _seqs_of(connection: apsw.Connection, now: Snapshot, first: int, last: int) -> NDArray[np.int64]:
    """The seqs of a segment are those of its living rows and of those that went since it was made."""
    span = (now.key, first, last)
    living = connection.execute("SELECT seq FROM documents WHERE collection = ? AND seq BETWEEN ? AND ?", span)
    seqs = {seq for (seq,) in living}
    gone = connection.execute(
        "SELECT seq FROM changes WHERE collection = ? AND seq BETWEEN ? AND ? AND kind = ?", (*span, REMOVED)
    )
    return np.array(sorted(seqs | {seq for (seq,) in gone}), "<i8")


def _examine_segment(
    connections: Connections, place: SegmentsFolder, now: Snapshot, manifest: Manifest, case: _Case
) -> bool:
    """Whether the segment has to be made anew, after what can be mended in place was."""
    case.checked.append(f"segment {manifest.id}")
    folder = place.path / manifest.id
    damaged = {name: told for name, file in manifest.files.items() if (told := _damage(folder / name, file))}
    if damaged and not _is_named(connections, manifest.id):
        return False  # its collection was dropped meanwhile
    where = f"segments/{manifest.id}"
    for note in manifest.notes:
        case.add(where, note, note=True)
    if names.VECTORS in damaged:
        what = damaged.pop(names.VECTORS)
        guards_good = not any(guard in damaged for guard in _GUARDS)
        mended = guards_good and case.repair and _mend_vectors(folder, manifest)
        case.add(f"{where}/{names.VECTORS}", what, repairable=guards_good, repaired=mended)
        if not mended:
            damaged[names.VECTORS] = what
    for guard in _GUARDS:
        if guard in damaged and names.VECTORS not in damaged:
            what = damaged.pop(guard)
            made = case.repair and _remake_guards(folder, manifest)
            case.add(f"{where}/{guard}", what, repairable=True, repaired=made)
    if names.SEQS in damaged:
        what = damaged.pop(names.SEQS)
        made = case.repair and _remake_seqs(connections, folder, now, manifest)
        case.add(f"{where}/{names.SEQS}", what, repairable=True, repaired=made)
    for name, what in damaged.items():
        if name != names.VECTORS:
            case.add(f"{where}/{name}", what, repairable=True, repaired=case.repair)
    return bool(damaged)


def _is_named(connections: Connections, segment: str) -> bool:
    with connections.read() as connection:
        return connection.execute("SELECT 1 FROM segments WHERE id = ?", (segment,)).fetchone() is not None


def _damage(path: Path, written: files.Sum) -> str | None:
    try:
        files.opened(path, written)
    except DamagedFile as exc:
        return exc.what
    return None


def _vectors_bad(place: SegmentsFolder, manifest: Manifest) -> bool:
    return _damage(place.path / manifest.id / names.VECTORS, manifest.files[names.VECTORS]) is not None


def _mend_vectors(folder: Path, manifest: Manifest) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    return files.mend(
        folder / names.VECTORS,
        manifest.files[names.VECTORS],
        files.mapped(folder / names.BLOCKS),
        files.mapped(folder / names.PARITY),
    )


def _remake_guards(folder: Path, manifest: Manifest) -> bool:
    drafts = [folder / f"{guard}.made" for guard in _GUARDS]
    for draft in drafts:
        draft.unlink(missing_ok=True)
    files.write_guards(folder / names.VECTORS, *drafts)
    return _put(drafts, folder, _GUARDS, manifest)


def _remake_seqs(connections: Connections, folder: Path, now: Snapshot, manifest: Manifest) -> bool:
    with connections.read() as connection:
        seqs = _seqs_of(connection, now, manifest.first, manifest.last)
    draft = folder / f"{names.SEQS}.made"
    draft.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_array(draft, seqs)
    return _put([draft], folder, (names.SEQS,), manifest)


def _put(drafts: list[Path], folder: Path, wanted: tuple[str, ...], manifest: Manifest) -> bool:
    """Move drafts into place if they are what was written once."""
    good = all(files.Sum.of(draft) == manifest.files[name] for draft, name in zip(drafts, wanted, strict=True))
    for draft, name in zip(drafts, wanted, strict=True):
        if good:
            draft.replace(folder / name)
        else:
            draft.unlink()
    files.sync_folder(folder)
    return good


def _make_anew(
    rebuild: Rebuild, forget: Callable[[], None], name: str, manifest: Manifest, case: _Case, *, salvage: bool
) -> None:
    """Build the segment again from its vectors and the database; salvage: from those of its rows that are sound."""
    forget()
    try:
        rebuild.run(name, Job((manifest.id,), tail=False), salvage=salvage)
        # All its files are new, and none of its living rows had lost its vector.
        case.findings = [
            dataclasses.replace(one, repaired=True) if one.place.startswith(f"segments/{manifest.id}/") else one
            for one in case.findings
        ]
    except Superseded:
        pass
    except (StoreCorrupted, DamagedFile) as exc:
        case.findings = [
            Finding(one.place, one.what, one.level, one.repairable, False)
            if one.place.startswith(f"segments/{manifest.id}/") and not one.place.endswith((*_GUARDS, names.SEQS))
            else one
            for one in case.findings
        ]
        case.add(f"segments/{manifest.id}", f"it could not be made anew: {exc}")
    forget()


def _examine_rows(connections: Connections, place: SegmentsFolder, name: str, case: _Case) -> None:
    """Every row against its hash, with its vector; and that the number of rows is right."""
    try:
        with connections.read() as connection:
            now = find(connection, name)
            if now is None:
                return
            _Rows(connection, place, now, case).examine()
    except (StoreError, DamagedFile) as exc:
        case.add(name, f"its rows cannot be read: {exc.__cause__ or exc}")


class _Rows:
    """One collection's rows in one transaction."""

    def __init__(self, connection: apsw.Connection, place: SegmentsFolder, now: Snapshot, case: _Case) -> None:
        self._connection = connection
        self._place = place
        self._now = now
        self._case = case
        self._bad: dict[str, list[Id]] = {}
        self._count = 0
        self._suspect: list[object] = []  # of segments whose vectors are damaged: there a wrong row has lost its vector

    def examine(self) -> None:
        known = _Case(repair=False)
        last = 0
        for manifest in _manifests(self._connection, self._now, known):
            self._examine_span(manifest.first, manifest.last, self._blobs_of(manifest))
            last = manifest.last
        self._examine_span(max(self._now.sealed, last) + 1, 2**63 - 1, None)
        # Rows that no segment and no tail has would stand between them.
        (total,) = one(self._connection, "SELECT count(*) FROM documents WHERE collection = ?", self._now.key)
        if total != self._now.documents:
            self._case.add(self._now.name, f"{total:,} rows are there where {self._now.documents:,} were stored")
        if self._count != total:
            self._case.add(self._now.name, f"{total - self._count:,} rows belong to no segment")
        for what, ids in self._bad.items():
            shown = ", ".join(map(repr, ids[:_SHOWN_ROWS])) + ("" if len(ids) <= _SHOWN_ROWS else ", …")
            self._case.findings.append(
                Finding(
                    self._now.name,
                    f"{len(ids):,} rows {what}: {shown}. Store them again with upsert()",
                    collection=self._now.name,
                    ids=tuple(ids) if what == _LOST else (),
                )
            )

    def _blobs_of(self, manifest: Manifest) -> Callable[[int], bytes | None]:
        codec = VectorCodec(manifest.storage, manifest.dim)
        folder = self._place.path / manifest.id
        try:
            seqs = np.frombuffer(files.opened(folder / names.SEQS, manifest.files[names.SEQS]), "<i8")
            content = files.mapped(folder / names.VECTORS)
        except DamagedFile:
            return lambda seq: None
        bad = _damage(folder / names.VECTORS, manifest.files[names.VECTORS]) is not None

        def blob(seq: int) -> bytes | None:
            row = int(np.searchsorted(seqs, seq))
            if row == len(seqs) or seqs[row] != seq:
                return None
            return bytes(content[row * codec.row_bytes : (row + 1) * codec.row_bytes])

        if bad:
            self._suspect.append(blob)
        return blob

    def _examine_span(self, first: int, last: int, blob_of: Callable[[int], bytes | None] | None) -> None:
        sql = (
            "SELECT d.seq, d.id, d.kind, d.content, d.metadata, d.origin, d.row_hash, v.vector "
            "FROM documents d LEFT JOIN vectors v USING (seq) WHERE d.collection = ? AND d.seq BETWEEN ? AND ?"
        )
        for seq, *values, vector in self._connection.execute(sql, (self._now.key, first, last)):
            self._count += 1
            blob = vector if blob_of is None else blob_of(seq)
            if blob is None:
                self._bad.setdefault(_LOST, []).append(values[0])
                continue
            try:
                row_codec.decode(tuple(values), blob)
            except (ValueError, TypeError, KeyError, AttributeError, StoreCorrupted):
                what = _LOST if blob_of in self._suspect else "are not as they were stored"
                self._bad.setdefault(what, []).append(values[0])


def _examine_leftovers(connections: Connections, place: SegmentsFolder, case: _Case) -> None:
    """Folders that no one names, which the next build removes."""
    try:
        with connections.read() as connection:
            known = {segment for (segment,) in connection.execute("SELECT id FROM segments")}
    except StoreError:
        return
    if place.database is None or not place.path.is_dir():
        return
    for entry in sorted(os.listdir(place.path)):
        if entry not in known:
            if case.repair:
                place.remove([entry])
            case.add(f"segments/{entry}", "left by a build that did not end", note=True, repaired=case.repair)
