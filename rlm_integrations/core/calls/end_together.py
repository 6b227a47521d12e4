"""Tasks that end with whoever waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Their results, in their order. Where one raises, the others are cancelled, and have ended when it is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        await end_together(tasks)
        tasks.clear()  # they hold what is raised, whose traceback holds this frame


async def end_together(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel them, and wait until all have ended. What they raise is nobody's affair any more.

    Raises the last CancelledError that came to whoever waits meanwhile: it is one of theirs, as if each were awaited in
    its place, for cancel scopes of anyio cancel on every turn of the loop.
    """
    again: asyncio.CancelledError | None = None
    known = [*tasks]
    for task in known:
        task.cancel()
    while opened := [task for task in known if not task.done()]:
        try:
            await asyncio.wait(opened)
        except asyncio.CancelledError as error:
            again = error
            for task in opened:
                task.cancel()
    for task in known:
        if not task.cancelled():
            task.exception()  # or Python complains that nobody has looked at it
    if again is not None:
        raise again
