"""Rounds of tools stay within the limits of a run, and what they spent is kept however they end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rlm_integrations import Completion, Message, RLMEngine, ToolCall, Usage
from rlm_integrations.testing import ScriptedModel

from .calling_sub_lms import ASK, SPENT, call_of, calling, root, run, saying


def endless(messages: Sequence[Message]) -> Completion:
    return (
        saying(messages[-1].content)
        if "No tool can be called" in messages[-1].content
        else calling(("rent", {"plot": 7}))
    )


@pytest.mark.parametrize(
    ("limits", "calls", "why"),
    [
        ({"max_tool_rounds": 3}, 3, "you had 3 rounds of calls"),
        ({"max_tool_calls": 2}, 2, "the 2 calls of tools of this run are made"),
        ({"max_sub_calls": 4}, 3, "this is the last reply of a model that this run has"),
        ({}, 10, "you had 10 rounds of calls"),
    ],
)
def test_a_sub_lm_that_calls_for_ever_is_asked_for_its_reply_without_tools(
    limits: dict[str, int], calls: int, why: str
) -> None:
    result, sub = run(endless, **limits)
    assert why in result.answer
    assert result.answer.startswith("What is the rent of plot 7?")
    assert result.answer.count('"pounds": 70') == calls
    assert [bool(tools) for tools in sub.offered] == [True] * calls + [False]
    call = call_of(result)
    assert (len(call.tool_calls), call.requests) == (calls, calls + 1)
    assert result.trace.sub_call_count == calls + 1
    assert "using only the text it gives" in sub.requests[-1][0].content


def test_without_any_tool_call_left_the_sub_lm_is_told_so_at_once() -> None:
    result, sub = run(endless, max_tool_calls=0)
    assert "No tool can be called: the 0 calls of tools of this run are made" in result.answer
    assert sub.offered == [()]


def test_more_calls_in_one_reply_than_are_left_are_answered_with_why() -> None:
    result, sub = run([calling(*[("rent", {"plot": n}) for n in range(4)]), saying("two")], max_tool_calls=2)
    told = sub.requests[1][-1].content
    assert told.count('"pounds"') == 2
    assert told.count("the 2 calls of tools and `retrieve` of this run are made") == 2
    assert result.answer == "two"


def test_calls_beyond_fifty_in_one_reply_are_not_made() -> None:
    result, sub = run([calling(*[("rent", {"plot": n}) for n in range(60)]), saying("ok")])
    assert sub.requests[1][-1].content.count("not called: at most 50 calls are taken from one reply") == 10
    assert len(call_of(result).tool_calls) == 50


def test_a_batch_whose_sub_lms_call_tools_never_spends_more_sub_calls_than_there_are() -> None:
    code = "got = llm_query_batched([f'plot {n}' for n in range(6)])\nanswer['content'] = got\nanswer['ready'] = True"
    result, sub = run(endless, code=code, max_sub_calls=10)
    assert len(sub.requests) == result.trace.sub_call_count == 10
    assert result.trace.sub_usage.input_tokens == 1_000
    told = [call.error or "replied" for call in result.trace.executions[0].sub_calls]
    assert set(told) <= {"replied", "the sub-LM called tools, and there is no sub-call left for its reply"}


def test_a_limit_of_tokens_ends_the_rounds_and_what_was_spent_is_recorded() -> None:
    code = "try:\n    llm_query('?')\nexcept Exception as e:\n    answer['content'] = str(e)\nanswer['ready'] = True"
    result, _ = run(endless, code=code, max_total_tokens=300)
    call = call_of(result)
    assert (call.requests, call.usage.total_tokens) == (3, 330)
    assert "300 tokens" in call.error
    assert result.usage.total_tokens == 332


def test_a_model_that_fails_after_a_round_fails_the_call_and_keeps_what_it_spent() -> None:
    code = "try:\n    llm_query('?')\nexcept Exception as e:\n    answer['content'] = str(e)\nanswer['ready'] = True"
    result, _ = run([calling(("rent", {"plot": 7})), ConnectionError("gone")], code=code)
    assert result.answer == "ConnectionError: gone"
    call = call_of(result)
    assert (call.error, call.requests, call.usage, len(call.tool_calls)) == ("ConnectionError: gone", 2, SPENT, 1)


def test_an_empty_reply_after_a_round_is_asked_for_once_more_and_no_tool_runs_again() -> None:
    result, _ = run([calling(("rent", {"plot": 7})), saying(""), saying("70")])
    call = call_of(result)
    assert (result.answer, call.requests, len(call.tool_calls)) == ("70", 3, 1)


def test_a_reply_that_is_cut_amid_its_calls_runs_none_of_them() -> None:
    cut = Completion("", SPENT, "sub", "length", tool_calls=(ToolCall("rent", '{"plot": 7'),))
    code = "try:\n    llm_query('?')\nexcept Exception as e:\n    answer['content'] = str(e)\nanswer['ready'] = True"
    result, _ = run([cut], code=code)
    assert "cut at the model's limit" in result.answer
    assert call_of(result).tool_calls == []


def test_a_cached_reply_costs_nothing_and_one_that_is_not_counts() -> None:
    first = calling(("rent", {"plot": 7}))
    cached = Completion("", SPENT, "sub", "stop", cached=True, tool_calls=first.tool_calls)
    result, _ = run([cached, saying("70")])
    call = call_of(result)
    assert (call.cached, call.usage) == (False, SPENT)
    result, _ = run([cached, Completion("70", SPENT, "sub", "stop", cached=True)])
    call = call_of(result)
    assert (call.cached, call.usage) == (True, Usage())


async def test_a_tool_does_not_outlive_the_time_of_the_run() -> None:
    ended: list[str] = []

    async def hang() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return "never"

    sub = ScriptedModel(always=lambda messages: calling(("hang", {})))
    engine = RLMEngine(
        ScriptedModel(always=lambda messages: f"```repl\n{ASK}\n```" if len(messages) < 3 else "nothing"),
        sub_llm=sub,
        sub_tools=[hang],
        limits={"timeout_s": 1.0},
    )
    with pytest.warns(RuntimeWarning, match="timeout"):
        result = await engine.arun("?", "t " * 9_000)
    assert result.stop_reason == "timeout"
    assert ended == ["cancelled"]
    [call] = result.trace.executions[0].sub_calls
    assert call.usage == SPENT
    assert "TimeoutError" in str(call.tool_calls[0].error)


async def test_a_run_that_is_cancelled_amid_a_tool_keeps_what_its_sub_call_had_spent() -> None:
    calls_open, ended = asyncio.Event(), list[str]()

    async def hang() -> str:
        calls_open.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return "never"

    engine = RLMEngine(root(), sub_llm=ScriptedModel([calling(("hang", {}))]), sub_tools=[hang])
    task = asyncio.create_task(engine.arun("?", "t " * 9_000))
    await calls_open.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await task
    assert ended == ["cancelled"]
    trace = vars(cancelled.value)["result"].trace
    [call] = trace.executions[0].sub_calls
    assert (call.usage, call.requests) == (SPENT, 1)
    assert [made.name for made in call.tool_calls] == ["hang"]
