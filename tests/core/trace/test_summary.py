"""A summary of a trace fits its bound, validates, and keeps the totals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.trace.call_records import HostFunctionCall, TraceMessage
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise

from .known_trace import big_trace, totals


def test_a_small_trace_is_summarised_without_a_loss() -> None:
    trace = big_trace(1, sub_calls=0)
    trace.opening = []
    assert summarise(trace) == trace.model_copy(update={"detail": "summary"})


def test_the_largest_trace_fits_too() -> None:
    text = "\U0001f600" * 10_000  # twelve bytes each, in JSON of ASCII alone
    call = HostFunctionCall(name=text, arguments=text, result=text, error=text)
    trace = big_trace(60, sub_calls=30)
    trace.question = trace.context = trace.sandbox = trace.answer = trace.error = text
    trace.opening = [TraceMessage(role="user", content=text)] * 50
    for iteration in trace.iterations:
        iteration.reply = iteration.observation = iteration.call.model = text
        assert iteration.execution is not None
        iteration.execution = iteration.execution.model_copy(
            update={
                "blocks": [text] * 50,
                "output": text,
                "error": text,
                "lost": text,
                "variables": [text] * 50,
                "host_calls": [call] * 50,
            }
        )
    summary = summarise(trace)
    assert len(json.dumps(summary.model_dump(mode="json"))) <= SUMMARY_BYTES
    assert totals(summary) == totals(trace)


def test_a_summary_keeps_the_first_and_the_last_iterations() -> None:
    summary = summarise(big_trace(500))
    numbers = [iteration.number for iteration in summary.iterations]
    half = len(numbers) // 2
    assert numbers == [*range(1, half + 1), *range(501 - (len(numbers) - half), 501)]
    assert summary.omitted_iterations is not None
    assert summary.omitted_iterations.count == 500 - len(numbers)
    assert summary.answer == "42"


def test_long_texts_keep_head_and_tail_and_say_what_is_gone() -> None:
    trace = big_trace(1)
    trace.iterations[0].reply = "HEAD" + "x" * 100_000 + "TAIL"
    reply = summarise(trace).iterations[0].reply
    assert reply.startswith("HEAD")
    assert reply.endswith("TAIL")
    assert " characters …] " in reply


def failing_trace(iterations: int, error: str) -> RLMTrace:
    """Of much text, each step of which ended in an error."""
    trace = big_trace(iterations)
    for iteration in trace.iterations:
        iteration.reply = iteration.observation = "r" * 3_000
        assert iteration.execution is not None
        iteration.execution.output, iteration.execution.error = "o" * 3_000, error
        iteration.execution.sub_calls[0].error = error
    return trace


@pytest.mark.parametrize("iterations", [1, 5, 12, 20, 200])
@pytest.mark.parametrize("chars", [60, 400])
def test_errors_are_whole_where_other_texts_are_cut(iterations: int, chars: int) -> None:
    error = f"block 1, line 2: IndexError: {'x' * (chars - 60)}list index out of range"
    summary = summarise(failing_trace(iterations, error))
    assert all(" characters …] " in iteration.reply for iteration in summary.iterations)
    assert [execution.error for execution in summary.executions] == [error] * len(summary.iterations)
    assert {call.error for execution in summary.executions for call in execution.sub_calls} <= {error}
    assert len(summary.iterations) >= min(iterations, 8)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=2_500))
def test_what_is_cut_is_shorter_than_it_was(text: str) -> None:
    trace = big_trace(1)
    trace.iterations[0].reply = text
    trace.citations = [Citation(cited_text="c" * 900, start_index=0, end_index=900, document_id="d")] * 50
    reply = summarise(trace).iterations[0].reply
    assert reply == text or len(reply) < len(text)


def test_the_sub_calls_a_summary_leaves_out_are_counted() -> None:
    execution = summarise(big_trace(1, sub_calls=1_000)).executions[0]
    assert execution.omitted_sub_calls is not None
    assert len(execution.sub_calls) + execution.omitted_sub_calls.count == execution.sub_call_count == 1_000
    assert execution.failed_sub_call_count == 500
