"""LlamaIndex tools, and functions, as tools of the sub-LMs. Each call of one is a span and a callback event."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, cast

from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.callbacks.schema import CBEventType, EventPayload
from llama_index.core.tools.function_tool import FunctionTool
from llama_index.core.tools.types import AsyncBaseTool, BaseTool

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.sub_tools import SubTool, sub_tool_of, tool_name
from rlm_integrations.core.language_model import ToolSpec
from rlm_integrations.core.wording import error_words
from rlm_integrations.llama_index.tool_calling import SpecMetadata
from rlm_integrations.llama_index.tools import tool_value


def as_sub_tools(tools: Sequence[object], callback_manager: CallbackManager, *, sync: bool) -> list[SubTool]:
    """The tools for the core. On the sync path a tool's sync method is called, where it has one of its own.

    Raises InvalidArgumentError for what cannot be a tool.
    """
    return [_sub_tool(tool, place, callback_manager, sync) for place, tool in enumerate(tools, 1)]


def _sub_tool(tool: object, place: int, callback_manager: CallbackManager, sync: bool) -> SubTool:
    if isinstance(tool, BaseTool):
        return SubTool(_spec(tool), _call(tool, callback_manager, sync))
    read = sub_tool_of(tool, place)  # the core checks its arguments, so that they are the same under each framework
    metadata = SpecMetadata.of(read.spec)
    made = FunctionTool(None if read.is_async else read.call, metadata, async_fn=read.call if read.is_async else None)
    return SubTool(read.spec, _call(made, callback_manager, sync))


def _spec(tool: BaseTool) -> ToolSpec:
    metadata = tool.metadata
    name = metadata.name or type(tool).__name__
    if isinstance(tool, FunctionTool) and tool.requires_context:
        raise InvalidArgumentError(
            f"sub_tools: {name!r} needs the Context of a workflow, which nobody passes to it here; pass a function "
            "that calls it with one"
        )
    try:
        parameters = cast("dict[str, Any]", cast(Any, metadata).get_parameters_dict())
    except Exception as error:
        raise InvalidArgumentError(
            f"sub_tools: {name!r} cannot be described to a model ({error_words(error)}); give it an fn_schema"
        ) from error
    return ToolSpec(tool_name(name), metadata.description or "", parameters)


def _call(tool: BaseTool, callback_manager: CallbackManager, sync: bool) -> Callable[..., Any]:
    metadata = tool.metadata

    def begun(arguments: dict[str, Any]) -> Any:
        """Checks the arguments by what the model was told of them."""
        if metadata.fn_schema is not None and not isinstance(metadata, SpecMetadata):
            metadata.fn_schema.model_validate(arguments)
        payload: dict[str, Any] = {EventPayload.FUNCTION_CALL: arguments, EventPayload.TOOL: metadata}
        return callback_manager.event(CBEventType.FUNCTION_CALL, payload=payload)

    def call(**arguments: Any) -> Any:
        with begun(arguments) as event:
            value = tool_value(cast(Any, tool)(**arguments))
            event.on_end(payload={EventPayload.FUNCTION_OUTPUT: value})
        return value

    async def acall(**arguments: Any) -> Any:
        with begun(arguments) as event:
            value = tool_value(await cast(Any, tool).acall(**arguments))
            event.on_end(payload={EventPayload.FUNCTION_OUTPUT: value})
        return value

    return acall if isinstance(tool, AsyncBaseTool) and (_is_only_async(tool) or not sync) else call


def _is_only_async(tool: BaseTool) -> bool:
    """Tools of MCP servers are: called in another way, each call would have an event loop of its own."""
    return isinstance(tool, FunctionTool) and inspect.iscoroutinefunction(tool.real_fn)
