"""The seconds that a run gives a call of a model, for models that end their requests themselves."""

from __future__ import annotations

from contextvars import ContextVar

_SECONDS: ContextVar[float | None] = ContextVar("rlm_seconds_of_call", default=None)


def seconds_given() -> float | None:
    """Within a model's `complete` or `complete_sync`: after how many seconds the run gives the call up.

    None where nobody does: outside of runs, and in one without a limit.
    """
    return _SECONDS.get()


class giving:  # noqa: N801 - it is used like a function
    """Calls that are made within are given up after so many seconds; `inf`: never.

    A class: a generator would take as long as all else that a call's deadline does.
    """

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._token = _SECONDS.set(self._seconds if self._seconds != float("inf") else None)

    def __exit__(self, *_: object) -> None:
        try:  # noqa: SIM105 - a `suppress` takes longer than all of this
            _SECONDS.reset(self._token)
        except ValueError:  # it is closed in another context, as its loop is: its own has ended
            pass
