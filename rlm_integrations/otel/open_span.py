"""A span that has not ended: what others wrote is made fit for exporters here, whatever it is."""

from __future__ import annotations

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, set_span_in_context

from rlm_integrations.core.trace.redaction import error_name
from rlm_integrations.otel.attributes import Attributes, fit, fitting


class OpenSpan:
    """A span, and the context in which it is the current one.

    Args:
        start_ns: When it began, in nanoseconds since the epoch; now by default.
    """

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        parent: Context,
        attributes: Attributes,
        start_ns: int | None = None,
    ) -> None:
        self._span = tracer.start_span(fit(name), parent, kind, fitting(attributes), start_time=start_ns)
        self.context = set_span_in_context(self._span, parent)

    def make_current(self) -> None:
        """For what this task does next. It is not taken back: the next one that begins takes its place."""
        otel_context.attach(self.context)

    def rename(self, name: str) -> None:
        self._span.update_name(fit(name))

    def say(self, attributes: Attributes) -> None:
        self._span.set_attributes(fitting(attributes))

    def add_event(self, name: str, attributes: Attributes) -> None:
        self._span.add_event(name, fitting(attributes))

    def end(self, attributes: Attributes, error: str | None = None, *, contents: bool = False) -> None:
        """`error`: the words of what ended it. Without contents they are withheld: they may quote a document."""
        self.say(attributes)
        if error is not None:
            kind = error_name(error)
            self.say({"error.type": kind or "_OTHER"})
            self._span.set_status(Status(StatusCode.ERROR, fit(error) if contents else kind or "an error"))
        self._span.end()
