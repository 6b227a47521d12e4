"""A tracer provider that keeps its spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rlm_integrations.otel import instrument, uninstrument


@dataclass(frozen=True)
class Spans:
    provider: TracerProvider
    exporter: InMemorySpanExporter

    @property
    def ended(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.ended if span.name == name]

    def lines(self) -> list[str]:
        """The tree of spans, a line for each with its name, in the order in which they began."""
        spans = sorted(self.ended, key=lambda span: span.start_time or 0)
        depths: dict[int, int] = {}
        for span in spans:
            depths[span.context.span_id] = 1 + depths[span.parent.span_id] if span.parent else 0
        children: dict[int | None, list[ReadableSpan]] = {}
        for span in spans:
            children.setdefault(span.parent and span.parent.span_id, []).append(span)

        def below(parent: int | None) -> Iterator[str]:
            for span in children.get(parent, []):
                yield "  " * depths[span.context.span_id] + span.name
                yield from below(span.context.span_id)

        return list(below(None))

    def all_words(self) -> str:
        return "\n".join(span.to_json() for span in self.ended)


@pytest.fixture
def spans() -> Iterator[Spans]:
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(provider)
    yield Spans(provider, exporter)
    uninstrument()
    provider.shutdown()
