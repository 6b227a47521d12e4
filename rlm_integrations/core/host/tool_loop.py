"""Asks a sub-LM that has tools: it calls them, sees what they gave, and is asked again, until it replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.endings import worth_asking_again
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.tool_rounds import as_messages
from rlm_integrations.core.host.answers import Emit
from rlm_integrations.core.host.own_task import in_own_task
from rlm_integrations.core.host.reservations import Reservations
from rlm_integrations.core.host.reserved_call import ReservedCall
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_tool_calls import SubToolCalls
from rlm_integrations.core.host.without_tools import without_tools
from rlm_integrations.core.image import Image
from rlm_integrations.core.language_model import Completion, Message, ToolRound
from rlm_integrations.core.prompts.texts import sub_call_messages
from rlm_integrations.core.trace.events import SubCallContinued
from rlm_integrations.core.wording import plural

_LEAST_ROOM = 500
"""Characters that are worth another call of a tool."""


class SubPrompt(NamedTuple):
    """What a sub-LM is asked, and the pictures that it sees."""

    text: str
    images: tuple[Image, ...] = ()

    def messages(self, *, tools: bool = False) -> tuple[Message, ...]:
        return sub_call_messages(self.text, self.images, tools=tools)


class Said(NamedTuple):
    """A reply, and to what. `offered`: whether it was free to call tools."""

    completion: Completion
    messages: Sequence[Message]
    offered: bool = False

    @property
    def calls_tools(self) -> bool:
        return self.offered and bool(self.completion.tool_calls) and self.completion.finish in ("stop", None)


class ToolLoop:
    """The sub-LM of one node, with its tools."""

    def __init__(
        self,
        calls: ModelCalls,
        model: ModelPath,
        tools: SubToolCalls,
        reservations: Reservations,
        emit: Emit,
        chars: int,
        fence_key: bytes,
    ) -> None:
        """`chars` is what a sub-call's prompt may have, in characters: what tools give is kept within it."""
        self._calls = calls
        self._model = model
        self._tools = tools
        self._reservations = reservations
        self._emit = emit
        self._chars = chars
        self._fence_key = fence_key

    async def ask(self, prompt: SubPrompt, step: StepRecord, sent: ReservedCall) -> Said:
        """The last reply to a call that is reserved, after as many rounds of calls of tools as the limits allow.

        `sent` is told when it is first sent, and has the record, into which each reply goes. Each further
        request is one more of `max_sub_calls`, reserved before the tools are called. An empty reply after a round is
        asked for once more. Raises BudgetError, and what the model raises.
        """
        dialogue = _Dialogue(prompt, step, max(self._chars - len(prompt.text), self._chars // 4), sent)
        said = await self._send(dialogue, sent.begin)
        sent.take(said.completion)
        again = True
        while said.calls_tools or (again and dialogue.rounds and worth_asking_again(said.completion)):
            again = again and said.calls_tools
            if not self._reservations.one_more():
                if said.calls_tools:
                    self._calls.budget.check()  # for another limit has words of its own
                    raise BudgetError("the sub-LM called tools, and there is no sub-call left for its reply")
                break
            said = await self._go_on(dialogue, said)
        return said

    async def _go_on(self, dialogue: _Dialogue, said: Said) -> Said:
        """Call the tools, and ask again, which is reserved. It is given back where it is not sent after all."""
        sent, record = False, dialogue.sent.sent_record

        async def started() -> None:
            nonlocal sent
            sent = True
            record.requests += 1

        async def ask_again() -> Said:  # whoever waits for it may be cancelled in the moment in which it is there
            said = await self._send(dialogue, started)
            dialogue.sent.take(said.completion)
            return said

        try:
            completion, step = said.completion, dialogue.step
            dialogue.sent.untold = False
            await self._emit(
                SubCallContinued(step.iteration, record.number, completion.usage, len(completion.tool_calls))
            )
            if said.calls_tools:
                results = await self._tools.results(
                    completion.tool_calls, step, record.number, dialogue.room, dialogue.sent.kept
                )
                dialogue.rounds.append(ToolRound(completion, results))
                dialogue.room -= sum(len(result.text) for result in results)
            return await in_own_task(ask_again())
        finally:
            if not sent:
                self._reservations.give_back()

    async def _send(self, dialogue: _Dialogue, started: Callable[[], Awaitable[None]]) -> Said:
        rounds, waiting, kept = tuple(dialogue.rounds), dialogue.step.waiting, dialogue.sent.request()
        why = self._no_tools(dialogue)
        if why is not None:
            messages = without_tools(dialogue.prompt.messages(), rounds, why, self._fence_key)
            return Said(await self._calls.sub_call(self._model, messages, waiting, started, kept=kept), messages)
        messages = dialogue.prompt.messages(tools=True)
        completion = await self._calls.sub_call(self._model, messages, waiting, started, rounds, kept)
        return Said(completion, as_messages(messages, rounds), offered=True)

    def _no_tools(self, dialogue: _Dialogue) -> str | None:
        """Why no tool can be called now, for the sub-LM."""
        budget = self._calls.budget
        if len(dialogue.rounds) >= budget.limits.max_tool_rounds:
            return f"you had {plural(budget.limits.max_tool_rounds, 'round')} of calls, and no more are given"
        if budget.tool_calls_left < 1:
            return f"the {plural(budget.limits.max_tool_calls, 'call')} of tools of this run are made"
        if dialogue.room < _LEAST_ROOM:
            return "what they gave is as much as you can read"
        if budget.sub_calls_left < 1:
            return "this is the last reply of a model that this run has"
        return None


@dataclass(slots=True)
class _Dialogue:
    """One sub-call. `room` is how many characters tools may still give."""

    prompt: SubPrompt
    step: StepRecord
    room: int
    sent: ReservedCall
    rounds: list[ToolRound] = field(default_factory=list[ToolRound])
