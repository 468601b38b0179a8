"""A collection follows its folders: only what changed is read, what has gone goes, and nothing stops the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import adjoin
from adjoin.collection import Collection
from adjoin.errors import NotFound
from adjoin.read import ReadSettings
from adjoin.testing import TinyEmbedder


@pytest.fixture
def collection(tmp_path: Path) -> Iterator[Collection]:
    with adjoin.open(tmp_path / "s.adjoin") as db:
        yield db.collection("c", embedder=TinyEmbedder())


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# Cats\n\nA cat sleeps.\n\n# Dogs\n\nA dog barks.\n", encoding="utf-8")
    (folder / "sub" / "b.txt").write_text("서울은 한국의 수도이다.\n", encoding="utf-8")
    for path in (folder / "a.md", folder / "sub" / "b.txt"):
        age(path)
    return folder


def age(path: Path, seconds: float = 100.0) -> None:
    """Make a file look old, so that its time stamp can be trusted."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def contents(collection: Collection) -> set[str]:
    """The last line of every chunk: what stands under its heading."""
    return {str(document.content).strip().splitlines()[-1] for document in collection.scan()}


def test_a_folder_becomes_chunks_that_know_where_they_stand(collection: Collection, docs: Path) -> None:
    report = collection.index(docs)
    assert (report.files_read, report.files_removed, report.skipped) == (2, 0, [])
    assert report.chunks_added == collection.count() == report.embedded
    hit = collection.search("A dog barks.", k=1)[0]
    assert hit.origin is not None
    assert hit.origin.file == str(docs / "a.md")
    assert hit.origin.line == 5  # a chunk begins with its heading
    assert hit.origin.heading[-1:] == ("Dogs",)


def test_the_second_run_reads_nothing(collection: Collection, docs: Path) -> None:
    first = collection.index(docs)
    again = collection.index(docs)
    assert (again.files_read, again.files_unchanged, again.embedded, again.chunks_added) == (0, 2, 0, 0)
    assert collection.count() == first.chunks_added


def test_a_touched_file_with_the_same_content_is_not_read_again(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    age(docs / "a.md", 50)
    again = collection.index(docs)
    assert (again.files_read, again.files_unchanged) == (0, 2)


def test_a_change_under_the_same_size_and_time_stamp_is_seen_when_the_file_was_fresh(
    collection: Collection, docs: Path
) -> None:
    path = docs / "a.md"
    path.write_text("A cat sleeps.\n", encoding="utf-8")
    stamp = path.stat()
    collection.index(docs)
    path.write_text("A cow sleeps.\n", encoding="utf-8")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    collection.index(docs)
    assert "A cow sleeps." in contents(collection)
    assert "A cat sleeps." not in contents(collection)


def test_only_the_changed_chunk_is_embedded_again(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / "a.md").write_text("# Cats\n\nA cat sleeps.\n\n# Dogs\n\nA dog howls.\n", encoding="utf-8")
    again = collection.index(docs)
    assert again.files_read == 1
    assert again.embedded == 1
    assert {"A dog howls."} <= contents(collection)
    assert "A dog barks." not in contents(collection)


def test_a_file_that_became_shorter_leaves_no_chunks_behind(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / "a.md").write_text("# Cats\n\nA cat sleeps.\n", encoding="utf-8")
    again = collection.index(docs)
    assert again.chunks_removed == 1
    assert not any("dog" in text for text in contents(collection))


def test_what_has_gone_from_the_folder_goes_from_the_store(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / "sub" / "b.txt").unlink()
    again = collection.index(docs)
    assert again.files_removed == 1
    assert not any("서울" in text for text in contents(collection))


def test_indexing_one_folder_leaves_the_others_alone(collection: Collection, docs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "c.txt").write_text("Something else.", encoding="utf-8")
    collection.index([docs, other])
    again = collection.index(other)
    assert again.files_removed == 0
    assert "A cat sleeps." in contents(collection)


def test_a_moved_file_is_not_embedded_again(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / "a.md").rename(docs / "z.md")
    again = collection.index(docs)
    assert (again.files_removed, again.embedded, again.reused) == (1, 0, 2)


def test_a_path_that_is_not_there_changes_nothing(collection: Collection, docs: Path, tmp_path: Path) -> None:
    collection.index(docs)
    before = contents(collection)
    with pytest.raises(NotFound, match=r"nothing at .*nowhere"):
        collection.index([docs, tmp_path / "nowhere"])
    assert contents(collection) == before


def test_a_deleted_file_named_itself_is_removed(collection: Collection, docs: Path) -> None:
    collection.index(docs / "a.md")
    (docs / "a.md").unlink()
    assert collection.index(docs / "a.md").files_removed == 1
    assert collection.count() == 0


def test_unreadable_files_are_named_and_the_rest_goes_on(collection: Collection, docs: Path) -> None:
    (docs / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00binary")
    (docs / "0-gone.txt").symlink_to(docs / "missing")
    report = collection.index(docs)
    named = {Path(skipped.path).name for skipped in report.skipped}
    assert {"picture.txt", "0-gone.txt"} <= named
    assert report.files_read == 2
    assert all(name in str(report) for name in named)


def test_a_missing_extra_is_reported_and_the_rest_goes_on(
    collection: Collection, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (docs / "0.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    monkeypatch.setitem(sys.modules, "pypdf", None)
    report = collection.index(docs)
    assert report.files_read == 2
    assert [Path(skipped.path).name for skipped in report.skipped] == ["0.pdf"]
    assert "pip install 'adjoin[files]'" in str(report)


def test_paths_with_dots_find_what_has_gone(collection: Collection, docs: Path) -> None:
    collection.index(docs / "sub" / "..")
    (docs / "a.md").unlink()
    assert collection.index(docs / "sub" / "..").files_removed == 1


def test_bad_lines_of_a_table_are_named_with_their_line(collection: Collection, docs: Path) -> None:
    (docs / "t.jsonl").write_text('{"text": "good"}\n{broken\n{"text": "fine"}\n', encoding="utf-8")
    report = collection.index(docs)
    assert collection.count() == 5
    assert "t.jsonl:2: " in str(report)
    assert report.to_dict()["skipped"][0]["line"] == 2


def test_a_file_that_became_binary_loses_its_chunks(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / "sub" / "b.txt").write_bytes(b"\x00\x01\x02\x03")
    report = collection.index(docs)
    assert [Path(skipped.path).name for skipped in report.skipped] == ["b.txt"]
    assert not any("서울" in text for text in contents(collection))


def test_gitignore_is_honoured_and_a_newly_ignored_file_goes(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    (docs / ".gitignore").write_text("sub/\n", encoding="utf-8")
    report = collection.index(docs)
    assert report.files_removed == 1


def test_other_settings_read_everything_again(collection: Collection, docs: Path) -> None:
    collection.index(docs)
    again = collection.index(docs, settings=ReadSettings(chunk_chars=60, overlap_chars=10))
    assert again.files_read == 2


def test_csv_columns_become_metadata_that_filters_see(collection: Collection, docs: Path) -> None:
    (docs / "t.csv").write_text("question,year\nHow are you?,2021\nWho is it?,1999\n", encoding="utf-8")
    collection.index(docs, settings=ReadSettings(content_column="question"))
    assert collection.count({"year": {"$gte": 2020}}) == 1


def test_a_large_file_is_stored_in_many_transactions_and_ends_complete(collection: Collection, docs: Path) -> None:
    lines = [
        f"Sentence number {n} stands here alone, long enough to be a chunk of its own in this test."
        for n in range(3000)
    ]
    (docs / "big.txt").write_text("\n\n".join(lines), encoding="utf-8")
    seen: list[tuple[int, int | None]] = []
    report = collection.index(
        docs, settings=ReadSettings(chunk_chars=100, overlap_chars=0), progress=lambda *now: seen.append(now)
    )
    total = sum(path.stat().st_size for path in docs.rglob("*.*"))
    assert len(seen) > 10  # a large file shows how far it is
    assert seen == sorted(seen)
    assert seen[-1] == (total, total)
    found = contents(collection)
    assert report.files_read == 3
    assert all(line in found for line in lines)


CHILD = """
import sys, adjoin
from adjoin.testing import TinyEmbedder
from adjoin.read import ReadSettings
collection = adjoin.open(sys.argv[1]).collection("c", embedder=TinyEmbedder())
print("ready", flush=True)
collection.index(sys.argv[2], settings=ReadSettings(chunk_chars=100, overlap_chars=0))
"""


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_an_interrupted_run_leaves_a_store_that_opens_and_goes_on(tmp_path: Path, sign: signal.Signals) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    expected = set()
    for n in range(60):
        lines = [
            f"File {n} has the sentence number {m} here, long enough to be one chunk by itself." for m in range(40)
        ]
        expected |= set(lines)
        (folder / f"{n}.txt").write_text("\n\n".join(lines), encoding="utf-8")
        age(folder / f"{n}.txt")
    for delay_s in (0.05, 0.15, 0.3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "s.adjoin"), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay_s)
        child.send_signal(sign)
        child.wait(30)
        child.stdout.close()
    with adjoin.open(tmp_path / "s.adjoin") as db:
        collection = db.collection("c", embedder=TinyEmbedder())
        kept = collection.count()
        report = collection.index(folder, settings=ReadSettings(chunk_chars=100, overlap_chars=0))
        assert contents(collection) == expected
        assert collection.count() == len(expected)
        assert report.embedded <= len(expected) - kept + 128  # what was stored is not embedded again


def test_items_of_an_unchanged_source_are_not_asked_for(collection: Collection) -> None:
    items = [adjoin.Item("one", id="1"), adjoin.Item("two", id="2")]
    first = collection.index_items(iter(items), source="s", fingerprint="1")
    assert (first.chunks_added, first.embedded) == (2, 2)

    def refuse() -> Iterator[adjoin.Item]:
        raise AssertionError("the items were asked for")
        yield

    assert collection.index_items(refuse(), source="s", fingerprint="1").chunks_unchanged == 2
    changed = collection.index_items(iter([*items, adjoin.Item("three", id="3")]), source="s", fingerprint="2")
    assert (changed.chunks_added, changed.chunks_unchanged, changed.embedded) == (1, 2, 1)
