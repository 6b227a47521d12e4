"""Work of a sub-call that may wait for a slot, in a task of its own: giving that up does not end the sub-call."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from rlm_integrations.core.calls.budget import BudgetError
from rlm_integrations.core.calls.end_together import end_together
from rlm_integrations.core.calls.slots import STEP_OVER

T = TypeVar("T")


async def in_own_task(work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
    """Its result. It is cancelled with whoever waits for it; raises BudgetError where it alone was, with its step."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        await end_together([task])
        raise
    try:
        if task.cancelled():
            raise BudgetError(STEP_OVER)
        return task.result()
    finally:
        del task, work  # they hold what is raised, whose traceback holds this frame
