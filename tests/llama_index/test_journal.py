"""The journal in LlamaIndex: queries, evaluations, sub-LMs with tools, and what handlers hear of a replay."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
from llama_index.core import Document, SummaryIndex
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.evaluation import BatchEvalRunner, FaithfulnessEvaluator

from rlm_integrations import Completion, InvalidArgumentError, Message, RLMTrace, ToolCall, Usage
from rlm_integrations.llama_index import RLMQueryEngine
from rlm_integrations.testing.llama_index import ScriptedLLM

DOCUMENTS = [Document(text=f"Plot {n}.\n" + "Nothing of note.\n" * 30, doc_id=f"plot-{n}") for n in range(5)]
ASK = '```repl\nanswer["content"] = llm_query("Rent?")\nanswer["ready"] = True\n```'
SPENT = Usage(input_tokens=100, output_tokens=10)


async def test_a_query_that_has_ended_is_answered_at_no_cost(tmp_path: Path) -> None:
    llm = ScriptedLLM(always=lambda messages: ASK)
    sub_llm = ScriptedLLM(always=lambda messages: "70 pounds")
    counter = TokenCountingHandler(tokenizer=str.split)
    index = SummaryIndex.from_documents(DOCUMENTS)
    engine = RLMQueryEngine.from_index(
        index,
        llm=llm,
        sub_llm=sub_llm,
        journal=tmp_path / "runs.sqlite",
        callback_manager=CallbackManager([counter]),
    )
    first = await engine.aquery("Rent?")
    counter.reset_counts()
    second, third = await engine.aquery("Rent?"), engine.query("Rent?")
    assert str(first) == str(second) == str(third) == "70 pounds"
    assert [node.node.node_id for node in first.source_nodes] == [node.node.node_id for node in second.source_nodes]
    assert len(llm.requests) == len(sub_llm.requests) == 1
    assert counter.total_llm_token_count == 0
    assert RLMTrace.of(second).journal == "finished"
    with pytest.raises(InvalidArgumentError, match="journal: int given"):
        RLMQueryEngine(llm, context=DOCUMENTS, journal=7)  # type: ignore[arg-type]


async def test_an_evaluation_that_is_made_again_pays_for_nothing_twice(tmp_path: Path) -> None:
    llm = ScriptedLLM(always=lambda messages: ASK)
    sub_llm = ScriptedLLM(always=lambda messages: "70 pounds")
    engine = RLMQueryEngine(llm, sub_llm, DOCUMENTS, journal=tmp_path / "runs.sqlite")
    judge = FaithfulnessEvaluator(llm=ScriptedLLM(always=lambda messages: "YES"))
    for questions in (5, 9):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it calls what LlamaIndex has deprecated
            runner = BatchEvalRunner({"faithfulness": judge}, workers=3)
        await runner.aevaluate_queries(engine, queries=[f"Rent {n}?" for n in range(questions)])
        assert len(llm.requests) == len(sub_llm.requests) == questions


async def test_a_sub_lm_with_tools_goes_on_amid_its_rounds(tmp_path: Path) -> None:
    called: list[int] = []
    ends = True

    def rent(plot: int) -> dict[str, int]:
        """The rent of a plot, in pounds."""
        called.append(plot)
        return {"pounds": plot * 10}

    def sub(messages: Sequence[Message]) -> Completion:
        if not called:
            return Completion("", SPENT, "sub", "stop", tool_calls=(ToolCall("rent", '{"plot": 7}', "call_1"),))
        if ends:
            running.cancel()
            raise ConnectionError("cut")
        return Completion("70 pounds", SPENT, "sub", "stop")

    llm = ScriptedLLM(always=lambda messages: ASK)
    sub_llm = ScriptedLLM(always=sub, is_function_calling_model=True)
    engine = RLMQueryEngine(llm, sub_llm, DOCUMENTS, sub_tools=[rent], journal=tmp_path / "runs.sqlite")
    running = asyncio.create_task(engine.aquery("Rent?"))
    with pytest.raises(asyncio.CancelledError):
        await running
    ends = False
    assert str(await engine.aquery("Rent?")) == "70 pounds"
    assert called == [7]
    assert (len(llm.requests), len(sub_llm.requests)) == (1, 3)
