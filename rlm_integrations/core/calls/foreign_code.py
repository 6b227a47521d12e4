"""What models, tools, retrievers and handlers raise, as exceptions that end neither a task nor an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from rlm_integrations.core.calls.raised_instead import raising_instead
from rlm_integrations.core.wording import error_words

T = TypeVar("T")


async def contained(awaitable: Awaitable[T]) -> T:
    """Its result. What is no Exception comes as RuntimeError: a SystemExit, a CancelledError that nobody asked for, a
    GeneratorExit of the awaitable's own.

    KeyboardInterrupt comes as CarriedInterruptError: the user wants out.
    """
    within = asyncio.current_task()
    try:
        return await awaitable
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise raisable(error) from error
    except GeneratorExit as end:
        if _running_task() is not within:  # the loop was closed over whoever awaits
            raise
        raise raisable(end) from end
    except Exception:
        raise
    except KeyboardInterrupt as interrupt:
        raise CarriedInterruptError(interrupt) from interrupt
    except BaseException as error:
        raise raisable(error) from error
    finally:
        del within  # it may come to hold what is raised, whose traceback holds this frame


def being_cancelled() -> bool:
    """Whether a CancelledError here is meant for the task that goes on."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class CarriedInterruptError(Exception):
    """A KeyboardInterrupt on its way out of a task of ours: where a task raises it itself, asyncio ends its loop there
    and then, and whoever waits for the task never hears of it."""

    def __init__(self, interrupt: KeyboardInterrupt) -> None:
        super().__init__("KeyboardInterrupt")
        self._interrupt = interrupt

    def let_go(self) -> KeyboardInterrupt:
        """The interrupt, to be raised: in the context of this, which is not to hold it, nor what it went through."""
        interrupt = self._interrupt
        del self._interrupt
        self.__cause__ = self.__context__ = self.__traceback__ = None
        return interrupt


def carrying_interrupts() -> AbstractContextManager[None]:
    """Within a task: what would end the loop leaves it as CarriedInterruptError."""
    return raising_instead(_carry)


def _carry(error: BaseException) -> None:
    if isinstance(error, KeyboardInterrupt):
        raise CarriedInterruptError(error) from error


async def carrying(awaitable: Awaitable[T]) -> T:
    """Its result, for a task: the same."""
    with carrying_interrupts():
        return await awaitable


def delivering_interrupts() -> AbstractContextManager[None]:
    """Around a wait for such tasks: raises the KeyboardInterrupt that one of them ended with."""
    return raising_instead(_deliver)


def _deliver(error: BaseException) -> None:
    if isinstance(error, CarriedInterruptError):
        raise error.let_go() from None


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
