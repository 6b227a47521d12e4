"""A run that a signal ends: what it had done by then is kept."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
_ENDS = {"SIGINT": "Interrupted.", "SIGTERM": "Terminated.", "SIGHUP": "Hung up."}


def end_words(signal_number: int) -> str:
    """What a signal did, as shells say it."""
    return _ENDS[signal.Signals(signal_number).name]


class RunInterruptedError(Exception):
    """A signal ended the run. `result` is what there was, None where the run had not begun."""

    def __init__(self, signal_number: int, result: Any) -> None:
        super().__init__(end_words(signal_number))
        self.signal_number = signal_number
        self.result = result


_ENDING = ("SIGTERM", "SIGHUP")
"""SIGINT raises KeyboardInterrupt already, and asyncio.run sees to it."""


@contextmanager
def ended_by_signals() -> Generator[None]:
    """While no run goes on: SIGTERM, and that the terminal goes away, raise RunInterruptedError, as in a run."""

    def end(number: int, frame: FrameType | None) -> None:
        raise RunInterruptedError(number, None)

    taken: list[int] = []
    try:
        for name in _ENDING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                with suppress(ValueError):  # outside the main thread
                    signal.signal(number, end)
                    taken.append(number)
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def run_until_signal(run: Coroutine[Any, Any, T]) -> T:
    """The run's result, on this thread's own event loop: a signal cancels the run, and its open requests with it.

    Raises RunInterruptedError on Ctrl-C, on SIGTERM and when the terminal goes away, unless the process ignores these,
    and what the run raises.
    """
    received: list[int] = []
    partial: list[Any] = []

    async def perform() -> T:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            received.append(number)
            task.cancel()

        for name in _ENDING:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                with suppress(NotImplementedError, RuntimeError, ValueError):  # on Windows, and outside the main thread
                    loop.add_signal_handler(number, end, number)
        try:
            return await run
        except asyncio.CancelledError as cancelled:
            partial.extend(filter(None, [getattr(cancelled, "result", None)]))
            raise

    try:
        return asyncio.run(perform())
    except KeyboardInterrupt:
        number = signal.SIGINT
    except asyncio.CancelledError:
        if not received:
            raise
        number = received[0]
    raise RunInterruptedError(number, partial[0] if partial else None)
