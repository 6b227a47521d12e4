"""`ChatRLM`: its runs, usage and tokens in callbacks, tracers and streams."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig

from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import ChatRLM

LOOK = "print(len(context))"
ASK = """
answer["content"] = " and ".join(llm_query_batched([context[:50], context[50:90]]))
answer["ready"] = True
"""
READY = 'answer["content"] = {0}\nanswer["ready"] = True'
TREE = [
    "ChatRLM [chat_model]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "    SubModel [chat_model]",
    "    SubModel [chat_model]",
]

Call = Callable[[ChatRLM, RunnableConfig], Awaitable[AIMessage]]


async def _invoke_inside_a_running_loop(chat: ChatRLM, config: RunnableConfig) -> Any:
    return chat.invoke("How long?", config)


async def _ainvoke(chat: ChatRLM, config: RunnableConfig) -> Any:
    return await chat.ainvoke("How long?", config)


async def _batch(chat: ChatRLM, config: RunnableConfig) -> Any:
    return (await asyncio.to_thread(chat.batch, ["How long?"], config))[0]


async def _abatch(chat: ChatRLM, config: RunnableConfig) -> Any:
    return (await chat.abatch(["How long?"], config))[0]


async def _generate(chat: ChatRLM, config: RunnableConfig) -> Any:
    return (
        chat.generate([[AIMessage("Hi"), HumanMessage("How long?")]], callbacks=config["callbacks"])
        .generations[0][0]
        .message
    )


async def _stream(chat: ChatRLM, config: RunnableConfig) -> Any:
    first, *rest = chat.stream("How long?", config)
    return sum(rest, first)


async def _astream(chat: ChatRLM, config: RunnableConfig) -> Any:
    first, *rest = [chunk async for chunk in chat.astream("How long?", config)]
    return sum(rest, first)


CALLS: list[Call] = [_invoke_inside_a_running_loop, _ainvoke, _batch, _abatch, _generate, _stream, _astream]


class TokenKeeper(BaseCallbackHandler):
    """Keeps the tokens that handlers are told of, per run."""

    def __init__(self) -> None:
        self.tokens: dict[Any, list[str]] = {}

    def on_llm_new_token(self, token: Any, *, run_id: Any, **kwargs: Any) -> None:
        self.tokens.setdefault(run_id, []).append(token)


class Hanging(BaseChatModel):
    """Never answers, and says when it was asked and when the call was given up."""

    asked: Any
    given_up: Any

    @property
    def _llm_type(self) -> str:
        return "hanging"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
        self.asked.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            self.given_up.set()


@pytest.fixture
def chat(root_model, sub_model) -> ChatRLM:
    return ChatRLM(llm=root_model(LOOK, ASK), sub_llm=sub_model, context="x" * 30_000)


@pytest.mark.parametrize("call", CALLS)
async def test_what_it_calls_are_children_of_its_run_and_usage_is_counted_once(chat: ChatRLM, tracer, call: Call):
    counter = UsageMetadataCallbackHandler()
    message = await call(chat, {"callbacks": [tracer, counter]})

    assert tracer.lines() == TREE
    assert message.text == "len=50 and len=40"
    assert message.usage_metadata["total_tokens"] == 2 * 15 + 2 * 5
    assert {name: usage["total_tokens"] for name, usage in counter.usage_metadata.items()} == {
        "scripted": 30,
        "sub-1": 10,
    }
    assert message.response_metadata["model_name"] == "RootModel"
    rlm = message.response_metadata["rlm"]
    assert (rlm["stop_reason"], rlm["usage"]) == ("answer", message.usage_metadata)
    assert RLMTrace.of(message).sub_call_count == 2
    own = tracer.roots[0]
    assert message.id == f"rlm-{own.id}"
    assert "x" * 1_000 not in tracer.payload()
    told = own.outputs["generations"][0][0]["message"]["kwargs"]
    assert told["content"] == message.text
    assert "usage_metadata" not in told or told["usage_metadata"] is None


@pytest.mark.skipif(not hasattr(BaseChatModel, "stream_events"), reason="this LangChain has no such streams yet")
@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
async def test_event_streams_of_version_3_have_the_same_tree(chat: ChatRLM, root_model, sub_model, tracer):
    counter = UsageMetadataCallbackHandler()
    message = chat.stream_events("How long?", {"callbacks": [tracer, counter]}, version="v3").output
    assert message.text == "len=50 and len=40"
    assert message.response_metadata["rlm"]["usage"]["total_tokens"] == 40
    assert tracer.lines() == TREE

    again = ChatRLM(llm=root_model(LOOK, ASK), sub_llm=sub_model, context="x" * 30_000)
    kept, keep = threading.Event(), tracer._persist_run
    tracer._persist_run = lambda run: (keep(run), kept.set())  # the stream's output is there before its run ends
    stream = await again.astream_events("How long?", {"callbacks": [tracer, counter]}, version="v3")
    assert (await stream.output).text == "len=50 and len=40"
    await asyncio.to_thread(kept.wait)
    assert tracer.lines() == TREE * 2
    assert sum(usage["total_tokens"] for usage in counter.usage_metadata.values()) == 80


async def test_handlers_are_told_of_the_pieces_of_a_stream_and_of_no_others(chat: ChatRLM, root_model, tracer):
    for call, told in ((_stream, True), (_astream, True), (_ainvoke, False)):
        chat = ChatRLM(llm=root_model(LOOK, READY.format("'one two ' * 40")), context="x" * 30_000)
        keeper = TokenKeeper()
        message = await call(chat, {"callbacks": [tracer, keeper]})
        own = tracer.roots.pop()
        assert set(keeper.tokens) == ({own.id} if told else set())
        assert "".join(keeper.tokens.get(own.id, [message.text])) == message.text


async def test_an_event_stream_around_it_has_its_pieces(chat: ChatRLM):
    text, ends = "", []
    async for event in chat.astream_events("How long?", version="v2"):
        if event["event"] == "on_chat_model_stream" and not event["parent_ids"]:
            text += event["data"]["chunk"].text
        if event["event"] == "on_chat_model_end":
            ends.append(event["data"]["output"].usage_metadata is not None)
    assert text == "len=50 and len=40"
    assert ends == [True, True, True, True, False]  # the inner calls', then its own


def test_a_model_that_streams_says_so_on_invoke_too(root_model):
    keeper = TokenKeeper()
    ChatRLM(llm=root_model("say:yes"), streaming=True).invoke("q", {"callbacks": [keeper]})
    assert list(keeper.tokens.values()) == [["yes", ""]]


def test_inner_runs_keep_tags_and_metadata_but_no_model_name_of_the_outer(chat: ChatRLM, tracer):
    chat.invoke("How long?", {"callbacks": [tracer], "tags": ["mine"], "metadata": {"user": "u1"}})
    own, *inner = [run for _, run in tracer.runs()]
    assert own.extra["metadata"]["ls_model_name"] == "RootModel"
    assert {run.extra["metadata"]["user"] for run in inner} == {"u1"}
    assert all("mine" in run.tags for run in inner)
    assert all("ls_model_name" not in run.extra["metadata"] for run in inner if run.run_type == "tool")
    assert {run.extra["metadata"].get("ls_provider") for run in inner if run.run_type == "chat_model"} == {
        "rootmodel",
        "submodel",
    }


async def test_a_retriever_runs_below_it(root_model, tracer):
    class Shelf(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            return [Document(f"about {query}")]

    chat = ChatRLM(llm=root_model(READY.format('retrieve("more")[0]["text"]')), context=Shelf())
    assert (await chat.ainvoke("q", {"callbacks": [tracer]})).content == "about more"
    assert tracer.lines() == [
        "ChatRLM [chat_model]",
        "  Shelf [retriever]",
        "  RootModel [chat_model]",
        "  python_repl [tool]",
        "    Shelf [retriever]",
    ]


def test_a_failed_run_is_a_failed_run_in_the_tree(root_model, tracer):
    with pytest.raises(RootModelError) as caught:
        ChatRLM(llm=root_model(LOOK), context="x" * 30_000).invoke("q", {"callbacks": [tracer]})
    assert caught.value.result is not None
    assert "RootModelError" in tracer.roots[0].error


@pytest.mark.parametrize("call", [_ainvoke, _astream])
async def test_a_cancelled_call_ends_its_run_at_once(call):
    llm = Hanging(asked=asyncio.Event(), given_up=asyncio.Event())
    task = asyncio.create_task(call(ChatRLM(llm=llm, context="x" * 30_000), {}))
    await llm.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await llm.given_up.wait()
