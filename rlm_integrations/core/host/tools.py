"""The user's own functions, offered in the REPL and run in the host."""

from __future__ import annotations

import builtins
import inspect
import keyword
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.prompts.texts import ToolDescription
from rlm_integrations.frozen import frozen
from rlm_integrations.wire.names import is_own_name

_FUNCTIONS = (
    "abs aiter all anext any ascii bin breakpoint callable chr compile delattr dir divmod eval exec format getattr "
    "globals hasattr hash hex id input isinstance issubclass iter len locals max min next oct open ord pow print repr "
    "round setattr sorted sum vars"
)
"""Python's own. Not asked of `builtins`: notebooks add theirs there, and others put one in the place of `print`."""


@frozen
class Tool:
    """A host function: `function` is called with JSON values, and what it returns goes back as one."""

    function: Callable[..., Any]
    description: ToolDescription

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)


def read_tools(functions: Sequence[object]) -> dict[str, Tool]:
    """The tools by name. Raises InvalidArgumentError for what cannot be one."""
    if isinstance(functions, str) or not isinstance(functions, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(f"tools: {type(functions).__name__} given; pass a list of functions")
    tools: dict[str, Tool] = {}
    for place, function in enumerate(functions, 1):
        name = getattr(function, "__name__", "")
        if not callable(function) or not str(name).isidentifier():
            got = type(function).__name__
            raise InvalidArgumentError(f"tools: item {place} is {got}; pass functions with a name and a docstring")
        if why := "stands twice" if name in tools else _taken(name):
            raise InvalidArgumentError(f"tools: {name!r} {why}; rename the function")
        tools[name] = Tool(function, _describe(function, name))
    return tools


def _taken(name: str) -> str | None:
    """Why no function of the user's can have this name."""
    if is_own_name(name):
        return "is a name of the REPL itself"
    if keyword.iskeyword(name):
        return "is a word of Python's grammar, which code cannot call"
    if name in _FUNCTIONS.split() or inspect.isclass(getattr(builtins, name, None)):
        return "is a name of Python itself, which the code of the root LM relies on"
    return None


def _describe(function: Callable[..., Any], name: str) -> ToolDescription:
    try:
        signature = f"{name}{_signature(function)}"
    except (TypeError, ValueError):  # some of C have none
        signature = f"{name}(...)"
    paragraph = (inspect.getdoc(function) or "").split("\n\n")[0]
    return ToolDescription(name, signature, " ".join(paragraph.split()) or "a function of the user.")


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """With annotations as types, `str` and not `'str'`, where they can be resolved: that may raise anything."""
    try:
        return inspect.signature(function, eval_str=True)
    except Exception:
        return inspect.signature(function)
