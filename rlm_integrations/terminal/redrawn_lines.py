"""Lines at the bottom of a terminal that are drawn again and again, below whatever else is printed there.

The cursor stays at their beginning. So a terminal that is made narrower, and wraps them, moves it along, and all that
is below it can be erased without knowing how they were wrapped.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderHook, RenderResult
from rich.control import Control
from rich.segment import ControlType, Segment, Segments

from rlm_integrations.terminal.console import without_space_at_end

_SECONDS = 0.125
# Its own line, then what is below: a terminal that is to erase all of its screen at once may keep it in its history.
_ERASE_BELOW = Segments([Segment("\r\x1b7\x1b[2K\x1b[1B\x1b[J\x1b8", None, [(ControlType.CARRIAGE_RETURN,)])])


class RedrawnLines(RenderHook):
    """From `start` to `stop`, and again. They leave nothing behind: not when the terminal is made narrower, which wraps
    what was drawn, and not while the program is suspended or in the background.

    Args:
        console: what is printed to it meanwhile stays, above the lines.
        draw: makes what is shown; called in a thread of this object's own too.
        failed: told what was raised there.
    """

    def __init__(
        self, console: Console, draw: Callable[[], RenderableType], failed: Callable[[Exception], None]
    ) -> None:
        self._console = console
        self._draw = draw
        self._failed = failed
        self._lock = threading.RLock()
        self._shown = self._drawn = False
        """Whether they are to be there, and whether they are."""
        self._stopping = self._suspending = False
        self._wake, self._continued = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._handlers: dict[int, Any] = {}

    def start(self) -> None:
        self._console.push_render_hook(self)
        self._take_signals()
        self._show()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep_drawing, name="rlm-redrawn-lines", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()
        self._hide()
        self._console.pop_render_hook()

    def redraw(self) -> None:
        with self._lock:
            self._console.print(Control())

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        with self._lock:
            erasing = [_ERASE_BELOW] if self._drawn else []
            self._drawn = self._shown and self._in_foreground()
            return [*erasing, *renderables, *([self] if self._drawn else [])]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns, rows = self._size()
        space = console.options.update(width=max(1, min(columns, console.width) - 1))
        lines = console.render_lines(self._draw(), space, pad=False)[: max(1, rows - 1)]
        for place, line in enumerate(lines):
            if place:
                yield Segment.line()
            yield from without_space_at_end(line)
        up = ((ControlType.CURSOR_UP, 1),) * (len(lines) - 1)
        yield Control(ControlType.CARRIAGE_RETURN, *up)

    def _show(self) -> None:
        with self._lock:
            self._shown = True
            if self._in_foreground():
                self._console.show_cursor(False)
            self.redraw()

    def _hide(self) -> None:
        with self._lock:
            self._shown = False
            self.redraw()
            self._console.show_cursor(True)

    def _keep_drawing(self) -> None:
        while not self._stopping:
            self._wake.wait(_SECONDS)
            self._wake.clear()
            try:
                if self._suspending:
                    self._suspending = False
                    self._suspend()
                elif not self._stopping:
                    self.redraw()
            except Exception as error:
                self._failed(error)
                return

    def _suspend(self) -> None:
        with self._lock:
            self._hide()
            self._continued.clear()
            os.kill(os.getpid(), signal.SIGTSTP)  # the default action: all threads stop, maybe a moment later
            self._continued.wait(1)
            self._show()

    def _take_signals(self) -> None:
        """Ctrl-Z is obeyed when the lines are gone. Where it is ignored it stays so."""
        if not hasattr(signal, "SIGTSTP") or threading.current_thread() is not threading.main_thread():
            return
        for number, handler in ((signal.SIGTSTP, self._on_suspend), (signal.SIGCONT, self._on_continue)):
            if signal.getsignal(number) is signal.SIG_DFL:
                self._handlers[number] = signal.signal(number, handler)

    def _on_suspend(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        self._suspending = True
        self._wake.set()

    def _on_continue(self, number: int, frame: FrameType | None) -> None:
        self._continued.set()
        if signal.SIGTSTP in self._handlers:
            signal.signal(signal.SIGTSTP, self._on_suspend)

    def _size(self) -> tuple[int, int]:
        """Of the terminal as it is now, whatever the environment says: columns and rows."""
        columns = rows = 0
        with suppress(OSError, ValueError):
            columns, rows = os.get_terminal_size(self._console.file.fileno())
        return columns or self._console.width, rows or self._console.height

    def _in_foreground(self) -> bool:
        with suppress(OSError, ValueError, AttributeError):  # no terminal of this session; not on Windows
            return os.tcgetpgrp(self._console.file.fileno()) == os.getpgrp()
        return True
