"""What models, tools, retrievers and handlers raise, as exceptions that end neither a task nor an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def contained(awaitable: Awaitable[T]) -> T:
    """Its result. What is no Exception comes as RuntimeError: a SystemExit, a CancelledError that nobody asked for.

    KeyboardInterrupt is raised as it is: the user wants out.
    """
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise raisable(error) from error
    except (Exception, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        raise raisable(error) from error


def raisable(error: BaseException) -> Exception:
    """The error as one that a future takes (no StopIteration) and that ends no event loop (no SystemExit)."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped
