"""A run's result as LangChain messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

from rlm_integrations.core.trace.citations import that_fit
from rlm_integrations.core.trace.result import RLMResult, TraceDetail
from rlm_integrations.core.usage import Usage

CITATIONS_CHARS = 8_192
"""Of the citations that a node's or a tool's message carries: checkpoints keep all messages of a conversation, time
and again."""
_CHUNKS = 200
"""A long answer is handed on in about so many pieces: whoever sums chunks copies the sum for each."""
_CHUNK_CHARS = 16
"""Characters of a piece of a short one."""


def to_message(result: RLMResult[Any], run_id: UUID, trace: TraceDetail, *, typed: bool) -> AIMessage:
    """The answer as text, what the whole tree paid for as its usage, and in `response_metadata["rlm"]` what led to it.

    A typed answer is JSON text, and the object itself `additional_kwargs["parsed"]`.
    """
    return AIMessage(
        content=result.text,
        id=f"rlm-{run_id}",
        usage_metadata=to_usage_metadata(result.trace.paid_usage),
        response_metadata={"rlm": result.report(trace=trace)},
        additional_kwargs={"parsed": result.answer} if typed else {},
    )


def bounded_report(result: RLMResult[Any], trace: TraceDetail) -> dict[str, Any]:
    """What a message carries that checkpoints keep for good: of the citations those that fit CITATIONS_CHARS as JSON.

    `omitted_citations` counts the others.
    """
    report = result.report(trace=trace)
    kept = that_fit(report["citations"], CITATIONS_CHARS)
    if len(kept) < len(report["citations"]):
        report |= {"citations": kept, "omitted_citations": len(report["citations"]) - len(kept)}
    return report


def bounded_message(result: RLMResult[Any], trace: TraceDetail) -> AIMessage:
    """The message of a run that failed: its draft, its usage, and what `bounded_report` says."""
    usage = to_usage_metadata(result.trace.paid_usage)
    return AIMessage(result.text, usage_metadata=usage, response_metadata={"rlm": bounded_report(result, trace)})


def message_chunks(message: AIMessage) -> Iterator[AIMessageChunk]:
    """Pieces of the text; the last chunk is empty and carries everything else."""
    for text in text_pieces(str(message.text)):
        yield AIMessageChunk(content=text, id=message.id)
    yield AIMessageChunk(
        content="",
        id=message.id,
        usage_metadata=message.usage_metadata,
        response_metadata=message.response_metadata,
        additional_kwargs=message.additional_kwargs,
        chunk_position="last",
    )


def text_pieces(text: str) -> Iterator[str]:
    """They add up to the text."""
    size = max(_CHUNK_CHARS, -(-len(text) // _CHUNKS))
    return (text[start : start + size] for start in range(0, len(text), size))


def to_usage_metadata(usage: Usage) -> UsageMetadata | None:
    """LangChain's form of the usage; None where no model reported any, and all is estimated."""
    if usage.total_tokens == usage.estimated_tokens:
        return None
    counts = UsageMetadata(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, total_tokens=usage.total_tokens
    )
    if usage.cached_tokens:
        counts["input_token_details"] = {"cache_read": usage.cached_tokens}
    if usage.reasoning_tokens:
        counts["output_token_details"] = {"reasoning": usage.reasoning_tokens}
    return counts
