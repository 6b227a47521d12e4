"""The questions of a job that are not answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass
class OpenQuestion:
    """One that is asked, or is to be asked again."""

    number: int
    asked: Any
    tries: int = 0


class OpenWork:
    """Questions are read when somebody can ask them. All on one event loop."""

    def __init__(self, questions: Iterable[Any]) -> None:
        self._questions = enumerate(questions)
        self._again: list[OpenQuestion] = []
        self._in_flight = 0
        self.has_ended = False
        """All have come to something."""
        self._changed = asyncio.Condition()

    async def take(self) -> OpenQuestion | None:
        """The next one; None when all have come to something. Waits while some may have to be asked again."""
        async with self._changed:
            while True:
                if self._again:
                    question = self._again.pop()
                    break
                following = next(self._questions, None)
                if following is not None:
                    question = OpenQuestion(*following)
                    break
                if not self._in_flight:
                    self.has_ended = True
                    return None
                await self._changed.wait()
            self._in_flight += 1
            return question

    async def end(self, question: OpenQuestion, *, again: bool = False) -> None:
        """One that was taken has come to something, or is to be asked again."""
        async with self._changed:
            self._in_flight -= 1
            if again:
                self._again.append(question)
            self._changed.notify_all()
