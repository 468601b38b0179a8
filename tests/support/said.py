"""A model that says what it is told to, for tests of what stands around it; and a worker that chats until it is killed."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from adjoin.errors import AnswerCutOff
from adjoin.llm.base import Message, Reply


class Says:
    """answer: what it says to the last message, or the error that it raises. breaks_after: pieces until a stream breaks."""

    name = "says"

    def __init__(
        self,
        answer: Callable[[str], str | Exception] = lambda text: f"You said: {text}",
        *,
        context_tokens: int | None = None,
        breaks_after: int | None = None,
        finish: str = "stop",
    ) -> None:
        self._answer = answer
        self.context_tokens = context_tokens
        self._breaks_after = breaks_after
        self._finish = finish
        self.prompts: list[list[Message]] = []

    def generate(self, messages: Sequence[Message], **options: Any) -> Reply:
        self.prompts.append(list(messages))
        answer = self._answer(messages[-1].content)
        if isinstance(answer, Exception):
            raise answer
        return Reply(answer, self.name, self._finish)

    def stream(self, messages: Sequence[Message], **options: Any) -> Iterator[str | Reply]:
        reply = self.generate(messages)
        for number, word in enumerate(reply.text.split()):
            if number == self._breaks_after:
                raise AnswerCutOff("the line went dead")
            yield f"{word} "
        yield reply

    async def agenerate(self, messages: Sequence[Message], **options: Any) -> Reply:
        await asyncio.sleep(0)
        return self.generate(messages)

    async def astream(self, messages: Sequence[Message], **options: Any) -> AsyncIterator[str | Reply]:
        for piece in self.stream(messages):
            yield piece

    def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content.split()) + 3 for message in messages)


def main() -> None:
    """For each line on stdin, a child that chats and tells each exchange that was acknowledged, until it is killed."""
    import adjoin
    from adjoin.llm.memory import Memory
    from adjoin.testing import TinyEmbedder

    folder = sys.argv[1]
    with adjoin.open("memory://") as db:  # so that what is loaded late is loaded before the children are made
        warm = Memory(db.collection("memory", embedder=TinyEmbedder()), Says(), extract_facts=False)
        for text in ("My lucky number is 1.", "My lucky number is 2."):
            warm.chat("user", "session", text)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            memory = Memory(
                adjoin.open(folder).collection("memory", embedder=TinyEmbedder()), Says(), extract_facts=False
            )
            print(json.dumps({"pid": os.getpid()}), flush=True)
            number = int(line) * 10_000
            while True:
                number += 1
                user = f"user {number % 3}"
                reply = memory.chat(user, f"session {number % 2}", f"My lucky number is {number}.")
                print(json.dumps({"user": user, "number": number, "ids": reply.extra["stored"]}), flush=True)
        os.waitpid(child, 0)
        print(json.dumps({"ended": True}), flush=True)


if __name__ == "__main__":
    main()
