"""`adjoin ask`, run as a user runs it, against an endpoint on the loopback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.endpoint import answer, cut_off, endpoint, error
from tests.test_cli import adjoin


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ask")
    (root / "docs").mkdir()
    (root / "docs" / "cities.md").write_text("# Seoul\n\nSeoul is the capital of South Korea.\n", encoding="utf-8")
    (root / "docs" / "한글.txt").write_text("한글은 세종대왕이 만든 글자이다.\n", encoding="utf-8")
    adjoin("index", "docs", "--db", "notes.adjoin", cwd=root)
    return root


def test_it_answers_with_its_sources_and_marks_what_is_not_borne_out(place: Path) -> None:
    with endpoint(answer("Seoul is the capital [1]. Elephants paint pictures [7].")) as server:
        words = ("ask", "What is the capital of South Korea?", "--db", "notes.adjoin", "-m", "openai:tiny")
        shown = adjoin(*words, "--base-url", server.url, cwd=place).stdout
        whole = json.loads(adjoin(*words, "--base-url", server.url, "--json", cwd=place).stdout)
    assert "Seoul is the capital [1]." in shown
    assert "docs/cities.md:" in shown
    assert "[7] was not in the prompt" in shown
    assert "not borne out (0.00): Elephants paint pictures." in shown
    assert [one["valid"] for one in whole["citations"]] == [True, False]
    assert whole["refused"] is False
    assert "Seoul is the capital of South Korea." in server.requests[0]["messages"][1]["content"]


def test_what_the_documents_do_not_answer_is_said_and_no_model_asked(place: Path) -> None:
    with endpoint(answer("Immanuel Kant.")) as server:
        done = adjoin(
            "ask", "비밀번호를 잊어버리면 어떻게 하나요?", "--db", "notes.adjoin", "-m", "openai:tiny", "--base-url", server.url,
            cwd=place,
        )  # fmt: skip
        assert "문서에 이 질문의 답이 없습니다." in done.stdout
        assert "nearer" in done.stderr
        assert server.requests == []
        adjoin(
            "ask", "비밀번호를 잊어버리면 어떻게 하나요?", "--always", "--db", "notes.adjoin", "-m", "openai:tiny", "--base-url",
            server.url, cwd=place,
        )  # fmt: skip
        assert len(server.requests) == 1


def test_the_prompt_can_be_looked_at_without_a_model(place: Path) -> None:
    words = ("ask", "한글은 누가 만들었나요?", "--db", "notes.adjoin", "-m", "openai:tiny", "--show-prompt")
    shown = adjoin(*words, cwd=place)
    assert "세종대왕" in shown.stdout
    assert "tokens" in shown.stderr
    assert json.loads(adjoin(*words, "--json", cwd=place).stdout)["tokens"] > 50


def test_failures_are_told_on_one_line_with_status_1(place: Path) -> None:
    words = ("ask", "What is the capital of South Korea?", "--db", "notes.adjoin")
    with endpoint(error(401, "wrong key")) as server:
        failed = adjoin(*words, "-m", "openai:tiny", "--base-url", server.url, cwd=place, status=1)
        assert "OPENAI_API_KEY" in failed.stderr
    with endpoint(cut_off("Seoul is", " the", how="end")) as server:
        broken = adjoin(*words, "-m", "openai:tiny", "--base-url", server.url, cwd=place, status=1)
        assert "broke off" in broken.stderr
    assert "unknown model" in adjoin(*words, "-m", "gpt", cwd=place, status=1).stderr
    assert "no model file" in adjoin(*words, "-m", "no.gguf", cwd=place, status=1).stderr
