"""The engine inside LlamaIndex's own machinery."""

from __future__ import annotations

import json

import pytest
from llama_index.core import Document, Settings
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.evaluation import FaithfulnessEvaluator
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

from rlm_integrations.llama_index import RLMQueryEngine

FOUND = "heliotrope under glass"


@pytest.fixture
def engine(long_text, finding_llm):
    return RLMQueryEngine.from_documents([Document(text=long_text, doc_id="ledger")], llm=finding_llm())


@pytest.fixture
def tool(engine):
    return QueryEngineTool.from_defaults(engine, name="ledger", description="Questions on the ledger.")


async def test_as_a_tool(tool):
    for output in (tool.call("What is the passphrase?"), await tool.acall("What is the passphrase?")):
        assert output.content == FOUND
        assert output.raw_output.source_nodes
        assert "rlm" in output.raw_output.metadata


async def test_as_a_tool_with_streaming(long_text, finding_llm):
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=finding_llm(), streaming=True)
    tool = QueryEngineTool.from_defaults(engine, name="ledger", description="Questions on the ledger.")
    assert (await tool.acall("q?")).content == FOUND


async def test_behind_a_router(tool, scripted):
    selector = LLMSingleSelector.from_defaults(
        llm=scripted(always=lambda messages: '[{"choice": 1, "reason": "it fits"}]')
    )
    router = RouterQueryEngine(selector, [tool], llm=MockLLM())
    for response in (router.query("q?"), await router.aquery("q?")):
        assert str(response) == FOUND
        assert response.metadata["rlm"]["stop_reason"] == "answer"


def test_under_sub_questions(tool, scripted):
    items = [{"sub_question": question, "tool_name": "ledger"} for question in ("What is it?", "And again?")]
    llm = scripted(always=lambda messages: f"```json\n{json.dumps({'items': items})}\n```")
    whole = SubQuestionQueryEngine(
        LLMQuestionGenerator.from_defaults(llm=llm),
        get_response_synthesizer(llm=MockLLM(max_tokens=2)),
        [tool],
        verbose=False,
        use_async=False,
    )
    answers = [source.text for source in whole.query("q?").source_nodes]
    assert sum(FOUND in answer for answer in answers) >= 2


def test_faithfulness_is_evaluated_on_the_sources(engine, scripted):
    judge = scripted(always=lambda messages: "YES" if any(FOUND in m.content for m in messages) else "NO")
    response = engine.query("What is the passphrase?")
    assert isinstance(response, Response)
    assert FaithfulnessEvaluator(llm=judge).evaluate_response("What is the passphrase?", response).passing


async def test_in_a_chat_engine(engine, scripted):
    Settings.llm = scripted(always=lambda messages: "What is the passphrase?")
    chat = CondenseQuestionChatEngine.from_defaults(engine, memory=ChatMemoryBuffer.from_defaults())
    first = chat.chat("What is the passphrase?")
    assert first.response == FOUND
    assert first.source_nodes
    assert (await chat.achat("And again?")).response == FOUND
