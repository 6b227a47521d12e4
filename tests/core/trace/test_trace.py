from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import (
    HostFunctionCall,
    ModelCall,
    OmittedIterations,
    OmittedSubCalls,
    TraceMessage,
)
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.evidence import Evidence, Found
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.result import RLMResult
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel


def result_of(trace: RLMTrace) -> RLMResult[str]:
    return RLMResult(
        trace.answer, trace.answer, tuple(trace.citations), Evidence.of(Found((), ())), trace.stop_reason, trace
    )


# -- any trace

COUNTS = st.integers(0, 10**9)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.builds(
        lambda unit, times: unit * times,
        st.sampled_from(["x", "é", "\0", '"', "\U0001f600"]),
        COUNTS.map(lambda n: n % 9_000),
    ),
)
NAMES = st.one_of(st.none(), TEXTS)
# Halves add up exactly in any order, so that totals can be compared with ==.
COSTS = st.one_of(st.none(), st.integers(0, 1_000).map(lambda n: n / 2))
USAGES = st.builds(
    Usage, input_tokens=COUNTS, output_tokens=COUNTS, cached_tokens=COUNTS, reasoning_tokens=COUNTS, cost_usd=COSTS
)
SUB_CALLS = st.builds(
    SubCall,
    number=COUNTS,
    batch=st.one_of(st.none(), COUNTS),
    index=st.one_of(st.none(), COUNTS),
    prompt=TEXTS,
    reply=NAMES,
    error=NAMES,
    model=NAMES,
    usage=USAGES,
    seconds=st.floats(0, 1e6),
)
EXECUTIONS = st.builds(
    CodeExecution,
    blocks=st.lists(TEXTS, max_size=5),
    output=TEXTS,
    error=NAMES,
    lost=NAMES,
    variables=st.lists(TEXTS, max_size=5),
    sub_calls=st.lists(SUB_CALLS, max_size=3),
    omitted_sub_calls=st.one_of(st.none(), st.builds(OmittedSubCalls, count=COUNTS, failed=COUNTS, usage=USAGES)),
    host_calls=st.lists(
        st.builds(HostFunctionCall, name=TEXTS, arguments=TEXTS, result=NAMES, error=NAMES), max_size=3
    ),
)
ITERATIONS = st.builds(
    Iteration,
    number=COUNTS,
    call=st.builds(ModelCall, prompt_chars=COUNTS, model=NAMES, usage=USAGES),
    reply=TEXTS,
    execution=st.one_of(st.none(), EXECUTIONS),
    observation=NAMES,
    last_call=st.booleans(),
)
TRACES = st.builds(
    RLMTrace,
    question=TEXTS,
    context=TEXTS,
    limits=st.just(RLMLimits(timeout_s=5)),
    sandbox=TEXTS,
    opening=st.lists(st.builds(TraceMessage, role=st.just("user"), content=TEXTS), max_size=5),
    iterations=st.lists(ITERATIONS, max_size=3),
    omitted_iterations=st.one_of(
        st.none(),
        st.builds(
            OmittedIterations,
            count=COUNTS,
            root_usage=USAGES,
            sub_usage=USAGES,
            sub_calls=COUNTS,
            failed_sub_calls=COUNTS,
        ),
    ),
    citations=st.lists(
        st.builds(Citation, cited_text=TEXTS, start_index=COUNTS, end_index=COUNTS, document_id=TEXTS), max_size=3
    ),
    answer=TEXTS,
    stop_reason=st.sampled_from([None, "answer", "timeout"]),
    error=NAMES,
    seconds=st.floats(0, 1e6),
)
LAW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


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


@LAW
@given(TRACES)
def test_a_trace_survives_json(trace: RLMTrace) -> None:
    assert RLMTrace.model_validate_json(trace.model_dump_json()) == trace
    assert RLMTrace.model_validate(json.loads(json.dumps(trace.model_dump(mode="json")))) == trace


@LAW
@given(TRACES, st.integers(1, 40))
def test_a_summary_fits_validates_and_keeps_the_totals(trace: RLMTrace, times: int) -> None:
    trace.iterations = trace.iterations * times
    before = trace.model_dump()
    report = result_of(trace).report()
    assert len(json.dumps(report["trace"])) <= SUMMARY_BYTES
    summary = RLMTrace.model_validate(report["trace"])
    assert summary.detail == "summary"
    assert totals(summary) == totals(trace)
    again = summarise(summary)
    assert totals(again) == totals(trace)
    assert trace.model_dump() == before  # the trace itself is whole still


# -- one known trace


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


def test_totals_are_derived_from_the_tree() -> None:
    trace = big_trace(3, sub_calls=5)
    assert (trace.iteration_count, trace.sub_call_count, trace.failed_sub_call_count) == (3, 15, 6)
    assert trace.root_usage == Usage(output_tokens=9)
    assert trace.sub_usage == Usage(input_tokens=150, cost_usd=7.5)
    assert trace.usage == Usage(input_tokens=150, output_tokens=9, cost_usd=7.5)
    assert not {"usage", "sub_call_count", "iteration_count"} & set(trace.model_dump())


def test_iterations_without_code_count_too() -> None:
    trace = RLMTrace(question="q", context="c", limits=RLMLimits())
    trace.iterations.append(Iteration(number=1, call=ModelCall(prompt_chars=1), reply="plain"))
    assert (trace.iteration_count, trace.sub_call_count, trace.usage) == (1, 0, Usage())


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


def test_lone_surrogates_do_not_reach_json() -> None:
    trace = big_trace(1)
    trace.iterations[0].reply = trace.executions[0].output = "bad \ud800 text"
    trace.citations = [Citation(cited_text="\udfff", start_index=0, end_index=1, document_id="d")]
    for detail in ("summary", "full"):
        report = result_of(trace).report(detail)
        assert json.dumps(report, ensure_ascii=False).encode()
        assert RLMTrace.model_validate(report["trace"]).iterations[0].reply == "bad \ufffd text"
    assert trace.model_dump_json()
    assert trace.iterations[0].reply == "bad \ud800 text"


# -- what a result reports


def test_a_report_is_plain_json_in_each_detail() -> None:
    trace = big_trace(2)
    full = result_of(trace).report("full")
    assert RLMTrace.model_validate(full["trace"]) == trace
    assert full["stop_reason"] == "answer"
    [cited] = full["citations"]
    assert cited | {"iteration": None, "child": None} == cited
    assert cited["cited_text"] == "a"
    assert result_of(trace).report("none") == {**full, "trace": None}
    assert json.loads(json.dumps(full)) == full
    assert result_of(trace).usage == trace.usage


def test_an_unknown_detail_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"trace: 'ful' is unknown; pass \"none\", \"summary\" or \"full\""):
        result_of(big_trace(1)).report("ful")  # type: ignore[arg-type]


@pytest.mark.parametrize("attribute", ["response_metadata", "metadata"])
@pytest.mark.parametrize("detail", ["summary", "full"])
def test_a_trace_is_read_back_from_what_carries_it(attribute: str, detail: Any) -> None:
    trace = big_trace(2)
    carrier = SimpleNamespace(**{attribute: {"rlm": result_of(trace).report(detail)}})
    assert totals(RLMTrace.of(carrier)) == totals(trace)
    assert RLMTrace.of(result_of(trace)) is trace


@pytest.mark.parametrize(
    "carrier",
    [
        "text",
        SimpleNamespace(metadata=None),
        SimpleNamespace(metadata={"rlm": None}),
        SimpleNamespace(response_metadata={"rlm": {"trace": None}}),
        SimpleNamespace(trace="not one"),
    ],
)
def test_what_carries_no_trace_is_refused(carrier: object) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        RLMTrace.of(carrier)
    assert str(caught.value) == (
        f"carrier: this {type(carrier).__name__} carries no RLM trace; pass what RLMRunnable, RLMQueryEngine or "
        'RLMEngine returned, made with trace="summary" or "full"'
    )


# -- usage


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert (one + two) + three == one + (two + three) == sum([three, two, one], Usage())
    assert (one + two).total_tokens == one.total_tokens + two.total_tokens


def test_a_cost_is_none_only_where_none_was_reported() -> None:
    assert (Usage() + Usage()).cost_usd is None
    assert (Usage(cost_usd=0.0) + Usage()).cost_usd == 0.0
    assert (Usage() + Usage(cost_usd=0.5)).cost_usd == 0.5


def test_the_repr_of_a_result_stays_short_however_large_its_trace() -> None:
    call = ModelCall(prompt_chars=9)
    sub_calls = [SubCall(number=n, prompt="x" * 1_000, reply="y" * 1_000) for n in range(1, 101)]
    execution = CodeExecution(blocks=["z" * 10_000], sub_calls=sub_calls)
    iterations = [Iteration(number=n, call=call, reply="r" * 1_000, execution=execution) for n in (1, 2)]
    trace = RLMTrace(question="q" * 1_000, context="", limits=RLMLimits(), iterations=iterations, seconds=1.23456)
    written = repr(result_of(trace))
    assert len(written) < 400
    assert "iterations=2, sub_calls=200, seconds=1.235" in written


def test_a_sub_call_that_failed_says_which_model_was_asked() -> None:
    def sub_reply(messages: Sequence[Message]) -> str:
        raise ValueError("no")

    root = ScriptedModel(["```repl\nllm_query_batched(['one', 'two'])\nFINAL(1)\n```"])
    engine = RLMEngine(root, sub_llm=ScriptedModel(always=sub_reply, model="small"))
    calls = engine.run("?", "text").trace.executions[0].sub_calls
    assert [(call.model, call.error) for call in calls] == [("small", "ValueError: no")] * 2


def test_what_is_noted_is_what_would_be_assigned_and_a_wrong_name_is_refused() -> None:
    noted, assigned = ModelCall(prompt_chars=9), ModelCall(prompt_chars=9)
    noted.note(model="m", seconds=2.0)
    assigned.model, assigned.seconds = "m", 2.0
    assert noted == assigned
    assert noted.model_dump(exclude_unset=True) == assigned.model_dump(exclude_unset=True)
    with pytest.raises(AssertionError, match="secnods"):
        noted.note(secnods=1.0)
