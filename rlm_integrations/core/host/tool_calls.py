"""Calls of the user's tools, with the values that came from the REPL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rlm_integrations.core.calls.foreign_code import contained
from rlm_integrations.core.calls.threads import RunThreads
from rlm_integrations.core.corpus.plain_values import plain
from rlm_integrations.core.host.answers import RefusedCallError
from rlm_integrations.core.host.foreign_calls import ForeignCalls
from rlm_integrations.core.host.step_record import StepRecord
from rlm_integrations.core.host.tools import Tool
from rlm_integrations.wire.calls import CallTool

if TYPE_CHECKING:
    from rlm_integrations.core.journal.node_journal import CallJournal

_SMALL = (str, int, float, type(None))


class ToolCalls:
    """Tools by name. Async ones are awaited on the run's loop, the others run in its threads."""

    def __init__(self, tools: Mapping[str, Tool], threads: RunThreads, foreign: ForeignCalls) -> None:
        self._tools = tools
        self._threads = threads
        self._foreign = foreign

    async def call(self, call: CallTool, step: StepRecord, kept: CallJournal | None = None) -> Any:
        """What the tool returns, as a JSON value. Raises RefusedCallError."""
        tool = self._tools.get(call.name)
        if tool is None:
            tools = ", ".join(self._tools) or "none"
            raise RefusedCallError("value", f"there is no tool {call.name[:100]!r}; the tools are {tools}")

        async def work() -> Any:
            if not tool.is_async:
                return await self._threads.run(lambda: plain(tool.function(*call.args, **call.kwargs)))
            value = await contained(tool.function(*call.args, **call.kwargs))
            # What holds other values may hold a million of them.
            return plain(value) if isinstance(value, _SMALL) else await self._threads.run(plain, value)

        arguments = {"args": call.args, "kwargs": call.kwargs}
        if kept is None:
            return await self._foreign.run(tool.description.name, arguments, step, work)
        request = kept.request()
        return await self._foreign.run(
            tool.description.name, arguments, step, partial(request.value, work), kept=request
        )
