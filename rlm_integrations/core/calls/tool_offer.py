"""Offers tools to a model, where it can call any."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.errors import CannotCallToolsError
from rlm_integrations.core.language_model import LanguageModel, ToolCaller, ToolSpec


def with_tools(model: LanguageModel, tools: Sequence[ToolSpec]) -> ToolCaller:
    """The model with the tools. Raises CannotCallToolsError where it can call none."""
    offer = getattr(model, "with_tools", None)
    if offer is None:
        why = "it has no with_tools(tools)"
        raise CannotCallToolsError(type(model).__name__, why, "one that can, for instance OpenAIModel(...)")
    return offer(tools)
