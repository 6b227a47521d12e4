"""Tools of the sub-LMs: called natively, in a loop of the host, and bounded; the root LM sees replies alone."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from rlm_integrations import (
    Completion,
    InvalidArgumentError,
    Message,
    RLMEngine,
    RLMResult,
    ToolCall,
    Usage,
)
from rlm_integrations.core.trace.events import Event, HostCallEnded, HostCallStarted, SubCallContinued, SubCallEnded
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.scripted_model import Reply

SPENT = Usage(input_tokens=100, output_tokens=10)
ASK = "answer['content'] = llm_query('What is the rent of plot 7?')\nanswer['ready'] = True"


def rent(plot: int, year: int = 2020) -> dict[str, object]:
    """The rent of a plot, in pounds."""
    return {"plot": plot, "year": year, "pounds": plot * 10}


def calling(*calls: tuple[str, object], text: str = "") -> Completion:
    """A reply that calls tools."""
    made = [
        ToolCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments), f"call_{n}")
        for n, (name, arguments) in enumerate(calls)
    ]
    return Completion(text, SPENT, "sub", "stop", tool_calls=tuple(made))


def saying(text: str) -> Completion:
    return Completion(text, SPENT, "sub", "stop")


def root(code: str = ASK) -> ScriptedModel:
    return ScriptedModel([f"```repl\n{code}\n```"], usage=Usage(input_tokens=1, output_tokens=1))


def run(
    replies: Sequence[Reply] | Callable[[Sequence[Message]], Completion],
    tools: Sequence[Callable[..., Any]] = (rent,),
    *,
    code: str = ASK,
    on_event: Callable[[Event], None] | None = None,
    **limits: Any,
) -> tuple[RLMResult[str], ScriptedModel]:
    sub = ScriptedModel(always=replies) if callable(replies) else ScriptedModel(replies)
    engine = RLMEngine(root(code), sub_llm=sub, sub_tools=tools, limits=limits, on_event=on_event)
    return engine.run("?", "some text\n" * 2_000), sub


def call_of(result: RLMResult[str]) -> Any:
    [execution] = result.trace.executions
    [call] = execution.sub_calls
    return call


def test_a_sub_lm_calls_a_function_and_the_root_sees_its_reply_alone() -> None:
    told: list[Event] = []
    result, sub = run([calling(("rent", {"plot": 7})), saying("70 pounds")], on_event=told.append)
    assert result.answer == "70 pounds"
    gave = '{"plot": 7, "year": 2020, "pounds": 70}'
    assert sub.requests[1][-1].content == gave
    call = call_of(result)
    assert (call.reply, call.error, call.requests, call.usage) == ("70 pounds", None, 2, SPENT + SPENT)
    [made] = call.tool_calls
    assert (made.name, made.arguments, made.result, made.error) == ("rent", "{'plot': 7}", repr(gave), None)
    assert result.trace.sub_call_count == 2
    assert result.usage == Usage(input_tokens=201, output_tokens=21)
    assert result.trace.executions[0].host_calls == []
    kinds = (SubCallContinued, HostCallStarted, HostCallEnded, SubCallEnded)
    assert [type(event) for event in told if isinstance(event, kinds)] == list(kinds)
    assert gave not in str(result.trace.opening) + result.trace.executions[0].output


def test_the_model_is_told_of_a_function_by_its_signature_and_docstring() -> None:
    def find(city: str, before: date, tags: list[str] | None = None) -> str:
        """Finds plots.

        Only those that are let.
        """
        return f"{city} {before.year} {tags}"

    result, sub = run([calling(("find", {"city": "Ely", "before": "2021-05-01"})), saying("done")], [find])
    assert result.answer == "done"
    assert sub.requests[1][-1].content == "Ely 2021 None"
    [spec] = sub.offered[0]
    assert (spec.name, spec.description) == ("find", "Finds plots.\n\nOnly those that are let.")
    assert spec.parameters["required"] == ["city", "before"]
    assert spec.parameters["properties"]["before"] == {"title": "Before", "type": "string", "format": "date"}


def test_the_root_is_told_of_them_in_a_line_each_and_only_where_there_are_some() -> None:
    with_tools, without = root(), root()
    RLMEngine(with_tools, sub_llm=ScriptedModel([saying("x")]), sub_tools=[rent]).run("?", "text " * 5_000)
    RLMEngine(without, sub_llm=ScriptedModel([saying("x")])).run("?", "text " * 5_000)
    (told, *_), (untold, *_) = with_tools.requests[0], without.requests[0]
    assert "  - `rent`: The rent of a plot, in pounds.\n" in told.content
    assert "tools" not in untold.content
    more = set(told.content.splitlines()) - set(untold.content.splitlines())
    assert len(more) == 2


def test_calls_of_one_reply_run_side_by_side_and_their_results_keep_their_order() -> None:
    both_here = threading.Barrier(2, timeout=10)

    def meet(name: str) -> str:
        both_here.wait()
        return f"met {name}"

    result, sub = run([calling(("meet", {"name": "a"}), ("meet", {"name": "b"})), saying("ok")], [meet])
    assert sub.requests[1][-1].content == "met a\nmet b"
    assert len(call_of(result).tool_calls) == 2


@pytest.mark.parametrize("sync", [True, False])
async def test_async_tools_run_on_the_loop_of_the_run(sync: bool) -> None:
    async def fetch(page: int) -> str:
        """An async tool, as those of MCP servers are."""
        await asyncio.sleep(0)
        return f"page {page} in {threading.current_thread().name}"

    sub = ScriptedModel([calling(("fetch", {"page": 3})), saying("read")])
    engine = RLMEngine(root(), sub_llm=sub, sub_tools=[fetch])
    result = await asyncio.to_thread(engine.run, "?", "t " * 9_000) if sync else await engine.arun("?", "t " * 9_000)
    assert result.answer == "read"
    content = sub.requests[1][-1].content
    assert content.startswith("page 3 in ")
    assert (threading.current_thread().name in content) is not sync


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (("rent", {"plot": "seven"}), "plot: Input should be a valid integer"),
        (("rent", {"plots": 7}), "plots: Unexpected keyword argument"),
        (("rent", "{'plot': 7}"), "the arguments are no JSON object: \"{'plot': 7}\""),
        (("rent", "[7]"), "the arguments are no JSON object"),
        (
            ("rent", {"plot": 7, **dict.fromkeys(map("k{}".format, range(1_500)), 1)}),
            "1,500 problems; the arguments have another form than the schema",
        ),
        (
            ("rent", '{"plot":' + " " * 500_000 + "7}"),
            "not called: its arguments have 500,010 characters, and at most 500,000 are taken",
        ),
        (("rents", {"plot": 7}), "there is no tool 'rents'; the tools are rent"),
    ],
)
def test_a_wrong_call_is_told_to_the_sub_lm(call: tuple[str, object], words: str) -> None:
    result, sub = run([calling(call), saying("sorry")])
    assert result.answer == "sorry"
    told = sub.requests[1][-1].content
    assert told.startswith("error: ")
    assert words in told
    assert "https://" not in told
    [made] = call_of(result).tool_calls
    assert words in made.error


def test_an_empty_str_of_arguments_is_none() -> None:
    def now() -> str:
        return "noon"

    _, sub = run([calling(("now", "")), saying("it is noon")], [now])
    assert sub.requests[1][-1].content == "noon"


def test_a_tool_that_raises_is_told_to_the_sub_lm_and_the_run_goes_on() -> None:
    def broken(plot: int) -> str:
        raise SystemExit(f"no ledger for {plot}")

    result, sub = run([calling(("broken", {"plot": 7})), saying("unknown")], [broken])
    assert result.answer == "unknown"
    assert "no ledger for 7" in sub.requests[1][-1].content
    assert "no ledger" not in str(result.trace.executions[0].output)


@dataclass
class Rent:
    pounds: int


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (7, "7"),
        ([1, {"a": (2, 3)}], '[1, {"a": [2, 3]}]'),
        (Rent(3), '"Rent(pounds=3)"'),
        ("a \ud800 b", "a \ufffd b"),
        ("", "(it gave nothing)"),
        ("Zoë", "Zoë"),
    ],
)
def test_what_a_tool_gives_is_text_or_json(value: object, text: str) -> None:
    def give() -> object:
        return value

    _, sub = run([calling(("give", {})), saying("ok")], [give])
    assert sub.requests[1][-1].content == text


def test_a_huge_result_is_cut_in_words_and_kept_in_bounds() -> None:
    def dump() -> str:
        return "first " + "x" * 5_000_000 + " last"

    result, sub = run([calling(("dump", {})), saying("ok")], [dump])
    told = sub.requests[1][-1].content
    assert 20_000 < len(told) < 20_200
    assert told.startswith("first ")
    assert told.endswith(" last")
    assert "of 5,000,011 characters are left out here" in told
    assert len(result.trace.model_dump_json()) < 100_000


def test_results_of_many_rounds_stay_within_what_a_sub_call_takes() -> None:
    def dump() -> str:
        return "x" * 100_000

    def sub(messages: Sequence[Message]) -> Completion:
        if "No tool can be called any more" in messages[-1].content:
            return saying("enough")
        return calling(("dump", {}))

    result, model = run(sub, [dump])
    assert result.answer == "enough"
    assert "what they gave is as much as you can read" in model.requests[-1][-1].content
    assert max(sum(len(message.content) for message in request) for request in model.requests) < 110_000


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


def test_children_give_the_tools_to_their_sub_lms() -> None:
    child_code = "answer['content'] = llm_query('rent of 7?')\nanswer['ready'] = True"

    def sub(messages: Sequence[Message]) -> Completion:
        if messages[0].content.startswith("You answer a question about a corpus"):
            assert "`rent`" in messages[0].content
            return saying(f"```repl\n{child_code}\n```")
        return saying(messages[-1].content) if len(messages) > 2 else calling(("rent", {"plot": 7}))

    code = "answer['content'] = rlm_query('?', context)\nanswer['ready'] = True"
    result, model = run(sub, code=code, max_depth=2)
    assert '"pounds": 70' in result.answer
    child = result.trace.executions[0].sub_calls[0].child
    assert child is not None
    assert len(child.executions[0].sub_calls[0].tool_calls) == 1
    assert result.trace.sub_call_count == len(model.requests) == 3
    assert result.trace.sub_usage.input_tokens == 300


def test_a_summary_keeps_the_calls_within_its_bound() -> None:
    def dump(page: int) -> str:
        return "x" * 50_000

    calls = calling(*[("dump", {"page": n}) for n in range(40)])
    result, _ = run([calls, calls, saying("ok")], [dump])
    summary = summarise(result.trace)
    assert len(json.dumps(summary.model_dump(mode="json"))) <= 16_384
    assert summary.sub_call_count == 3
    assert summary.usage == result.usage


class PlainModel:
    """A model without tools."""

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return Completion("x")


def test_a_model_that_calls_no_tools_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"sub_tools: PlainModel cannot call tools .*; pass as sub_llm one that can"
    ):
        RLMEngine(PlainModel(), sub_tools=[rent])
    RLMEngine(PlainModel(), sub_llm=ScriptedModel(), sub_tools=[rent])
    RLMEngine(PlainModel())


def by_place(plot: int, /) -> str:
    return ""


def of_no_schema(where: threading.Lock) -> str:
    return ""


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("rent", "sub_tools: str given; pass a list of functions"),
        ([7], "sub_tools: item 0 is int; pass functions with a name and a docstring"),
        ([lambda plot: plot], "sub_tools: item 0 is function"),
        ([rent, rent], "sub_tools: 'rent' stands twice"),
        ([by_place], "sub_tools: by_place cannot be described to a model .*'plot' can be passed by place alone"),
        ([of_no_schema], "sub_tools: of_no_schema cannot be described to a model"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(tools: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        RLMEngine(ScriptedModel(), sub_tools=tools)


@pytest.mark.parametrize("wrong", ["raises", "forgets"])
def test_around_sub_call_must_do_its_part(wrong: str) -> None:
    async def around(prompt: str, execute: Callable[[], Any]) -> str:
        if wrong == "raises":
            raise ValueError("oops")
        return "made up"

    engine = RLMEngine(root(), sub_llm=ScriptedModel(), sub_tools=[rent], around_sub_call=around)
    with pytest.raises(Exception, match=r"around_sub_call: (it raised ValueError: oops|returned without awaiting)"):
        engine.run("?", "t " * 9_000)


@pytest.mark.parametrize("limit", ["max_depth", "max_sub_calls"])
def test_tools_that_no_sub_lm_would_call_are_refused(limit: str) -> None:
    with pytest.raises(InvalidArgumentError, match=f"sub_tools: no sub-LM would call them, for {limit} is 0"):
        RLMEngine(ScriptedModel([]), sub_tools=[rent], limits={limit: 0})
