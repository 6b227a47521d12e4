"""LlamaIndex tools as functions that the REPL may call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from llama_index.core.tools.types import BaseTool, ToolOutput


def tool_functions(tools: Sequence[BaseTool | Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Each tool as a function with a name, a signature and a docstring; plain functions stay as they are."""
    return [_function_of(tool) if isinstance(tool, BaseTool) else tool for tool in tools]


def _function_of(tool: BaseTool) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        output: ToolOutput = tool(*args, **kwargs)
        if output.is_error:
            raise output.exception or RuntimeError(output.content)
        value = output.raw_output
        is_json = isinstance(value, (str, int, float, list, dict, type(None)))
        return cast(Any, value) if is_json else output.content

    metadata = tool.metadata
    call.__name__ = call.__qualname__ = re.sub(r"\W", "_", metadata.name or type(tool).__name__)
    call.__doc__ = metadata.description
    call.__signature__ = _signature_of(tool)  # type: ignore[attr-defined] - what inspect.signature looks for
    return call


def _signature_of(tool: BaseTool) -> inspect.Signature:
    schema = tool.metadata.fn_schema
    if schema is None:
        return inspect.Signature([inspect.Parameter("input", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=str)])
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY if not field.is_required() else inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True),
            annotation=field.annotation,
        )
        for name, field in schema.model_fields.items()
    ]
    return inspect.Signature(sorted(parameters, key=lambda parameter: parameter.kind))
