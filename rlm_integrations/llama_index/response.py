"""A run's result as the response LlamaIndex users expect."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any, Literal

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from pydantic import BaseModel

from rlm_integrations.core.corpus.plain_values import shown_metadata
from rlm_integrations.core.trace.citations import that_fit
from rlm_integrations.core.trace.result import RLMResult, TraceDetail
from rlm_integrations.core.wording import shortened
from rlm_integrations.llama_index.citation_marks import mark_citations
from rlm_integrations.llama_index.source_nodes import Evidence

NODE_CHARS = 16_000
"""Of JSON, for the metadata of one node. There are at most 50 of them."""

CITATIONS_CHARS = 65_536
"""Of JSON, for all citations."""

EMPTY_RESPONSE = "Empty Response"
"""As LlamaIndex's synthesizers have it."""

_VALUE_CHARS = 1_000
_WORD = re.compile(r"\s*+\S++|\s++")

Delivery = Literal["whole", "stream", "async_stream"]


def build_response(
    result: RLMResult[Any],
    evidence: Evidence,
    *,
    trace: TraceDetail,
    delivery: Delivery,
    inline_citations: bool,
    as_text: bool = False,
) -> RESPONSE_TYPE:
    """A PydanticResponse for an answer that is a model (never streamed), else a response of the delivery's kind.

    `as_text`: a model comes as its JSON, so that it too is streamed.

    A stream replays the finished answer word by word: it needs no event loop and holds no run open.
    """
    nodes, metadata, text = evidence.sources, response_metadata(result, evidence, trace), result.text
    if isinstance(result.answer, BaseModel) and not as_text:
        return PydanticResponse(result.answer, source_nodes=nodes, metadata=metadata)
    if inline_citations:
        text = mark_citations(text, result.citations, evidence.source_numbers())
    if delivery == "stream":
        return StreamingResponse(replay(text), source_nodes=nodes, metadata=metadata)
    if delivery == "async_stream":
        return AsyncStreamingResponse(replay_async(text), source_nodes=nodes, metadata=metadata)
    return Response(text, source_nodes=nodes, metadata=metadata)


def empty_response(why: str, delivery: Delivery) -> RESPONSE_TYPE:
    """What LlamaIndex's own engines answer where they have no nodes, whatever their output class.

    Its metadata have what readers of reports look for, and `why` there are none.
    """
    report: dict[str, Any] = {"trace": None, "stop_reason": None, "sub_calls": 0, "failed_sub_calls": 0}
    metadata: dict[str, Any] = {"rlm": {**report, "citations": [], "more_sources": False, "nothing_selected": why}}
    if delivery == "stream":
        return StreamingResponse(replay(EMPTY_RESPONSE), metadata=metadata)
    if delivery == "async_stream":
        return AsyncStreamingResponse(replay_async(EMPTY_RESPONSE), metadata=metadata)
    return Response(EMPTY_RESPONSE, metadata=metadata)


def response_metadata(result: RLMResult[Any], evidence: Evidence, trace: TraceDetail) -> dict[str, Any]:
    """Plain JSON: each source node's metadata by its id, as every LlamaIndex engine gives it, and the run's report.

    The report's citations also say where in which nodes they stand. All of it is bounded, for events and stores copy
    it: of a node's metadata over NODE_CHARS long values are shortened, and citations over CITATIONS_CHARS are counted
    as "omitted_citations". The source nodes and the collected traces have everything.
    """
    metadata = {
        source.node.node_id: bounded(shown_metadata(source.node.metadata, NODE_CHARS)) for source in evidence.sources
    }
    report = result.report(trace)
    for citation, places in zip(report["citations"], evidence.places, strict=True):
        citation["nodes"] = [
            {"node_id": place.node_id, "start_index": place.start, "end_index": place.end} for place in places
        ]
    kept = that_fit(report["citations"], CITATIONS_CHARS)
    if len(kept) < len(report["citations"]):
        report |= {"citations": kept, "omitted_citations": len(report["citations"]) - len(kept)}
    return {**metadata, "rlm": {**report, "more_sources": evidence.more_sources}}


def bounded(metadata: dict[str, Any]) -> dict[str, Any]:
    """The metadata of one node in about NODE_CHARS of JSON: long values shortened, keys that are too many left out."""
    if len(json.dumps(metadata)) <= NODE_CHARS:
        return metadata
    kept: dict[str, Any] = {}
    size = 0
    for key, value in metadata.items():
        written = value if isinstance(value, str) else json.dumps(value)
        size += min(len(key), _VALUE_CHARS) + min(len(written), _VALUE_CHARS)
        if size > NODE_CHARS:
            break
        kept[shortened(key, _VALUE_CHARS)] = value if len(written) <= _VALUE_CHARS else shortened(written, _VALUE_CHARS)
    return kept


def _words(text: str) -> Iterator[str]:
    return (found[0] for found in _WORD.finditer(text))


def replay(text: str) -> Generator[str, None, None]:
    yield from _words(text)


async def replay_async(text: str) -> AsyncGenerator[str, None]:
    for word in _words(text):
        yield word
