"""Warnings that point at the user's line, however deep in this package and LlamaIndex they arise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rlm_integrations.core.caller_warning import CallerWarnings
from rlm_integrations.core.calls.threads import in_thread

T = TypeVar("T")

_WARNINGS = CallerWarnings("llama_index.core.", "llama_index_instrumentation.")
warn_caller = _WARNINGS.warn
for_caller = _WARNINGS.for_caller


async def in_thread_for_caller(function: Callable[[], T]) -> T:
    """The function's result, from a thread whose warnings point at the user's line that awaits it."""
    return await in_thread(for_caller(function))
