"""The same spans from both frameworks, and beside what OpenInference tells of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from llama_index.core import Document, SummaryIndex

from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.langchain import ScriptedChatModel
from rlm_integrations.testing.llama_index import ScriptedLLM

ASK = """```repl
answer["content"] = llm_query_batched(["warm?", "lovely?"])[0]
answer["ready"] = True
```"""
RUN = ["invoke_agent rlm", "  chat scripted", "  execute_tool python", "    chat scripted", "    chat scripted"]


def runnable() -> RLMRunnable:
    sub = ScriptedChatModel(always=lambda messages: "yes")
    return RLMRunnable(llm=ScriptedChatModel([ASK]), sub_llm=sub, context={"letter": "The crate came warm. " * 500})


def query_engine() -> RLMQueryEngine:
    index = SummaryIndex.from_documents([Document(text="The crate came warm.")])
    sub = ScriptedLLM(always=lambda messages: "yes")
    return RLMQueryEngine.from_index(index, llm=ScriptedLLM([ASK]), sub_llm=sub, limits={"inline_chars": 0})


@pytest.mark.parametrize("way", ["invoke", "ainvoke", "batch", "astream"])
async def test_langchain(spans: Any, way: str) -> None:
    match way:
        case "invoke":
            await asyncio.to_thread(runnable().invoke, "?")
        case "ainvoke":
            await runnable().ainvoke("?")
        case "batch":
            await asyncio.to_thread(runnable().batch, ["?"])
        case _:
            assert [chunk async for chunk in runnable().astream("?")]
    assert spans.lines() == RUN


@pytest.mark.parametrize("way", ["query", "aquery"])
async def test_llama_index(spans: Any, way: str) -> None:
    engine = query_engine()
    if way == "query":
        await asyncio.to_thread(engine.query, "?")
    else:
        await engine.aquery("?")
    assert spans.lines() == RUN


@pytest.fixture
def openinference(spans: Any) -> Iterator[None]:
    langchain = pytest.importorskip("openinference.instrumentation.langchain").LangChainInstrumentor()
    llama_index = pytest.importorskip("openinference.instrumentation.llama_index").LlamaIndexInstrumentor()
    langchain.instrument(tracer_provider=spans.provider)
    llama_index.instrument(tracer_provider=spans.provider)
    yield
    langchain.uninstrument()
    llama_index.uninstrument()


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
async def test_below_the_spans_of_langchain(spans: Any, openinference: None, way: str) -> None:
    chain = RunnableLambda(lambda question: question) | runnable()
    if way == "invoke":
        await asyncio.to_thread(chain.invoke, "?")
    else:
        await chain.ainvoke("?")
    assert spans.lines()[:3] == ["RunnableSequence", "  RunnableLambda", "  RLMRunnable"]
    assert spans.lines()[3:8] == [f"    {line}" for line in RUN]
    assert len({span.context.trace_id for span in spans.ended}) == 1


@pytest.mark.parametrize("way", ["query", "aquery"])
async def test_below_the_spans_of_llama_index(spans: Any, openinference: None, way: str) -> None:
    engine = query_engine()
    spans.exporter.clear()
    if way == "query":
        await asyncio.to_thread(engine.query, "?")
    else:
        await engine.aquery("?")
    outer = [f"RLMQueryEngine.{way}", f"  RLMQueryEngine._{way}"]
    assert spans.lines()[:7] == [*outer, *(f"    {line}" for line in RUN)]
