"""Arguments of LangChain tools that no model passes: the state of a graph, its store, the id of the tool call.

A graph's own ToolNode injects what LangGraph has, so that this package need not know where LangGraph keeps it.
LangGraph is imported only where a tool asks for something of it, and so has it already.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast, get_args, get_origin, get_type_hints
from uuid import uuid4

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.tools import BaseTool, InjectedToolArg, InjectedToolCallId, StructuredTool, ToolException
from pydantic.fields import FieldInfo

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.graph_node import progress_writer


@frozen
class Injected:
    """The injected arguments of a tool, by what they ask for."""

    graph: str | None = None
    """The first that is LangGraph's to give: a ToolRuntime, an InjectedState, an InjectedStore."""
    call_id: bool = False

    def __bool__(self) -> bool:
        return self.call_id or self.graph is not None

    @classmethod
    def of(cls, tool: BaseTool, argument_name: str = "tools") -> Injected:
        """Those of the tool, which was passed as that argument.

        Raises InvalidArgumentError for one that nothing will give a value, and that has none.
        """
        graph: str | None = None
        call_id = False
        for argument in _arguments(tool):
            if any(_is_graphs(marker) for marker in argument.markers):
                graph = graph or argument.name
            elif argument.is_a(InjectedToolCallId):
                call_id = True
            elif argument.is_a(InjectedToolArg) and argument.required:
                raise InvalidArgumentError(
                    f"{argument_name}: {tool.name!r} has the injected argument {argument.name!r}, which nobody passes "
                    "to it here; give it a default, or pass a function that calls the tool with it"
                )
        return cls(graph, call_id)


def check_within_graph(tools: Sequence[object]) -> None:
    """Raises InvalidArgumentError where a tool needs a graph, and none is running here."""
    for tool in tools:
        if isinstance(tool, BaseTool) and (name := Injected.of(tool).graph) is not None and progress_writer() is None:
            raise InvalidArgumentError(
                f"tools: {tool.name!r} needs a LangGraph run, which gives it its argument {name!r}; use as_node() or "
                "as_tool() in a graph or an agent, or leave the tool out"
            )


def call_injected(tool: BaseTool, injected: Injected, arguments: dict[str, Any]) -> Any:
    """What the tool returns, with its injected arguments."""
    call = _call(tool, arguments)
    if injected.graph is None:
        return _value(tool, _with_raw_value(tool).invoke(call))
    node = _tool_node(tool)
    return _value(tool, node.invoke(_node_input(node, call)))


async def acall_injected(tool: BaseTool, injected: Injected, arguments: dict[str, Any]) -> Any:
    """As `call_injected`."""
    call = _call(tool, arguments)
    if injected.graph is None:
        return _value(tool, await _with_raw_value(tool).ainvoke(call))
    node = _tool_node(tool)
    return _value(tool, await node.ainvoke(_node_input(node, call)))


def _call(tool: BaseTool, arguments: dict[str, Any]) -> ToolCall:
    return ToolCall(name=tool.name, args=arguments, id=f"rlm-{uuid4()}", type="tool_call")


def _tool_node(tool: BaseTool) -> Any:
    return importlib.import_module("langgraph.prebuilt").ToolNode([_with_raw_value(tool)], handle_tool_errors=False)


def _node_input(node: Any, call: ToolCall) -> Any:
    """What a ToolNode takes. One that does not read the graph's state itself (before LangGraph 1.1) is given it."""
    if "config" in inspect.signature(node._extract_state).parameters:
        return [call]
    read = importlib.import_module("langgraph.config").get_config()["configurable"]["__pregel_read"]
    state = read(list(read.args[1]), True)  # of all channels, as the newer ones do
    return {"__type": "tool_call_with_context", "tool_call": call, "state": state}


def _with_raw_value(tool: BaseTool) -> BaseTool:
    """The tool with what its function returns as the artifact: a ToolMessage's content is text alone."""
    if not isinstance(tool, StructuredTool) or tool.response_format != "content":
        return tool
    pairs: dict[str, Any] = {"response_format": "content_and_artifact"}
    if tool.func is not None:
        pairs["func"] = _paired(tool.func)
    if tool.coroutine is not None:
        pairs["coroutine"] = _apaired(tool.coroutine)
    return tool.model_copy(update=pairs)


@frozen
class _Raw:
    """What a function returned, as an artifact that None is told apart from."""

    value: Any


def _paired(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def paired(*args: Any, **kwargs: Any) -> tuple[Any, _Raw]:
        value = function(*args, **kwargs)
        return value, _Raw(value)

    return paired


def _apaired(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def paired(*args: Any, **kwargs: Any) -> tuple[Any, _Raw]:
        value = await function(*args, **kwargs)
        return value, _Raw(value)

    return paired


def _value(tool: BaseTool, given: Any) -> Any:
    if isinstance(given, Mapping):  # what a ToolNode adds to a state
        given = cast("Mapping[str, Any]", given)["messages"]
    if isinstance(given, list):
        given = cast("list[Any]", given)[-1]
    if not isinstance(given, ToolMessage):
        raise ToolException(
            f"{tool.name} returned a {type(given).__name__}, which only the tool node of a graph can obey; it may "
            "return a value here"
        )
    return given.artifact.value if isinstance(given.artifact, _Raw) else given.content


@frozen
class _Argument:
    name: str
    markers: tuple[object, ...]
    """Its type, and what it is annotated with."""
    required: bool

    def is_a(self, kind: type) -> bool:
        return any(isinstance(each, kind) or _is_subclass(each, kind) for each in self.markers)


def _arguments(tool: BaseTool) -> Iterator[_Argument]:
    """Of the schema, and those of the function that the schema leaves out."""
    schema: Any = tool.get_input_schema()
    fields: dict[str, FieldInfo] = getattr(schema, "model_fields", {})
    for name, field in fields.items():
        annotation: Any = field.annotation
        yield _Argument(name, (annotation, *get_args(annotation), *field.metadata), field.is_required())
    function: Any = getattr(tool, "func", None) or getattr(tool, "coroutine", None)
    if function is None:
        return
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # names that are not there at run time
        hints = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in fields:
            annotation = hints.get(name, parameter.annotation)
            yield _Argument(name, (annotation, *get_args(annotation)), parameter.default is inspect.Parameter.empty)


def _is_graphs(marker: object) -> bool:
    prebuilt = sys.modules.get("langgraph.prebuilt")
    kinds = [getattr(prebuilt, name, None) for name in ("ToolRuntime", "InjectedState", "InjectedStore")]
    return any(
        isinstance(marker, kind) or _is_subclass(marker, kind) or _is_subclass(get_origin(marker), kind)
        for kind in kinds
        if isinstance(kind, type)
    )


def _is_subclass(value: object, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)
