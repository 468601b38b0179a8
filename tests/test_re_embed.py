"""Another model for a collection that is in use: nothing lost, nothing embedded twice, and a way back."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoin
from adjoin.errors import CollectionReplaced, InvalidOption, NotFound, Unsupported
from adjoin.testing import TinyEmbedder
from tests.support.stores import python, start

TEXTS = [f"the {colour} {thing} number {n}" for n in range(60) for colour, thing in (("red", "fox"), ("blue", "boat"))]


def filled(db: adjoin.Database, model: Any = None, texts: list[str] = TEXTS) -> adjoin.Collection:
    rows = db.collection("rows", embedder=model or TinyEmbedder(32, name="small"))
    rows.add(texts, ids=range(len(texts)), metadata=[{"n": n} for n in range(len(texts))])
    return rows


@pytest.fixture(params=["folder", "memory"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    with adjoin.open(tmp_path / "s" if request.param == "folder" else "memory://") as opened:
        yield opened


def test_a_collection_changes_over_and_goes_back(db: adjoin.Database) -> None:
    rows = filled(db)
    new = TinyEmbedder(96, name="large")
    report = rows.re_embed(new, switch=False, judgements={"red fox number 7": [14]})
    assert (report.rows, report.embedded, report.switched) == (120, 120, False)
    assert report.overlap is not None
    assert 0 < report.overlap < 1
    assert report.before.recall is not None
    assert report.after.recall is not None
    assert rows.dim == 32
    assert rows.search(TEXTS[5], k=1).ids == [5]
    assert db.collections() == ["rows"]
    calls = new.calls
    report = rows.re_embed(new, sample=0)
    assert report.switched
    assert report.embedded == 0
    assert new.calls - calls < 30  # canaries, and the queries of the comparison
    assert rows.dim == 96
    assert rows.count() == 120
    assert rows.search(TEXTS[5], k=1).ids == [5]
    assert rows.get(5).metadata == {"n": 5}  # type: ignore[union-attr]
    assert set(rows.stats()["copies"]) == {"old"}
    rows.add(["a green tree"], ids=["tree"])
    rows.delete([0])
    rows.update([1], {"n": -1})
    report = rows.roll_back(TinyEmbedder(32, name="small"))
    assert report.embedded == 1
    assert rows.dim == 32
    assert rows.search("a green tree", k=1).ids == ["tree"]
    assert rows.count() == 120
    assert rows.get(1).metadata == {"n": -1}  # type: ignore[union-attr]
    assert rows.get(0) is None
    assert rows.discard_copies() == 1
    with pytest.raises(NotFound, match="no former state"):
        rows.roll_back()
    assert db.doctor().healthy


def test_only_what_changed_is_embedded(db: adjoin.Database) -> None:
    rows = filled(db)
    new = TinyEmbedder(96, name="large")
    rows.re_embed(new, switch=False, sample=0)
    rows.upsert(["something else"], ids=[3])
    rows.upsert([TEXTS[9]], ids=["same text"])
    rows.update([4], {"n": 4.5})
    report = rows.re_embed(new, sample=0)
    assert (report.embedded, report.reused) == (1, 2)
    assert rows.search("something else", k=1).ids == [3]


def test_another_run_than_that_under_way_is_refused(db: adjoin.Database) -> None:
    rows = filled(db)
    rows.re_embed(TinyEmbedder(96, name="large"), switch=False, sample=0)
    with pytest.raises(InvalidOption, match="already"):
        rows.re_embed(TinyEmbedder(48, name="other"), sample=0)
    assert rows.discard_copies() == 1
    rows.re_embed(TinyEmbedder(48, name="other"), sample=0)
    assert rows.dim == 48


def test_rows_without_content_are_named(db: adjoin.Database) -> None:
    rows = db.collection("bare", embedder=None)
    rows.add(vectors=[[1.0, 0.0]], ids=["bare"])
    with pytest.raises(Unsupported, match="'bare' has no content"):
        rows.re_embed(TinyEmbedder())
    assert rows.count() == 1


def test_vectors_that_the_user_brought_give_way_to_an_embedder(db: adjoin.Database) -> None:
    rows = db.collection("bare", embedder=None)
    rows.add(TEXTS[:5], vectors=[[1.0, float(n)] for n in range(5)], ids=range(5))
    assert rows.re_embed(TinyEmbedder(64)).switched
    assert rows.search(TEXTS[3], k=1).ids == [3]


class Picky(TinyEmbedder):
    def embed(self, items: Any, kind: Any = "document") -> Any:
        for n, item in enumerate(items):
            if "boat number 7" in item:
                raise adjoin.errors.InvalidContent(f"item {n} is a boat")
        return super().embed(items, kind)


def test_items_that_the_new_model_refuses_are_not_lost_unasked(db: adjoin.Database) -> None:
    rows = filled(db)
    with pytest.raises(InvalidOption, match="1 items cannot be embedded"):
        rows.re_embed(Picky(96, name="picky"))
    assert (rows.count(), rows.dim) == (120, 32)
    report = rows.re_embed(Picky(96, name="picky"), without_refused=True)
    assert [one.item for one in report.refused] == ["id 15"]
    assert (report.switched, rows.count()) == (True, 119)


def test_notes_of_files_go_along(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# One\n\ntext of one\n")
    with adjoin.open(tmp_path / "s") as db:
        rows = db.collection("rows", embedder=TinyEmbedder(32, name="small"))
        rows.index(tmp_path / "a.md")
        rows.re_embed(TinyEmbedder(64, name="large"))
        report = rows.index(tmp_path / "a.md")
        assert (report.files_unchanged, report.files_read) == (1, 0)


WORKER = """
import sys, time
import adjoin
from adjoin.testing import TinyEmbedder

class Slow(TinyEmbedder):
    def embed(self, items, kind="document"):
        if len(items) > 10:
            print("embedding", flush=True)
            time.sleep(0.15)
        return super().embed(items, kind)

with adjoin.open(sys.argv[1]) as db:
    rows = db.collection("rows", embedder=TinyEmbedder(32, name="small"))
    report = rows.re_embed(Slow(96, name="large"), sample=0)
    print(report.rows, report.embedded + report.reused, rows.search("number 7", k=1).ids, flush=True)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    texts = [f"text {n}" for n in range(1500)]
    with adjoin.open(tmp_path / "s") as db:
        filled(db, texts=texts)
    for blocks in (2, 1):
        with start(WORKER, tmp_path / "s") as worker:
            assert worker.stdout is not None
            for _ in range(blocks + 1):  # when a block is begun, those before it are on disk
                assert worker.stdout.readline() == "embedding\n"
            os.kill(worker.pid, signal.SIGKILL)
        with adjoin.open(tmp_path / "s") as db:
            rows = db.collection("rows", embedder=TinyEmbedder(32, name="small"))
            assert rows.search("text 700", k=1).ids == [700]
            assert db.doctor().healthy
    said = python(WORKER, tmp_path / "s").splitlines()
    assert said[-1].split()[0] == "1500"
    assert int(said[-1].split()[1]) <= 1500 - 3 * 256
    with adjoin.open(tmp_path / "s") as db:
        assert db.collection("rows", embedder=TinyEmbedder(96, name="large")).count() == 1500


class Reversed(TinyEmbedder):
    def embed(self, items: Any, kind: Any = "document") -> Any:
        return super().embed(items, kind)[:, ::-1].copy()


def test_other_handles_follow_and_no_write_is_lost(tmp_path: Path) -> None:
    """Writers and readers go on through changes there and back; each search is embedded for the vectors it meets."""
    small, large = TinyEmbedder(64, name="small"), Reversed(64, name="large")
    with adjoin.open(tmp_path / "s") as db, adjoin.open(tmp_path / "s") as theirs:
        rows = filled(db, small)
        other = theirs.collection("rows", embedder=small)
        stop, added, errors = threading.Event(), [0], list[BaseException]()

        def write() -> None:
            mine = adjoin.open(tmp_path / "s")
            models = itertools.cycle((small, large))
            try:
                while not stop.is_set():
                    try:  # with the one or the other, whichever it is embedded by just now
                        handle = mine.collection("rows", embedder=next(models))
                        handle.add([f"late {added[0]}"], ids=[f"late-{added[0]}"])
                    except adjoin.errors.IdentityMismatch:
                        continue
                    added[0] += 1
                    time.sleep(0.02)
            except BaseException as exc:
                errors.append(exc)
            finally:
                mine.close()

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            rows.re_embed(large, sample=0)
            time.sleep(0.05)
            rows.roll_back(small)
        rows.re_embed(large, sample=0)
        stop.set()
        writer.join()
        assert errors == []
        assert rows.count() == 120 + added[0] > 123
        for document in rows.scan(vectors=True):
            assert document.vector is not None
            np.testing.assert_allclose(document.vector, large.embed([document.content])[0], atol=1e-6)
        with pytest.raises(adjoin.errors.IdentityMismatch):  # an object that a name cannot bring back
            other.search(TEXTS[3], k=1)
        assert rows.search("late 3", k=1).ids == ["late-3"]


def test_a_handle_whose_new_model_has_a_name_follows(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db, adjoin.open(tmp_path / "s") as theirs:
        rows = filled(db, texts=TEXTS[:6])
        other = theirs.collection("rows", embedder=TinyEmbedder(32, name="small"))
        rows.re_embed("default", sample=0)
        assert other.search(TEXTS[3], k=1).ids == [3]
        assert other.dim == 384
        other.add(["a green tree"], ids=["tree"])
        assert rows.search("green trees", k=1).ids == ["tree"]


def test_a_name_that_means_something_else_now_is_not_followed(tmp_path: Path) -> None:
    with adjoin.open(tmp_path / "s") as db, adjoin.open(tmp_path / "s") as theirs:
        filled(db)
        other = theirs.collection("rows", embedder=TinyEmbedder(32, name="small"))
        db.drop("rows")
        filled(db, TinyEmbedder(32, name="stranger"))
        with pytest.raises(CollectionReplaced, match="made anew"):
            other.search("red")
        with pytest.raises(CollectionReplaced):
            other.add(["x"])


def test_names_cannot_be_those_of_copies(db: adjoin.Database) -> None:
    with pytest.raises(InvalidOption):
        db.collection("rows\x1fold")
    rows = filled(db)
    rows.re_embed(TinyEmbedder(96, name="large"), sample=0)
    db.drop("rows")
    assert db._engine.collections() == []
