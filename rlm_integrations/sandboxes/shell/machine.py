"""What a machine has to do: run a command, take a file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class UnreachableError(Exception):
    """A command, or a file, did not come through. The message says why."""


@dataclass(frozen=True)
class Said:
    """What a command printed, both of its streams together."""

    text: str
    cut: bool
    """Whether there was more."""


class Machine(Protocol):
    """Safe in any thread. What it raises is taken for a connection that was lost."""

    @property
    def name(self) -> str:
        """How people call it."""
        ...

    def run(self, command: str, seconds: int) -> Said:
        """Run a command of the shell, which takes fewer seconds; blocks."""
        ...

    def bring(self, path: str, data: bytes) -> None:
        """Write a file; blocks."""
        ...


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """What the work returns, in a thread of its own, for it may hang. Whatever it raises is an UnreachableError."""
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:
            outcome.set_exception(error)
        except BaseException as error:  # a cancellation, or an exit, of the machine's client is no end of ours
            outcome.set_exception(UnreachableError(f"{type(error).__name__}: {error}"[:500]))

    threading.Thread(target=run, name="rlm-shell-command", daemon=True).start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        raise UnreachableError(f"it did not answer for {seconds:g} s") from None
    except Exception as error:
        raise UnreachableError(f"{type(error).__name__}: {error}"[:500]) from error
