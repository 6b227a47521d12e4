"""A result as text for people and as JSON for programs."""

from __future__ import annotations

import json
import re
from typing import Any

from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.terminal.printable import one_line, printable_json

_QUOTE_CHARS = 120
_HEADING = "Citations:"
_like_the_heading = re.compile(r"^(?=\s*citations\s*:)", re.IGNORECASE | re.MULTILINE)


def answer_text(result: RLMResult[Any]) -> str:
    """The answer, then its citations, each in one line. A line of the answer that is like their heading is marked with
    ">": only what stands below the heading was compared with the corpus.
    """
    lines = [_like_the_heading.sub("> ", result.text)]
    if result.citations:
        lines += ["", _HEADING, *(_citation_line(n, citation) for n, citation in enumerate(result.citations, 1))]
    return without_lone_surrogates("\n".join(lines))


def result_json(result: RLMResult[Any]) -> dict[str, Any]:
    """Plain JSON: answer, stop_reason, citations, sources, usage, and the run's size."""
    report = result.report("none")
    trace = result.trace
    return {
        "answer": without_lone_surrogates(result.text),
        "stop_reason": report["stop_reason"],
        "citations": report["citations"],
        "sources": [without_lone_surrogates(document_id) for document_id in result.sources],
        "usage": result.usage.model_dump(mode="json"),
        "iterations": len(trace.iterations),
        "sub_calls": trace.sub_call_count,
        "seconds": round(trace.seconds, 3),
    }


def failed_json(result: RLMResult[Any]) -> dict[str, Any]:
    """Plain JSON of a run that failed: the same, with the draft of an answer, or None, in place of the answer."""
    told = result_json(result)
    return {"draft": told.pop("answer") or None, **told}


def json_text(value: object, encoding: str) -> str:
    """JSON with letters as they are, where the encoding has them all; what a terminal would obey or hide is escaped."""
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(value, indent=2)
    return text


def _citation_line(number: int, citation: Citation) -> str:
    quote = " ".join(citation.cited_text.split())
    if len(quote) > _QUOTE_CHARS:
        quote = quote[: _QUOTE_CHARS - 1] + "…"
    return f"  [{number}] {one_line(citation.document_id)}: “{quote}”"
