"""collect_rlm_traces has the whole traces of queries, also where the response is lost."""

from __future__ import annotations

import asyncio

import pytest
from llama_index.core import Document
from llama_index.core.tools import QueryEngineTool

from rlm_integrations import collect_rlm_traces
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM


def engine(answer: str) -> RLMQueryEngine:
    return RLMQueryEngine.from_documents([Document(text="The kiln was lit on Monday.")], llm=ScriptedLLM([answer]))


@pytest.mark.parametrize("mode", ["query", "aquery", "query in a thread", "tool"])
async def test_a_query_has_its_trace_collected(mode: str) -> None:
    with collect_rlm_traces() as traces:
        if mode == "query":
            engine("On Monday.").query("When?")
        elif mode == "aquery":
            await engine("On Monday.").aquery("When?")
        elif mode == "tool":
            await QueryEngineTool.from_defaults(engine("On Monday.")).acall("When?")
        else:
            await asyncio.to_thread(engine("On Monday.").query, "When?")
    assert [(trace.question, trace.answer, trace.detail) for trace in traces] == [("When?", "On Monday.", "full")]
