"""Where a run's span belongs: below the current one, or LangChain's where that is traced apart from the context."""

from __future__ import annotations

import sys
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context

_OPENINFERENCE = "openinference.instrumentation.langchain"


def outer_context() -> Context:
    """The context of whoever calls a run.

    OpenInference's spans of LangChain's runs are never current; it finds them by LangChain's own record of the run.
    """
    current = otel_context.get_current()
    openinference: Any = sys.modules.get(_OPENINFERENCE)
    found = None if openinference is None else openinference.get_current_span()
    return set_span_in_context(found, current) if isinstance(found, Span) else current
