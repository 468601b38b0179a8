"""Walking finds what was written to be read: each file once, in order, and never waits or loops."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

import adjoin.read.watching as watching
from adjoin.errors import NotFound
from adjoin.read import FoundFile, ReadSettings, Skipped, walk, watch

NEEDS_GIT = pytest.mark.skipif(shutil.which("git") is None, reason="compares with git")


def write(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def found(*paths: Path, skipped: list[Skipped] | None = None, **settings: object) -> list[str]:
    root = paths[0] if paths[0].is_dir() else paths[0].parent
    on_skip = (skipped if skipped is not None else []).append
    files = walk(paths, ReadSettings(**settings), on_skip)  # type: ignore[arg-type]
    return [os.path.relpath(file.path, root) for file in files]


def test_files_come_sorted_and_absolute_with_size_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "b.txt", "a/z.txt", "a/b.txt", "c.md")
    monkeypatch.chdir(tmp_path)
    files = list(walk(["."], ReadSettings(), lambda _: None))
    assert [str(file.path.relative_to(tmp_path)) for file in files] == ["a/b.txt", "a/z.txt", "b.txt", "c.md"]
    status = (tmp_path / "a/b.txt").stat()
    assert files[0] == FoundFile(tmp_path / "a/b.txt", status.st_size, status.st_mtime_ns)


def test_overlapping_paths_give_each_file_once(tmp_path: Path) -> None:
    write(tmp_path, "a/x.txt", "b.txt")
    assert found(tmp_path, tmp_path / "a", tmp_path / "b.txt", tmp_path / "a" / ".." / "b.txt") == ["a/x.txt", "b.txt"]


def test_missing_path_is_not_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        walk([tmp_path / "nowhere"], ReadSettings(), lambda _: None)


def test_hidden_names_stores_environments_and_packages_of_others_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path, "a.txt", ".hidden.txt", ".git/config", "notes.adjoin/adjoin.db", "notes.adjoin/x.txt", "venv/pyvenv.cfg",
        "venv/y.txt", "node_modules/m/r.md", "src/__pycache__/x.txt", "src/.config/y.txt",
    )  # fmt: skip
    assert found(tmp_path) == ["a.txt"]
    assert found(tmp_path, hidden=True) == [".hidden.txt", "a.txt", "src/.config/y.txt"]


def test_gitignore_holds_at_every_level_and_nearer_ones_win(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.log",
        "keep.log",
        "build/x.txt",
        "sub/b.log",
        "sub/build/y.txt",
        "sub/only.txt",
        "sub/deep/only.txt",
    )
    (tmp_path / ".gitignore").write_text("*.log\n!keep.log\n/build/\n", encoding="utf-8")
    (tmp_path / "sub/.gitignore").write_text("!b.log\n/only.txt\n", encoding="utf-8")
    assert found(tmp_path) == ["keep.log", "sub/b.log", "sub/build/y.txt", "sub/deep/only.txt"]
    assert len(found(tmp_path, gitignore=False)) == 7


def test_gitignore_above_the_path_holds_up_to_the_repository_root(tmp_path: Path) -> None:
    write(tmp_path, "repo/docs/a.tmp", "repo/docs/a.md", "repo/docs/out/b.md", "repo/.git/info/exclude")
    (tmp_path / ".gitignore").write_text("*.md\n", encoding="utf-8")  # above the repository: does not count
    (tmp_path / "repo/.gitignore").write_text("*.tmp\n/docs/out\n", encoding="utf-8")
    assert found(tmp_path / "repo/docs") == ["a.md"]
    (tmp_path / "repo/.git/info/exclude").write_text("a.md\n", encoding="utf-8")
    assert found(tmp_path / "repo/docs") == []


def test_file_or_folder_that_is_given_is_taken_although_ignored(tmp_path: Path) -> None:
    write(tmp_path, "out/a.txt", "out/b.log", ".env", ".git/HEAD")
    (tmp_path / ".gitignore").write_text("out/\n*.log\n", encoding="utf-8")
    assert found(tmp_path / "out") == ["a.txt"]
    assert found(tmp_path / "out/b.log") == ["b.log"]
    assert found(tmp_path / ".env") == [".env"]


def test_include_and_exclude_are_patterns(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.txt", "docs/c.md", "docs/old/d.md", "docs/e.txt")
    assert found(tmp_path, include=("*.md",)) == ["a.md", "docs/c.md", "docs/old/d.md"]
    assert found(tmp_path, include=("docs/",), exclude=("old/",)) == ["docs/c.md", "docs/e.txt"]
    assert found(tmp_path, include=("docs/**/*.md",)) == ["docs/c.md", "docs/old/d.md"]
    assert found(tmp_path, exclude=("docs/**",)) == ["a.md", "b.txt"]


def test_links_are_followed_once_and_never_in_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "tree/a/x.txt", "elsewhere/y.txt")
    tree = tmp_path / "tree"
    (tree / "a/up").symlink_to(tree)
    (tree / "self").symlink_to(tree / "self")
    (tree / "0link.txt").symlink_to(tree / "a/x.txt")
    (tree / "other").symlink_to(tmp_path / "elsewhere")
    (tree / "broken.txt").symlink_to(tree / "gone")
    skipped: list[Skipped] = []
    assert found(tree, skipped=skipped) == ["a/x.txt", "other/y.txt"]
    assert sorted(each.path.name for each in skipped) == ["broken.txt", "self"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, "big.txt", "a.png", "ok.txt")
    (tmp_path / "big.txt").write_text("x" * 100, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    skipped: list[Skipped] = []
    assert found(tmp_path, skipped=skipped, max_file_bytes=50) == ["ok.txt"]
    assert {each.path.name: each.reason.split(",")[0] for each in skipped} == {
        "a.png": "binary (.png)",
        "big.txt": "it has 100 bytes",
        "caf\\xe9.txt": "its name is not valid UTF-8; rename it",
        "pipe": "a named pipe",
    }
    for each in skipped:
        str(each).encode()


def test_very_deep_folders_are_walked(tmp_path: Path) -> None:
    here = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(300):
            os.mkdir("d")
            os.chdir("d")
        Path("x.txt").write_text("x", encoding="utf-8")
    finally:
        os.chdir(here)
    assert len(found(tmp_path)) == 1


PATTERNS = [
    "*.log", "!keep.log", "/top.txt", "build/", "a/**/z.txt", "**/cache", "docs/*.md", "!docs/a.md", "d?c.txt", "[ab].txt",
    "[!a-c].md", r"\#hash.txt", r"\!bang.txt", "# comment", "", "   ", "trail.txt   ", r"space\ ", "a/b", "/a/*", "!/a/b",
    "**", "!*/", "!*.txt", "abc/**", "**/foo/bar", "a**b.txt", "*", "!**/keep/**", "[[:digit:]]*.txt", "[]].txt", r"[\]].txt",
    "x[", "foo//bar", "/", "!", "a/", "b/c/", "*/c", "a/**", "**/*.md", "[^x]oo", "[a-]x.txt", "keep",
]  # fmt: skip
NAMES = [
    "a", "b", "c", "abc", "foo", "bar", "docs", "build", "cache", "keep", "top.txt", "z.txt", "a.md", "d.md", "doc.txt",
    "a.txt", "keep.log", "x.log", "#hash.txt", "!bang.txt", "trail.txt", "space ", "a1b.txt", "1.txt", "].txt", "zoo", "-x.txt",
]  # fmt: skip


@NEEDS_GIT
@pytest.mark.parametrize("seed", range(30))
def test_gitignore_is_read_as_git_reads_it(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    folders = [""]
    for _ in range(60):
        parent = chance.choice(folders)
        name = f"{parent}{chance.choice(NAMES)}"
        path = tmp_path / name
        if path.exists():
            continue
        if "." in path.name or chance.random() < 0.2:
            path.write_text("x", encoding="utf-8")
        else:
            path.mkdir()
            folders.append(f"{name}/")
    for folder in ["", *chance.sample(folders, min(3, len(folders)))]:
        patterns = "\n".join(chance.choices(PATTERNS, k=chance.randint(1, 6)))
        (tmp_path / folder / ".gitignore").write_text(patterns + "\n", encoding="utf-8")
    arguments = ["git", "-C", str(tmp_path), "ls-files", "-z", "--others", "--exclude-standard"]
    answer = subprocess.run(arguments, check=True, capture_output=True).stdout.decode()
    expected = sorted(name for name in answer.split("\0") if name and not name.endswith(".gitignore"))
    assert sorted(found(tmp_path)) == expected


@pytest.mark.slow
@pytest.mark.parametrize("polling", [False, True])
def test_watch_yields_once_for_a_burst_and_not_for_what_is_ignored(
    tmp_path: Path, polling: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if polling:
        monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    write(tmp_path, "a.txt", ".gitignore")
    (tmp_path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    stop = threading.Event()
    bursts = watch([tmp_path], ReadSettings(), stop=stop, poll_s=0.1)
    seen: list[float] = []

    def work() -> None:
        for name in ("b.txt", "c.txt", "d.txt"):
            write(tmp_path, name)
            time.sleep(0.05)
        time.sleep(1.5)
        write(tmp_path, "x.log")
        time.sleep(1.0)
        (tmp_path / "a.txt").unlink()
        time.sleep(1.5)
        stop.set()

    worker = threading.Thread(target=work)
    worker.start()
    for _ in bursts:
        seen.append(time.monotonic())
    worker.join()
    assert len(seen) == 2
    assert watching.snapshot([tmp_path / "gone"], ReadSettings()) != watching.snapshot([tmp_path], ReadSettings())
