"""Spans arrive at a collector, over OTLP, by the SDK's own exporter."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from rlm_integrations import RLMEngine
from rlm_integrations.otel import instrument, uninstrument
from rlm_integrations.testing import ScriptedModel


def test_a_run_arrives_whole(serve_posts: Callable[..., str]) -> None:
    exporters = pytest.importorskip("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    arrived = []

    def take(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        request = service.ExportTraceServiceRequest()
        request.ParseFromString(body)
        arrived.extend(span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans)
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    provider = TracerProvider()
    exporter = exporters.OTLPSpanExporter(
        f"{serve_posts(take)}/traces", compression=exporters.Compression.NoCompression
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrument(provider, contents=True)
    code = ["raise ValueError(chr(0xd800))", "FINAL(chr(0xd800) * len(context))"]
    try:
        RLMEngine(ScriptedModel([f"```repl\n{each}\n```" for each in code], model="root")).run("How long?", "some text")
    finally:
        uninstrument()
        provider.shutdown()
    names = sorted(span.name for span in arrived)
    assert names == [*["chat root"] * 2, *["execute_tool python"] * 2, "invoke_agent rlm"]
    [run] = [span for span in arrived if span.name == "invoke_agent rlm"]
    assert {span.parent_span_id for span in arrived if span is not run} == {run.span_id}
