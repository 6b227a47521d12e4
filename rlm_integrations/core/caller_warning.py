"""Warnings that point at the user's line, however deep in this package and a framework they arise."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_caller: ContextVar[tuple[str, int] | None] = ContextVar("caller", default=None)
"""File and line of the user, in what is done for them in a thread, or later."""


class CallerWarnings:
    """Warnings of one integration."""

    def __init__(self, *inside: str) -> None:
        """`inside`: how the names of modules begin that are no user's, beside this package's."""
        self._inside = ("rlm_integrations.", *inside)

    def warn(self, message: str) -> None:
        """Warn at the nearest frame of the user."""
        caller = _caller.get()
        if caller is not None:
            warnings.warn_explicit(message, UserWarning, *caller)
            return
        _, level = self._user_frame()
        warnings.warn(message, stacklevel=level)

    def for_caller(self, function: Callable[[], T]) -> Callable[[], T]:
        """The function; its warnings point at the user's line that runs now, wherever and whenever it is called."""
        frame, _ = self._user_frame()
        caller = _caller.get() or ((frame.f_code.co_filename, frame.f_lineno) if frame is not None else None)

        def call() -> T:
            token = _caller.set(caller)
            try:
                return function()
            finally:
                _caller.reset(token)

        return call

    def _user_frame(self) -> tuple[FrameType | None, int]:
        """The frame, and its number for a function that calls this one."""
        frame, level = inspect.currentframe(), 0
        while frame is not None and frame.f_globals.get("__name__", "").startswith(self._inside):
            frame, level = frame.f_back, level + 1
        return frame, level
