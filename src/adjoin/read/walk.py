"""Files under paths: each once, in order, without what nobody wrote to be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adjoin.errors import NotFound
from adjoin.read.decode import kind_of
from adjoin.read.formats import reason_against
from adjoin.read.ignore import Rules, read_rules
from adjoin.read.settings import FoundFile, OnSkip, ReadSettings, Skipped

_NEVER_ENTERED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__"})
_MARKS_OF_FOLDERS_LEFT_OUT = ("adjoin.db", "pyvenv.cfg")  # a store of ours, and a virtual environment


def walk(paths: Sequence[str | Path], settings: ReadSettings, on_skip: OnSkip) -> Iterator[FoundFile]:
    """The files at and below the paths, those of each folder in the order of their names.

    Left out without a word: what .gitignore names, hidden names, version control, node_modules, __pycache__, virtual
    environments, and adjoin's own stores. A path that is given is always taken, whatever names it.
    Reported through `on_skip`: what cannot be read, is too large, or is known by its suffix to be no text.
    Symbolic links are followed after everything else, and no file or folder is visited twice.
    Raises NotFound, before the first file, for a path at which there is nothing.
    """
    roots = [Path(os.path.abspath(path)) for path in paths]
    for root in roots:
        if not os.path.lexists(root):
            raise NotFound(f"there is nothing at {root}. Check the path.")
    return _Walk(settings, on_skip).run(roots)


@dataclass(slots=True)
class _Folder:
    """A folder with the rules that hold in it: of each folder above it, outermost first."""

    path: str
    rules: list[tuple[str, Rules]]


@dataclass(slots=True)
class _Walk:
    settings: ReadSettings
    on_skip: OnSkip
    _folders_seen: set[tuple[int, int]] = field(default_factory=set)
    _files_seen: set[str] = field(default_factory=set)
    _links: list[tuple[str, _Folder, Path]] = field(default_factory=list)
    _include: Rules = field(init=False)
    _exclude: Rules = field(init=False)

    def __post_init__(self) -> None:
        self._include = Rules(self.settings.include)
        self._exclude = Rules(self.settings.exclude)

    def run(self, roots: list[Path]) -> Iterator[FoundFile]:
        for root in roots:
            if root.is_dir():
                yield from self._enter(_Folder(str(root), self._rules_above(root)), root)
            else:
                yield from self._file(str(root), given=True)
        for path, parent, root in self._links:  # may grow while we go: links within what links lead to
            if os.path.isdir(path):
                yield from self._enter(_Folder(path, parent.rules), root, given=False)
            else:
                yield from self._file(path)

    def _rules_above(self, root: Path) -> list[tuple[str, Rules]]:
        """The rules from the repository's root down to, not including, `root`."""
        repository = next((each for each in (root, *root.parents) if (each / ".git").exists()), None)
        if not self.settings.gitignore or repository is None:
            return []
        rules = [(str(repository), read_rules(repository / ".git" / "info" / "exclude"))]
        between = [each for each in root.parents if each == repository or repository in each.parents]
        rules += [(str(each), read_rules(each / ".gitignore")) for each in reversed(between)]
        return [(where, rule) for where, rule in rules if rule]

    def _enter(self, folder: _Folder, root: Path, *, given: bool = True) -> Iterator[FoundFile]:
        # A stack of iterators rather than recursion: trees may be deeper than Python's stack.
        waiting = [self._entries(folder, given=given)]
        folders = [folder]
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
                folders.pop()
                continue
            found = self._visit(entry, folders[-1], root)
            if isinstance(found, FoundFile):
                yield found
            elif isinstance(found, _Folder):
                folders.append(found)
                waiting.append(self._entries(found, given=False))

    def _entries(self, folder: _Folder, *, given: bool) -> Iterator[os.DirEntry[str]]:
        """What is in a folder, sorted; nothing when it was visited before or is one that is left out."""
        try:
            status = os.stat(folder.path)
            with os.scandir(folder.path) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError as exc:
            self._skip(folder.path, exc.strerror or str(exc))
            return iter(())
        identity = (status.st_dev, status.st_ino)
        if identity in self._folders_seen:
            return iter(())
        self._folders_seen.add(identity)
        names = {entry.name for entry in entries}
        if not given and any(mark in names for mark in _MARKS_OF_FOLDERS_LEFT_OUT):
            return iter(())
        if self.settings.gitignore and ".gitignore" in names:
            folder.rules = [*folder.rules, (folder.path, read_rules(Path(folder.path, ".gitignore")))]
        return iter(entries)

    def _visit(self, entry: os.DirEntry[str], folder: _Folder, root: Path) -> FoundFile | _Folder | None:
        try:
            is_link = entry.is_symlink()
            is_folder = entry.is_dir()
        except OSError as exc:
            self._skip(entry.path, exc.strerror or str(exc))
            return None
        # For git a link to a folder is a file.
        if self._is_left_out(entry, folder, root, is_folder=is_folder and not is_link):
            return None
        if is_link:
            self._links.append((entry.path, folder, root))
            return None
        if is_folder:
            return _Folder(entry.path, folder.rules)
        return next(self._file(entry.path), None)

    def _is_left_out(self, entry: os.DirEntry[str], folder: _Folder, root: Path, *, is_folder: bool) -> bool:
        if entry.name in _NEVER_ENTERED and (is_folder or entry.name == ".git"):
            return True
        if entry.name.startswith(".") and not self.settings.hidden:
            return True
        below = os.path.relpath(entry.path, root).replace(os.sep, "/")
        if self._exclude.decide(below, is_folder=is_folder):
            return True
        if self._include and not is_folder and not entry.is_dir() and not self._is_included(below):
            return True
        return self._is_ignored(entry.path, folder, is_folder=is_folder)

    def _is_included(self, below: str) -> bool:
        """Whether the file, or a folder that it is in, is named."""
        parts = below.split("/")
        folders = ("/".join(parts[:count]) for count in range(1, len(parts)))
        named = self._include.decide(below, is_folder=False)
        return named if named is not None else any(self._include.decide(each, is_folder=True) for each in folders)

    def _is_ignored(self, path: str, folder: _Folder, *, is_folder: bool) -> bool:
        for where, rules in reversed(folder.rules):  # the nearest file that says something decides
            decided = rules.decide(os.path.relpath(path, where).replace(os.sep, "/"), is_folder=is_folder)
            if decided is not None:
                return decided
        return False

    def _file(self, path: str, *, given: bool = False) -> Iterator[FoundFile]:
        try:
            path.encode()
        except UnicodeEncodeError:
            self._skip(path, "its name is not valid UTF-8; rename it")
            return
        try:
            status = os.stat(path)
        except OSError as exc:
            broken = os.path.islink(path) and isinstance(exc, FileNotFoundError)
            self._skip(path, "a link that leads nowhere" if broken else exc.strerror or str(exc))
            return
        reason = self._reason_against(path, status, given=given)
        real = os.path.realpath(path)
        if reason:
            self._skip(path, reason)
        elif real not in self._files_seen:
            self._files_seen.add(real)
            yield FoundFile(Path(path), status.st_size, status.st_mtime_ns)

    def _reason_against(self, path: str, status: os.stat_result, *, given: bool) -> str:
        if not stat.S_ISREG(status.st_mode):
            return f"{kind_of(status.st_mode)}, not a regular file"
        reason = "" if given else reason_against(Path(path), self.settings.media)
        if reason:
            return reason
        most = self.settings.max_file_bytes
        if most is not None and status.st_size > most:
            return f"it has {status.st_size:,} bytes, more than the {most:,} that are read"
        return ""

    def _skip(self, path: str, reason: str) -> None:
        printable = os.fsencode(path).decode("utf-8", "backslashreplace")
        self.on_skip(Skipped(Path(printable), reason))
