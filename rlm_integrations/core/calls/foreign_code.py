"""What models, tools and retrievers raise, as exceptions that end neither a task nor an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def contained(awaitable: Awaitable[T]) -> T:
    """Its result. A SystemExit of its own, and a CancelledError that nobody asked for, come as RuntimeError."""
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise raisable(error) from error
    except SystemExit as error:
        raise raisable(error) from error


def raisable(error: BaseException) -> Exception:
    """The error as one that a future takes (no StopIteration) and that ends no event loop (no SystemExit)."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
