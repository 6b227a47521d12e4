"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

_INSIDE = ("rlm_integrations.", "langchain_core.", "langgraph.", "pydantic.")

_caller: ContextVar[tuple[str, int] | None] = ContextVar("caller", default=None)
"""File and line of the user, in what is done for them later."""


def warn_caller(message: str) -> None:
    """Warn at the nearest frame outside of this package, LangChain and LangGraph."""
    caller = _caller.get()
    if caller is not None:
        warnings.warn_explicit(message, UserWarning, *caller)
        return
    _, level = _user_frame()
    warnings.warn(message, stacklevel=level)


def for_caller(function: Callable[[], T]) -> Callable[[], T]:
    """The function; its warnings point at the user's line that runs now, wherever and whenever it is called."""
    frame, _ = _user_frame()
    caller = (frame.f_code.co_filename, frame.f_lineno) if frame is not None else None

    def call() -> T:
        token = _caller.set(caller)
        try:
            return function()
        finally:
            _caller.reset(token)

    return call


def _user_frame() -> tuple[FrameType | None, int]:
    """The frame, and its number for a function that calls this one."""
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    return frame, level
