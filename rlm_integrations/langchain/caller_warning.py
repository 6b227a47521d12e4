"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

import inspect
import warnings

_INSIDE = ("rlm_integrations.", "langchain_core.", "langgraph.", "pydantic.")


def warn_caller(message: str) -> None:
    """Warn at the nearest frame outside of this package, LangChain and LangGraph."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
