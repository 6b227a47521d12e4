"""RLMRunnable with a config, keywords, listeners, retries, fallbacks or fields to choose: it has its methods there too.

LangChain's own wrappers have none of them, or pass them on to what they wrap and forget themselves: the config, or
which alternative is chosen. So what the methods of RLMRunnable wrap it in is ours, and wraps what the method gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableSerializable, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBinding
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives, RunnableConfigurableFields
from langchain_core.runnables.retry import RunnableRetry
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.result import TraceDetail
from rlm_integrations.langchain.documents import PreparedContext
from rlm_integrations.langchain.outputs import NodeOutput, ToolOutput
from rlm_integrations.langchain.reading import UnreadContext

InputT = TypeVar("InputT")
OutputT = TypeVar("OutputT")


class _AnsweringRunnable(Protocol):
    """What a tool must know of the RLMRunnable inside of the wrappings."""

    context: PreparedContext | UnreadContext
    trace: TraceDetail
    name: str | None


Make = Callable[[Any], Any]

_HOLD_RUNNABLES = ("bound", "runnable", "fallbacks", "default", "alternatives")
"""The fields of LangChain's wrappers in which there are runnables."""


MethodT = TypeVar("MethodT", bound=Callable[..., Any])


def gives_runnable(method: MethodT) -> MethodT:
    """Says so in the method's annotations: LangChain looks there when a RunnableWithFallbacks has no such method.

    It would stumble over the name of a class that is not loaded until the method is called.
    """
    method.__annotations__["return"] = Runnable
    return method


class KeepsMethods(Runnable[InputT, OutputT]):
    """A runnable whose tool, node, sources and typed answers are those of the RLMRunnable which it is, or wraps."""

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

    def as_node(self) -> Runnable[Any, dict[str, Any]]:
        """A node for a LangGraph graph with messages in its state: `graph.add_node("rlm", rlm.as_node())`.

        The last human message is the question, the others are its history; a `context` in the state counts as that of
        a call. What it adds is `{"messages": [AIMessage]}`. That message is bounded, for checkpoints keep it for good:
        it carries no trace (see `collect_rlm_traces`), and the citations as far as they fit 8 KB. With
        `stream_mode="custom"` each iteration writes `{"rlm_iteration": {...}}`.
        """
        return cast(Runnable[Any, dict[str, Any]], self.bind(output=NodeOutput()))

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
            name: What agents call it; without one, it is made of the runnable's own `name`: "ask_letters" of "letters",
                "ask_corpus" without that.
            description: What agents are told of it; without one, it tells of the context.
            arg_types: Must be None.

        Raises:
            InvalidArgumentError: A schema of arguments was given.
        """
        if args_schema is not None or arg_types is not None:
            given = "arg_types" if args_schema is None else "args_schema"
            raise InvalidArgumentError(f"{given}: the tool takes one argument, question: str; leave it out")
        from rlm_integrations.langchain.question_tool import QuestionTool, tool_description, tool_name_of

        answering = _inside(self)
        return QuestionTool(
            name=name or tool_name_of(answering.name),
            description=description or tool_description(answering.context.describe()),
            runnable=self.around(_told_to_a_tool),
            trace="none" if answering.trace == "none" else "summary",
        )

    def around(self, make: Make) -> Any:
        """The same, around what is made of each runnable that it wraps."""
        return make(self)


class GivesNoText(KeepsMethods[InputT, OutputT]):
    """One whose output is a value, or a dict."""

    def over(self, rlm: Runnable[Any, Any]) -> GivesNoText[InputT, OutputT]:
        """The same output, of another runnable."""
        raise NotImplementedError


class _Wrapping(KeepsMethods[Any, Any]):
    """What wraps an RLMRunnable, or what its methods give."""

    def with_sources(self) -> Any:
        return self.around(_calling("with_sources"))

    def with_structured_output(self, schema: Any, **options: Any) -> Any:
        return self.around(_calling("with_structured_output", schema, **options))

    def as_node(self) -> Any:
        return self.around(_calling("as_node"))

    def around(self, make: Make) -> Any:
        wrapper: Any = self
        held = {name: getattr(wrapper, name) for name in _HOLD_RUNNABLES if name in wrapper.__class__.model_fields}
        return wrapper.model_copy(update={name: _around(value, make) for name, value in held.items()})


class _Binding(_Wrapping, RunnableBinding):  # pyright: ignore[reportMissingTypeArgument] - a class of its own for [Any, Any] takes long to make
    pass


class _Retry(_Wrapping, RunnableRetry):  # pyright: ignore[reportMissingTypeArgument] - as above
    pass


class _Fallbacks(_Wrapping, RunnableWithFallbacks):  # pyright: ignore[reportMissingTypeArgument] - as above
    pass


class _Alternatives(_Wrapping, RunnableConfigurableAlternatives):  # pyright: ignore[reportMissingTypeArgument] - at run time it takes none
    pass


class _Fields(KeepsMethods[Any, Any], RunnableConfigurableFields):  # pyright: ignore[reportMissingTypeArgument] - as above
    """What it wraps is made in each call, so the output that a method asks for goes by way of it."""

    def with_sources(self) -> Any:
        return self._chosen_in("with_sources")

    def with_structured_output(self, schema: Any, **options: Any) -> Any:
        return self._chosen_in("with_structured_output", schema, **options)

    def _chosen_in(self, method: str, *args: Any, **options: Any) -> Any:
        wrapped: Any = cast(Any, self).default
        made = _calling(method, *args, **options)(wrapped)
        if not isinstance(made, GivesNoText):
            raise InvalidArgumentError(
                f"{method}: the fields are those of a {type(wrapped).__name__}; let those of RLMRunnable be "
                "chosen, by its configurable_fields, and then wrap it"
            )
        return cast("GivesNoText[Any, Any]", made).over(self)


_KEPT: dict[type, type[Runnable[Any, Any]]] = {
    RunnableBinding: _Binding,
    RunnableRetry: _Retry,
    RunnableWithFallbacks: _Fallbacks,
    RunnableConfigurableFields: _Fields,
    RunnableConfigurableAlternatives: _Alternatives,
}


def _kept(wrapped: Runnable[Any, Any]) -> Runnable[Any, Any]:
    """The same runnable, of a class that keeps the methods."""
    keeping = _KEPT.get(type(wrapped))
    if keeping is None:
        return wrapped
    fields = cast("type[BaseModel]", type(wrapped)).model_fields
    return cast(Any, keeping)(**{name: getattr(wrapped, name) for name in fields})


def _calling(method: str, *args: Any, **options: Any) -> Make:
    """Makes what a method of a runnable gives."""

    def make(runnable: Any) -> Any:
        found = getattr(runnable, method, None)
        if found is None:
            raise InvalidArgumentError(
                f"{method}: {type(runnable).__name__} is among the runnables to fall back on or to choose between, and "
                "has no such method; leave it out, or put one that gives the same in its place"
            )
        return found(*args, **options)

    return make


def _around(wrapped: Any, make: Make) -> Any:
    """`wrapped`: what a wrapper holds: a runnable, several, or a function that makes one when it is chosen."""
    if isinstance(wrapped, KeepsMethods):
        return cast("KeepsMethods[Any, Any]", wrapped).around(make)
    if isinstance(wrapped, Runnable):
        return make(wrapped)
    if isinstance(wrapped, Mapping):
        alternatives = cast("Mapping[Any, Any]", wrapped)
        return {key: _around(each, make) for key, each in alternatives.items()}
    if isinstance(wrapped, Sequence):
        return [_around(each, make) for each in cast("Sequence[Any]", wrapped)]
    return lambda: _around(wrapped(), make)


def _inside(runnable: Any) -> _AnsweringRunnable:
    """Raises InvalidArgumentError where there is what gives an agent no text."""
    if isinstance(runnable, GivesNoText):
        raise InvalidArgumentError(
            "as_tool: a tool tells an agent the answer as text; use RLMRunnable(...).as_tool(), whose artifact is the "
            "AIMessage, or write a tool that says what it makes of the output"
        )
    held = next((getattr(runnable, name) for name in _HOLD_RUNNABLES if name in runnable.__class__.model_fields), None)
    return runnable if held is None else _inside(held)


def _told_to_a_tool(runnable: Any) -> Any:
    """With the output that a tool takes. A fallback that is no RLM knows of no outputs."""
    known = isinstance(runnable, KeepsMethods)
    return cast(Any, runnable).bind(output=ToolOutput()) if known else runnable
