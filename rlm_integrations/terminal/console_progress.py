"""ConsoleProgress: runs on stderr while they go on, for any face's `on_event`."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import replace

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rlm_integrations.core.trace.events import (
    Event,
    IterationStarted,
    RunEnded,
    RunFailed,
    RunStarted,
    SubCallEnded,
)
from rlm_integrations.core.trace.redaction import error_kind
from rlm_integrations.core.wording import one_line
from rlm_integrations.terminal.console import TerminalConsole, progress_console, sentence
from rlm_integrations.terminal.redrawn_lines import RedrawnLines
from rlm_integrations.terminal.run_lines import corpus_line, iteration_line, run_line, summary_line
from rlm_integrations.terminal.run_panel import panel
from rlm_integrations.terminal.run_view import RunView, advance

_MOST_RUNS = 8
_QUESTION_CHARS = 60


class ConsoleProgress:
    """Shows runs on stderr while they go on: pass one as `on_event` to an engine, a runnable or a query engine.

        engine = RLMEngine(llm, on_event=ConsoleProgress())

    Each iteration gets a line when it has ended, and each run one at its end. On a terminal lines below that are
    redrawn: what the run is at, a bar and a rate for its sub-calls, its children, tokens and cost. One object may be
    told of several runs at once; then each has a line. What others wrote is made harmless. It ends no run: one that
    cannot write is silent.

    Args:
        console: where it is shown. Default: stderr, as it is when a run begins.
        contents: False: it shows no question, and of errors their names alone, for logs that others read.
    """

    def __init__(self, console: TerminalConsole | None = None, *, contents: bool = True) -> None:
        self._given = console
        self._contents = contents
        self._console = console
        self._views: dict[int, RunView] = {}
        """Of the runs that go on, by their number."""
        self._began: dict[int, float] = {}
        """When, by the monotonic clock."""
        self._several = False
        """Whether others were beside them since the first of them began: then each line says whose it is."""
        self._lines: RedrawnLines | None = None
        self._lock = threading.RLock()

    def __call__(self, event: Event) -> None:
        with self._lock, suppress(Exception):
            self._see(event)

    def _see(self, event: Event) -> None:
        if not self._contents:
            event = _without_words(event)
        before = self._views.get(event.run)
        if before is None:
            if not isinstance(event, RunStarted) or event.node:  # of a run that has ended, or never began
                return
            before = RunView()
            self._begin(event)
        view = self._views[event.run] = advance(before, event)
        if event.node:
            return  # its lines below stand for it
        if isinstance(event, RunStarted) and event.attempt == 1:
            self._say(event.run, f"{one_line(event.question, _QUESTION_CHARS)} ({corpus_line(view)})")
        elif isinstance(event, (RunStarted, IterationStarted, RunEnded, RunFailed)) and before.iteration:
            self._say(event.run, iteration_line(before, event.at))
        if isinstance(event, (RunEnded, RunFailed)):
            how = "done" if isinstance(event, RunEnded) else f"failed: {event.error}"
            self._say(event.run, f"{how}, {summary_line(view, event.at)}")
            self._end(event.run)

    def _begin(self, event: RunStarted) -> None:
        self._began[event.run] = time.monotonic() - event.at
        self._several = bool(self._views)
        if self._several:
            return
        self._console = self._given or progress_console()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._lines = RedrawnLines(self._console, self._drawn, lambda error: None)
            self._lines.start()

    def _end(self, run: int) -> None:
        del self._views[run], self._began[run]
        if not self._views and self._lines is not None:
            lines, self._lines = self._lines, None
            lines.stop()

    def _say(self, run: int, words: str) -> None:
        assert self._console is not None
        whose = f"run {run}: " if self._several else ""
        self._console.print(sentence(whose + words), soft_wrap=True)

    def _drawn(self) -> RenderableType:
        """In a thread of the redrawn lines' own, which may hold them while a line is printed: no lock is taken."""
        now, views = time.monotonic(), dict(self._views)
        assert self._console is not None
        ascii_only = not self._console.encoding.lower().startswith("utf")
        if len(views) == 1:
            [(run, view)] = views.items()
            return panel(view, now - self._began.get(run, now), ascii_only=ascii_only)
        table = Table.grid(padding=(0, 1))
        for run, view in list(views.items())[:_MOST_RUNS]:
            table.add_row(Text(f"run {run}", style="dim"), Text(run_line(view, now - self._began.get(run, now))))
        if (more := len(views) - _MOST_RUNS) > 0:
            table.add_row(Text(""), Text(f"and {more} more"))
        return table


def _without_words(event: Event) -> Event:
    """Of what is shown of it, without what a user, a document or a model wrote."""
    match event:
        case RunStarted():
            return replace(event, question=f"a question of {len(event.question):,} characters")
        case SubCallEnded(call=call) if call.error is not None:
            return replace(event, call=call.model_copy(update={"error": error_kind(call.error)}))
        case RunFailed():
            return replace(event, error=error_kind(event.error))
        case _:
            return event
