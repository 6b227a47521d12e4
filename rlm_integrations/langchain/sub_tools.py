"""LangChain tools, and functions, as tools of the sub-LMs. Each call of one is a tool run under its sub-call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from rlm_integrations.core.calls.reply_fields import text_in
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.host.sub_tools import SubTool, sub_tool_of, tool_name
from rlm_integrations.core.language_model import ToolSpec
from rlm_integrations.core.wording import error_words
from rlm_integrations.langchain.injected_arguments import Injected, acall_injected, call_injected
from rlm_integrations.langchain.tools import is_only_async


def as_sub_tools(tools: Sequence[object], *, sync: bool) -> list[SubTool]:
    """The tools for the core. On the sync path a tool's sync method is called, where it has one.

    Raises InvalidArgumentError for what cannot be a tool.
    """
    return [_sub_tool(tool, place, sync) for place, tool in enumerate(tools, 1)]


def _sub_tool(tool: object, place: int, sync: bool) -> SubTool:
    if isinstance(tool, BaseTool):
        return SubTool(_spec(tool), _call(tool, sync))
    read = sub_tool_of(tool, place)
    spec, given = read.spec, {"coroutine" if read.is_async else "func": read.call}
    # The core checks its arguments, so that they are the same under each framework.
    made = StructuredTool(
        name=spec.name, description=spec.description, args_schema=spec.parameters, **cast("dict[str, Any]", given)
    )
    return SubTool(spec, _call(made, sync))


def _spec(tool: BaseTool) -> ToolSpec:
    try:
        described = convert_to_openai_tool(tool)["function"]
    except Exception as error:
        raise InvalidArgumentError(
            f"sub_tools: {tool.name!r} cannot be described to a model ({error_words(error)}); give it an args_schema"
        ) from error
    parameters: dict[str, Any] = described.get("parameters") or {"type": "object", "properties": {}}
    return ToolSpec(tool_name(tool.name), described.get("description") or tool.description, parameters)


def _call(tool: BaseTool, sync: bool) -> Callable[..., Any]:
    """Its run is a child of the sub-call's: the config comes from LangChain's context variable."""
    injected = Injected.of(tool, "sub_tools")

    def call(**arguments: Any) -> Any:
        return _value(call_injected(tool, injected, arguments) if injected else cast(Any, tool).invoke(arguments))

    async def acall(**arguments: Any) -> Any:
        given = acall_injected(tool, injected, arguments) if injected else cast(Any, tool).ainvoke(arguments)
        return _value(await given)

    return call if sync and not is_only_async(tool) else acall


def _value(given: object) -> object:
    """Text where it is blocks of text alone, as tools of MCP servers give it."""
    if not isinstance(given, list):
        return given
    blocks = cast("list[object]", given)
    return text_in(blocks) if blocks and all(map(_is_text, blocks)) else blocks


def _is_text(block: object) -> bool:
    return isinstance(block, Mapping) and cast("Mapping[str, Any]", block).get("type") == "text"
