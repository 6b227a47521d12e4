"""Spans of OpenTelemetry for every run of the process, by its conventions for generative AI.

from rlm_integrations.otel import instrument
instrument()
"""

from __future__ import annotations

from rlm_integrations.core.errors import MissingExtraError

try:
    import opentelemetry.trace as _  # noqa: F401 - asked for here, so that its absence has one clear error
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("opentelemetry"):
        raise
    raise MissingExtraError(
        'rlm_integrations.otel needs opentelemetry-api; run: pip install "rlm-integrations[otel]"'
    ) from error

from rlm_integrations.otel.instrument import instrument, is_instrumented, uninstrument

__all__ = ["instrument", "is_instrumented", "uninstrument"]
