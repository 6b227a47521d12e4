"""`index.as_query_engine(engine="rlm")` and `index.as_chat_engine(chat_mode="rlm")`: hooks into the index classes.

Every class that defines one of them gets a wrapper around its own method, classes defined later
included. The wrapper acts only on "rlm"; every other call reaches the original untouched. And the chat
engine that asks a query engine tells an RLM engine whether it streams.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.indices.base import BaseIndex
from llama_index.core.indices.composability.graph import ComposableGraph

from rlm_integrations.core.wording import value_words
from rlm_integrations.llama_index.caller_warning import warn_caller
from rlm_integrations.llama_index.chat_engine import RLMChatEngine
from rlm_integrations.llama_index.chat_streaming import telling, telling_async
from rlm_integrations.llama_index.query_engine import RLMQueryEngine

ENGINE_NAME = "rlm"

_Method = Callable[..., Any]
_Wrappers = Mapping[str, Callable[[_Method], _Method]]
_MARK = "__rlm_hook__"
"""Attribute of a wrapper that holds the wrapper itself. A decorator that copies attributes copies it too, so
its presence says that a wrapper is somewhere underneath, and its identity that it is on top."""

_lock = threading.RLock()
_installed = False
_own_init_subclass: Any = None
"""The classmethod put on BaseIndex, while it is there."""
_former_init_subclass: Any = None
"""What BaseIndex itself defined before, None where it inherited."""


def install() -> None:
    """Make both work on every index class. May be called again and from any thread."""
    global _installed
    with _lock:
        for cls in _hooked_classes():
            _wrap_methods(cls, _WRAPPERS)
        _wrap_methods(CondenseQuestionChatEngine, _CHAT_WRAPPERS)
        _watch_new_classes()
        _installed = True


def uninstall() -> None:
    """Undo `install()`. A method that someone else wrapped since stays wrapped, and ours inside it does nothing."""
    global _installed
    with _lock:
        _installed = False
        for cls in _hooked_classes():
            _unwrap_methods(cls, _WRAPPERS)
        _unwrap_methods(CondenseQuestionChatEngine, _CHAT_WRAPPERS)
        _forget_new_classes()


def is_installed() -> bool:
    """Whether `engine="rlm"` is understood at present."""
    return _installed


def _hooked_classes() -> Iterator[type]:
    seen: set[type] = set()
    waiting: list[type] = [BaseIndex, ComposableGraph]  # the graph has the method and is no BaseIndex
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting += type.__subclasses__(cls)


def _wrap_methods(cls: type, wrappers: _Wrappers) -> None:
    for name, wrap in wrappers.items():
        method = cls.__dict__.get(name)
        if inspect.isfunction(method) and not hasattr(method, _MARK):
            wrapper = wrap(method)
            setattr(wrapper, _MARK, wrapper)
            setattr(cls, name, wrapper)


def _unwrap_methods(cls: type, names: Iterable[str]) -> None:
    for name in names:
        method = cls.__dict__.get(name)
        if method is not None and getattr(method, _MARK, None) is method:
            setattr(cls, name, method.__wrapped__)


def _wrap_as_query_engine(original: _Method) -> _Method:
    takes_engine = "engine" in inspect.signature(original).parameters

    @functools.wraps(original)
    def as_query_engine(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not _installed or "engine" not in kwargs:
            return original(self, *args, **kwargs)
        name = kwargs["engine"]
        if name != ENGINE_NAME:
            if name is not None and not takes_engine:
                _warn_unknown_engine(name)
            return original(self, *args, **kwargs)
        del kwargs["engine"]
        if "index" in kwargs:
            raise TypeError(f'as_query_engine(engine="{ENGINE_NAME}") takes no index: it reads the one it is called on')
        if len(args) > 1 or (args and "llm" in kwargs):
            raise TypeError(f'as_query_engine(engine="{ENGINE_NAME}") takes one positional argument, llm')
        return RLMQueryEngine.from_index(self, **(kwargs | {"llm": args[0]} if args else kwargs))

    return as_query_engine


def _wrap_as_chat_engine(original: _Method) -> _Method:
    @functools.wraps(original)
    def as_chat_engine(self: Any, *args: Any, **kwargs: Any) -> Any:
        mode = args[0] if args else kwargs.get("chat_mode", "best")
        mode = getattr(mode, "value", mode)
        if _installed and mode == ENGINE_NAME:
            return RLMChatEngine.from_index(self, **_chat_arguments(args, kwargs))
        if _installed and kwargs.get("engine") == ENGINE_NAME and mode != "condense_question":
            warn_caller(
                f"as_chat_engine: chat_mode={value_words(mode)} never calls the query engine, so "
                f'engine="{ENGINE_NAME}" has no effect; pass chat_mode="rlm", or "condense_question" to ask each '
                "question by itself"
            )
        return original(self, *args, **kwargs)

    return as_chat_engine


def _chat_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `as_chat_engine("rlm", llm, ...)` but the mode."""
    if len(args) > 2 or (len(args) == 2 and "llm" in kwargs):
        raise TypeError(f'as_chat_engine(chat_mode="{ENGINE_NAME}") takes one more positional argument, llm')
    name = kwargs.get("engine", ENGINE_NAME)
    if name != ENGINE_NAME:
        raise TypeError(f'as_chat_engine: chat_mode="{ENGINE_NAME}" has the engine "{ENGINE_NAME}", not {name!r}')
    if "index" in kwargs:
        raise TypeError(f'as_chat_engine(chat_mode="{ENGINE_NAME}") takes no index: it reads the one it is called on')
    named = {key: value for key, value in kwargs.items() if key not in ("chat_mode", "engine")}
    return named | ({"llm": args[1]} if len(args) == 2 else {})


_WRAPPERS: _Wrappers = {"as_query_engine": _wrap_as_query_engine, "as_chat_engine": _wrap_as_chat_engine}
_CHAT_WRAPPERS: _Wrappers = {
    "chat": telling(is_installed, stream=False),
    "stream_chat": telling(is_installed, stream=True),
    "achat": telling_async(is_installed, stream=False),
    "astream_chat": telling_async(is_installed, stream=True),
}


def _warn_unknown_engine(name: object) -> None:
    close = difflib.get_close_matches(str(name).lower(), [ENGINE_NAME], n=1, cutoff=0.5)
    hint = f"did you mean {ENGINE_NAME!r}?" if close else f"the one there is is {ENGINE_NAME!r}"
    warn_caller(f"as_query_engine: engine={value_words(name)} is unknown and LlamaIndex ignores it; {hint}")


def _watch_new_classes() -> None:
    global _own_init_subclass, _former_init_subclass
    if _own_init_subclass is not None:
        return
    former = BaseIndex.__dict__.get("__init_subclass__")

    def init_subclass(cls: type, **kwargs: Any) -> None:
        if former is not None:
            former.__get__(None, cls)(**kwargs)
        else:
            super(BaseIndex, cast(Any, cls)).__init_subclass__(**kwargs)
        with _lock:
            if _installed:
                _wrap_methods(cls, _WRAPPERS)

    _former_init_subclass = former
    _own_init_subclass = cast(Any, classmethod(cast(Any, init_subclass)))
    setattr(BaseIndex, "__init_subclass__", _own_init_subclass)  # noqa: B010 - a method assigned is a type error


def _forget_new_classes() -> None:
    global _own_init_subclass, _former_init_subclass
    if _own_init_subclass is None or BaseIndex.__dict__.get("__init_subclass__") is not _own_init_subclass:
        return  # someone else's is on top and calls ours, which does nothing while uninstalled
    if _former_init_subclass is None:
        delattr(BaseIndex, "__init_subclass__")
    else:
        setattr(BaseIndex, "__init_subclass__", _former_init_subclass)  # noqa: B010 - as above
    _own_init_subclass = _former_init_subclass = None
