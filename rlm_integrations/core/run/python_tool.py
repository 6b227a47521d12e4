"""Offers a root LM the one tool that runs its code."""

from __future__ import annotations

from rlm_integrations.core.calls.tool_offer import with_tools
from rlm_integrations.core.errors import CannotCallToolsError, InvalidArgumentError
from rlm_integrations.core.language_model import LanguageModel, ToolCaller
from rlm_integrations.core.prompts.texts import PYTHON_TOOL


def with_python(model: LanguageModel) -> ToolCaller:
    """A root LM with the tool that runs its code. Raises InvalidArgumentError where it can call none."""
    try:
        return with_tools(model, [PYTHON_TOOL])
    except CannotCallToolsError as error:
        raise InvalidArgumentError(
            f'protocol: "tool" needs an llm that calls tools natively, and {error.problem}; '
            f'pass as llm {error.instead}, or leave protocol="fence"'
        ) from error


def with_python_where_it_can(model: LanguageModel) -> ToolCaller | None:
    """The root LM of children with that tool; None where it can call none, and so is to write fences."""
    try:
        return with_tools(model, [PYTHON_TOOL])
    except InvalidArgumentError:
        return None
