"""A run's result as the response LlamaIndex users expect."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, Literal

from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.schema import NodeWithScore
from pydantic import BaseModel

from rlm_integrations.core.corpus import plain
from rlm_integrations.core.result import RLMResult, TraceDetail

Delivery = Literal["whole", "stream", "async_stream"]


def build_response(
    result: RLMResult[Any], sources: Sequence[NodeWithScore], *, trace: TraceDetail, delivery: Delivery
) -> RESPONSE_TYPE:
    """A PydanticResponse for an answer that is a model (never streamed), else a response of the delivery's kind.

    A stream replays the finished answer word by word: it needs no event loop and holds no run open.
    """
    nodes = list(sources)
    metadata = response_metadata(result, nodes, trace)
    if isinstance(result.answer, BaseModel):
        return PydanticResponse(result.answer, source_nodes=nodes, metadata=metadata)
    if delivery == "stream":
        return StreamingResponse(_replay(result.text), source_nodes=nodes, metadata=metadata)
    if delivery == "async_stream":
        return AsyncStreamingResponse(_replay_async(result.text), source_nodes=nodes, metadata=metadata)
    return Response(result.text, source_nodes=nodes, metadata=metadata)


def response_metadata(result: RLMResult[Any], sources: Sequence[NodeWithScore], trace: TraceDetail) -> dict[str, Any]:
    """Plain JSON: each source node's metadata by its id, as every LlamaIndex engine gives it, and the run's report."""
    metadata: dict[str, Any] = {source.node.node_id: plain(source.node.metadata) for source in sources}
    return {**metadata, "rlm": result.report(trace)}


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _replay(text: str) -> Generator[str, None, None]:
    yield from _words(text)


async def _replay_async(text: str) -> AsyncGenerator[str, None]:
    for word in _words(text):
        yield word
