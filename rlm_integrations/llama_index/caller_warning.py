"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import TypeVar

from rlm_integrations.core.calls.threads import in_thread

T = TypeVar("T")

_caller: ContextVar[tuple[str, int] | None] = ContextVar("caller", default=None)
"""File and line of the user, in what is done for them in a thread, or later."""


def warn_caller(message: str) -> None:
    """Warn at the nearest frame outside this package and outside LlamaIndex."""
    caller = _caller.get()
    if caller is not None:
        warnings.warn_explicit(message, UserWarning, *caller)
        return
    _, level = _user_frame()
    warnings.warn(message, stacklevel=level)


def for_caller(function: Callable[[], T]) -> Callable[[], T]:
    """The function; its warnings point at the user's line that runs now, wherever and whenever it is called."""
    frame, _ = _user_frame()
    caller = _caller.get() or ((frame.f_code.co_filename, frame.f_lineno) if frame is not None else None)

    def call() -> T:
        token = _caller.set(caller)
        try:
            return function()
        finally:
            _caller.reset(token)

    return call


async def in_thread_for_caller(function: Callable[[], T]) -> T:
    """The function's result, from a thread whose warnings point at the user's line that awaits it."""
    return await in_thread(for_caller(function))


def _user_frame() -> tuple[FrameType | None, int]:
    """The frame, and its number for a function that calls this one."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    return frame, level


def _is_inside(module: str) -> bool:
    return module.startswith(("rlm_integrations.", "llama_index.core."))
