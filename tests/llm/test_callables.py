"""Any function is a model: of a text or of messages, whole, in pieces, awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest

from adjoin.errors import AnswerCutOff, InvalidOption, ModelError, ModelUnavailable
from adjoin.llm.base import LanguageModel, Message, Reply
from adjoin.llm.callables import CallableModel, named_by_code

ASKED = [Message("system", "Be brief."), Message("user", "수도가 어디인가요?")]


def of_text(prompt: str) -> str:
    return f"<{prompt}>"


def of_messages(messages: Sequence[Message]) -> str:
    return messages[-1].content


def in_pieces(prompt: str) -> Iterator[str]:
    yield from ("서", "울", ".")


async def awaited(prompt: str) -> str:
    await asyncio.sleep(0)
    return "서울."


async def awaited_pieces(prompt: str) -> AsyncIterator[str]:
    for piece in ("서", "울", "."):
        await asyncio.sleep(0)
        yield piece


class Service:
    async def __call__(self, messages: list[Message], **options: Any) -> str:
        return f"{len(messages)} {options['max_tokens']}"


async def gathered(model: LanguageModel) -> list[str | Reply]:
    return [piece async for piece in model.astream(ASKED)]


@pytest.mark.parametrize(
    ("function", "pieces"),
    [
        (of_text, ["<Be brief.\n\nUser: 수도가 어디인가요?\n\nAssistant:>"]),
        (of_messages, ["수도가 어디인가요?"]),
        (in_pieces, ["서", "울", "."]),
        (awaited, ["서울."]),
        (awaited_pieces, ["서", "울", "."]),
        (Service(), ["2 None"]),
        (lambda prompt: Reply("서울.", "other"), ["서울."]),
        (lambda prompt: ["서", "울."], ["서", "울."]),
    ],
)
def test_a_function_answers_in_all_four_ways_alike(function: Any, pieces: list[str]) -> None:
    model = CallableModel(function)
    assert isinstance(model, LanguageModel)
    *streamed, reply = model.stream(ASKED)
    assert streamed == pieces
    assert isinstance(reply, Reply)
    assert reply.text == model.generate(ASKED).text == "".join(pieces)
    *streamed, reply = asyncio.run(gathered(model))
    assert streamed == pieces
    assert reply == asyncio.run(model.agenerate(ASKED)) or reply.seconds >= 0  # type: ignore[union-attr]
    assert asyncio.run(model.agenerate(ASKED)).text == "".join(pieces)


def test_a_function_that_awaits_is_called_from_a_running_loop_too() -> None:
    async def cell() -> tuple[str, list[str | Reply]]:
        return CallableModel(awaited).generate(ASKED).text, list(CallableModel(awaited_pieces).stream(ASKED))[:-1]

    assert asyncio.run(cell()) == ("서울.", ["서", "울", "."])


def test_options_reach_a_function_that_has_them() -> None:
    def three(prompt: str, *, max_tokens: int | None, stop: Sequence[str] = ()) -> str:
        return f"{max_tokens} {list(stop)}"

    assert CallableModel(three).generate(ASKED, max_tokens=7, stop=["\n"]).text == "7 ['\\n']"


def raises(error: Exception) -> Any:
    def function(prompt: str) -> str:
        raise error

    return function


def breaks(prompt: str) -> Iterator[str]:
    yield "서"
    raise ValueError("the line is dead")


@pytest.mark.parametrize(
    ("function", "error", "told"),
    [
        (raises(ValueError("no")), ModelError, "did not answer (ValueError: no)"),
        (raises(TimeoutError()), ModelUnavailable, "TimeoutError"),
        (raises(ConnectionResetError("gone")), ModelUnavailable, "gone"),
        (raises(AnswerCutOff("its own")), AnswerCutOff, "its own"),
        (breaks, AnswerCutOff, "broke off after 1 pieces of its answer (ValueError: the line is dead)"),
        (lambda prompt: None, AnswerCutOff, "NoneType"),
        (lambda prompt: {"text": "서울"}, AnswerCutOff, "dict"),
        (lambda prompt: b"bytes", AnswerCutOff, "bytes"),
        (lambda prompt: [1, 2], AnswerCutOff, "int"),
    ],
)
def test_a_failing_function_is_told_as_a_failing_model(function: Any, error: type[Exception], told: str) -> None:
    model = CallableModel(function, name="mine")
    with pytest.raises(error) as sync:
        model.generate(ASKED)
    with pytest.raises(error) as awaited:
        asyncio.run(model.agenerate(ASKED))
    for found in (sync, awaited):
        assert told in str(found.value)
        assert type(found.value) is error


def test_an_interrupt_is_not_taken_for_a_failure() -> None:
    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        CallableModel(interrupted).generate(ASKED)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_stream_that_is_left_early_closes_the_function_s(asynchronous: bool) -> None:
    closed = []

    def endless(prompt: str) -> Iterator[str]:
        try:
            while True:
                yield "and on "
        finally:
            closed.append(True)

    async def endless_too(prompt: str) -> AsyncIterator[str]:
        try:
            while True:
                yield "and on "
        finally:
            closed.append(True)

    for function in (endless, endless_too):
        model = CallableModel(function)
        if asynchronous:

            async def first(model: CallableModel = model) -> str | Reply:
                stream = model.astream(ASKED)
                piece = await anext(stream)
                await stream.aclose()  # type: ignore[attr-defined]
                return piece

            assert asyncio.run(first()) == "and on "
        else:
            stream = model.stream(ASKED)
            assert next(stream) == "and on "
            stream.close()  # type: ignore[attr-defined]
    assert closed == [True, True]


def test_names_tell_functions_apart() -> None:
    def made(word: str) -> Any:
        return lambda prompt: word

    assert named_by_code(of_text) == named_by_code(of_text)
    names = {
        named_by_code(one)
        for one in (
            of_text, of_messages, made("a"), made("b"), lambda prompt: "a",
            functools.partial(of_text, "a"), functools.partial(of_text, "b"), Service(), len,
        )
    }  # fmt: skip
    assert len(names) == 9
    assert CallableModel(of_text, name="mine").name == "mine"


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidOption, match="int"):
        CallableModel(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="messages"):
        CallableModel(of_text, takes="message")  # type: ignore[arg-type]
