"""A journal and a conversation that is folded: summaries are kept too, and are no calls of the code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine
from rlm_integrations.testing import ScriptedModel

BOOK = "".join(f"line {n}: nothing to see, or little of note\n" for n in range(2_000))
STEPS = 30


class Root(ScriptedModel):
    """Goes so many steps and is summed up amid them. The run is ended when it is asked for the nth time."""

    def __init__(self, ends_at: int = 0) -> None:
        super().__init__(always=self.replied, max_input_tokens=8_000)
        self.asked: list[str] = []
        self.ends_at = ends_at
        self.run: asyncio.Task[Any] | None = None

    async def complete(self, messages: Sequence[Message]) -> Completion:
        if len(self.asked) + 1 == self.ends_at:
            assert self.run is not None
            self.run.cancel()
            await asyncio.Event().wait()
        return await super().complete(messages)

    def replied(self, messages: Sequence[Message]) -> str:
        if "sum it up" in messages[-1].content:
            self.asked.append("fold")
            return "Nothing was found so far; `v1` is 1, and the rest is to be read."
        steps = sum(asked != "fold" for asked in self.asked) + 1
        self.asked.append(f"root {steps}")
        if steps <= STEPS:
            return f"```repl\nv{steps} = {steps}\nprint(context[:2_000])\n```"
        return "```repl\nanswer['content'] = f'{v1} of {v30}'\nanswer['ready'] = True\n```"

    def engine(self, path: Path) -> RLMEngine:
        return RLMEngine(self, journal=path, limits={"max_iterations": 60})


async def test_a_run_that_folds_says_nothing_of_its_code(path: Path) -> None:
    root = Root()
    result = await root.engine(path).arun("?", BOOK)
    assert (result.answer, root.asked.count("fold") > 1) == ("1 of 30", True)
    assert not result.trace.warnings


@pytest.mark.parametrize("amid", ["first fold", "after it", "second fold"])
async def test_a_run_that_was_ended_at_a_fold_goes_on_there(new_journal: Callable[[str], Path], amid: str) -> None:
    whole = Root()
    await whole.engine(new_journal("whole.sqlite")).arun("?", BOOK)
    first = whole.asked.index("fold")
    second = whole.asked.index("fold", first + 1)
    ends_at = {"first fold": first + 1, "after it": first + 2, "second fold": second + 1}[amid]
    root, path = Root(ends_at), new_journal("runs.sqlite")
    root.run = asyncio.create_task(root.engine(path).arun("?", BOOK))
    with pytest.raises(asyncio.CancelledError):
        await root.run
    root.ends_at = 0
    result = await root.engine(path).arun("?", BOOK)
    assert (result.answer, result.trace.journal) == ("1 of 30", "resumed")
    assert root.asked == whole.asked
    assert not result.trace.warnings
