"""The tools of the sub-LMs: what they are told of them, and what calling one does."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, validate_call

from rlm_integrations.core.calls.tool_offer import with_tools
from rlm_integrations.core.errors import CannotCallToolsError, InvalidArgumentError
from rlm_integrations.core.language_model import LanguageModel, ToolCaller, ToolSpec
from rlm_integrations.core.wording import error_words
from rlm_integrations.frozen import frozen

_NAME_CHARS = 64
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9_-]")
"""What the APIs of providers take in no tool's name."""


@frozen
class SubTool:
    """A tool for sub-LMs. `call` takes the arguments, which it checks, as keywords; async or not. It returns any value,
    and raises what the sub-LM is to be told of.
    """

    spec: ToolSpec
    call: Callable[..., Any]

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.call)


def read_sub_tools(tools: Sequence[object]) -> dict[str, SubTool]:
    """The tools by the name that the model calls them by: functions, and SubTools that an integration made.

    Raises InvalidArgumentError for what cannot be one.
    """
    if isinstance(tools, str) or not isinstance(tools, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(f"sub_tools: {type(tools).__name__} given; pass a list of functions")
    read: dict[str, SubTool] = {}
    for place, item in enumerate(tools, 1):
        tool = item if isinstance(item, SubTool) else sub_tool_of(item, place)
        if tool.spec.name in read:
            raise InvalidArgumentError(f"sub_tools: {tool.spec.name!r} stands twice; rename one of the two")
        read[tool.spec.name] = tool
    return read


def offered(model: LanguageModel, tools: Iterable[SubTool]) -> ToolCaller:
    """The model with the tools. Raises InvalidArgumentError where it cannot call any."""
    try:
        return with_tools(model, [tool.spec for tool in tools])
    except CannotCallToolsError as error:
        raise InvalidArgumentError(
            f"sub_tools: {error.problem}; pass as sub_llm {error.instead}, or give the tools to the root LM's code: "
            "tools=[...]"
        ) from error


def tool_name(name: str) -> str:
    """The name as all providers take it."""
    return _NOT_OF_NAMES.sub("_", name)[:_NAME_CHARS]


def sub_tool_of(function: object, place: int) -> SubTool:
    """A function as a tool: its schema is that of its signature, its docstring describes it.

    `place` names it in errors, from 1.
    """
    name = str(getattr(function, "__name__", ""))
    if not callable(function) or isinstance(function, type) or not name.isidentifier():
        got = type(function).__name__
        raise InvalidArgumentError(f"sub_tools: item {place} is {got}; pass functions with a name and a docstring")
    try:
        by_place = [each.name for each in inspect.signature(function).parameters.values() if each.kind in _BY_PLACE]
        if by_place:
            raise TypeError(f"{by_place[0]!r} can be passed by place alone")
        schema = TypeAdapter[Any](cast(Any, _stand_in(function))).json_schema()
        checked = validate_call(function)
    except Exception as error:  # names that are not there, types that have no schema
        raise InvalidArgumentError(
            f"sub_tools: {name} cannot be described to a model ({error_words(error)}); give it named parameters, of "
            "types that have a JSON schema"
        ) from error
    description = inspect.getdoc(function) or "A function of the user."
    return SubTool(ToolSpec(tool_name(name), description, schema), _named(checked, function))


def _stand_in(function: Callable[..., Any]) -> Callable[..., None]:
    """A function of the same parameters, whose annotations are types. Where a method's are names, a TypeAdapter looks
    for them where it is made, not where the method is; older versions of pydantic do so for every function.
    """

    def stand_in() -> None:
        """Is never called."""

    stand_in.__annotations__ = get_type_hints(function, include_extras=True)
    vars(stand_in)["__signature__"] = inspect.signature(function)
    return stand_in


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)


def _named(checked: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The checked function as what it is: async, where that is."""
    if not inspect.iscoroutinefunction(function):
        return checked

    async def call(**arguments: Any) -> Any:
        return await checked(**arguments)

    return call
