"""What `with_listeners` adds to a runnable, and with it RunnableWithMessageHistory: it hears the input whole.

Tracers are given a small view of the input. A history that kept that view would lose what was said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig
from langchain_core.tracers.root_listeners import AsyncRootListenersTracer, RootListenersTracer


def hearing_whole(config: RunnableConfig | None, view: Any, whole: Any) -> RunnableConfig | None:
    """The config of a run that is to begin with `view` as its input; its listeners are told of `whole` instead."""
    callbacks = (config or {}).get("callbacks")
    if config is None or callbacks is None or view is whole:
        return config

    def heard(handlers: Sequence[BaseCallbackHandler]) -> list[BaseCallbackHandler]:
        return [changed.get(id(handler), handler) for handler in handlers]

    handlers = callbacks if isinstance(callbacks, list) else [*callbacks.handlers, *callbacks.inheritable_handlers]
    changed = {id(handler): _hearing(handler, view, whole) for handler in handlers}
    if isinstance(callbacks, list):
        return {**config, "callbacks": heard(callbacks)}
    manager = callbacks.copy()
    manager.handlers, manager.inheritable_handlers = heard(manager.handlers), heard(manager.inheritable_handlers)
    return {**config, "callbacks": manager}


class _HearsWhole(RootListenersTracer):
    view: Any
    whole: Any

    def _get_chain_inputs(self, inputs: Any) -> Any:
        return super()._get_chain_inputs(self.whole if inputs is self.view else inputs)


class _HearsWholeAsync(AsyncRootListenersTracer):
    view: Any
    whole: Any

    def _get_chain_inputs(self, inputs: Any) -> Any:
        return super()._get_chain_inputs(self.whole if inputs is self.view else inputs)


def _hearing(handler: BaseCallbackHandler, view: Any, whole: Any) -> BaseCallbackHandler:
    """A listener of the run that is to begin as one that hears the input; any other handler as it is."""
    if not isinstance(handler, (RootListenersTracer, AsyncRootListenersTracer)) or handler.root_id is not None:
        return handler  # one that has a root listens to a run above this one
    kind = _HearsWhole if isinstance(handler, RootListenersTracer) else _HearsWholeAsync
    hearing = kind.__new__(kind)
    vars(hearing).update(vars(handler), view=view, whole=whole)
    return hearing
