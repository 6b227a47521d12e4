"""Warnings that point at the user's line, however deep in this package, LangChain and LangGraph they arise."""

from __future__ import annotations

from rlm_integrations.core.caller_warning import CallerWarnings

_WARNINGS = CallerWarnings("langchain_core.", "langgraph.", "pydantic.")
warn_caller = _WARNINGS.warn
for_caller = _WARNINGS.for_caller
