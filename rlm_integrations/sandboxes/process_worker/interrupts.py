"""How an interrupt ends the model's code, also where the code catches it. Standard library only."""

from __future__ import annotations

import builtins
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.sandboxes.process_worker.thread_guard import end_threads
from rlm_integrations.sandboxes.process_worker.worker_port import WorkerPort

globals()["__builtins__"] = vars(builtins).copy()

_BEFORE_THREADS_END = 10  # by then, half a second, those that wait for the host are done
_BEFORE_ANOTHER = 20  # code that cleans up, or that waits in its own handler, has had a second
_DEEPEST = 100
_settrace, _getframe, _handled = sys.settrace, sys._getframe, sys.exc_info  # pyright: ignore[reportPrivateUsage]
_signal: Callable[..., Any] = sys.modules["_signal"].signal  # signal.signal makes enums of numbers, which takes longer
_SIGINT = signal.SIGINT


class Interrupts:
    """The host sends one when a step's time is over, and repeats it every 50 ms until the step ends."""

    def __init__(self, interpreter: Interpreter, port: WorkerPort) -> None:
        self._interpreter, self._port = interpreter, port
        self._count = 0

    def begin_step(self) -> None:
        """Take the signal again, which model code may have taken."""
        _signal(_SIGINT, self._on_signal)
        self._count = 0

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._port.main_sends:
            self._port.when_sent = self._interrupt
        else:
            self._interrupt()

    def _interrupt(self) -> None:
        # One that comes at a bad moment may pass.
        if not self._interpreter.interruptible:
            return
        self._count += 1
        if self._count == 1:
            raise KeyboardInterrupt
        if self._count > _BEFORE_ANOTHER or not _is_under_way():
            _raise_at_next_line(_getframe(1))  # where this one is caught again, as in a loop over a bare `except`
            raise KeyboardInterrupt
        if self._count > _BEFORE_THREADS_END:
            end_threads(keep=self._port.own_threads)  # the code waits for them before it ends, as a pool does


def _is_under_way() -> bool:
    """Whether the interrupt before is still on its way out: through a `finally`, or the end of a `with`."""
    error = _handled()[1]
    for _ in range(_DEEPEST):
        if error is None or type(error) is KeyboardInterrupt:
            break
        error = error.__context__
    return error is not None


def _raise_at_next_line(frame: FrameType | None) -> None:
    """Have the next line of the model's code that begins, be it that of an `except`, raise KeyboardInterrupt."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<step "):
            frame.f_trace = _raise
        frame = frame.f_back
    _settrace(_trace_calls)


def _trace_calls(frame: FrameType, event: str, argument: Any) -> Any:
    return _raise if frame.f_code.co_filename.startswith("<step ") else None


def _raise(frame: FrameType, event: str, argument: Any) -> Any:
    if event == "line":
        raise KeyboardInterrupt
    return _raise
