"""Callback handlers of a sync run: called in the caller's thread, as a model that is called there would call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager, CallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import patch_config
from langchain_core.tracers.base import BaseTracer

from rlm_integrations.core.calls.callers_thread import ask_first_caller


def in_callers_thread(config: RunnableConfig) -> RunnableConfig:
    """The child config of a sync run, whose models and tools are called in other threads, with such handlers.

    Handlers that are made for other threads stay as they are: tracers, async ones, those that ask to be called where
    an event arises (`run_inline`), and those that LangChain adds to each run by itself, which it knows by identity.
    """
    manager = config.get("callbacks")
    if not isinstance(manager, BaseCallbackManager) or not any(map(_needs_thread, manager.handlers)):
        return config
    everywhere = CallbackManager.configure().handlers

    def handed_over(handlers: Sequence[BaseCallbackHandler]) -> list[Any]:
        return [
            _HandedOver(handler)
            if _needs_thread(handler) and all(handler is not one for one in everywhere)
            else handler
            for handler in handlers
        ]

    own = manager.copy()
    own.handlers, own.inheritable_handlers = handed_over(own.handlers), handed_over(own.inheritable_handlers)
    return patch_config(config, callbacks=own)


def _needs_thread(handler: object) -> bool:
    if type(handler) is _HandedOver or isinstance(handler, (BaseTracer, AsyncCallbackHandler)):
        return False
    return isinstance(handler, BaseCallbackHandler) and not handler.run_inline


class _HandedOver:
    """Stands for a handler: equal to it, and of its class for whoever asks."""

    def __init__(self, handler: BaseCallbackHandler) -> None:
        self._handler = handler

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._handler, name)
        return partial(_hand_over, found) if name.startswith("on_") and callable(found) else found

    @property
    def __class__(self) -> type[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - nobody sets it
        return type(self._handler)

    def __eq__(self, other: object) -> bool:
        return self._handler == (other._handler if type(other) is _HandedOver else other)

    def __hash__(self) -> int:
        return hash(self._handler)


def _hand_over(event: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    # In a copy of the context: what a handler sets for a call that is open here must not stay set over there.
    return ask_first_caller(partial(copy_context().run, event, *args, **kwargs))
