"""The commands, run as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.stores import vectors

COMMANDS = (
    "demo", "index", "search", "ask", "memory", "cache", "serve", "get", "show", "stats", "delete", "erase", "optimize",
    "embedders", "re-embed", "distil", "train", "doctor", "backup", "bench", "export",
)  # fmt: skip
ENVIRONMENT = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1"}


def adjoin(*words: str | Path, cwd: Path, status: int = 0, text: str | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "adjoin", *map(str, words)],
        cwd=cwd,
        env=ENVIRONMENT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def as_json(*words: str | Path, cwd: Path) -> Any:
    return json.loads(adjoin(*words, "--json", cwd=cwd).stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with documents, indexed into notes.adjoin beside them."""
    root = tmp_path_factory.mktemp("cli")
    docs = root / "docs"
    docs.mkdir()
    (docs / "pets.md").write_text(
        "# Pets\n\n## Cats\n\nCats sleep most of the day. They hunt at night.\n\n## Dogs\n\nDogs bark at strangers.\n",
        encoding="utf-8",
    )
    (docs / "seoul.txt").write_text("서울은 대한민국의 수도이다. 한강이 도시를 가로지른다.\n", encoding="utf-8")
    (docs / "shop.csv").write_text(
        "content,year,price\nRefunds take seven days.,2021,10.5\n배송은 이틀 걸립니다.,2019,3\n", encoding="utf-8"
    )
    (docs / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00")
    adjoin("index", "docs", "--db", "notes.adjoin", cwd=root)
    return root


def test_index_reports_what_it_did_and_again_finds_nothing_to_do(place: Path) -> None:
    report = as_json("index", "docs", "--db", "second.adjoin", cwd=place)
    assert report["files_read"] == 3
    assert report["documents"] == report["chunks_added"] == 5
    assert [Path(each["path"]).name for each in report["skipped"]] == ["logo.png"]
    again = as_json("index", "docs", "--db", "second.adjoin", cwd=place)
    assert (again["files_read"], again["files_unchanged"], again["embedded"]) == (0, 3, 0)


def test_search_finds_by_meaning_in_both_languages_with_path_and_line(place: Path) -> None:
    told = adjoin("search", "what do kittens do all day?", "--db", "notes.adjoin", "-k", "1", cwd=place).stdout
    assert "docs/pets.md:5" in told.splitlines()[0]
    assert "Cats sleep most of the day" in told
    korean = as_json("search", "한국의 수도는 어디인가요?", "--db", "notes.adjoin", "-k", "1", cwd=place)["hits"][0]
    assert korean["place"] == "docs/seoul.txt:1"
    assert korean["rank"] == 1
    start, end = korean["passage"]
    assert korean["excerpt"][start:end] == "서울은 대한민국의 수도이다."
    crossing = as_json("search", "capital of Korea", "--db", "notes.adjoin", "-k", "1", cwd=place)["hits"][0]
    assert crossing["place"] == "docs/seoul.txt:1"


def test_search_filters_and_explains(place: Path) -> None:
    words = ("search", "how long?", "--db", "notes.adjoin", "--where", '{"year": {"$gte": 2020}}')
    found = as_json(*words, "--explain", cwd=place)
    assert [hit["metadata"]["year"] for hit in found["hits"]] == [2021]
    assert found["plan"]["matching"] == 1
    assert found["plan"]["recall_promised"] == 1.0
    assert "exact" in adjoin(*words, "--explain", cwd=place).stdout


def test_a_filter_without_matches_says_so(place: Path) -> None:
    done = adjoin("search", "x", "--db", "notes.adjoin", "--where", '{"year": 1}', cwd=place)
    assert done.stdout == ""
    assert "no row matches the filter" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "x", "--db", "nowhere"), "there is no adjoin store at"),
        (("search", "x", "--db", "notes.adjoin", "-c", "other"), "It has 'documents': choose with --collection"),
        (("search", "x", "--db", "notes.adjoin", "--where", "{year: 1}"), "--where is not JSON"),
        (("search", "x", "--db", "notes.adjoin", "--where", '{"year": {"$gt": null}}'), "$gt"),
        (("search", " ", "--db", "notes.adjoin"), "the query is empty"),
        (("search", "x", "--db", "notes.adjoin", "-k", "0"), "k is 1 or more, not 0"),
        (("search", "x", "--db", "docs"), "not an adjoin store"),
        (("index", "nothing-here", "--db", "new.adjoin"), "there is nothing at"),
        (("index", "docs", "--db", "new.adjoin", "--embedder", "nonsense"), "nonsense"),
        (("delete", "--db", "notes.adjoin"), "give either ids or --where"),
        (("delete", "--db", "notes.adjoin", "--where", "{}"), "needs --yes"),
        (("erase", "--db", "notes.adjoin"), "give either ids or --where"),
        (("erase", "--db", "notes.adjoin", "--where", "{}"), "5 rows would go. Erasing needs --yes"),
        (("optimize", "--db", "notes.adjoin", "-c", "other"), "It has 'documents': choose with --collection"),
        (("doctor", "--db", "nowhere"), "there is no adjoin store at"),
        (("backup", "docs", "--db", "notes.adjoin"), "there is something at"),
        (("backup", "copy.adjoin", "--db", "nowhere"), "there is no adjoin store at"),
        (("index", "docs", "--db", "new.adjoin", "--index", "tree"), "unknown index 'tree'. Known: auto, flat, graph"),
        (("demo", "--db", "new.adjoin", "--index", "tree"), "unknown index 'tree'"),
        (("bench", "--db", "notes.adjoin", "--plot", "x.gif"), "written as .png, .svg, .pdf"),
        (("bench", "--db", "notes.adjoin", "--plot", "nowhere/x.png"), "there is no folder nowhere"),
        (("bench", "--db", "notes.adjoin", "--recall", "0"), "recall is a share above 0"),
        (("bench", "--db", "notes.adjoin", "--families", "tree"), "unknown index 'tree'"),
        (("export", "x.doc", "--db", "notes.adjoin", "--format", "doc"), "unknown format 'doc'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_errors_say_what_to_do_and_leave_nothing_behind(place: Path, words: tuple[str, ...], message: str) -> None:
    done = adjoin(*words, cwd=place, status=1)
    assert done.stdout == ""
    assert message in done.stderr
    assert not (place / "new.adjoin").exists()
    assert not (place / "nowhere").exists()


def test_get_shows_a_row_and_fails_for_one_that_is_not_there(place: Path) -> None:
    id_ = str(place / "docs" / "seoul.txt") + "#0"
    (row,) = as_json("get", id_, "--vectors", "--db", "notes.adjoin", cwd=place)
    assert row["content"].startswith("서울은")
    assert len(row["vector"]) == 384
    done = adjoin("get", id_, "no such id", "--db", "notes.adjoin", cwd=place, status=1)
    assert "서울은" in done.stdout
    assert "not found: no such id" in done.stderr


def test_stats_counts(place: Path) -> None:
    (figures,) = as_json("stats", "--db", "notes.adjoin", cwd=place)["collections"]
    assert (figures["documents"], figures["dim"], figures["embedder"]) == (5, 384, "default")
    assert "documents" in adjoin("stats", "--db", "notes.adjoin", cwd=place).stdout


def test_delete_by_filter_and_by_id(place: Path) -> None:
    adjoin("index", "docs", "--db", "third.adjoin", cwd=place)
    words = ("delete", "--db", "third.adjoin", "--where", '{"year": {"$lt": 2020}}')
    assert "1 row would be deleted" in adjoin(*words, "--dry-run", cwd=place).stdout
    assert as_json(*words, "--yes", cwd=place) == {"deleted": 1, "matching": 1}
    id_ = str(place / "docs" / "seoul.txt") + "#0"
    assert as_json("delete", id_, "--db", "third.adjoin", cwd=place)["deleted"] == 1
    (figures,) = as_json("stats", "--db", "third.adjoin", cwd=place)["collections"]
    assert figures["documents"] == 3


@pytest.fixture
def sealed(place: Path, tmp_path: Path) -> Path:
    """A folder with a store of its own, notes.adjoin: five rows in one segment."""
    adjoin("backup", tmp_path / "notes.adjoin", "--db", place / "notes.adjoin", cwd=place)
    told = as_json("optimize", "--db", "notes.adjoin", cwd=tmp_path)
    assert (told["before"]["segments"], told["before"]["tail"]) == (0, 5)
    assert (told["after"]["segments"], told["after"]["tail"]) == (1, 0)
    return tmp_path


def test_optimize_says_what_it_changed(sealed: Path) -> None:
    told = adjoin("optimize", "--db", "notes.adjoin", cwd=sealed).stdout
    assert "after:  1 segment, 0 rows in the tail, 0 tombstones" in told


def test_stats_shows_segments_and_what_is_gone_from_them(sealed: Path) -> None:
    assert "1 segment, no tail" in adjoin("stats", "--db", "notes.adjoin", cwd=sealed).stdout
    adjoin("delete", "--where", '{"year": 2021}', "--yes", "--db", "notes.adjoin", cwd=sealed)
    told = adjoin("stats", "--db", "notes.adjoin", cwd=sealed).stdout
    (figures,) = as_json("stats", "--db", "notes.adjoin", cwd=sealed)["collections"]
    (part,) = figures["parts"]
    assert f"{part['id']}: 5 rows, 1 tombstone, flat" in told
    assert f"vectors {5 * 384 * 4 / 1000:.1f} kB" in told
    assert "4 documents, 1 tombstone" in told


def test_erase_leaves_no_byte_and_says_how_many_it_read(sealed: Path) -> None:
    words = ("erase", "--where", '{"year": 2021}', "--db", "notes.adjoin")
    assert adjoin(*words, "--dry-run", cwd=sealed).stdout == "1 row would be erased\n"
    assert _somewhere_in(sealed / "notes.adjoin", "Refunds take seven days.")
    told = as_json(*words, "--yes", cwd=sealed)
    assert (told["erased"], told["matching"], told["found"]) == (1, 1, [])
    assert told["searched_bytes"] > 100_000
    assert not _somewhere_in(sealed / "notes.adjoin", "Refunds take seven days.")
    id_ = str(_indexed_at(sealed)) + "#0"
    assert "1 row erased; " in adjoin("erase", id_, "--yes", "--db", "notes.adjoin", cwd=sealed).stdout
    assert as_json("stats", "--db", "notes.adjoin", cwd=sealed)["collections"][0]["documents"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pty")
@pytest.mark.parametrize(("answer", "left", "status"), [("n", 5, 1), ("y", 3, 0)])
def test_erase_asks_at_a_terminal(sealed: Path, answer: str, left: int, status: int) -> None:
    import pty

    ours, theirs = pty.openpty()
    words = ["erase", "--where", '{"year": {"$exists": true}}', "--db", "notes.adjoin"]
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "adjoin", *words],
            cwd=sealed, env=ENVIRONMENT, stdin=theirs, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Erase 2 rows? [y/N]" in done.stdout
    assert as_json("stats", "--db", "notes.adjoin", cwd=sealed)["collections"][0]["documents"] == left


def _indexed_at(folder: Path) -> Path:
    """Where the file about Seoul was when it was indexed."""
    (hit,) = as_json("search", "수도", "-k", "1", "--db", "notes.adjoin", cwd=folder)["hits"]
    return Path(hit["origin"]["file"])


def _somewhere_in(folder: Path, text: str) -> bool:
    return any(text.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_backup_is_a_store_and_is_not_written_over_another(place: Path, tmp_path: Path) -> None:
    told = as_json("backup", tmp_path / "copy.adjoin", "--db", "notes.adjoin", cwd=place)
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "copy.adjoin").rglob("*"))
    assert as_json("search", "수도", "-k", "1", "--db", tmp_path / "copy.adjoin", cwd=place)["hits"]
    adjoin("backup", tmp_path / "copy.adjoin", "--db", "notes.adjoin", cwd=place, status=1)


def test_doctor_finds_damage_and_repairs_it(sealed: Path) -> None:
    words = ("doctor", "--db", "notes.adjoin")
    healthy = adjoin(*words, cwd=sealed).stdout
    assert "pages of the database, structure of the database, collection 'documents', segment" in healthy
    assert healthy.endswith("healthy: no damage found\n")
    (columns,) = (sealed / "notes.adjoin" / "segments").glob("*/columns")
    content = bytearray(columns.read_bytes())
    content[len(content) // 2] ^= 0xFF
    columns.write_bytes(content)
    damaged = adjoin(*words, cwd=sealed, status=1).stdout
    assert f"damage: segments/{columns.parent.name}/columns: " in damaged
    assert damaged.endswith("damaged: 1 finding\n")
    told = json.loads(adjoin(*words, "--json", cwd=sealed, status=1).stdout)
    assert (told["healthy"], [one["repairable"] for one in told["findings"]]) == (False, [True])
    assert adjoin(*words, "--repair", cwd=sealed).stdout.endswith("healthy, 1 repaired\n")
    assert as_json(*words, cwd=sealed)["findings"] == []
    assert as_json("search", "배송", "-k", "1", "--where", '{"year": 2019}', "--db", "notes.adjoin", cwd=sealed)["hits"]


def test_doctor_repairs_a_store_that_does_not_open(sealed: Path) -> None:
    database = sealed / "notes.adjoin" / "adjoin.db"
    content = bytearray(database.read_bytes())
    content[5] ^= 1  # one wrong bit of what says that it is a database
    database.write_bytes(content)
    adjoin("search", "수도", "--db", "notes.adjoin", cwd=sealed, status=1)
    damaged = adjoin("doctor", "--db", "notes.adjoin", cwd=sealed, status=1).stdout
    assert "damage: adjoin.db" in damaged
    assert "checked: bytes of database and log" in damaged
    told = adjoin("doctor", "--repair", "--db", "notes.adjoin", cwd=sealed).stdout
    assert told.endswith("healthy, 1 repaired\n")
    assert as_json("search", "수도", "-k", "1", "--db", "notes.adjoin", cwd=sealed)["hits"]


def test_an_index_named_at_the_start_is_kept(place: Path, tmp_path: Path) -> None:
    adjoin("index", place / "docs", "--db", "h.adjoin", "--index", "hnsw", cwd=tmp_path)
    adjoin("optimize", "--db", "h.adjoin", cwd=tmp_path)
    (figures,) = as_json("stats", "--db", "h.adjoin", cwd=tmp_path)["collections"]
    assert (figures["index"], [part["index"] for part in figures["parts"]]) == ("hnsw", ["hnsw"])
    words = ("index", place / "docs", "--db", "h.adjoin", "--index", "graph")
    assert "has index 'hnsw', not 'graph'" in adjoin(*words, cwd=tmp_path, status=1).stderr


def test_bench_compares_indexes_and_says_which_to_choose(tmp_path: Path) -> None:
    import adjoin as library

    with library.open(tmp_path / "v.adjoin") as db:
        db.collection("documents", embedder=None).add(vectors=vectors(1500, 16))
    words = ("bench", "--db", "v.adjoin", "--families", "hnsw", "--rows", "1000")
    told = adjoin(*words, cwd=tmp_path).stdout
    assert told.startswith(
        "documents: 800 of 1,500 rows, cosine, 16 dimensions; 200 queries (rows taken out), k = 10\n"
    )
    assert "● the choice" in told
    found = as_json(*words, "-k", "3", cwd=tmp_path)
    assert (found["k"], found["measured"], {row["family"] for row in found["rows"]}) == (3, 800, {"flat", "hnsw"})
    assert found["best"]["low"] >= 0.95
    assert found["advice"]


def test_bench_takes_questions_and_has_little_to_say_of_five_rows(place: Path, tmp_path: Path) -> None:
    (tmp_path / "asked.txt").write_text("수도가 어디인가요?\n\nWho barks?\n", encoding="utf-8")
    found = as_json("bench", "--db", place / "notes.adjoin", "--questions", tmp_path / "asked.txt", cwd=tmp_path)
    assert (found["queries"], found["asked_by"], found["best"]["family"]) == (2, "yours", "flat")
    assert found["advice"].startswith("Exact search is best here")


def test_search_can_be_exact_and_explains_its_parts(sealed: Path) -> None:
    (sealed / "more.txt").write_text("A hedgehog sleeps in winter.", encoding="utf-8")
    adjoin("index", "more.txt", "--db", "notes.adjoin", cwd=sealed)
    words = ("search", "which animals sleep?", "-k", "2", "--exact", "--explain", "--db", "notes.adjoin")
    plan = as_json(*words, cwd=sealed)["plan"]
    assert (plan["recall_asked"], plan["recall_promised"], plan["rows"]) == (1.0, 1.0, 6)
    assert [(part["rows"], part["strategy"]) for part in plan["segments"]] == [(5, "exact"), (1, "exact")]
    told = adjoin(*words, cwd=sealed).stdout
    assert "recall: asked 1, promised 1 (exact)" in told
    assert "  tail: exact: rows not sealed yet are compared; 1 of 1 match" in told


def test_export_writes_json_lines_that_read_back(place: Path) -> None:
    lines = adjoin("export", "--db", "notes.adjoin", cwd=place).stdout.splitlines()
    assert len(lines) == 5
    assert {"id", "content", "metadata", "origin"} <= set(json.loads(lines[0]))
    adjoin("export", "out.jsonl", "--vectors", "--db", "notes.adjoin", "--where", '{"year": 2021}', cwd=place)
    (only,) = (place / "out.jsonl").read_text(encoding="utf-8").splitlines()
    row = json.loads(only)
    assert row["metadata"] == {"year": 2021, "price": 10.5}
    assert len(row["vector"]) == 384


def test_export_writes_parquet(place: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet needs pyarrow")
    adjoin("export", "out.parquet", "--vectors", "--db", "notes.adjoin", cwd=place)
    table = parquet.read_table(place / "out.parquet")
    assert table.num_rows == 5
    assert len(table.column("vector")[0].as_py()) == 384
    assert json.loads(table.column("metadata")[4].as_py()).keys() <= {"year", "price"}


def test_output_into_a_closed_pipe_is_no_error(place: Path) -> None:
    command = f"{sys.executable} -m adjoin export --db notes.adjoin | head -n 1"
    done = subprocess.run(command, shell=True, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str, tmp_path: Path) -> None:
    told = adjoin(command, "--help", cwd=tmp_path).stdout
    assert f"adjoin {command}" in told
    assert "Usage" in told


def test_a_misspelt_option_is_refused(tmp_path: Path) -> None:
    done = adjoin("search", "x", "--wher", "{}", cwd=tmp_path, status=2)
    assert "--wher" in done.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    from adjoin import __version__

    assert adjoin("--version", cwd=tmp_path).stdout.strip() == f"adjoin {__version__}"


@pytest.mark.slow
def test_demo_answers_and_reuses_what_it_stored(tmp_path: Path) -> None:
    questions = {"두 날짜 사이의 차이": "timedelta", "how do I copy a folder with everything in it?": "copytree"}
    first = as_json("demo", *questions, "--db", "demo.adjoin", cwd=tmp_path)
    assert first["documents"] >= 2000
    for answer in first["answers"]:
        names = [hit["origin"]["name"] for hit in answer["hits"]]
        assert any(questions[answer["question"]] in name for name in names), names
        assert all(hit["origin"]["line"] for hit in answer["hits"] if hit["origin"].get("file"))
    began = time.monotonic()
    again = adjoin("demo", "--db", "demo.adjoin", cwd=tmp_path)
    assert time.monotonic() - began < 10
    assert "reused" in again.stderr
    assert "Next:" in again.stdout


def test_watch_follows_a_folder_until_it_is_interrupted(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("The first file.", encoding="utf-8")
    command = [sys.executable, "-m", "adjoin", "index", "docs", "--watch", "--json", "--db", "w.adjoin"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            _wait_for_count(tmp_path, 1)
            (docs / "b.txt").write_text("The second file.", encoding="utf-8")
            _wait_for_count(tmp_path, 2)
            (docs / "a.txt").unlink()
            _wait_for_count(tmp_path, 1)
        finally:
            child.send_signal(signal.SIGINT)
            _, told = child.communicate(timeout=20)
    assert child.returncode in (0, 130)
    assert "Traceback" not in told


def _wait_for_count(folder: Path, count: int) -> None:
    import adjoin as library

    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (folder / "w.adjoin" / "adjoin.db").exists():
            with library.open(folder / "w.adjoin") as db:
                if "documents" in db.collections() and db.collection("documents").count() == count:
                    return
        time.sleep(0.1)
    raise AssertionError(f"the store never held {count} documents")


@pytest.mark.slow
def test_another_model_is_compared_changed_over_to_and_gone_back_from(place: Path) -> None:
    store = ("--db", "again.adjoin")
    adjoin("index", "docs", *store, cwd=place)
    (place / "asked.jsonl").write_text('{"query": "do kittens hunt?", "ids": ["x"]}\n', encoding="utf-8")
    other = 'default {"correction": false}'
    report = as_json("re-embed", other, *store, "--no-switch", "--judgements", "asked.jsonl", cwd=place)
    assert (report["rows"], report["embedded"], report["switched"], report["judged"]) == (5, 5, False, 1)
    assert 0 < report["overlap"] <= 1
    assert "not switched" in adjoin("re-embed", other, *store, "--no-switch", cwd=place).stdout
    assert as_json("re-embed", other, *store, cwd=place)["switched"]
    assert "beside it, the old vectors: default, 5 documents" in adjoin("stats", *store, cwd=place).stdout
    assert as_json("search", "kittens", *store, "-k", "1", cwd=place)["hits"]
    assert as_json("re-embed", "--roll-back", *store, cwd=place)["after"]["embedder"] == "default"
    assert as_json("re-embed", "--discard", *store, cwd=place) == {"discarded": 1}
    assert "no former state" in adjoin("re-embed", "--roll-back", *store, cwd=place, status=1).stderr
    adjoin("re-embed", *store, cwd=place, status=2)
    (place / "asked.jsonl").write_text("[]", encoding="utf-8")
    assert "asked.jsonl" in adjoin("re-embed", other, *store, "--judgements", "asked.jsonl", cwd=place, status=1).stderr


def test_the_embedders_are_listed(place: Path) -> None:
    found = {one["name"]: one for one in as_json("embedders", cwd=place)}
    assert found["default"]["dim"] == 384
    assert found["default"]["items_per_second"] > 1
    assert found["default"]["model_bytes"] > 30e6
    assert all(one["get"] for one in found.values() if not one["installed"])
    assert "default" in adjoin("embedders", "--no-measure", cwd=place).stdout
