"""LlamaIndex tools as functions that the REPL may call."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from llama_index.core.tools.types import AsyncBaseTool, BaseTool, ToolOutput


def tool_functions(tools: Sequence[BaseTool | Callable[..., Any]], *, sync: bool) -> list[Callable[..., Any]]:
    """Each tool as a function with a name, a signature and a docstring; plain functions stay as they are.

    On the sync path the functions call the tools, else `acall` where a tool has it, on the caller's event loop.
    """
    return [_function_of(tool, sync) if isinstance(tool, BaseTool) else tool for tool in tools]


def _function_of(tool: BaseTool, sync: bool) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return tool_value(tool(*args, **kwargs))

    async def acall(*args: Any, **kwargs: Any) -> Any:
        return tool_value(await cast(AsyncBaseTool, tool).acall(*args, **kwargs))

    metadata = tool.metadata
    function: Any = acall if isinstance(tool, AsyncBaseTool) and not sync else call
    function.__name__ = function.__qualname__ = re.sub(r"\W", "_", metadata.name or type(tool).__name__)
    function.__doc__ = metadata.description
    function.__signature__ = _signature_of(tool)
    return function


def tool_value(output: ToolOutput) -> Any:
    """What the tool gave: a JSON value, or else its content. Raises what it failed with."""
    if output.is_error:
        raise output.exception or RuntimeError(output.content)
    is_json = isinstance(output.raw_output, (str, int, float, list, dict, type(None)))
    return output.raw_output if is_json else output.content


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
