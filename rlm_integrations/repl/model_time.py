"""When an interrupt may land: in the model's own code, never in the REPL's own work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")

_gettrace, _settrace = sys.gettrace, sys.settrace
_getprofile, _setprofile = sys.getprofile, sys.setprofile


class ModelTime:
    """Runs the model's code, and tells a signal handler whether that is what the main thread is doing.

    CPython calls signal handlers at calls, jumps and function entries only. So a plain store next to a
    `try` cannot be torn from it, and no interrupt escapes `run`.
    """

    def __init__(self, put_back: Callable[[], None]) -> None:
        """`put_back` undoes what the model's code did to the interpreter; called after each run."""
        self._put_back = put_back
        self.running = False
        self._trace, self._profile = _gettrace(), _getprofile()

    def run(self, action: Callable[[], ResultT]) -> tuple[ResultT | None, BaseException | None]:
        """What the action returned, or what it raised (an interrupt, too)."""
        value: ResultT | None = None
        raised: BaseException | None = None
        try:
            self.running = True
            value = action()
            self.running = False
        except BaseException as error:
            self.running = False
            raised = error
        # Before anything else is called, since a hook of the model's is called with it
        try:
            if _getprofile() is not self._profile:
                _setprofile(self._profile)
        except BaseException:  # a profiler that raises is taken off by that
            _setprofile(self._profile)
        if _gettrace() is not self._trace:
            _settrace(self._trace)
        self._put_back()
        try:
            return value, raised
        finally:
            del value, raised  # the exception's traceback holds this frame
