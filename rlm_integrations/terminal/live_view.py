"""What a run looks like while it goes on: a line for each iteration, and on a terminal a few lines below that are
redrawn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from types import TracebackType

from rich.console import RenderableType
from rich.text import Text

from rlm_integrations.core.trace.events import Event, IterationStarted, RunEnded, RunFailed, RunStarted
from rlm_integrations.terminal.console import TerminalConsole, sentence
from rlm_integrations.terminal.redrawn_lines import RedrawnLines
from rlm_integrations.terminal.retries import Retries
from rlm_integrations.terminal.run_lines import corpus_line, failure_line, iteration_line, summary_line
from rlm_integrations.terminal.run_panel import panel
from rlm_integrations.terminal.run_view import RunView, advance
from rlm_integrations.terminal.run_words import spelled_out
from rlm_integrations.terminal.streams import lines_above


class LiveView:
    """Shows a run on a console while a `with` block lasts, or several: pass `see` to an engine as `on_event`.

    A view that fails ends no run: it shows nothing from then on, and `failure` says why.

    Args:
        console: where it is shown.
        clock: seconds.
        began: what the clock said when the user began to wait; without it, when the `with` block is entered.
        in_full: print what the root LM writes and what its code prints, too.
    """

    def __init__(
        self,
        console: TerminalConsole,
        clock: Callable[[], float] = time.monotonic,
        *,
        began: float | None = None,
        in_full: bool = False,
    ) -> None:
        self._console = console
        self._clock = clock
        self._given, self._began = began, clock() if began is None else began
        self._in_full = in_full
        self.view = RunView()
        self.retries = Retries()
        self.failure: Exception | None = None
        self._stack = ExitStack()
        self._lines: RedrawnLines | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            self._lines = RedrawnLines(console, self._drawn, self._fail)

    @property
    def seconds(self) -> float:
        """Since the user began to wait."""
        return self._clock() - self._began

    @property
    def summary(self) -> str:
        """The run so far in one line."""
        return summary_line(self.view, self.seconds, str(self.retries))

    def see(self, event: Event) -> None:
        if self.failure is None:
            with self._unfailing():
                before, self.view = self.view, advance(self.view, event)
                self._show(before, event)

    def note(self, words: str) -> None:
        """A sentence that stays, above the lines that are redrawn."""
        if self.failure is None:
            with self._unfailing():
                self._line(sentence(words))

    def _show(self, before: RunView, event: Event) -> None:
        if event.node:
            pass  # its lines below stand for it
        elif isinstance(event, RunStarted) and event.attempt == 1:
            self._line(Text(corpus_line(self.view)))
        elif isinstance(event, (RunStarted, IterationStarted, RunEnded, RunFailed)) and before.iteration:
            self._line(Text(iteration_line(before, event.at)))
        if self.view.first_failure and not before.first_failure:
            self._line(sentence(failure_line(self.view)))
        if self._in_full:
            for words in spelled_out(event):
                self._line(words)

    def _line(self, text: Text) -> None:
        self._console.print(text, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        ascii_only = not self._console.encoding.lower().startswith("utf")
        return panel(self.view, self.seconds, str(self.retries), ascii_only=ascii_only)

    @contextmanager
    def making_room(self) -> Generator[None]:
        """While this lasts, nothing is redrawn: a person is asked something."""
        if self._lines is not None:
            with self._unfailing():
                self._lines.stop()
        try:
            yield
        finally:
            if self._lines is not None:
                with self._unfailing():
                    self._lines.start()

    def __enter__(self) -> LiveView:
        self._began = self._clock() if self._given is None else self._given
        self.retries.__enter__()
        if self._lines is not None:
            with self._unfailing():
                self._lines.start()
                self._stack.enter_context(lines_above(lambda line: self._line(Text(line))))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.retries.__exit__(kind, error, tb)
        if self._lines is not None:
            with self._unfailing():
                self._lines.stop()
        self._stack.close()

    @contextmanager
    def _unfailing(self) -> Generator[None]:
        try:
            yield
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = error
