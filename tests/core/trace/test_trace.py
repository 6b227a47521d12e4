"""Totals, reports and reprs of a trace, and what carries one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from rlm_integrations import Message, RLMEngine
from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.trace.call_records import ModelCall
from rlm_integrations.core.trace.citations import Citation
from rlm_integrations.core.trace.records import CodeExecution, Iteration, RLMTrace, SubCall
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

from .known_trace import big_trace, result_of, totals


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
