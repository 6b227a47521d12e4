"""What a run looks like while it goes on: a line for each iteration, and on a terminal a few lines below that are
redrawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import TracebackType

from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlm_integrations.core.trace.events import Event, IterationStarted, RunEnded, RunStarted
from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.terminal.run_view import (
    RunView,
    SubCallCounts,
    advance,
    corpus_line,
    duration,
    iteration_line,
    summary_line,
)


def panel(view: RunView, seconds: float) -> Table:
    """The run so far, for a terminal of any width."""
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "run": view.iteration_name if view.iteration else "",
        "now": view.phase,
        "sub-calls": str(view.sub_calls) if view.sub_calls != SubCallCounts() else "",
        "tokens": view.tokens if view.usage.total_tokens else "",
        "cost": view.cost,
        "elapsed": duration(seconds),
    }
    for label, value in rows.items():
        if value:
            table.add_row(label, Text(value))
    return table


class LiveView:
    """Shows a run on a console while the `with` block lasts: pass `see` to an engine as `on_event`.

    A view that fails ends no run: it shows nothing from then on, and `failure` says why.
    """

    def __init__(self, console: TerminalConsole, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self.view = RunView()
        self.failure: Exception | None = None
        self._redraws = console.is_terminal and not console.is_dumb_terminal
        self._live = Live(
            console=console,
            get_renderable=lambda: panel(self.view, self.seconds),
            refresh_per_second=5,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    @property
    def seconds(self) -> float:
        """Since the `with` block was entered."""
        return self._clock() - self._began

    @property
    def summary(self) -> str:
        """The run so far in one line."""
        return summary_line(self.view, self.seconds)

    def see(self, event: Event) -> None:
        if self.failure is None:
            with self._unfailing():
                before, self.view = self.view, advance(self.view, event)
                self._show(before, event)

    def _show(self, before: RunView, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._line(corpus_line(self.view))
        elif isinstance(event, (IterationStarted, RunEnded)) and before.iteration:
            self._line(iteration_line(before, self.seconds))

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)

    def __enter__(self) -> LiveView:
        self._began = self._clock()
        if self._redraws:
            with self._unfailing():
                self._live.start(refresh=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._redraws:
            with self._unfailing():
                self._live.stop()

    @contextmanager
    def _unfailing(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self.failure = error
