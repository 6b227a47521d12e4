"""What holds for each trace: it survives JSON, and its summary keeps the totals."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import (
    HostFunctionCall,
    ModelCall,
    OmittedIterations,
    OmittedSubCalls,
    TraceMessage,
)
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.trace.summary import SUMMARY_BYTES, summarise
from rlm_integrations.core.usage import Usage

from .known_trace import result_of, totals

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


@given(USAGES, USAGES, USAGES)
def test_usage_adds_up_in_any_order(one: Usage, two: Usage, three: Usage) -> None:
    assert (one + two) + three == one + (two + three) == sum([three, two, one], Usage())
    assert (one + two).total_tokens == one.total_tokens + two.total_tokens
