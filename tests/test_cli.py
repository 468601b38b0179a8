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
    assert "1 rows would be deleted" in adjoin(*words, "--dry-run", cwd=place).stdout
    assert as_json(*words, "--yes", cwd=place) == {"deleted": 1, "matching": 1}
    id_ = str(place / "docs" / "seoul.txt") + "#0"
    assert as_json("delete", id_, "--db", "third.adjoin", cwd=place)["deleted"] == 1
    (figures,) = as_json("stats", "--db", "third.adjoin", cwd=place)["collections"]
    assert figures["documents"] == 3


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


@pytest.mark.parametrize("command", ["demo", "index", "search", "get", "stats", "delete", "export"])
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
