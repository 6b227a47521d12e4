"""What a context is read from may raise: that ends the run by the argument's name, however it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from rlm_integrations import Event, RLMEngine, RunError, RunFailed
from rlm_integrations.testing import ScriptedModel

LONG = "What was the rent, of all that " + "the clerk wrote down " * 300 + "in May?"


def letters() -> Iterator[str]:
    yield "a letter"
    raise ValueError("the archive is closed")


async def streamed(engine: RLMEngine, question: str) -> None:
    async for _ in engine.astream(question, letters()):
        pass


async def blocking(engine: RLMEngine, question: str) -> None:
    engine.run(question, letters())


WAYS: dict[str, Callable[[RLMEngine, str], Awaitable[Any]]] = {
    "run": blocking,
    "arun": lambda engine, question: engine.arun(question, letters()),
    "astream": streamed,
    "a session": lambda engine, question: engine.session(letters()).aask(question),
}


@pytest.mark.parametrize("question", ["What was the rent?", LONG], ids=["short", "overlong"])
@pytest.mark.parametrize("way", WAYS)
async def test_the_end_is_told_and_has_its_result(way: str, question: str) -> None:
    told: list[Event] = []
    root = ScriptedModel()
    engine = RLMEngine(root, limits={"message_chars": 5_000}, on_event=told.append)
    with pytest.raises(RunError, match=r"^context: it raised ValueError: the archive is closed$") as caught:
        await WAYS[way](engine, question)
    assert caught.value.result is not None
    assert isinstance(told[-1], RunFailed)
    assert not root.requests
