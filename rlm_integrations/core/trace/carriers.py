"""Where the trace of a run travels: in a message or a response, as an object, or as what it was dumped to."""

from __future__ import annotations

from typing import cast

_REPORTS = ("response_metadata", "metadata")
_HOLDERS = ("artifact", "message", "raw", "data", "kwargs")
"""Where a ToolMessage, an output, or a message that was dumped has the message with the trace."""


def find_trace(carrier: object, depth: int = 3) -> object:
    """The trace as JSON that a message, a response, or an output that holds one carries; None where none does."""
    reports = (_get(_entry(carrier, name), "rlm") for name in _REPORTS)
    for report in (carrier, _get(carrier, "rlm"), *reports):
        if isinstance(trace := _get(report, "trace"), dict):
            return cast("dict[str, object]", trace)
    held = (_entry(carrier, name) for name in _HOLDERS) if depth else ()
    return next((found for each in held if each is not None and (found := find_trace(each, depth - 1))), None)


def _entry(carrier: object, name: str) -> object:
    return _get(cast(object, carrier), name) if isinstance(carrier, dict) else getattr(carrier, name, None)


def _get(mapping: object, key: str) -> object:
    return cast("dict[str, object]", mapping).get(key) if isinstance(mapping, dict) else None
