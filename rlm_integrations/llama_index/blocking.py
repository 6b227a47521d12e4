"""Blocking functions awaited from a running event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from rlm_integrations.core.threads import RunThreads

T = TypeVar("T")


def defining_class(instance: object, method: str) -> type:
    """The class that an inherited method comes from.

    Comparing the functions would not do: LlamaIndex wraps them anew at each access.
    """
    return next(cls for cls in type(instance).__mro__ if method in cls.__dict__)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """The function's result, from a thread of its own with a copy of the context variables.

    `asyncio.to_thread` has so few threads on a small machine that sub-calls would wait for each other.
    """
    threads = RunThreads("rlm-blocking")
    try:
        return await threads.run(function, *args)
    finally:
        threads.close()
