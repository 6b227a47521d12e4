"""A sub-LM with tools, when its step ends amid its rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rlm_integrations.core.calls.budget import Budget, BudgetError
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.slots import STEP_OVER, Waiting
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_calls import SubCalls
from rlm_integrations.core.host.sub_tool_calls import SubToolCalls
from rlm_integrations.core.host.sub_tools import read_sub_tools
from rlm_integrations.core.host.tool_loop import ToolLoop
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolRound
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.events import Event, SubCallEnded
from rlm_integrations.core.usage import Usage
from rlm_integrations.wire.calls import LlmQuery

SPENT = Usage(input_tokens=100, output_tokens=10)


class Scene:
    """A sub-LM that calls a tool at once, in a run with one slot, which `taken_by` somebody else when it is free."""

    def __init__(self, taken_after: str) -> None:
        self.taken_after = taken_after
        self.budget = Budget(RLMLimits(max_concurrency=1, max_sub_calls=10), lambda: 0.0)
        self.calls = ModelCalls(self.budget)
        self.told: list[Event] = []
        self.slot_is_taken = asyncio.Event()
        self.worked = 0
        path = ModelPath(self, "sub_llm", None, with_tools=self)  # type: ignore[arg-type]
        reservations = Reservations(self.budget, 1, self._emit)
        foreign = ForeignCalls(self.calls, self._emit)
        tools = SubToolCalls(read_sub_tools([self.work]), RunThreads(), foreign)
        loop = ToolLoop(self.calls, path, tools, reservations, self._emit, 1_000, b"key")
        self.sub_calls = SubCalls(self.calls, path, 1_000, reservations, self._emit, tools=loop)

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound] = ()) -> Completion:
        if self.taken_after == "reply":
            await self._somebody_else_waits()
        return Completion("", SPENT, "sub", "stop", tool_calls=(ToolCall("work"),))

    async def work(self) -> str:
        """Works."""
        self.worked += 1
        if self.taken_after == "tool":
            await self._somebody_else_waits()
        return "done"

    async def _somebody_else_waits(self) -> None:
        async def hold() -> None:
            async with self.calls.slot(Waiting()):
                self.slot_is_taken.set()
                await asyncio.Event().wait()

        self._holding = asyncio.create_task(hold())
        await asyncio.sleep(0)

    async def _emit(self, event: Event) -> None:
        self.told.append(event)


@pytest.mark.parametrize(("taken_after", "worked"), [("reply", 0), ("tool", 1)])
async def test_a_sub_call_that_waits_when_its_step_ends_is_recorded_with_what_it_spent(
    taken_after: str, worked: int
) -> None:
    scene, step = Scene(taken_after), StepRecord(1, lambda: 0.0)
    asked = asyncio.create_task(scene.sub_calls.query(LlmQuery("?"), step))
    await scene.slot_is_taken.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not asked.done()
    step.end()
    with pytest.raises(BudgetError, match=STEP_OVER):
        await asked
    [ended] = [event for event in scene.told if isinstance(event, SubCallEnded)]
    assert (ended.call.error, ended.call.usage, ended.call.requests) == (STEP_OVER, SPENT, 1)
    assert scene.worked == worked
    assert scene.budget.sub_calls_left == 9
