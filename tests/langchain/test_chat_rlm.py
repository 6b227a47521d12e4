"""ChatRLM in the hands of code that demands a chat model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.documents import Document
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, trim_messages
from langchain_core.outputs import ChatResult
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import ConfigurableField, RunnableConfig
from langchain_core.tools import tool
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import ChatRLM
from rlm_integrations.langchain.outputs import SourcesOutput, TypedOutput
from rlm_integrations.testing.langchain import ScriptedChatModel

LOOK = "print(len(context))"
ASK = """
answer["content"] = " and ".join(llm_query_batched([context[:50], context[50:90]]))
answer["ready"] = True
"""
TREE = [
    "ChatRLM [chat_model]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "  RootModel [chat_model]",
    "  python_repl [tool]",
    "    SubModel [chat_model]",
    "    SubModel [chat_model]",
]
READY = 'answer["content"] = {0}\nanswer["ready"] = True'

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


# -- runs, usage, tokens


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


# -- arguments


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sub_lm": 1}, "sub_lm: unknown argument; did you mean 'sub_llm'"),
        ({"temperature": 0}, "temperature: unknown argument"),
        ({"limits": {"max_iteration": 3}}, "did you mean 'max_iterations'"),
        ({"context": []}, "context: is empty"),
        ({"tools": ["search"]}, "tools: item 0 is str"),
        ({"sandbox": "dockr"}, "sandbox: "),
        ({"cache": True}, "cache: the corpus is no part of a cache's key"),
        ({"cache": InMemoryCache()}, "cache: the corpus is no part of a cache's key"),
    ],
)
def test_a_wrong_argument_is_told_of_by_the_constructor(root_model, arguments, says):
    with pytest.raises(InvalidArgumentError) as caught:
        ChatRLM(llm=root_model("say:x"), **arguments)
    assert says in str(caught.value)


def test_no_model_names_llm():
    with pytest.raises(InvalidArgumentError, match="llm: no model given"):
        ChatRLM(context="x")


@pytest.mark.parametrize(
    ("keywords", "says"),
    [
        ({"temperature": 0}, r"temperature: .*llm\.bind\(temperature="),
        ({"with_sources": True}, r"with_sources: .*RLMRunnable\(\.\.\.\)\.with_sources"),
        ({"output": SourcesOutput()}, "output: a chat model returns a message"),
        ({"output": TypedOutput(int), "stop": ["x"]}, "stop: a typed answer cannot be cut"),
    ],
)
def test_a_keyword_that_a_call_cannot_have_is_refused(root_model, keywords, says):
    with pytest.raises(InvalidArgumentError, match=says):
        ChatRLM(llm=root_model("say:x")).invoke("q", **keywords)


def test_what_was_read_is_shared_by_a_rebuilt_model(root_model):
    join = READY.format('" | ".join(document["text"] for document in context)')
    chat = ChatRLM(llm=root_model(join, join), context=(text for text in ["one", "two"]))
    named = chat.configurable_fields(context=ConfigurableField(id="corpus"))
    assert named.invoke("q").content == "one | two"
    assert named.invoke("q", {"configurable": {"corpus": ["three"]}}).content == "three"


def test_stop_sequences_cut_the_answer_and_nothing_of_the_root_lm(root_model):
    code = READY.format('"first END second STOP third"')
    chat = ChatRLM(llm=root_model(*[code] * 4), context="c", stop=["STOP"])
    assert chat.invoke("q").content == "first END second "
    assert chat.invoke("q", stop=["END", "STOP"]).content == "first "
    assert "".join(str(chunk.text) for chunk in chat.stream("q", stop=["END"])) == "first "
    message = chat.invoke("q", stop=["answer"])
    assert message.content == "first END second STOP third"
    assert code in RLMTrace.of(message).iterations[0].reply


# -- caches, tools, structured output


@pytest.fixture
def global_cache() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def test_a_global_cache_does_not_mix_corpora(global_cache):
    root = ScriptedChatModel(always=lambda messages: f"```repl\n{READY.format('context')}\n```", cache=False)
    first, second = (ChatRLM(llm=root, context=text) for text in ("one", "two"))
    assert [first.invoke("q").content, second.invoke("q").content] == ["one", "two"]


def test_tools_are_for_the_constructor(root_model):
    @tool
    def population(city: str) -> str:
        """How many live there."""
        return f"{city}: 2,750,000"

    chat = ChatRLM(llm=root_model(READY.format('population("Rome")')), context="c", tools=[population])
    for expected in (InvalidArgumentError, NotImplementedError):
        with pytest.raises(expected, match=r"tools: ChatRLM answers and makes no tool calls; pass ChatRLM\(llm"):
            chat.bind_tools([population])
    assert chat.invoke("q").content == "Rome: 2,750,000"


async def test_an_agent_takes_it_for_its_model(root_model):
    for call in ("invoke", "ainvoke"):
        agent = create_agent(ChatRLM(llm=root_model("say:Rome"), context="Rome is the capital."), tools=[])
        question = {"messages": [("user", "Which city?")]}
        state = agent.invoke(question) if call == "invoke" else await agent.ainvoke(question)
        assert state["messages"][-1].content == "Rome"
        assert state["messages"][-1].usage_metadata["total_tokens"] == 15


class Capital(BaseModel):
    city: str
    inhabitants: int


@pytest.mark.parametrize("form", [Capital, ProviderStrategy(Capital), ProviderStrategy(Capital.model_json_schema())])
async def test_an_agent_has_its_response_format(root_model, form):
    answer = {"city": "Rome", "inhabitants": 2_750_000}
    for call in ("invoke", "ainvoke"):
        chat = ChatRLM(llm=root_model(READY.format("{'city': 'Rome'}"), READY.format(answer)), context="c")
        agent = create_agent(chat, tools=[], response_format=form)
        question = {"messages": [("user", "Which city?")]}
        state = agent.invoke(question) if call == "invoke" else await agent.ainvoke(question)
        given = state["structured_response"]
        assert (given if isinstance(given, dict) else given.model_dump()) == answer
        assert RLMTrace.of(state["messages"][-1]).iteration_count == 2  # the first answer did not fit


def test_a_response_format_that_is_a_tool_is_refused_with_the_one_that_is_not(root_model):
    agent = create_agent(ChatRLM(llm=root_model("say:x"), context="c"), response_format=ToolStrategy(Capital))
    with pytest.raises(NotImplementedError, match=r"response_format=ProviderStrategy\(\.\.\.\)"):
        agent.invoke({"messages": [("user", "Which city?")]})


async def test_structured_output_is_the_validated_object(root_model):
    wrong, right = READY.format('{"city": "Rome"}'), READY.format('{"city": "Rome", "inhabitants": 2_750_000}')
    rome = Capital(city="Rome", inhabitants=2_750_000)
    for given, expected, says in (
        (Capital, rome, "inhabitants: Field required"),
        (Capital.model_json_schema(), rome.model_dump(), "'inhabitants' is a required property"),
    ):
        llm = root_model(wrong, right)
        typed = ChatRLM(llm=llm, context="c").with_structured_output(given, method="json_schema", strict=True)
        assert await typed.ainvoke("q") == expected
        assert says in llm.requests[1][-1].content
    raw = ChatRLM(llm=root_model(right), context="c").with_structured_output(Capital, include_raw=True).invoke("q")
    assert (raw["parsed"], raw["parsing_error"]) == (rome, None)
    assert Capital.model_validate_json(raw["raw"].content) == rome
    assert list(ChatRLM(llm=root_model(right), context="c").with_structured_output(Capital).stream("q")) == [rome]


def test_a_schema_or_keyword_that_cannot_be_is_refused_at_once(root_model):
    chat = ChatRLM(llm=root_model("say:x"))
    with pytest.raises(InvalidArgumentError, match="answer_type"):
        chat.with_structured_output(object())
    with pytest.raises(InvalidArgumentError, match="is no JSON schema of an object"):
        chat.with_structured_output({"city": "str"})
    with pytest.raises(InvalidArgumentError, match="tools: with_structured_output takes no such keyword"):
        chat.with_structured_output(Capital, tools=[])


def test_tokens_are_counted_as_the_root_lm_counts_them(root_model):
    class Counting(ScriptedChatModel):
        """Counts words, and three tokens more for each message, as real models do in their own ways."""

        def get_token_ids(self, text: str) -> list[int]:
            return [len(word) for word in text.split()]

        def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
            return sum(3 + self.get_num_tokens(str(message.text)) for message in messages)

    inner = Counting(["ok"])
    asked = [HumanMessage("one two"), HumanMessage("three")]
    for llm in (inner, inner.bind(stop=["x"]), inner.with_retry(), inner.with_fallbacks([inner])):
        chat = ChatRLM(llm=llm)
        assert chat.get_token_ids("one three") == [3, 5]
        assert chat.get_num_tokens("one two three") == 3
        assert chat.get_num_tokens_from_messages(asked) == 9
        assert trim_messages(asked, max_tokens=4, token_counter=chat, strategy="last") == asked[1:]
    own = ChatRLM(llm=inner, custom_get_token_ids=lambda text: [0] * len(text))
    assert own.get_num_tokens("one two") == 7
