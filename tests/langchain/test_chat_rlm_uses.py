"""`ChatRLM` where a chat model is demanded: arguments, caches, tools, agents and structured output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import BaseMessage, HumanMessage, trim_messages
from langchain_core.runnables import ConfigurableField
from langchain_core.tools import tool
from pydantic import BaseModel

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.trace.records import RLMTrace
from rlm_integrations.langchain import ChatRLM
from rlm_integrations.langchain.outputs import SourcesOutput, TypedOutput
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = 'answer["content"] = {0}\nanswer["ready"] = True'


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sub_lm": 1}, "sub_lm: unknown argument; did you mean 'sub_llm'"),
        ({"temperature": 0}, "temperature: unknown argument"),
        ({"limits": {"max_iteration": 3}}, "did you mean 'max_iterations'"),
        ({"context": []}, "context: is empty"),
        ({"tools": ["search"]}, "tools: item 1 is str"),
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
