"""Keeps a collection in step with files: reads what changed, removes what has gone, and says so.

What was read of each file stands in the collection's notes, in the same transaction as its rows. A file whose note is
missing or partial is read again, so an interruption at any moment costs one file at most.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

from adjoin import ingest
from adjoin.embed.base import Refused
from adjoin.engine import Batch, CollectionSpec, Engine, Written
from adjoin.errors import MissingExtra, NotFound, UnreadableFile
from adjoin.read import FoundFile, Media, ReadSettings, Skipped, content_hash, read_file, walk
from adjoin.types import Id, Item, Progress

NOTE = "source:"
ITEMS = "items:"
COMMIT_ROWS = 128  # rows to a transaction, and so what an interruption can cost
_RACY_NS = 2_000_000_000  # a file changed this shortly before it was read may change again under the same time stamp


@dataclass(slots=True)
class IndexReport:
    """What indexing did. Files: read, unchanged, removed. Chunks: added, replaced, unchanged, removed.

    embedded: chunks whose vector was computed. reused: whose vector was stored already. truncated: chunks longer
    than the model reads. skipped: files or lines that could not be read, with the reason. size_bytes: of the files read.
    """

    files_read: int = 0
    files_unchanged: int = 0
    files_removed: int = 0
    chunks_added: int = 0
    chunks_replaced: int = 0
    chunks_unchanged: int = 0
    chunks_removed: int = 0
    embedded: int = 0
    reused: int = 0
    truncated: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in asdict(self).items() if name != "skipped"}
        return plain | {
            "skipped": [{"path": str(each.path), "line": each.line, "reason": each.reason} for each in self.skipped]
        }

    def __str__(self) -> str:
        files = f"{self.files_read:,} files read, {self.files_unchanged:,} unchanged, {self.files_removed:,} removed"
        chunks = (
            f"{self.chunks_added:,} chunks added, {self.chunks_replaced:,} replaced, {self.chunks_unchanged:,} unchanged, "
            f"{self.chunks_removed:,} removed"
        )
        vectors = f"{self.embedded:,} embedded, {self.reused:,} vectors reused"
        lines = [f"{files} in {self.seconds:.1f} s", chunks, vectors]
        if self.truncated:
            lines.append(
                f"{self.truncated:,} chunks are longer than the model reads; their ends are stored but not searched"
            )
        if self.skipped:
            lines.append(f"{len(self.skipped):,} left out:")
            lines += [f"  {each}" for each in self.skipped]
        return "\n".join(lines)


Told: TypeAlias = Callable[[str], None]
"""Called with the path of each file as it is read."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is remembered of a file. digest is empty while its rows are not all there."""

    size: int
    mtime_ns: int
    digest: str
    chunks: int
    settings: str
    read_ns: int

    def looks_like(self, file: FoundFile, settings: str) -> bool:
        same = (self.size, self.mtime_ns, self.settings) == (file.size, file.mtime_ns, settings)
        return same and bool(self.digest) and file.mtime_ns + _RACY_NS < self.read_ns

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))


def sync(
    engine: Engine,
    spec: CollectionSpec,
    embedder: ingest.GetEmbedder,
    paths: Sequence[str | PathLike[str]],
    *,
    settings: ReadSettings | None = None,
    progress: Progress | None = None,
    tell: Told | None = None,
) -> IndexReport:
    """Bring the collection in step with the paths. progress counts bytes of the files to be read.

    Raises NotFound, with nothing changed, for a path that does not exist and was never read: a folder that is not
    mounted must not empty the collection.
    """
    return _Sync(engine, spec, embedder, settings or ReadSettings(), progress, tell).run(paths)


def sync_items(
    engine: Engine,
    spec: CollectionSpec,
    embedder: ingest.GetEmbedder,
    items: Iterable[Item],
    *,
    total: int | None = None,
    source: str | None = None,
    fingerprint: str | None = None,
    progress: Progress | None = None,
) -> IndexReport:
    """Upsert items under their own ids, a few hundred a transaction, so that an interrupted run goes on where it was.

    source, fingerprint: what the items come from and a text that changes when it does. When that is as it was at the
    end of the last run, the items are not even asked for.
    """
    began = time.monotonic()
    report, tally = IndexReport(), ingest.Tally()
    note = json.dumps({"fingerprint": fingerprint})
    if source is not None and engine.notes(spec.name, ITEMS + source).get(ITEMS + source) == note:
        report.chunks_unchanged = engine.count(spec.name)
        return _finished(report, tally, began)
    done, rest = 0, iter(items)
    while block := list(itertools.islice(rest, COMMIT_ROWS)):
        _add(
            report,
            engine.write(spec.name, [ingest.batch(block, spec, engine, embedder, tally)], mode="upsert", key=spec.key),
        )
        done += len(block)
        if progress:
            progress(done, total)
    if source is not None:
        engine.write(spec.name, [Batch(notes={ITEMS + source: note})], mode="upsert", key=spec.key)
    return _finished(report, tally, began)


def _add(report: IndexReport, written: Written) -> None:
    report.chunks_added += written.added
    report.chunks_replaced += written.replaced
    report.chunks_unchanged += written.unchanged
    report.chunks_removed += written.deleted


def _finished(report: IndexReport, tally: ingest.Tally, began: float) -> IndexReport:
    report.seconds = time.monotonic() - began
    report.embedded, report.reused, report.truncated = tally.embedded, tally.reused, tally.truncated
    return report


class _Sync:
    def __init__(
        self,
        engine: Engine,
        spec: CollectionSpec,
        embedder: ingest.GetEmbedder,
        settings: ReadSettings,
        progress: Progress | None,
        tell: Told | None,
    ) -> None:
        self._engine = engine
        self._spec = spec
        self._embedder = embedder
        self._settings = settings
        self._progress = progress
        self._tell = tell
        self._report = IndexReport()
        self._tally = ingest.Tally()
        self._pending = _Pending()
        self._done_bytes = self._total_bytes = 0

    def run(self, paths: Sequence[str | PathLike[str]]) -> IndexReport:
        began = time.monotonic()
        self._settings = self._settings_for_media()
        roots = [Path(os.path.abspath(path)) for path in paths]  # as `walk` names files: without `..`, links kept
        known = self._known()
        present = self._present(roots, known)
        files = list(walk(present, self._settings, self._report.skipped.append))
        changed = [file for file in files if not self._is_as_known(file, known.get(str(file.path)))]
        self._report.files_unchanged = len(files) - len(changed)
        self._read_all(changed, known)
        self._remove_gone(roots, files, known)
        self._flush()
        return _finished(self._report, self._tally, began)

    def _settings_for_media(self) -> ReadSettings:
        """Those given, for what the embedder takes. The embedder is looked at only if its name does not tell."""
        if self._spec.embedder in (None, "default") or self._settings.media != "text":
            return self._settings
        takes = getattr(self._embedder(), "takes", "text")
        media: dict[str, Media] = {"image": "image", "sound": "sound"}
        return replace(self._settings, media=media[takes]) if takes in media else self._settings

    def _known(self) -> dict[str, _Source]:
        notes = self._engine.notes(self._spec.name, NOTE)
        return {key.removeprefix(NOTE): _Source(**json.loads(value)) for key, value in notes.items()}

    def _present(self, roots: list[Path], known: dict[str, _Source]) -> list[Path]:
        """The roots that are there. One that has gone is accepted when it was read before and its folder is still there."""
        present = []
        for root in roots:
            if root.exists() or root.is_symlink():
                present.append(root)
            elif not (root.parent.is_dir() and any(_is_under(path, root) for path in known)):
                raise NotFound(f"there is nothing at {root}. Nothing was changed. Check the path.")
        return present

    def _is_as_known(self, file: FoundFile, source: _Source | None) -> bool:
        """Whether the file is as it was read: by its size and time, and by its content when only the time differs."""
        if source is None or not source.digest or source.settings != self._settings.fingerprint():
            return False
        if source.looks_like(file, self._settings.fingerprint()):
            return True
        try:
            if source.size != file.size or source.digest != content_hash(file.path):
                return False
        except (OSError, UnreadableFile):
            return False  # reading it will say why
        self._pending.notes[NOTE + str(file.path)] = self._source(file, source.digest, source.chunks).to_json()
        return True

    def _source(self, file: FoundFile, digest: str, chunks: int) -> _Source:
        return _Source(file.size, file.mtime_ns, digest, chunks, self._settings.fingerprint(), time.time_ns())

    def _read_all(self, files: list[FoundFile], known: dict[str, _Source]) -> None:
        self._total_bytes = sum(file.size for file in files)
        for file in files:
            if self._tell:
                self._tell(str(file.path))
            self._read(file, known.get(str(file.path)))
            self._done_bytes += file.size
            self._show(0)

    def _show(self, within: int) -> None:
        """Tell how far the run is; within: characters into the file at hand, which are no more than its bytes."""
        if self._progress:
            self._progress(self._done_bytes + within, self._total_bytes)

    def _read(self, file: FoundFile, before: _Source | None) -> None:
        path = str(file.path)
        held = before.chunks if before else 0  # at most so many rows of this file are stored
        count = flushed = 0
        try:
            digest = content_hash(file.path)
            for count, item in enumerate(self._items(file), start=1):
                self._pending.rows.append(item)
                if len(self._pending.rows) >= COMMIT_ROWS:
                    flushed = count
                    held = max(held, count)
                    self._pending.notes[NOTE + path] = self._source(file, "", held).to_json()
                    self._flush()
                    self._show(item.origin.offset or 0 if item.origin else 0)
        except (UnreadableFile, MissingExtra, OSError) as exc:
            self._give_up(file, exc, unwritten=count - flushed, held=held, keep=not flushed and _is_transient(exc))
            return
        self._pending.delete += chunk_ids(path, count, held)
        self._pending.notes[NOTE + path] = self._source(file, digest, count).to_json()
        self._report.files_read += 1
        self._report.size_bytes += file.size

    def _items(self, file: FoundFile) -> Iterator[Item]:
        path = str(file.path)
        own = getattr(self._embedder(), "items_of", None) if self._settings.media != "text" else None
        found = own(path) if own else read_file(file.path, self._settings, self._report.skipped.append)
        for number, item in enumerate(found):
            yield replace(item, id=chunk_id(path, number))

    def _give_up(self, file: FoundFile, exc: Exception, *, unwritten: int, held: int, keep: bool) -> None:
        """Report a file that cannot be read; its rows go, unless it is only out of reach for now."""
        reason = str(exc).removeprefix(f"{file.path}: ")
        self._report.skipped.append(
            Skipped(file.path, reason + (" (what was read before is kept)" if keep and held else ""))
        )
        if unwritten:
            del self._pending.rows[-unwritten:]
        if not keep:
            self._pending.delete += chunk_ids(str(file.path), 0, held)
            self._pending.notes[NOTE + str(file.path)] = None

    def _remove_gone(self, roots: list[Path], files: list[FoundFile], known: dict[str, _Source]) -> None:
        found = {str(file.path) for file in files}
        out_of_reach = [str(each.path) for each in self._report.skipped]
        for path, source in known.items():
            if path in found or not any(_is_under(path, root) for root in roots):
                continue
            if any(_is_under(path, Path(other)) for other in out_of_reach) and _may_exist(path):
                continue  # named in the report: it is there, but cannot be reached now
            self._pending.delete += chunk_ids(path, 0, source.chunks)
            self._pending.notes[NOTE + path] = None
            self._report.files_removed += 1

    def _flush(self) -> None:
        pending, self._pending = self._pending, _Pending()
        if not (pending.rows or pending.delete or pending.notes):
            return
        batch = Batch()
        if pending.rows:
            batch = self._batch(pending.rows)
        whole = replace(batch, delete=pending.delete, notes=pending.notes)
        _add(self._report, self._engine.write(self._spec.name, [whole], mode="upsert", key=self._spec.key))

    def _batch(self, rows: list[Item]) -> Batch:
        """What a file of text says can be embedded; a picture may turn out to be none, and is then left out and reported."""
        if self._settings.media == "text":
            return ingest.batch(rows, self._spec, self._engine, self._embedder, self._tally)

        def refuse(one: Refused) -> None:
            origin = rows[one.position].origin
            self._report.skipped.append(Skipped(Path(origin.file or "" if origin else ""), str(one.error)))

        return ingest.batch_of_embeddable(rows, self._spec, self._engine, self._embedder, self._tally, 0, refuse)


@dataclass(slots=True)
class _Pending:
    """What the next transaction will do."""

    rows: list[Item] = field(default_factory=list)
    delete: list[Id] = field(default_factory=list)
    notes: dict[str, str | None] = field(default_factory=dict)


def chunk_id(path: str, number: int) -> str:
    return f"{path}#{number}"


def chunk_ids(path: str, start: int, stop: int) -> list[Id]:
    return [chunk_id(path, number) for number in range(start, stop)]


def _is_under(path: str, root: Path) -> bool:
    return Path(path) == root or root in Path(path).parents


def _is_transient(exc: Exception) -> bool:
    """Whether the system or a missing extra, rather than the file's content, stands in the way."""
    if isinstance(exc, MissingExtra):
        return True
    cause = exc if isinstance(exc, OSError) else exc.__cause__
    return isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)


def _may_exist(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:
        return True
