"""`adjoin memory …`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from adjoin.cli import memory as command
from adjoin.cli.app import app
from adjoin.errors import AdjoinError, InvalidId, ModelUnavailable, NotFound
from tests.support.said import Says


@pytest.fixture
def at(tmp_path: Path) -> list[str]:
    return ["--db", str(tmp_path / "s")]


def ran(*words: str) -> Result:
    done = CliRunner().invoke(app, ["memory", *words])
    if done.exception is not None and isinstance(done.exception, AdjoinError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def told(*words: str) -> Any:
    return json.loads(ran(*words, "--json").stdout)


def test_a_memory_is_kept_and_asked_from_the_command_line(at: list[str], tmp_path: Path) -> None:
    first = told("remember", "I live in Seoul.", "--user", "mina", *at)
    assert first["facts"] == [{"about": "home", "value": "seoul", "superseded_by": None}]
    second = told("remember", "I moved to Busan.", "--user", "mina", "--session", "friday", *at)
    assert second["superseded"] == [first["id"]]
    ran("remember", "I live in Oslo.", "--user", "jonas", *at)
    found = told("recall", "Where do I live?", "--user", "mina", "-n", "2", *at)
    assert [one["text"] for one in found["messages"]] == ["I moved to Busan.", "I live in Seoul."]
    assert set(found["messages"][0]["score"]) == {"total", "relevance", "recency", "importance"}
    assert "Oslo" not in ran("recall", "Where do I live?", "--user", "mina", *at).stdout
    assert [one["text"] for one in told("list", "--user", "mina", "--session", "friday", *at)["messages"]] == [
        "I moved to Busan."
    ]
    assert [one["session"] for one in told("list", "--user", "mina", "--sessions", *at)["sessions"]] == [
        "default",
        "friday",
    ]
    assert [one["id"] for one in told("explain", first["id"], *at)["chain"]] == [first["id"], second["id"]]
    assert "superseded by" in ran("explain", first["id"], *at).stdout
    with pytest.raises(NotFound):
        ran("explain", first["id"], "--user", "jonas", *at)
    assert told("undo", second["id"], "--user", "mina", *at) == {
        "action": "forgotten", "ids": [second["id"]], "restored": [first["id"]],
    }  # fmt: skip
    assert json.loads(ran("export", "--user", "mina", *at).stdout)["text"] == "I live in Seoul."
    assert told("export", "--user", "mina", "--to", str(tmp_path / "mina.jsonl"), *at)["messages"] == 1
    assert told("erase", "--user", "mina", "--yes", *at)["erased"] == 1
    assert "nothing" in ran("list", "--user", "mina", *at).stdout
    assert len(told("list", "--user", "jonas", *at)["messages"]) == 1


def test_what_is_wrong_is_told(at: list[str]) -> None:
    with pytest.raises(NotFound):
        ran("list", "--user", "mina", *at)
    with pytest.raises(InvalidId):
        ran("remember", "hello there", "--user", " ", *at)
    with pytest.raises(NotFound):
        ran("undo", "nothing", *at)


def test_chat_answers_and_keeps_both_or_neither(at: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_model", lambda spec, base_url: Says())
    assert "You said: hello there" in ran("chat", "hello there", "--user", "mina", *at).stdout
    assert len(told("chat", "and now?", "--user", "mina", *at)["stored"]) == 2
    found = told("similar", "hello there?", "--user", "mina", "-n", "1", *at)["questions"]
    assert found[0]["answer"]["text"] == "You said: hello there"
    monkeypatch.setattr(command, "_model", lambda spec, base_url: Says(lambda text: ModelUnavailable("down")))
    with pytest.raises(ModelUnavailable):
        ran("chat", "are you there?", "--user", "mina", *at)
    assert len(told("list", "--user", "mina", *at)["messages"]) == 4


@pytest.mark.parametrize(
    "name", ["remember", "recall", "similar", "list", "explain", "undo", "export", "erase", "chat"]
)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    assert f"adjoin memory {name} " in ran(name, "--help").stdout.replace("\n", " ")
