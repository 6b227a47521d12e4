"""Whether a chat engine that asks an RLM engine wants a stream: LlamaIndex tells only its RetrieverQueryEngine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

_Method = Callable[..., Any]

_stream_wish: ContextVar[tuple[object, bool] | None] = ContextVar("stream_wish", default=None)
"""The engine that a chat engine is about to ask, and whether for a stream."""


def take_stream_wish(engine: object) -> bool | None:
    """Whether a chat engine asks this engine for a stream; None where none asks.

    It is taken: what the run asks in its turn (a tool may ask the same engine) was not asked by the chat.
    """
    wish = _stream_wish.get()
    if wish is None or wish[0] is not engine:
        return None
    _stream_wish.set(None)
    return wish[1]


def telling(wanted: Callable[[], bool], *, stream: bool) -> Callable[[_Method], _Method]:
    """A wrapper for a sync method of a chat engine that asks its query engine, for a stream or not.

    It does nothing while it is not `wanted`.
    """

    def wrap(original: _Method) -> _Method:
        @functools.wraps(original)
        def chat(self: Any, *args: Any, **kwargs: Any) -> Any:
            with _asking(self, stream) if wanted() else nullcontext():
                return _bound(original, self)(*args, **kwargs)

        return chat

    return wrap


def telling_async(wanted: Callable[[], bool], *, stream: bool) -> Callable[[_Method], _Method]:
    """`telling` for an async method."""

    def wrap(original: _Method) -> _Method:
        @functools.wraps(original)
        async def chat(self: Any, *args: Any, **kwargs: Any) -> Any:
            with _asking(self, stream) if wanted() else nullcontext():
                return await _bound(original, self)(*args, **kwargs)

        return chat

    return wrap


def _bound(original: _Method, instance: object) -> _Method:
    """Spans have the name of the class only where the method is bound as Python binds it."""
    return original.__get__(instance, type(instance))


@contextmanager
def _asking(chat_engine: Any, stream: bool) -> Generator[None]:
    token = _stream_wish.set((chat_engine._query_engine, stream))
    try:
        yield
    finally:
        _stream_wish.reset(token)
