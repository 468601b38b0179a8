"""What can be said and done of a store without opening it: its pages and its log, as raw bytes."""

from __future__ import annotations

from pathlib import Path

from adjoin.store.folder import DATABASE
from adjoin.store.log import LogDamage, Mended, examine_log, mend_log
from adjoin.store.pages import alone, examine_pages
from adjoin.store.place import SEGMENTS
from adjoin.types import Finding

_MOST: int = 100_000  # damages of one log; each is put right before the next can be seen


def examine_raw(folder: Path, *, repair: bool) -> list[Finding]:
    """Damage to `adjoin.db` and its log that can be seen, and where it is one wrong bit put right, from outside.

    What is no store gives no finding: `folder.prepare` has words for it.
    """
    database = folder / DATABASE
    if not database.is_file():
        if (folder / SEGMENTS).is_dir():
            return [Finding(DATABASE, "it is missing, and with it all that is stored but vectors")]
        return []
    return [*_examine_log(database, repair=repair), *examine_pages(folder, repair=repair)]


def _examine_log(database: Path, *, repair: bool) -> list[Finding]:
    found = examine_log(database)
    if found is None:
        return []
    if not repair:
        return [_finding(database, found)]
    with alone(database) as mine:
        if not mine:
            return [_finding(database, found, then="It can be repaired when no one has the store open")]
        findings: list[Finding] = []
        while found is not None and len(findings) < _MOST:
            mended = mend_log(database, found)
            findings.append(_finding(database, found, then=_told(mended), repaired=not mended.lost))
            found = examine_log(database)
        return findings


def _told(mended: Mended) -> str:
    if mended.copy is None:
        return "Committed transactions are lost" if mended.lost else ""
    kept = "All before that is kept, what was committed after it is lost" if mended.lost else "All that follows is kept"
    return f"{kept}; the log as it was is {mended.copy.name}"


def _finding(database: Path, found: LogDamage, *, then: str = "", repaired: bool = False) -> Finding:
    what = found.what + (f". {then}" if then else "")
    return Finding(f"{database.name}-wal", what, "damage", found.mended is not None, repaired)
