"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

import inspect
import warnings


def warn_caller(message: str) -> None:
    """Warn at the nearest frame outside this package and outside LlamaIndex."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and _is_inside(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_inside(module: str) -> bool:
    return module.startswith(("rlm_integrations.", "llama_index.core."))
