"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

import inspect
import warnings


def warn_outside(message: str, *packages: str) -> None:
    """Warn at the nearest frame outside of this package and of the others, named by how their modules begin."""
    frame, level = inspect.currentframe(), 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("rlm_integrations.", *packages)):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
