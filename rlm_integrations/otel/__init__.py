"""Spans of OpenTelemetry for every run of the process, by its conventions for generative AI.

from rlm_integrations.otel import instrument
instrument()
"""

from __future__ import annotations

from rlm_integrations.core.extras import needed

with needed("opentelemetry", "opentelemetry-api", extra="otel", what="rlm_integrations.otel"):
    import opentelemetry.trace as _  # noqa: F401 - asked for here, so that its absence has one clear error

from rlm_integrations.otel.instrument import instrument, is_instrumented, uninstrument

__all__ = ["instrument", "is_instrumented", "uninstrument"]
