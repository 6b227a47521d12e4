"""A result as text for people and as JSON for programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.files.report import FilesReport
from rlm_integrations.terminal.printable import one_line, printable_json

_QUOTE_CHARS = 120
_HEADING = "Citations:"
_like_the_heading = re.compile(r"^(?=[^\S\n]*+citations\s*+:)", re.IGNORECASE | re.MULTILINE)


def answer_text(result: RLMResult[Any], corpus: Corpus | None = None, *, with_iterations: bool = False) -> str:
    """The answer, then its citations, each in one line: of a file of the corpus as path:line. A line of the answer that
    is like their heading is marked with ">": only what stands below the heading was compared with the corpus.

    `with_iterations`: whether it is told when each was cited.
    """
    lines = [_like_the_heading.sub("> ", result.text)]
    if result.citations:
        cited = [(citation, line_of(citation, corpus)) for citation in result.citations]
        told = [_citation_line(n, citation, line) for n, (citation, line) in enumerate(cited, 1)]
        if with_iterations:
            told = [f"{line}{_cited_in(citation)}" for line, citation in zip(told, result.citations, strict=True)]
        lines += ["", _HEADING, *told]
    return without_lone_surrogates("\n".join(lines))


def line_of(citation: Citation, corpus: Corpus | None) -> int | None:
    """The line of its file where a quote begins, from 1; None for what is no line of a file, as a page of a PDF."""
    if corpus is None or corpus.files is None or citation.document_id not in corpus.files.plain:
        return None
    text, end = corpus.by_id[citation.document_id].text, citation.start_index
    return text.count("\n", 0, end) + text.count("\r", 0, end) - text.count("\r\n", 0, end) + 1


def result_json(result: RLMResult[Any], corpus: Corpus | None = None) -> dict[str, Any]:
    """Plain JSON: answer, stop_reason, warnings, citations, sources, usage, the run's size, and the corpus's files."""
    report = result.report("none")
    trace = result.trace
    lines = [line_of(citation, corpus) for citation in result.citations]
    return {
        "answer": without_lone_surrogates(result.text),
        "stop_reason": report["stop_reason"],
        **({"route": trace.route} if trace.route_why else {}),
        **({} if result.agreement is None else {"agreement": result.agreement}),
        "warnings": [without_lone_surrogates(warning) for warning in trace.warnings],
        "citations": [
            cited if line is None else {**cited, "line": line}
            for cited, line in zip(report["citations"], lines, strict=True)
        ],
        "sources": [without_lone_surrogates(document_id) for document_id in result.sources],
        "usage": result.usage.model_dump(mode="json"),
        **({} if trace.journal is None else {"replayed_usage": trace.replayed_usage.model_dump(mode="json")}),
        "iterations": trace.iteration_count,
        "sub_calls": trace.sub_call_count,
        "failed_sub_calls": trace.failed_sub_call_count,
        "seconds": round(trace.seconds, 3),
        **({} if corpus is None or corpus.files is None else {"files": _files_json(corpus.files)}),
    }


def _files_json(report: FilesReport) -> dict[str, Any]:
    return {
        "read": report.files,
        "documents": report.documents,
        "skipped": dict(Counter(each.kind for each in report.skipped)),
    }


def failed_json(result: RLMResult[Any]) -> dict[str, Any]:
    """Plain JSON of a run that failed: the same, with the draft of an answer, or None, in place of the answer."""
    told = result_json(result)
    return {"draft": told.pop("answer") or None, **told}


def json_text(value: object, encoding: str, *, in_one_line: bool = False) -> str:
    """JSON with letters as they are, where the encoding has them all; what a terminal would obey or hide is escaped."""
    indent = None if in_one_line else 2
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=indent))
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(value, indent=indent)
    return text


def _cited_in(citation: Citation) -> str:
    if citation.iteration is None:
        return ""
    child = "" if citation.child is None else f" of child {citation.child}"
    return f" (iteration {citation.iteration}{child})"


def _citation_line(number: int, citation: Citation, line: int | None) -> str:
    quote = " ".join(citation.cited_text.split())
    if len(quote) > _QUOTE_CHARS:
        quote = quote[: _QUOTE_CHARS - 1] + "…"
    place = one_line(citation.document_id) + ("" if line is None else f":{line}")
    return f"  [{number}] {place}: “{quote}”"
