"""Calls of the sub-LMs' tools: each is counted, bounded and recorded, and whatever happens has a result."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rlm_integrations.core.calls.end_together import side_by_side
from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.reply_fields import MAX_ARGUMENT_CHARS, arguments_of
from rlm_integrations.core.calls.threads import RunThreads, off_loop
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.own_task import in_own_task
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.sub_tools import SubTool
from rlm_integrations.core.language_model import ToolCall, ToolResult
from rlm_integrations.core.prompts.texts import tool_round_part
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.wording import number, one_line

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal

MOST_RESULT_CHARS = 20_000
"""Of one result."""
_LEAST_RESULT_CHARS = 1_000
_CALLS_AT_ONCE = 50
"""Of one reply."""
_EXCERPT_CHARS = 200
_PROBLEMS = 5
_MOST_PROBLEMS = 1_000
"""Where there are more, they are not listed to show the first."""


class SubToolCalls:
    """The tools by name. Sync ones run in the run's threads, async ones on its loop."""

    def __init__(self, tools: Mapping[str, SubTool], threads: RunThreads, foreign: ForeignCalls) -> None:
        self._tools = tools
        self._threads = threads
        self._foreign = foreign

    async def results(
        self,
        calls: Sequence[ToolCall],
        step: StepRecord,
        sub_call: int,
        room: int,
        kept: CallJournal | None = None,
    ) -> tuple[ToolResult, ...]:
        """What each call gave, in their order; they run side by side.

        A call that fails has the error as its result. All results together have about `room` characters at most.
        Raises BudgetError where the step or the run is over, and what ends the run.
        """
        taken = calls[:_CALLS_AT_ONCE]
        chars = min(MOST_RESULT_CHARS, max(_LEAST_RESULT_CHARS, room // len(taken)))
        written = sum([len(call.arguments) for call in taken])
        given = await off_loop(written, lambda: [arguments_of(call) for call in taken])
        results = await side_by_side(
            self._result(call, arguments, step, sub_call, chars, kept)
            for call, arguments in zip(taken, given, strict=True)
        )
        why = tool_round_part("too_many", why=f"at most {_CALLS_AT_ONCE} calls are taken from one reply")
        return (*results, *(ToolResult(call, why, failed=True) for call in calls[_CALLS_AT_ONCE:]))

    async def _result(
        self,
        call: ToolCall,
        arguments: dict[str, Any] | None,
        step: StepRecord,
        sub_call: int,
        chars: int,
        kept: CallJournal | None,
    ) -> ToolResult:
        shown: dict[str, Any] = {"arguments": call.arguments} if arguments is None else arguments

        async def work() -> str:
            return await self._call(call, arguments, chars)

        try:
            request = None if kept is None else kept.tool(call.name, call.arguments)
            made = work if request is None else partial(request.value, work)
            running = self._foreign.run(call.name[:_EXCERPT_CHARS], shown, step, made, sub_call, kept=request)
            text = await in_own_task(running)
        except RefusedCallError as refusal:
            return ToolResult(call, tool_round_part("error", error=refusal), failed=True)
        return ToolResult(call, text)

    async def _call(self, call: ToolCall, arguments: dict[str, Any] | None, chars: int) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            name, names = repr(call.name[:_EXCERPT_CHARS]), ", ".join(self._tools)
            raise LookupError(tool_round_part("unknown", name=name, names=names))
        if (chars_written := len(call.arguments)) > MAX_ARGUMENT_CHARS:
            taken = f"and at most {number(MAX_ARGUMENT_CHARS)} are taken"
            why = f"its arguments have {number(chars_written)} characters, {taken}"
            raise ValueError(tool_round_part("too_many", why=why))
        if arguments is None:
            raise ValueError(tool_round_part("arguments", excerpt=repr(one_line(call.arguments[:_EXCERPT_CHARS]))))
        try:
            value = await self._value(tool, arguments)
        except ValidationError as error:  # its own words have an address in them, and the values, which may be long
            raise ValueError(_problems(error)) from error
        # What holds other values may hold a million of them.
        return result_text(value, chars) if isinstance(value, (str, type(None))) else await self._text(value, chars)

    async def _value(self, tool: SubTool, arguments: dict[str, Any]) -> Any:
        if tool.is_async:
            return await contained(tool.call(**arguments))
        value = await self._threads.run(lambda: tool.call(**arguments))
        return await contained(value) if inspect.isawaitable(value) else value

    async def _text(self, value: object, chars: int) -> str:
        return await self._threads.run(result_text, value, chars)


def _problems(error: ValidationError) -> str:
    if error.error_count() > _MOST_PROBLEMS:
        return f"{number(error.error_count())} problems; the arguments have another form than the schema"
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems[:_PROBLEMS])


def result_text(value: object, chars: int) -> str:
    """A tool's value as a model reads it: a str as it is, anything else as JSON. The middle of a long one is left out.

    Raises NotPlainError for what cannot be written as JSON.
    """
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    if not text:  # which some servers refuse
        return tool_round_part("empty")
    if len(text) > chars:
        tail = chars // 4
        text = tool_round_part(
            "cut",
            head=text[: chars - tail],
            tail=text[len(text) - tail :],
            left_out=number(len(text) - chars),
            chars=number(len(text)),
        )
    return without_lone_surrogates(text)
