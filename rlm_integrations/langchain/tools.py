"""LangChain tools as functions of the REPL."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter, Signature
from typing import Any, cast

from langchain_core.tools import BaseTool, StructuredTool, Tool

from rlm_integrations.langchain.injected_arguments import Injected, acall_injected, call_injected

_JSON_TYPES = {"string": str, "integer": int, "number": float, "boolean": bool, "array": list, "object": dict}


def as_functions(tools: Sequence[object], *, sync: bool) -> list[object]:
    """The tools with each LangChain tool as a function; anything else as it is.

    On the sync path the functions call the tools' sync methods where they have one, else the async ones. Raises
    InvalidArgumentError for a tool with an injected argument that nobody injects.
    """
    return [_as_function(tool, sync) if isinstance(tool, BaseTool) else tool for tool in tools]


def _as_function(tool: BaseTool, sync: bool) -> Callable[..., Any]:
    """A function with the tool's name, signature and description.

    Its run is a child of the step's: the config comes from LangChain's context variable.
    """
    signature, injected = _signature(tool), Injected.of(tool)

    def arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return dict(signature.bind(*args, **kwargs).arguments)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = arguments(args, kwargs)
        return call_injected(tool, injected, given) if injected else cast(Any, tool).invoke(given)

    async def acall(*args: Any, **kwargs: Any) -> Any:
        given = arguments(args, kwargs)
        return await (acall_injected(tool, injected, given) if injected else cast(Any, tool).ainvoke(given))

    function: Any = call if sync and not is_only_async(tool) else acall
    function.__name__ = re.sub(r"\W|^(?=\d)", "_", tool.name)
    function.__doc__ = tool.description
    function.__signature__ = signature
    return function


def is_only_async(tool: BaseTool) -> bool:
    """Tools of MCP servers are: their sync method is there, and raises."""
    return isinstance(tool, (StructuredTool, Tool)) and tool.func is None


def _signature(tool: BaseTool) -> Signature:
    schema: Any = tool.tool_call_schema
    if isinstance(schema, Mapping):
        return _ordered(_json_parameters(cast(Mapping[str, Any], schema)))
    return _ordered(inspect.signature(schema).parameters.values())


def _json_parameters(schema: Mapping[str, Any]) -> Iterable[Parameter]:
    """Parameters of a tool that is described by a JSON schema, as those of MCP servers are."""
    for name, described in schema.get("properties", {}).items():
        if name.isidentifier():
            default = Parameter.empty if name in schema.get("required", ()) else described.get("default")
            annotation = _JSON_TYPES.get(str(described.get("type")), Any)
            yield Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _ordered(parameters: Iterable[Parameter]) -> Signature:
    """Required ones first, and all of them by place or by name: models write both."""
    by_place = [parameter.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters]
    return Signature(sorted(by_place, key=lambda parameter: parameter.default is not Parameter.empty))
