"""A trace cut down to a bound, so that it can travel in messages, histories and checkpoints."""

from __future__ import annotations

from rlm_integrations.core.trace import (
    CodeExecution,
    Iteration,
    OmittedIterations,
    OmittedSubCalls,
    RLMTrace,
    TraceMessage,
)
from rlm_integrations.core.usage import Usage

SUMMARY_BYTES = 16_384
_LEVELS = ((2_000, 20, 50, 30), (600, 8, 30, 30), (200, 3, 20, 30), (80, 0, 10, 20), (40, 0, 3, 8), (20, 0, 0, 2))
"""Characters of each text, sub-calls of each execution, citations, and iterations that are kept."""


def summarise(trace: RLMTrace, max_bytes: int = SUMMARY_BYTES) -> RLMTrace:
    """The trace with texts cut and records left out until its JSON fits; the totals stay exact."""
    summary = trace
    for chars, sub_calls, citations, iterations in _LEVELS:
        summary = _cut_trace(trace, chars, sub_calls, citations, iterations)
        if len(summary.model_dump_json().encode()) <= max_bytes:
            break
    return summary


def _cut(text: str, chars: int) -> str:
    if len(text) <= chars:
        return text
    head = chars * 2 // 3
    return f"{text[:head]} [… {len(text) - chars:,} characters …] {text[len(text) - (chars - head) :]}"


def _cut_trace(trace: RLMTrace, chars: int, sub_calls: int, citations: int, iterations: int) -> RLMTrace:
    first, last = iterations // 2, iterations - iterations // 2
    resume = max(first, len(trace.iterations) - last)
    left_out = trace.iterations[first:resume]
    kept = [*trace.iterations[:first], *trace.iterations[resume:]]
    return trace.model_copy(
        update={
            "detail": "summary",
            "question": _cut(trace.question, chars),
            "answer": _cut(trace.answer, chars),
            "error": None if trace.error is None else _cut(trace.error, chars),
            "opening": [TraceMessage(role=m.role, content=_cut(m.content, chars)) for m in trace.opening[:4]],
            "iterations": [_cut_iteration(iteration, chars, sub_calls) for iteration in kept],
            "omitted_iterations": _omitted(left_out),
            "citations": [c for c in trace.citations if len(c.cited_text) <= chars][:citations],
        }
    )


def _omitted(iterations: list[Iteration]) -> OmittedIterations | None:
    if not iterations:
        return None
    executions = [iteration.execution for iteration in iterations if iteration.execution]
    return OmittedIterations(
        count=len(iterations),
        root_usage=sum((iteration.call.usage for iteration in iterations), Usage()),
        sub_usage=sum((execution.usage for execution in executions), Usage()),
        sub_calls=sum(execution.sub_call_count for execution in executions),
        failed_sub_calls=sum(execution.failed_sub_call_count for execution in executions),
    )


def _cut_iteration(iteration: Iteration, chars: int, sub_calls: int) -> Iteration:
    execution = iteration.execution
    return iteration.model_copy(
        update={
            "reply": _cut(iteration.reply, chars),
            "observation": None if iteration.observation is None else _cut(iteration.observation, chars),
            "execution": None if execution is None else _cut_execution(execution, chars, sub_calls),
        }
    )


def _cut_execution(execution: CodeExecution, chars: int, sub_calls: int) -> CodeExecution:
    kept, left_out = execution.sub_calls[:sub_calls], execution.sub_calls[sub_calls:]
    omitted = OmittedSubCalls(
        count=len(left_out),
        failed=sum(call.error is not None for call in left_out),
        usage=sum((call.usage for call in left_out), Usage()),
    )
    cut_calls = [
        call.model_copy(
            update={
                "prompt": _cut(call.prompt, chars),
                "reply": None if call.reply is None else _cut(call.reply, chars),
                "error": None if call.error is None else _cut(call.error, chars),
            }
        )
        for call in kept
    ]
    return execution.model_copy(
        update={
            "blocks": [_cut(block, chars) for block in execution.blocks[:8]],
            "output": _cut(execution.output, chars),
            "error": None if execution.error is None else _cut(execution.error, chars),
            "variables": [_cut(variable, 80) for variable in execution.variables] if chars > 100 else [],
            "sub_calls": cut_calls,
            "omitted_sub_calls": omitted if left_out else None,
            "host_calls": [
                call.model_copy(update={"arguments": _cut(call.arguments, chars), "result": None})
                for call in execution.host_calls[:sub_calls]
            ],
        }
    )
