"""Switches the spans of all runs on and off."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.trace import TracerProvider, get_tracer

from rlm_integrations import __version__
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.watching import watch_runs
from rlm_integrations.otel.run_spans import RunSpans

_stop: Callable[[], None] | None = None


def instrument(tracer_provider: TracerProvider | None = None, *, contents: bool = False) -> None:
    """Have each run that begins from now on make spans, while it goes on, whatever its face: engine, LangChain,
    LlamaIndex or command line. Called again it replaces what it was told before.

    A run is an `invoke_agent` span below the span that is current where it is called; below it a `chat` span for each
    call of the root LM and an `execute_tool python` span for each step of its code, with the sub-calls, tools and
    child RLMs of that step below that. Each is the current span while its model or tool works, so that what their own
    instrumentation tells (of openai, httpx, LangChain, LlamaIndex) stands below it.

    Args:
        tracer_provider: Where spans go. Default: the global provider, as it is when a span begins.
        contents: Put questions, prompts, replies, code and outputs into the spans, each cut at 16,000 characters.
            They are as confidential as the corpus. Without, spans hold names of models, tools and exceptions, counts
            and sizes.

    Raises:
        InvalidArgumentError: `tracer_provider` is none.
    """
    global _stop
    if tracer_provider is not None and not callable(getattr(tracer_provider, "get_tracer", None)):
        given = type(tracer_provider).__name__
        raise InvalidArgumentError(f"tracer_provider: {given} given; pass a TracerProvider, or leave it out")
    uninstrument()
    tracer = get_tracer("rlm_integrations", __version__, tracer_provider)
    _stop = watch_runs(lambda question: RunSpans(tracer, question, contents=contents))


def uninstrument() -> None:
    """Runs that begin from now on make no spans."""
    global _stop
    if _stop is not None:
        _stop()
        _stop = None


def is_instrumented() -> bool:
    return _stop is not None
