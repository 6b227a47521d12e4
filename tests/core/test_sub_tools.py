"""Sub-LMs call tools of their own: what they are told, what they call, and what comes of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import pytest
from pydantic import Field

from rlm_integrations import Completion, Message, RLMEngine, Usage
from rlm_integrations.core.trace.events import Event, HostCallEnded, HostCallStarted, SubCallContinued, SubCallEnded
from rlm_integrations.core.trace.summary import summarise
from rlm_integrations.testing import ScriptedModel

from .calling_sub_lms import SPENT, call_of, calling, rent, root, run, saying


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


def test_the_names_in_a_methods_annotations_are_those_of_its_module() -> None:
    class Plots:
        def let(self, before: date, at_most: Annotated[int, Field(description="Pounds.")] = 9) -> str:
            """Finds plots."""
            return f"{before.year} {at_most}"

    result, sub = run([calling(("let", {"before": "2021-05-01"})), saying("done")], [Plots().let])
    assert result.answer == "done"
    assert sub.requests[1][-1].content == "2021 9"
    assert sub.offered[0][0].parameters["properties"] == {
        "before": {"title": "Before", "type": "string", "format": "date"},
        "at_most": {"title": "At Most", "type": "integer", "description": "Pounds.", "default": 9},
    }


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
