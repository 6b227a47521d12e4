"""The seconds that a run gives a call of a model, for models that end their requests themselves."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_SECONDS: ContextVar[float | None] = ContextVar("rlm_seconds_of_call", default=None)


def seconds_given() -> float | None:
    """Within a model's `complete` or `complete_sync`: after how many seconds the run gives the call up.

    None where nobody does: outside of runs, and in one without a limit.
    """
    return _SECONDS.get()


@contextmanager
def giving(seconds: float) -> Generator[None]:
    """Calls that are made here are given up after so many seconds; `inf`: never."""
    token = _SECONDS.set(seconds if seconds != float("inf") else None)
    try:
        yield
    finally:
        _SECONDS.reset(token)
