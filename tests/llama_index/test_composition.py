"""The engine inside LlamaIndex's other engines, tools and chats."""

from __future__ import annotations

import json

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.base.response.schema import PydanticResponse, StreamingResponse
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.evaluation import FaithfulnessEvaluator, GuidelineEvaluator
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import (
    RetryGuidelineQueryEngine,
    RetryQueryEngine,
    RetrySourceQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.selectors import LLMMultiSelector, LLMSingleSelector
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from rlm_integrations.llama_index import RLMQueryEngine

FOUND = "heliotrope under glass"
BOTH_PATHS = pytest.mark.parametrize("path", ["sync", "async"])


class Passphrase(BaseModel):
    text: str


async def ask(engine, path, question="What is the passphrase?"):
    return engine.query(question) if path == "sync" else await engine.aquery(question)


@pytest.fixture
def build(long_text, finding_llm):
    return lambda **options: RLMQueryEngine.from_documents(
        [Document(text=long_text, doc_id="ledger")], **{"llm": finding_llm(), **options}
    )


@pytest.fixture
def typed(build, scripted):
    code = f"```repl\ncite({FOUND!r})\nanswer['content'] = {{'text': '{FOUND}'}}\nanswer['ready'] = True\n```"
    return build(llm=scripted(always=lambda messages: code), output_cls=Passphrase)


async def test_as_a_tool(ledger_tool):
    for output in (ledger_tool.call("What is the passphrase?"), await ledger_tool.acall("What is the passphrase?")):
        assert output.content == FOUND
        assert output.raw_output.source_nodes
        assert "rlm" in output.raw_output.metadata


async def test_as_a_tool_with_streaming(build):
    tool = QueryEngineTool.from_defaults(build(streaming=True), name="ledger", description="Questions on the ledger.")
    assert tool.call("q?").content == FOUND
    assert (await tool.acall("q?")).content == FOUND


@BOTH_PATHS
async def test_behind_a_router(path, ledger_tool, scripted):
    other = QueryEngineTool.from_defaults(
        SummaryIndex([]).as_query_engine(llm=MockLLM()), name="other", description="Something else."
    )
    selector = LLMSingleSelector.from_defaults(
        llm=scripted(always=lambda messages: '[{"choice": 2, "reason": "it fits"}]')
    )
    response = await ask(RouterQueryEngine(selector, [other, ledger_tool], llm=MockLLM()), path)
    assert str(response) == FOUND
    assert response.metadata["rlm"]["stop_reason"] == "answer"
    assert response.metadata["selector_result"].ind == 1


@BOTH_PATHS
async def test_beside_another_engine_behind_a_router(path, ledger_tool, typed, scripted):
    """The router sums answers of several engines up, a typed one among them; it keeps the sources of all."""
    tools = [ledger_tool, QueryEngineTool.from_defaults(typed, name="typed", description="The same, typed.")]
    choices = [{"choice": number, "reason": "both"} for number in (1, 2)]
    selector = LLMMultiSelector.from_defaults(llm=scripted(always=lambda messages: json.dumps(choices)))
    summarizer = scripted(["Summed up."])
    response = await ask(RouterQueryEngine(selector, tools, llm=summarizer), path)
    assert str(response) == "Summed up."
    assert [source.node_id for source in response.source_nodes] == ["ledger", "ledger"]
    [request] = summarizer.requests
    assert request[-1].content.count(FOUND) == 2


@pytest.mark.parametrize("use_async", [True, False])
@BOTH_PATHS
async def test_under_sub_questions(path, use_async, ledger_tool, scripted):
    items = [{"sub_question": question, "tool_name": "ledger"} for question in ("What is it?", "And again?")]
    llm = scripted(always=lambda messages: f"```json\n{json.dumps({'items': items})}\n```")
    synthesizer = get_response_synthesizer(llm=scripted(["Summed up."]), use_async=use_async)
    generator = LLMQuestionGenerator.from_defaults(llm=llm)
    whole = SubQuestionQueryEngine(generator, synthesizer, [ledger_tool], verbose=False, use_async=use_async)
    response = await ask(whole, path)
    assert str(response) == "Summed up."
    answers, sources = response.source_nodes[:2], response.source_nodes[2:]
    assert all(FOUND in answer.text for answer in answers)
    assert [source.node_id for source in sources] == ["ledger", "ledger"]


@BOTH_PATHS
@pytest.mark.parametrize("retrying", [RetryQueryEngine, RetrySourceQueryEngine])
async def test_kept_by_a_retrying_engine_that_is_content(path, retrying, build, judge):
    response = await ask(retrying(build(), FaithfulnessEvaluator(llm=judge)), path)
    assert str(response) == FOUND
    assert [source.node_id for source in response.source_nodes] == ["ledger"]
    assert judge.requests


@BOTH_PATHS
async def test_asked_again_by_a_retrying_engine_with_what_was_wrong(path, build, scripted, judge):
    llm = scripted(
        [
            f"```repl\nprint(context[0]['text'])\nanswer['content'] = {content!r}\nanswer['ready'] = True\n```"
            for content in ("Not known.", FOUND)
        ]
    )
    Settings.llm = MockLLM()
    response = await ask(RetryQueryEngine(build(llm=llm), FaithfulnessEvaluator(llm=judge)), path)
    assert str(response) == FOUND
    assert "Here is a previous bad answer.\nNot known." in llm.requests[1][-1].content


@BOTH_PATHS
async def test_held_to_guidelines(path, build, scripted):
    verdicts = [json.dumps({"passing": passing, "feedback": "Name the line."}) for passing in (False, True)]
    judge = scripted(verdicts)
    engine = build()
    response = await ask(RetryGuidelineQueryEngine(engine, GuidelineEvaluator(llm=judge)), path)
    assert str(response) == FOUND
    assert len(judge.requests) == 2
    assert "Name the line." in engine._llm.llm.requests[1][-1].content


def test_a_streamed_answer_that_a_retrying_engine_has_read_is_still_there(build, judge):
    response = RetryQueryEngine(build(streaming=True), FaithfulnessEvaluator(llm=judge)).query("q?")
    assert isinstance(response, StreamingResponse)
    assert str(response) == response.get_response().response == FOUND


def test_a_typed_answer_is_judged_as_json(typed, judge):
    response = RetryQueryEngine(typed, FaithfulnessEvaluator(llm=judge)).query("q?")
    assert isinstance(response, PydanticResponse)
    assert response.response == Passphrase(text=FOUND)


@BOTH_PATHS
async def test_behind_a_query_transform(path, build, scripted, finding_llm):
    llm, hypothesis = finding_llm(), scripted(["It is surely a plant."])
    engine = TransformQueryEngine(build(llm=llm), HyDEQueryTransform(llm=hypothesis, include_original=True))
    assert str(await ask(engine, path)) == FOUND
    assert "What is the passphrase?" in llm.requests[0][-1].content
    assert len(hypothesis.requests) == 1


def test_its_prompts_are_those_of_a_module_of_the_outer_engine(build, judge):
    inner = build()
    outer = RetryQueryEngine(inner, FaithfulnessEvaluator(llm=judge))
    outer.update_prompts({"query_engine:instructions": PromptTemplate("Be terse.")})
    outer.query("q?")
    assert outer.get_prompts()["query_engine:instructions"].get_template() == "Be terse."
    assert inner._llm.llm.requests[0][0].content.endswith("Be terse.")


def condensing(engine):
    Settings.llm = MockLLM()
    return CondenseQuestionChatEngine.from_defaults(engine, memory=ChatMemoryBuffer.from_defaults())


async def test_in_a_chat_engine(ledger_engine, scripted):
    chat = condensing(ledger_engine)
    first = chat.chat("What is the passphrase?")
    assert first.response == FOUND
    assert first.source_nodes
    assert (await chat.achat("And again?")).response == FOUND
    assert [message.content for message in chat.chat_history][::2] == ["What is the passphrase?", "And again?"]


async def test_in_a_chat_engine_that_streams(build):
    engine = build(streaming=True)
    assert "".join(condensing(engine).stream_chat("q?").response_gen) == FOUND
    streamed = await condensing(engine).astream_chat("q?")
    assert "".join([piece async for piece in streamed.async_response_gen()]) == FOUND
    assert condensing(engine).chat("q?").response == FOUND
    assert (await condensing(engine).achat("q?")).response == FOUND
