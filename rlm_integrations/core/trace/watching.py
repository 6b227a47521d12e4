"""Watchers of all runs of the process, for systems of tracing: each run asks each of them for one of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Protocol, Self

from rlm_integrations.core.trace.events import Event
from rlm_integrations.core.wording import error_words


class Watch(Protocol):
    """Watches one run, or a question that has several: then `of_part` gives a watch for each of them."""

    def see(self, event: Event) -> None:
        """Is told the events in order, in the task that tells of them: what it sets in the context is seen by what
        the task does next. It must not wait.

        Of a question with several runs it sees what is said of all of them: warnings, and the last event.
        """

    def of_part(self, question: str) -> Self:
        """The watch of the next run of its question, which may say more than that; called where that begins."""
        ...


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
    """Those of one run, or of a question that has several. One that raises is not told any more, and ends no run."""

    def __init__(self, question: str, makers: Iterable[Callable[[str], Watch]] | None = None) -> None:
        """`makers`: of those who watch; of those who watch all runs by default."""
        self.watches = list[Watch]()
        for make in tuple(_makers if makers is None else makers):
            try:
                self.watches.append(make(question))
            except Exception as error:
                _warn(error)

    def of_part(self, question: str) -> Watchers:
        """Those of the next run of the question."""
        return Watchers(question, [watch.of_part for watch in self.watches])

    def see(self, event: Event) -> None:
        for watch in tuple(self.watches):
            try:
                watch.see(event)
            except Exception as error:
                self.watches.remove(watch)
                _warn(error)


def _warn(error: Exception) -> None:
    warnings.warn(f"what watches this run failed, and sees no more of it: {error_words(error)}", RuntimeWarning, 2)
