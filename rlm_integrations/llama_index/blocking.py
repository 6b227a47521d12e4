"""Blocking functions awaited from a running event loop."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from rlm_integrations.core.calls.threads import RunThreads

T = TypeVar("T")


def holds_loop_up(instance: object, method: str) -> bool:
    """Whether an async method holds up the event loop that awaits it: whether its own code awaits nothing.

    So do the ones that CustomLLM and BaseRetriever hand down, and those of many integrations: they call the sync
    method. What cannot be told is taken for one that awaits.
    """
    owner = next(cls for cls in type(instance).__mro__ if method in cls.__dict__)
    function: Any = owner.__dict__[method]
    while (inner := _decorated(function)) is not None:
        function = inner
    if not inspect.iscoroutinefunction(function):
        return False
    return all(instruction.opname != "SEND" for instruction in dis.get_instructions(function))


def _decorated(function: Any) -> Any:
    """The async function of the same name inside a decorator's: LlamaIndex's for LLMs keep it in their closure only."""
    for inner in (getattr(function, "__wrapped__", None), *_closure(function)):
        if inspect.iscoroutinefunction(inner) and inner.__name__ == function.__name__:
            return inner
    return None


def _closure(function: Any) -> Iterator[Any]:
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # a cell that is still empty
            yield cell.cell_contents


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """The function's result, from a thread of its own with a copy of the context variables.

    `asyncio.to_thread` has so few threads on a small machine that sub-calls would wait for each other.
    """
    threads = RunThreads("rlm-blocking")
    try:
        return await threads.run(function, *args)
    finally:
        threads.close()
