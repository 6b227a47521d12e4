"""Whole traces of chains that end in a parser, and what the attached one weighs."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel

from rlm_integrations import RLMTrace
from rlm_integrations.core.trace.summary import SUMMARY_BYTES
from rlm_integrations.langchain import RLMRunnable, collect_rlm_traces
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'


@pytest.fixture
def chain() -> Any:
    """Answers a question with itself."""
    llm = ScriptedChatModel(always=lambda messages: messages[-1].content.split()[-1])
    return ChatPromptTemplate.from_template("{q}") | RLMRunnable(llm=llm, limits={"max_depth": 0}) | StrOutputParser()


@pytest.mark.parametrize("mode", ["invoke", "ainvoke", "stream", "astream", "events"])
async def test_a_chain_that_ends_in_a_parser_has_its_trace_collected(chain: Any, mode: str) -> None:
    with collect_rlm_traces() as traces:
        if mode == "invoke":
            chain.invoke({"q": "one"})
        elif mode == "ainvoke":
            await chain.ainvoke({"q": "one"})
        elif mode == "stream":
            list(chain.stream({"q": "one"}))
        elif mode == "astream":
            [_ async for _ in chain.astream({"q": "one"})]
        else:
            [_ async for _ in chain.astream_events({"q": "one"}, version="v2")]
    assert [(trace.question, trace.detail, len(trace.iterations)) for trace in traces] == [("one", "full", 1)]


async def test_batches_and_parallel_branches_have_a_trace_for_each_run(chain: Any) -> None:
    inputs = [{"q": f"q{n}"} for n in range(6)]
    asked = {each["q"] for each in inputs}
    with collect_rlm_traces() as traces:
        chain.batch(inputs)
    assert {trace.question for trace in traces} == asked
    with collect_rlm_traces() as traces:
        await chain.abatch(inputs)
    assert {trace.question for trace in traces} == asked
    with collect_rlm_traces() as traces:
        RunnableParallel(a=chain, b=chain).invoke({"q": "both"})
    assert [trace.question for trace in traces] == ["both", "both"]
    with collect_rlm_traces() as traces:
        await asyncio.gather(*(chain.ainvoke(each) for each in inputs))
    assert {trace.question for trace in traces} == asked


def test_a_run_inside_of_a_runs_tool_is_collected_too(chain: Any, root_model: Any) -> None:
    def colleague(question: str) -> str:
        return chain.invoke({"q": question})

    outer = RLMRunnable(llm=root_model(READY.format("colleague('inner')")), tools=[colleague], context="c")
    with collect_rlm_traces() as traces:
        (outer | RunnableLambda(lambda message: message.text)).invoke("outer")
    assert [trace.question for trace in traces] == ["inner", "outer"]


def test_a_long_run_adds_at_most_a_summary_to_its_message(root_model: Any, sub_model: Any) -> None:
    step = "parts = llm_query_batched([context[n:n + 5000] for n in range(0, 100000, 5000)]); print(context[:9000])"
    rlm = RLMRunnable(
        llm=root_model(*[step] * 5, READY.format("parts[0]")), sub_llm=sub_model, context="words and " * 20_000
    )
    with collect_rlm_traces() as traces:
        message = rlm.invoke("q")
    assert len(json.dumps(message.response_metadata["rlm"]["trace"])) <= SUMMARY_BYTES
    assert len(traces[0].model_dump_json()) > 10 * SUMMARY_BYTES
    assert traces[0].sub_call_count == 100


def test_a_message_shows_how_many_iterations_there_were_though_its_summary_has_fewer():
    llm = ScriptedChatModel(always=lambda _: "```repl\nanswer['content'] = 'so far'\nprint('x' * 4_000)\n```")
    with pytest.warns(RuntimeWarning, match="a limit was met"):
        message = RLMRunnable(llm=llm).invoke("q")
    trace = RLMTrace.of(message)
    assert len(trace.iterations) < trace.iteration_count == 21
    assert "<21 iterations: RLMTrace.of(...)>" in repr(message)
