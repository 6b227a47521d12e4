"""RLMRunnable with a config, keywords, listeners, retries, fallbacks or fields to choose: what it is a tool with.

LangChain's own `as_tool` makes a tool of the schemas of a runnable, which says nothing of a corpus. So what the
methods of RLMRunnable wrap it in has ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableSerializable, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBinding, RunnableBindingBase
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields
from langchain_core.runnables.retry import RunnableRetry
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import TraceDetail
from rlm_integrations.langchain.documents import PreparedContext
from rlm_integrations.langchain.outputs import ToolOutput
from rlm_integrations.langchain.reading import UnreadContext

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class _AnsweringRunnable(Protocol):
    """What a tool must know of the RLMRunnable inside of the wrappings."""

    context: PreparedContext | UnreadContext
    trace: TraceDetail


class KeepsTool(Runnable[InputT, OutputT]):
    """A runnable whose tool is that of the RLMRunnable which it is, or wraps."""

    if not TYPE_CHECKING:  # checkers see LangChain's own signatures, which these have

        @wraps(Runnable.bind)
        def bind(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().bind(*args, **kwargs))

        @wraps(Runnable.with_config)
        def with_config(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_config(*args, **kwargs))

        @wraps(Runnable.with_listeners)
        def with_listeners(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_listeners(*args, **kwargs))

        @wraps(Runnable.with_alisteners)
        def with_alisteners(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_alisteners(*args, **kwargs))

        @wraps(Runnable.with_types)
        def with_types(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_types(*args, **kwargs))

        @wraps(Runnable.with_retry)
        def with_retry(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_retry(*args, **kwargs))

        @wraps(Runnable.with_fallbacks)
        def with_fallbacks(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().with_fallbacks(*args, **kwargs))

        @wraps(RunnableSerializable.configurable_fields)
        def configurable_fields(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().configurable_fields(*args, **kwargs))

        @wraps(RunnableSerializable.configurable_alternatives)
        def configurable_alternatives(self, *args: Any, **kwargs: Any) -> Any:
            return _kept(super().configurable_alternatives(*args, **kwargs))

    def as_tool(
        self,
        args_schema: type[BaseModel] | None = None,
        *,
        name: str | None = None,
        description: str | None = None,
        arg_types: dict[str, type] | None = None,
    ) -> BaseTool:
        """A tool for agents: it takes `question: str`, its content is the answer and its artifact the AIMessage.

        That message is bounded, for checkpoints keep it for good: the trace is a summary at most, and citations have
        up to 8 KB. With `stream_mode="custom"` each iteration writes `{"rlm_iteration": {...}}`. A run that fails does
        not end the agent, which is told why; with `tool.handle_tool_error = False` the run's error is raised.

        Args:
            args_schema: Must be None, as `arg_types`: the arguments' schema is fixed.
            name: What agents call it; "ask_corpus" without one.
            description: What agents are told of it; without one, it tells of the context.
            arg_types: Must be None.

        Raises:
            InvalidArgumentError: A schema of arguments was given.
        """
        if args_schema is not None or arg_types is not None:
            given = "arg_types" if args_schema is None else "args_schema"
            raise InvalidArgumentError(f"{given}: the tool takes one argument, question: str; leave it out")
        from rlm_integrations.langchain.question_tool import CORPUS_TOOL_NAME, QuestionTool, tool_description

        answering = _inside(self)
        return QuestionTool(
            name=name or CORPUS_TOOL_NAME,
            description=description or tool_description(answering.context.describe()),
            runnable=_told_to_a_tool(self),
            trace="none" if answering.trace == "none" else "summary",
        )


class _Binding(KeepsTool[Any, Any], RunnableBinding):  # pyright: ignore[reportMissingTypeArgument] - a class of its own for [Any, Any] takes long to make
    pass


class _Retry(KeepsTool[Any, Any], RunnableRetry):  # pyright: ignore[reportMissingTypeArgument] - as above
    pass


class _Fallbacks(KeepsTool[Any, Any], RunnableWithFallbacks):  # pyright: ignore[reportMissingTypeArgument] - as above
    pass


class _Fields(KeepsTool[Any, Any], RunnableConfigurableFields):  # pyright: ignore[reportMissingTypeArgument] - at run time it takes none
    pass


class _Alternatives(KeepsTool[Any, Any], RunnableConfigurableAlternatives):  # pyright: ignore[reportMissingTypeArgument] - as above
    pass


_KEPT: dict[type, type[Runnable[Any, Any]]] = {
    RunnableBinding: _Binding,
    RunnableRetry: _Retry,
    RunnableWithFallbacks: _Fallbacks,
    RunnableConfigurableFields: _Fields,
    RunnableConfigurableAlternatives: _Alternatives,
}


def _kept(wrapped: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The same runnable, of a class that keeps the tool."""
    keeping = _KEPT.get(type(wrapped))
    if keeping is None:
        return wrapped
    fields = cast("type[BaseModel]", type(wrapped)).model_fields
    return cast(Any, keeping)(**{name: getattr(wrapped, name) for name in fields})


def _inside(runnable: Any) -> _AnsweringRunnable:
    while not isinstance(getattr(runnable, "context", None), (PreparedContext, UnreadContext)):
        runnable = getattr(runnable, "bound", None) or getattr(runnable, "runnable", None) or runnable.default
    return runnable


def _told_to_a_tool(runnable: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """With the output that a tool takes. A fallback that is no RLM knows of no outputs."""
    if isinstance(runnable, RunnableWithFallbacks):
        chosen = {
            "runnable": _told_to_a_tool(runnable.runnable),
            "fallbacks": [*map(_told_to_a_tool, runnable.fallbacks)],
        }
        return runnable.model_copy(update=chosen)
    if isinstance(runnable, RunnableConfigurableAlternatives):
        chosen = {
            "default": _told_to_a_tool(runnable.default),
            "alternatives": {key: _told_when_made(each) for key, each in runnable.alternatives.items()},
        }
        return runnable.model_copy(update=chosen)
    if isinstance(runnable, RunnableBindingBase):
        return runnable.model_copy(update={"bound": _told_to_a_tool(runnable.bound)})
    return runnable.bind(output=ToolOutput()) if isinstance(runnable, KeepsTool) else runnable


def _told_when_made(alternative: Runnable[Any, Any] | Callable[[], Runnable[Any, Any]]) -> Any:
    """An alternative may be a function that makes it, when it is chosen."""
    if isinstance(alternative, Runnable):
        return _told_to_a_tool(cast("Runnable[Any, Any]", alternative))
    return lambda: _told_to_a_tool(alternative())
