"""What models, tools, retrievers and handlers raise, as exceptions that end neither a task nor an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from rlm_integrations.core.wording import error_words

T = TypeVar("T")


async def contained(awaitable: Awaitable[T]) -> T:
    """Its result. What is no Exception comes as RuntimeError: a SystemExit, a CancelledError that nobody asked for, a
    GeneratorExit of the awaitable's own.

    KeyboardInterrupt is raised as it is: the user wants out.
    """
    within = asyncio.current_task()
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise raisable(error) from error
    except GeneratorExit as end:
        if _running_task() is not within:  # the loop was closed over whoever awaits
            raise
        raise raisable(end) from end
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise raisable(error) from error


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def raisable(error: BaseException) -> Exception:
    """The error as one that a future takes (no StopIteration) and that ends no event loop (no SystemExit)."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    wrapped = RuntimeError(error_words(error))
    wrapped.__cause__ = error
    return wrapped
