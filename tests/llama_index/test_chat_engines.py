"""The engine behind LlamaIndex's chat engines: whole answers where they chat, streams where they stream."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from llama_index.core import Document, Settings, SummaryIndex
from llama_index.core.base.response.schema import Response
from llama_index.core.chat_engine import CondenseQuestionChatEngine
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from pydantic import BaseModel

from rlm_integrations.llama_index import RLMQueryEngine, install, uninstall

FOUND = "heliotrope under glass"
QUESTION = "What is the passphrase?"


class Passphrase(BaseModel):
    text: str


def by_index(long_text, llm, **options):
    index = SummaryIndex.from_documents([Document(text=long_text, doc_id="ledger")])
    options |= {"memory": ChatMemoryBuffer.from_defaults(), "llm": llm}
    with pytest.warns(UserWarning, match="does not use memory"):
        return index.as_chat_engine(chat_mode="condense_question", engine="rlm", **options)


def by_hand(long_text, llm, **options):
    engine = RLMQueryEngine.from_documents([Document(text=long_text, doc_id="ledger")], llm=llm, **options)
    return over(engine)


def over(engine):
    return CondenseQuestionChatEngine.from_defaults(query_engine=engine, memory=ChatMemoryBuffer.from_defaults())


@pytest.fixture(params=[by_index, by_hand])
def make_chat(request, long_text, finding_llm):
    def make(**options):
        Settings.llm = MockLLM()
        return request.param(long_text, **{"llm": finding_llm(), **options})

    return make


async def streamed_text(chat, path, question=QUESTION):
    if path == "sync":
        return "".join(chat.stream_chat(question).response_gen)
    response = await chat.astream_chat(question)
    return "".join([piece async for piece in response.async_response_gen()])


@pytest.mark.parametrize("path", ["sync", "async"])
@pytest.mark.parametrize("streaming", [False, True])
async def test_a_chat_streams_however_its_engine_was_made(path, streaming, make_chat):
    chat = make_chat(streaming=streaming)
    assert await streamed_text(chat, path) == FOUND
    assert [message.content for message in chat.chat_history] == [QUESTION, FOUND]


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_chat_that_does_not_stream_has_whole_responses(streaming, make_chat):
    chat = make_chat(streaming=streaming)
    for answer in (chat.chat(QUESTION), await chat.achat("And again?")):
        assert answer.response == FOUND
        [source] = answer.sources
        assert isinstance(source.raw_output, Response)
        assert source.content == FOUND


async def test_what_a_chat_asked_for_holds_for_its_own_question_alone(make_chat):
    chat = make_chat()
    assert isinstance(chat._query_engine.query(QUESTION), Response)
    stream = chat.stream_chat(QUESTION)
    assert isinstance(chat._query_engine.query(QUESTION), Response)
    assert "".join(stream.response_gen) == FOUND
    assert isinstance(await chat._query_engine.aquery(QUESTION), Response)


async def test_chats_that_stream_beside_those_that_do_not(long_text, finding_llm):
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=finding_llm())

    async def whole():
        return (await over(engine).achat(QUESTION)).response

    async def streamed():
        return await streamed_text(over(engine), "async")

    async def asked():
        response = await engine.aquery(QUESTION)
        assert isinstance(response, Response)
        return str(response)

    assert await asyncio.gather(*(each() for each in (whole, streamed, asked) * 3)) == [FOUND] * 9
    with ThreadPoolExecutor(4) as pool:
        chats = [over(engine) for _ in range(4)]
        texts = pool.map(lambda chat: "".join(chat.stream_chat(QUESTION).response_gen), chats)
        assert list(texts) == [FOUND] * 4


def test_an_engine_that_is_asked_from_within_a_chats_run_does_not_stream(long_text, scripted):
    """A tool may ask the very engine that its run is one of."""
    responses = []

    def ask_again() -> str:
        responses.append(engine.query("inner"))
        return str(responses[-1])

    def reply(messages):
        value = "'inner answer'" if "inner" in messages[-1].content else "ask_again()"
        return f"```repl\nanswer['content'] = {value}\nanswer['ready'] = True\n```"

    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=scripted(always=reply), tools=[ask_again])
    chat = over(engine)
    assert "".join(chat.stream_chat("outer").response_gen) == "inner answer"
    assert [type(response) for response in responses] == [Response]


async def test_a_typed_answer_is_streamed_as_its_json(make_chat, scripted):
    code = f"```repl\nanswer['content'] = {{'text': '{FOUND}'}}\nanswer['ready'] = True\n```"
    chat = make_chat(llm=scripted(always=lambda messages: code), output_cls=Passphrase)
    for path in ("sync", "async"):
        assert Passphrase.model_validate_json(await streamed_text(chat, path)).text == FOUND


def test_a_chat_over_other_engines_is_left_as_it_is(documents):
    options = {"memory": ChatMemoryBuffer.from_defaults(), "llm": MockLLM()}
    chat = SummaryIndex.from_documents(documents).as_chat_engine(chat_mode="condense_question", **options)
    assert "".join(chat.stream_chat("q?").response_gen)


def test_uninstalled_a_chat_engine_is_as_llama_index_made_it(long_text, finding_llm):
    engine = RLMQueryEngine.from_documents([Document(text=long_text)], llm=finding_llm())
    hooked = vars(CondenseQuestionChatEngine)["stream_chat"]
    uninstall()
    assert vars(CondenseQuestionChatEngine)["stream_chat"] is hooked.__wrapped__
    with pytest.raises(ValueError, match="Streaming is not enabled"):
        over(engine).stream_chat(QUESTION)
    install()
    install()
    assert vars(CondenseQuestionChatEngine)["stream_chat"].__wrapped__ is hooked.__wrapped__
    assert "".join(over(engine).stream_chat(QUESTION).response_gen) == FOUND
