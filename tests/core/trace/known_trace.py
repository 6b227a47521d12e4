"""One known trace, and what totals it has."""

from __future__ import annotations

from typing import Any

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import ModelCall, TraceMessage
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.evidence import Evidence, Found
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.usage import Usage


def result_of(trace: RLMTrace) -> RLMResult[str]:
    return RLMResult(
        trace.answer, trace.answer, tuple(trace.citations), Evidence.of(Found((), ())), trace.stop_reason, trace
    )


def totals(trace: RLMTrace) -> tuple[Any, ...]:
    return (
        trace.iteration_count,
        trace.sub_call_count,
        trace.failed_sub_call_count,
        trace.root_usage,
        trace.sub_usage,
        trace.usage,
        trace.stop_reason,
        trace.seconds,
    )


def sub_call(number: int, error: str | None = None) -> SubCall:
    reply = None if error else "reply"
    return SubCall(
        number=number, prompt="p" * 5_000, reply=reply, error=error, usage=Usage(input_tokens=10, cost_usd=0.5)
    )


def big_trace(iterations: int, sub_calls: int = 1) -> RLMTrace:
    return RLMTrace(
        question="q",
        context="240 documents, 12,345 characters",
        limits=RLMLimits(),
        opening=[TraceMessage(role="system", content="s" * 4_000)],
        iterations=[
            Iteration(
                number=number,
                call=ModelCall(prompt_chars=5, model="m", usage=Usage(output_tokens=3)),
                reply=f"reply {number}",
                execution=CodeExecution(
                    blocks=["x = 1"],
                    sub_calls=[sub_call(n, "E: x" if n % 2 else None) for n in range(sub_calls)],
                ),
            )
            for number in range(1, iterations + 1)
        ],
        citations=[Citation(cited_text="a", start_index=0, end_index=1, document_id="d")],
        answer="42",
        stop_reason="answer",
    )
