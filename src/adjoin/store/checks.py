"""A checksum on every page of the database, by SQLite's own checksum shim, and what one wrong bit can be traced by.

The shim keeps 8 bytes at the end of each page, verifies them whenever a page is read, and costs a few microseconds a
page. Source: sqlite.org/cksumvfs.html. `apsw` brings it as a loadable extension; where it does not, databases are made
without, and rows are guarded by their own hashes alone.
"""

from __future__ import annotations

import functools
from typing import Final

import apsw
import numpy as np
from numpy.typing import NDArray

CHECK_BYTES: Final = 8
_VFS: Final = "cksmvfs"


@functools.cache
def checked_vfs() -> str | None:
    """The name of the checking VFS, made known to SQLite on first use; None where it is not to be had."""
    usual = apsw.vfs_names()[0]
    try:
        from apsw import sqlite_extra
    except ImportError:
        return None
    connection = apsw.Connection(":memory:")
    try:
        sqlite_extra.load(connection, "cksumvfs")
    except (LookupError, OSError, apsw.Error, sqlite_extra.NotAvailable):
        return None
    finally:
        connection.close()
    if _VFS not in apsw.vfs_names():
        return None
    apsw.set_default_vfs(usual)  # the shim makes itself the default for all of the process; we name it instead
    return _VFS


def weighted(words: NDArray[np.uint32]) -> tuple[int, int]:
    """The two sums of an even number of words, as the shim and SQLite's log compute them."""
    pairs = words.reshape(-1, 2)
    weights = _weights(len(pairs))
    with np.errstate(over="ignore"):
        first = (pairs * weights[0]).sum(dtype=np.uint32)
        second = (pairs * weights[1]).sum(dtype=np.uint32)
    return int(first), int(second)


def weighted_rows(words: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The same for each row of a matrix."""
    first, second = (np.ascontiguousarray(weights.reshape(-1)) for weights in _weights(words.shape[1] // 2))
    return words @ first, words @ second


def carried(previous: tuple[int, int], words: int) -> tuple[int, int]:
    """What sums that the computing goes on from have become after so many words: they count as if they stood in the
    first two."""
    first, second = _weights(words // 2)
    a, b = sum(previous), previous[1]
    return tuple((a * int(each[0, 0]) + b * int(each[0, 1])) & 0xFFFFFFFF for each in (first, second))  # type: ignore[return-value]


def page_sums(page: bytes) -> tuple[int, int]:
    """The two sums of a page as the shim computes them, over all but the last 8 bytes."""
    return weighted(np.frombuffer(page, "<u4", (len(page) - CHECK_BYTES) // 4))


def is_sound(page: bytes) -> bool:
    """Whether a page's checksum is that of its bytes."""
    return page_sums(page) == _stored(page)


def mended(page: bytes) -> bytes | None:
    """The page as it was before one bit of it was turned, found by its checksum; None where more than one bit, or one
    of several, could be it."""
    if is_sound(page):
        return page
    places = _wrong_bits_of(page)
    if len(places) != 1:
        return None
    [(word, bit)] = places
    words = np.frombuffer(page, "<u4").copy()
    words[word] ^= np.uint32(1 << bit)
    return words.astype("<u4").tobytes()


def has_wrong_bit(page: bytes) -> bool:
    """Whether the checksum is not that of the page, and one bit explains it: no one has written the page so."""
    return not is_sound(page) and bool(_wrong_bits_of(page))


def _wrong_bits_of(page: bytes) -> list[tuple[int, int]]:
    words = np.frombuffer(page, "<u4", (len(page) - CHECK_BYTES) // 4)
    return wrong_bits(words, page_sums(page), _stored(page))


def wrong_bits(words: NDArray[np.uint32], found: tuple[int, int], stored: tuple[int, int]) -> list[tuple[int, int]]:
    """(word, bit) of each single bit that makes the sums found and those stored agree when it is turned. The two sums
    stored count as words behind the last.

    The sums are linear in the words modulo 2³², so each bit changes them by a difference of its own, but for the
    highest bits of words that stand a period apart; and the last word is added to the second sum alone.
    """
    off = [np.uint32((stored[i] - found[i]) & 0xFFFFFFFF) for i in range(2)]
    weights = _weights(len(words) // 2)
    fits: list[tuple[int, int]] = []
    for bit in range(32):
        with np.errstate(over="ignore"):
            change = ((words ^ np.uint32(1 << bit)) - words).astype(np.uint32).reshape(-1, 2)
            same = ((change * weights[0]) == off[0]) & ((change * weights[1]) == off[1])
        fits += [(int(place), bit) for place in np.flatnonzero(same)]
    odd = [a ^ b for a, b in zip(found, stored, strict=True)]
    if sum(value.bit_count() for value in odd) == 1:
        which = 0 if odd[0] else 1
        fits.append((len(words) + which, odd[which].bit_length() - 1))
    return fits


def _stored(page: bytes) -> tuple[int, int]:
    return int.from_bytes(page[-8:-4], "little"), int.from_bytes(page[-4:], "little")


@functools.lru_cache(maxsize=16)
def _weights(pairs: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What each word counts for in the two sums: shape (pairs, 2) for each.

    The shim adds `s1 += a + s2; s2 += b + s1` for each pair of words, in order; so a word's weight follows from how many
    pairs come after it, and the weights are Fibonacci numbers modulo 2³².
    """
    first = np.empty((pairs, 2), np.uint32)
    second = np.empty((pairs, 2), np.uint32)
    # What a unit in s1, or in s2, has become after all later pairs.
    one_in_s1, one_in_s2 = (1, 0), (0, 1)
    mask = 0xFFFFFFFF
    for i in range(pairs - 1, -1, -1):
        # Word a enters s1, and through it s2; word b enters s2 alone.
        from_a = ((one_in_s1[0] + one_in_s2[0]) & mask, (one_in_s1[1] + one_in_s2[1]) & mask)
        first[i], second[i] = (from_a[0], one_in_s2[0]), (from_a[1], one_in_s2[1])
        # One pair earlier: a unit in s1 before a pair counts as a does; one in s2 goes into s1 (and so s2) and s2.
        one_in_s1, one_in_s2 = (
            from_a,
            (
                (from_a[0] + one_in_s2[0]) & mask,
                (from_a[1] + one_in_s2[1]) & mask,
            ),
        )
    return first, second
