"""A run as the events that it tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import replace

from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.run.arguments import checked_run_id
from rlm_integrations.core.run.asked import answer
from rlm_integrations.core.run.plan import OnEvent, RunPlan
from rlm_integrations.core.trace.events import Event


async def streamed(
    plan: RunPlan, question: str | Sequence[Message], context: object, run_id: str | None
) -> AsyncGenerator[Event, None]:
    """Each event as it comes, on the caller's loop. Closing the iterator early ends the run.

    Raises what the run raises, after the last event, and InvalidArgumentError for a wrong `run_id`.
    """
    named = checked_run_id(run_id, plan.journal)
    queue: asyncio.Queue[Event | None] = asyncio.Queue()
    plan = replace(plan, on_event=_tee(plan.on_event, queue))

    ended: list[BaseException] = []
    """What the run raised. Its task does not keep it: frames that it went through hold the task."""

    async def perform() -> None:
        try:
            await answer(plan, question, context, sync=False, run_id=named)
        except (asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            ended.append(error)
        finally:
            queue.put_nowait(None)

    task = asyncio.create_task(perform())
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
        if ended:
            raise ended.pop()
    finally:
        await end_together([task])
        ended.clear()  # what nobody asks for any more has frames that hold this


def _tee(on_event: OnEvent | None, queue: asyncio.Queue[Event | None]) -> OnEvent:
    def put(event: Event) -> Awaitable[None] | None:
        queue.put_nowait(event)
        return None if on_event is None else on_event(event)

    return put
