"""Warnings that point at the user's line, however deep in this package they arise."""

from __future__ import annotations

from rlm_integrations.core.caller_warning import warn_outside


def warn_caller(message: str) -> None:
    """Warn at the nearest frame outside this package and outside LlamaIndex."""
    warn_outside(message, "llama_index.core.")
