"""The write-ahead log as raw bytes: whether what was committed into it is all still there.

SQLite reads a log up to the first frame that is not whole, and takes what follows for the rest of a write that never
ended. After damage that loses committed transactions without a word. What tells damage from such a rest:

- one wrong bit explains the frame: its checksum then fits, which chance does not bring about;
- later transactions follow it, which were begun only when all before them was on disk;
- the log's index, `adjoin.db-shm`, which outlives a killed process, knows of more frames.

Source: sqlite.org/fileformat2.html, section 4; sqlite.org/walformat.html, section 2.
"""

from __future__ import annotations

import itertools
import os
import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from adjoin.store import files
from adjoin.store.checks import carried, is_sound, weighted, weighted_rows, wrong_bits
from adjoin.store.connections import untouched

_HEADER: Final = 32
_FRAME_HEADER: Final = 24
_MAGIC: Final = 0x377F0682  # and one more where the words of checksums are big-endian
_CHUNK_FRAMES: Final = 256
_INDEX_HEADER: Final = 48
_LOOKS: Final = 5
_BETWEEN_LOOKS_S: Final = 0.02

Sums = tuple[int, int]


@dataclass(frozen=True, slots=True)
class LogDamage:
    """what: for a person. offset: of the frame, or the header, where SQLite would stop reading. mended: its bytes as they
    were, where one wrong bit explains them. goes_on: whole frames follow a damaged one."""

    what: str
    offset: int
    mended: bytes | None = None
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class _Header:
    page_size: int
    salts: bytes
    sums: Sums
    words: str  # their NumPy type

    @property
    def frame_bytes(self) -> int:
        return _FRAME_HEADER + self.page_size


def log_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def examine_log(database: Path) -> LogDamage | None:
    """What is damaged first in the log; None for a log that is whole, empty or absent.

    Another process may be writing it, so damage is what several looks find. Cost: as SQLite's own recovery, some
    10 µs a page; nothing where the store was closed.
    """
    found = _look(database)
    if found is None:
        return None
    for _ in range(_LOOKS):
        time.sleep(_BETWEEN_LOOKS_S)
        again = _look(database)
        if again is None or again.offset != found.offset:
            return None
    return found


@dataclass(frozen=True, slots=True)
class Mended:
    """lost: whether something that was committed may be gone. copy: of the log as it was, if it was not simply put right."""

    lost: bool
    copy: Path | None = None


def mend_log(database: Path, damage: LogDamage) -> Mended:
    """Put a wrong bit right. Else make what follows the damage readable, or accept that there is nothing.

    The page of a damaged frame then keeps its wrong checksum, by which the database's own pages are examined; all
    others are whole. For a store that no one has open.
    """
    log = log_of(database)
    kept = None
    whole = damage.mended is not None
    if damage.mended is None and log.exists():
        kept = log.with_name(f"{log.name}.damaged-{os.urandom(4).hex()}")
        shutil.copyfile(log, kept)
        files.sync_file(kept)
    if log.exists():
        with log.open("r+b") as file:
            if damage.mended is not None:
                file.seek(damage.offset)
                file.write(damage.mended)
            elif damage.goes_on:
                whole = _chain_again(file, damage.offset)
            else:
                file.truncate(damage.offset)
            file.flush()
            files.sync(file.fileno())
    if damage.mended is None:
        database.with_name(f"{database.name}-shm").unlink(missing_ok=True)
        files.sync_folder(database.parent)
    return Mended(not whole, kept)


def _look(database: Path) -> LogDamage | None:
    log = log_of(database)
    try:
        size = log.stat().st_size
    except OSError:
        size = 0
    known = _Index.of(database)
    if size < _HEADER:
        if known is not None and known.unsaved:
            return LogDamage(f"it is {'cut short' if size else 'missing'}, and had {known.frames:,} pages", 0)
        return None
    with log.open("rb") as file:
        raw = file.read(_HEADER)
        header = _header(raw)
        if header is None:
            return _header_damage(file, raw, known)
        return _walk(file, header, size, known)


def _header(raw: bytes) -> _Header | None:
    magic, _, page_size = struct.unpack_from(">III", raw)
    if magic not in (_MAGIC, _MAGIC + 1) or page_size < 512 or page_size > 65536 or page_size & (page_size - 1):
        return None
    words = ">u4" if magic & 1 else "<u4"
    sums = weighted(np.frombuffer(raw, words, 6).astype(np.uint32))
    return _Header(page_size, raw[16:24], sums, words) if sums == struct.unpack_from(">II", raw, 24) else None


def _header_damage(file: BinaryIO, raw: bytes, known: _Index | None) -> LogDamage | None:
    first = file.read(_FRAME_HEADER)
    for bit in range(_HEADER * 8):
        tried = bytearray(raw)
        tried[bit // 8] ^= 1 << bit % 8
        header = _header(bytes(tried))
        # Of two bits that could be it, the frames tell which: they carry the header's salts.
        if header is not None and first[8:16] in (b"", header.salts):
            return LogDamage("its header has a wrong bit", 0, bytes(tried))
    if any(raw) or (known is not None and known.unsaved):  # zeros are what a crash leaves of a file that just began
        return LogDamage("its header is not what was written", 0)
    return None


def _walk(file: BinaryIO, header: _Header, size: int, known: _Index | None) -> LogDamage | None:
    """Follow the chain of checksums; where it breaks, decide why."""
    previous = header.sums
    valid = committed = 0
    broken: int | None = None
    commits_after = 0
    wrong: LogDamage | None = None
    for number, frame, alone in _frames(file, header, size):
        own = frame[8:16] == header.salts
        stored = _stored(frame)
        fits = (own or broken is None) and _added(alone, carried(previous, header.page_size // 4 + 2)) == stored
        if broken is None and own and fits and frame[:4] != b"\0\0\0\0":
            valid += 1
            if frame[4:8] != b"\0\0\0\0":
                committed = valid
        elif broken is None:
            broken = number
            mended = _mended(frame, previous, header, file, number)
            if mended is not None:
                return LogDamage(f"page {number + 1:,} in it has a wrong bit", _offset(header, number), mended)
        elif own and fits and number > broken + 1:
            if commits_after:
                wrong = LogDamage(
                    f"page {broken + 1:,} in it is damaged, and transactions follow it",
                    _offset(header, broken),
                    goes_on=True,
                )
                break
            commits_after += frame[4:8] != b"\0\0\0\0"
        previous = stored
    if known is None or known.salts != header.salts:
        return wrong
    if known.frames == committed:  # what follows was never acknowledged
        return None
    if wrong is None and known.unsaved and known.frames > committed:
        where = valid if broken is None else broken
        what = f"it has {committed:,} whole pages of {known.frames:,}"
        wrong = LogDamage(what, _offset(header, where), goes_on=broken is not None)
    return wrong


def _offset(header: _Header, number: int) -> int:
    return _HEADER + number * header.frame_bytes


def _frames(file: BinaryIO, header: _Header, size: int) -> Iterator[tuple[int, bytes, Sums]]:
    """Number and bytes of every whole frame, and the sums of its words alone."""
    count = (size - _HEADER) // header.frame_bytes
    for first in range(0, count, _CHUNK_FRAMES):
        block = file.read(min(_CHUNK_FRAMES, count - first) * header.frame_bytes)
        frames = np.frombuffer(block, np.uint8, len(block) // header.frame_bytes * header.frame_bytes)
        frames = frames.reshape(-1, header.frame_bytes)
        summed = np.concatenate([frames[:, :8], frames[:, _FRAME_HEADER:]], axis=1)
        sums = weighted_rows(summed.view(header.words).astype(np.uint32, copy=False))
        for i, alone in enumerate(zip(*(each.tolist() for each in sums), strict=True)):
            yield first + i, frames[i].tobytes(), alone


def _summed(frame: bytes, header: _Header) -> NDArray[np.uint32]:
    """The words that a frame's checksum is over: its page number, the size after a commit, and the page."""
    return np.frombuffer(frame[:8] + frame[_FRAME_HEADER:], header.words).astype(np.uint32)


def _chained(words: NDArray[np.uint32], previous: Sums) -> Sums:
    """The checksum of words that goes on from another's."""
    return _added(weighted(words), carried(previous, len(words)))


def _added(one: Sums, other: Sums) -> Sums:
    return (one[0] + other[0]) & 0xFFFFFFFF, (one[1] + other[1]) & 0xFFFFFFFF


def _mended(frame: bytes, previous: Sums, header: _Header, file: BinaryIO, number: int) -> bytes | None:
    """The frame before one of its bits was turned, if that makes its checksum fit; None if it does not, or if one of
    several could be it."""
    words, stored = _summed(frame, header), _stored(frame)
    found = _chained(words, previous)
    salts = frame[8:16]
    if salts != header.salts:
        odd = (int.from_bytes(salts, "big") ^ int.from_bytes(header.salts, "big")).bit_count()
        return frame[:8] + header.salts + frame[16:] if odd == 1 and found == stored else None
    places = wrong_bits(words, found, stored)
    goes_on = _goes_on(file, number + 1, stored, header)
    if goes_on is not None:  # the next frame's checksum goes on from this one's, as it was
        places = [place for place in places if (place[0] < len(words)) == goes_on]
    fixes = [_turned(frame, words, place, header) for place in places]
    if len(fixes) > 1:  # the page has a checksum of its own
        fixes = [fixed for fixed in fixes if is_sound(fixed[_FRAME_HEADER:])]
    return fixes[0] if len(fixes) == 1 else None


def _goes_on(file: BinaryIO, number: int, previous: Sums, header: _Header) -> bool | None:
    """Whether a frame's checksum goes on from this; None if there is no such frame. Leaves the file where it was."""
    place = file.tell()
    file.seek(_offset(header, number))
    frame = file.read(header.frame_bytes)
    file.seek(place)
    if len(frame) < header.frame_bytes or frame[8:16] != header.salts:
        return None
    return _chained(_summed(frame, header), previous) == _stored(frame)


def _chain_again(file: BinaryIO, offset: int) -> bool:
    """Have a damaged frame's checksum fit what is in it now, and those of the frames that follow it; whether all could."""
    file.seek(0)
    header = _header(file.read(_HEADER))
    assert header is not None
    first = (offset - _HEADER) // header.frame_bytes
    previous = header.sums
    if first:
        file.seek(_offset(header, first - 1))
        previous = _stored(file.read(_FRAME_HEADER))
    # Frames after the damaged one are taken as long as each goes on from the one before it as that was written.
    as_written: Sums | None = None
    for number in itertools.count(first):
        file.seek(_offset(header, number))
        frame = file.read(header.frame_bytes)
        if len(frame) < header.frame_bytes:
            return True
        follows = number <= first + 1 or _chained(_summed(frame, header), as_written or previous) == _stored(frame)
        if number > first and not (follows and frame[8:16] == header.salts):
            return True
        if frame[:4] == b"\0\0\0\0":  # no one can tell which page it was, so nothing after it may be believed
            file.truncate(_offset(header, number))
            return False
        as_written = _stored(frame)
        if not any(frame[_FRAME_HEADER:]):  # zeros would have a checksum that fits them
            frame = frame[:-1] + b"\xff"
        previous = _chained(_summed(frame, header), previous)
        file.seek(_offset(header, number))
        file.write(frame[:8] + header.salts + struct.pack(">II", *previous) + frame[_FRAME_HEADER:])
    return True


def _stored(frame: bytes) -> Sums:
    first, second = struct.unpack_from(">II", frame, 16)
    return first, second


def _turned(frame: bytes, words: NDArray[np.uint32], place: tuple[int, int], header: _Header) -> bytes:
    """The frame with one bit turned, of its words or of its checksum behind them."""
    word, bit = place
    if word >= len(words):
        sums = list(struct.unpack_from(">II", frame, 16))
        sums[word - len(words)] ^= 1 << bit
        return frame[:16] + struct.pack(">II", *sums) + frame[_FRAME_HEADER:]
    fixed = words.copy()
    fixed[word] ^= np.uint32(1 << bit)
    raw = fixed.astype(header.words).tobytes()
    return raw[:8] + frame[8:_FRAME_HEADER] + raw[8:]


@dataclass(frozen=True, slots=True)
class _Index:
    """What the log's index said when its last user ended. frames: committed ones; unsaved: not all are in the database."""

    frames: int
    salts: bytes
    unsaved: bool

    @classmethod
    def of(cls, database: Path) -> _Index | None:
        """None if there is none, or this process has the store open: then nothing has to be recovered."""
        with untouched(database) as free:
            if not free:
                return None
            try:
                raw = database.with_name(f"{database.name}-shm").read_bytes()[: 2 * _INDEX_HEADER + 4]
            except OSError:
                return None
        first = raw[:_INDEX_HEADER]
        if len(raw) < 2 * _INDEX_HEADER + 4 or first != raw[_INDEX_HEADER : 2 * _INDEX_HEADER] or not first[12]:
            return None
        if weighted(np.frombuffer(first, np.uint32, 10)) != struct.unpack_from("=II", first, 40):
            return None
        frames, saved = struct.unpack_from("=I", first, 16)[0], struct.unpack_from("=I", raw, 2 * _INDEX_HEADER)[0]
        return cls(frames, first[32:40], frames > saved)
