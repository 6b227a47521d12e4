"""Watchers of all runs of the process, for systems of tracing: each run asks each of them for one of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.wording import error_words

Watch = Callable[[Event], None]
"""Sees the events of one run, in order, in the task that tells of them: what it sets in the context is seen by what
the task does next. It must not wait."""

_makers: list[Callable[[str], Watch]] = []


def watch_runs(make: Callable[[str], Watch]) -> Callable[[], None]:
    """Have each run that begins from now on watched. `make` is called with its question, as the caller calls the run.

    Returns a function that ends it for later runs.
    """
    _makers.append(make)

    def stop() -> None:
        if make in _makers:
            _makers.remove(make)

    return stop


class Watchers:
    """Those of one run. One that raises is not told any more, and ends no run."""

    def __init__(self, question: str) -> None:
        self.watches = list[Watch]()
        for make in tuple(_makers):
            try:
                self.watches.append(make(question))
            except Exception as error:
                _warn(error)

    def see(self, event: Event) -> None:
        for watch in tuple(self.watches):
            try:
                watch(event)
            except Exception as error:
                self.watches.remove(watch)
                _warn(error)


def _warn(error: Exception) -> None:
    warnings.warn(f"what watches this run failed, and sees no more of it: {error_words(error)}", RuntimeWarning, 2)
