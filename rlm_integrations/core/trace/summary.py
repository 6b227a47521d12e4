"""A trace cut down to a bound, so that it can travel in messages, histories and checkpoints."""

from __future__ import annotations

import json
from typing import NamedTuple

from rlm_integrations.core.trace.call_records import (
    AnswerCheck,
    HostFunctionCall,
    ModelCall,
    OmittedIterations,
    OmittedSubCalls,
    SentImage,
    TraceMessage,
)
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall

SUMMARY_BYTES = 16_384


class _Level(NamedTuple):
    """What is kept."""

    chars: int
    """Of each text."""
    sub_calls: int
    """Of each execution."""
    citations: int
    iterations: int
    error_chars: int = 2_000
    """Of each error: what went wrong is what a trace is read for, so errors are cut last."""


_LEVELS = (
    _Level(2_000, 20, 50, 30),
    _Level(600, 8, 30, 30),
    _Level(200, 3, 20, 30),
    _Level(80, 0, 10, 20),
    _Level(40, 0, 3, 14),
    _Level(40, 0, 3, 8),
    _Level(20, 0, 0, 4),
    _Level(40, 0, 3, 8, error_chars=300),
    _Level(20, 0, 0, 2, error_chars=20),
)


def summarise(trace: RLMTrace) -> RLMTrace:
    """The trace with texts cut and records left out until its JSON has at most SUMMARY_BYTES; the totals stay exact.

    Errors are cut last.

    A summary can be summarised again.
    """
    for level in _LEVELS[:-1]:
        summary = _cut_trace(trace, level)
        if len(json.dumps(summary.model_dump(mode="json"))) <= SUMMARY_BYTES:  # the longest form: spaces, ASCII alone
            return summary
    return _cut_trace(trace, _LEVELS[-1])  # so little that it always fits


def _cut_if(text: str | None, chars: int) -> str | None:
    return None if text is None else _cut(text, chars)


def _cut(text: str, chars: int) -> str:
    """Head and tail, where that is shorter than the text."""
    head = chars * 2 // 3
    cut = f"{text[:head]} [… {len(text) - chars:,} characters …] {text[len(text) - (chars - head) :]}"
    return cut if len(cut) < len(text) else text


def _cut_trace(trace: RLMTrace, level: _Level) -> RLMTrace:
    chars = level.chars
    first, last = level.iterations // 2, level.iterations - level.iterations // 2
    resume = max(first, len(trace.iterations) - last)
    left_out = trace.iterations[first:resume]
    kept = [*trace.iterations[:first], *trace.iterations[resume:]]
    return trace.model_copy(
        update={
            "detail": "summary",
            "question": _cut(trace.question, chars),
            "answer": _cut(trace.answer, chars),
            "context": _cut(trace.context, chars),
            "sandbox": _cut(trace.sandbox, chars),
            "error": _cut_if(trace.error, level.error_chars),
            "warnings": [_cut(warning, chars) for warning in trace.warnings[:4]],
            "opening": [TraceMessage(role=m.role, content=_cut(m.content, chars)) for m in trace.opening[:4]],
            "iterations": [_cut_iteration(iteration, level) for iteration in kept],
            "omitted_iterations": _omitted(left_out, trace.omitted_iterations),
            "beside": [_cut_trace(run, _of_run_beside(level)) for run in trace.beside],
            "citations": [c for c in trace.citations if len(c.cited_text) <= chars][: level.citations],
        }
    )


def _omitted(iterations: list[Iteration], before: OmittedIterations | None) -> OmittedIterations | None:
    if not iterations:
        return before
    before = before or OmittedIterations(count=0)
    executions = [iteration.execution for iteration in iterations if iteration.execution]
    return OmittedIterations(
        count=before.count + len(iterations),
        folds=before.folds + sum(len(iteration.folds) for iteration in iterations),
        root_usage=sum((iteration.root_usage for iteration in iterations), before.root_usage),
        sub_usage=sum((execution.usage for execution in executions), before.sub_usage),
        sub_calls=before.sub_calls + sum(execution.sub_call_count for execution in executions),
        failed_sub_calls=before.failed_sub_calls + sum(execution.failed_sub_call_count for execution in executions),
        replayed_usage=sum(
            (execution.replayed_usage for execution in executions),
            sum((each.replayed_root_usage for each in iterations), before.replayed_usage),
        ),
    )


def _cut_iteration(iteration: Iteration, level: _Level) -> Iteration:
    chars, execution = level.chars, iteration.execution
    return iteration.model_copy(
        update={
            "call": _cut_call(iteration.call, level),
            "folds": [
                fold.model_copy(update={"call": _cut_call(fold.call, level), "reply": _cut(fold.reply, chars)})
                for fold in iteration.folds
            ],
            "reply": _cut(iteration.reply, chars),
            "checks": [_cut_check(check, level) for check in iteration.checks[: level.sub_calls]],
            "observation": _cut_if(iteration.observation, chars),
            "execution": None if execution is None else _cut_execution(execution, level),
        }
    )


def _cut_check(check: AnswerCheck, level: _Level) -> AnswerCheck:
    return check.model_copy(
        update={
            "name": _cut(check.name, level.chars),
            "objection": _cut_if(check.objection, level.chars),
            "error": _cut_if(check.error, level.error_chars),
        }
    )


def _cut_call(call: ModelCall, level: _Level) -> ModelCall:
    return call.model_copy(
        update={
            "model": _cut_if(call.model, level.chars),
            "error": _cut_if(call.error, level.error_chars),
            "thoughts": _cut(call.thoughts, level.chars),
        }
    )


def _of_run_beside(level: _Level) -> _Level:
    """What is kept of another run of the question: a third, for there are at most two."""
    few = {"sub_calls": level.sub_calls // 3, "citations": level.citations // 3, "iterations": level.iterations // 3}
    return level._replace(chars=min(level.chars, 600), **few)


def _of_child(level: _Level) -> _Level:
    """What is kept of a child RLM: less, for there may be many."""
    return level._replace(sub_calls=level.sub_calls // 4, iterations=min(level.iterations, 2))


def _cut_execution(execution: CodeExecution, level: _Level) -> CodeExecution:
    chars = level.chars
    kept, left_out = execution.sub_calls[: level.sub_calls], execution.sub_calls[level.sub_calls :]
    cut_calls = [
        call.model_copy(
            update={
                "prompt": _cut(call.prompt, chars),
                "images": _cut_images(call.images, level),
                "reply": _cut_if(call.reply, chars),
                "error": _cut_if(call.error, level.error_chars),
                "model": _cut_if(call.model, chars),
                "thoughts": _cut(call.thoughts, chars),
                "tool_calls": _cut_host_calls(call.tool_calls, level),
                "child": None if call.child is None else _cut_trace(call.child, _of_child(level)),
            }
        )
        for call in kept
    ]
    return execution.model_copy(
        update={
            "blocks": [_cut(block, chars) for block in execution.blocks[:8]],
            "output": _cut(execution.output, chars),
            "error": _cut_if(execution.error, level.error_chars),
            "lost": _cut_if(execution.lost, level.error_chars),
            "variables": [_cut(variable, 80) for variable in execution.variables[:13]] if chars > 100 else [],
            "sub_calls": cut_calls,
            "omitted_sub_calls": _omitted_calls(left_out, execution.omitted_sub_calls),
            "host_calls": _cut_host_calls(execution.host_calls, level),
        }
    )


def _cut_images(images: list[SentImage], level: _Level) -> list[SentImage]:
    return [
        image.model_copy(
            update={"name": _cut(image.name, level.chars), "document_id": _cut_if(image.document_id, level.chars)}
        )
        for image in images[: level.sub_calls]
    ]


def _cut_host_calls(calls: list[HostFunctionCall], level: _Level) -> list[HostFunctionCall]:
    return [
        call.model_copy(
            update={
                "name": _cut(call.name, level.chars),
                "arguments": _cut(call.arguments, level.chars),
                "result": None,
                "error": _cut_if(call.error, level.error_chars),
            }
        )
        for call in calls[: level.sub_calls]
    ]


def _omitted_calls(calls: list[SubCall], before: OmittedSubCalls | None) -> OmittedSubCalls | None:
    if not calls:
        return before
    before = before or OmittedSubCalls(count=0)
    return OmittedSubCalls(
        count=before.count + sum(call.model_calls for call in calls),
        failed=before.failed + sum(call.failed_model_calls for call in calls),
        usage=sum((call.whole_usage for call in calls), before.usage),
        replayed_usage=sum((call.whole_replayed_usage for call in calls), before.replayed_usage),
    )
