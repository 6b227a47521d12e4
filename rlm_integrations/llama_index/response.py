"""A run's result as the response LlamaIndex users expect."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator
from typing import Any, Literal

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from pydantic import BaseModel

from rlm_integrations.core.corpus import plain
from rlm_integrations.core.result import RLMResult, TraceDetail
from rlm_integrations.llama_index.citation_marks import mark_citations
from rlm_integrations.llama_index.source_nodes import Evidence

Delivery = Literal["whole", "stream", "async_stream"]


def build_response(
    result: RLMResult[Any],
    evidence: Evidence,
    *,
    trace: TraceDetail,
    delivery: Delivery,
    inline_citations: bool,
) -> RESPONSE_TYPE:
    """A PydanticResponse for an answer that is a model (never streamed), else a response of the delivery's kind.

    A stream replays the finished answer word by word: it needs no event loop and holds no run open.
    """
    nodes, metadata, text = evidence.sources, response_metadata(result, evidence, trace), result.text
    if isinstance(result.answer, BaseModel):
        return PydanticResponse(result.answer, source_nodes=nodes, metadata=metadata)
    if inline_citations:
        text = mark_citations(text, result.citations, evidence.source_numbers())
    if delivery == "stream":
        return StreamingResponse(_replay(text), source_nodes=nodes, metadata=metadata)
    if delivery == "async_stream":
        return AsyncStreamingResponse(_replay_async(text), source_nodes=nodes, metadata=metadata)
    return Response(text, source_nodes=nodes, metadata=metadata)


def response_metadata(result: RLMResult[Any], evidence: Evidence, trace: TraceDetail) -> dict[str, Any]:
    """Plain JSON: each source node's metadata by its id, as every LlamaIndex engine gives it, and the run's report.

    The report's citations also say where in which nodes they stand.
    """
    metadata: dict[str, Any] = {source.node.node_id: plain(source.node.metadata) for source in evidence.sources}
    report = result.report(trace)
    for citation, places in zip(report["citations"], evidence.places, strict=True):
        citation["nodes"] = [
            {"node_id": place.node_id, "start_index": place.start, "end_index": place.end} for place in places
        ]
    return {**metadata, "rlm": {**report, "more_sources": evidence.more_sources}}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _replay(text: str) -> Generator[str, None, None]:
    yield from _words(text)


async def _replay_async(text: str) -> AsyncGenerator[str, None]:
    for word in _words(text):
        yield word
