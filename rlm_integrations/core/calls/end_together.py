"""Tasks that end with whoever waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def end_together(tasks: Iterable[asyncio.Task[Any]]) -> asyncio.CancelledError | None:
    """Cancel them, and wait until all have ended. Returns the last cancellation of whoever waits, for it to raise.

    It is one of theirs, as if each were awaited in its place: cancel scopes of anyio cancel on every turn of the loop.
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
    return again
