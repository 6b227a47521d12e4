"""LangChain models as the core sees them."""

from __future__ import annotations

import sys

import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_openai import ChatOpenAI

from rlm_integrations.core.calls.missing_key import KEY_REMEDY
from rlm_integrations.core.errors import InvalidArgumentError, MissingExtraError
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.core.usage import Usage
from rlm_integrations.langchain.language_model import LangChainModel, completion_of, resolve_model
from rlm_integrations.testing.langchain import ScriptedChatModel

HELLO = (Message("system", "s"), Message("user", "u"), Message("assistant", "a"))


async def test_messages_go_out_and_come_back_in_sync_and_async_calls():
    chat = ScriptedChatModel(["one", "two"], usage=Usage(input_tokens=7, output_tokens=2), model="m-1")
    model = LangChainModel(chat, "root")
    counted = Usage(input_tokens=7, output_tokens=2)
    assert model.complete_sync(HELLO) == Completion("one", counted, "m-1")
    assert await model.complete(HELLO) == Completion("two", counted, "m-1")
    assert chat.requests == [HELLO, HELLO]


@pytest.mark.parametrize(
    "prompt",
    [
        PromptTemplate.from_template("Be brief. {text}"),
        ChatPromptTemplate([("system", "Be brief."), ("user", "{text}")]),
    ],
)
def test_a_chain_that_would_show_the_conversation_as_python_does_is_refused(prompt):
    with pytest.raises(InvalidArgumentError, match="llm: a chain that begins with a prompt of one text"):
        resolve_model(prompt | ScriptedChatModel([]), "llm")


def test_a_chain_that_has_a_place_for_messages_is_a_model():
    chat = ScriptedChatModel(["one"])
    model = LangChainModel(
        resolve_model(ChatPromptTemplate([("system", "Brief."), MessagesPlaceholder("m")]) | chat, "llm"), "root"
    )
    assert model.complete_sync(HELLO).text == "one"
    assert [message.content for message in chat.requests[0]] == ["Brief.", "s", "u", "a"]


def test_a_completion_model_answers_in_str():
    model = LangChainModel(FakeListLLM(responses=["plain"]), "sub")
    assert model.complete_sync(HELLO) == Completion("plain")


def test_usage_keeps_cached_and_reasoning_tokens_and_a_reported_cost():
    reply = AIMessage(
        "x",
        usage_metadata={
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
            "input_token_details": {"cache_read": 60},
            "output_token_details": {"reasoning": 15},
        },
        response_metadata={"model_name": "m", "token_usage": {"cost": 0.25}},
    )
    assert completion_of(reply).usage == Usage(
        input_tokens=100, output_tokens=20, cached_tokens=60, reasoning_tokens=15, cost_usd=0.25
    )


def test_only_text_of_a_reply_is_read_and_its_thoughts_apart():
    reply = AIMessageChunk(
        [
            {"type": "thinking", "thinking": "```repl\nboom()\n```"},
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b"},
        ]
    )
    assert completion_of(reply) == Completion("ab", thoughts="```repl\nboom()\n```")


@pytest.mark.parametrize(
    ("message", "becomes"),
    [
        (AIMessage("It is", response_metadata={"finish_reason": "length"}), Completion("It is", finish="length")),
        (AIMessage("3", response_metadata={"stop_reason": "end_turn"}), Completion("3", finish="stop")),
        (AIMessage("It is", response_metadata={"stop_reason": "max_tokens"}), Completion("It is", finish="length")),
        (AIMessage("", response_metadata={"stop_reason": "refusal"}), Completion("", finish="refusal")),
        (AIMessage("", response_metadata={"finish_reason": "SAFETY"}), Completion("", finish="content_filter")),
        (AIMessage("", response_metadata={"done_reason": "length"}), Completion("", finish="length")),
        (
            AIMessage("", additional_kwargs={"refusal": "I will not."}, response_metadata={"finish_reason": "stop"}),
            Completion("I will not.", finish="refusal"),
        ),
        (AIMessage([{"type": "refusal", "refusal": "No."}]), Completion("No.", finish="refusal")),
        (AIMessage("3", additional_kwargs={"reasoning_content": "hm"}), Completion("3", thoughts="hm")),
        (
            AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "3"}]),
            Completion("3", thoughts="hm"),
        ),
    ],
)
def test_how_a_reply_ended_and_what_was_thought(message, becomes):
    assert completion_of(message) == becomes


def test_a_parsed_reply_is_refused_with_the_way_out():
    with pytest.raises(InvalidArgumentError, match="returned dict instead of a message"):
        completion_of({"a": 1})


def test_the_window_is_the_smallest_of_the_models_that_may_answer():
    small, large = (ScriptedChatModel(["x"], max_input_tokens=tokens) for tokens in (8_000, 200_000))
    unknown = ScriptedChatModel(["x"])
    chosen = large.bind(stop=["x"]).with_retry().with_fallbacks([unknown, small.bind(stop=["y"])])
    assert LangChainModel(chosen, "root").max_input_tokens == 8_000
    assert LangChainModel(large.with_config(tags=["t"]), "root").max_input_tokens == 200_000
    assert LangChainModel(unknown, "root").max_input_tokens is None


def test_a_str_is_looked_up_by_init_chat_model(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = resolve_model("openai:gpt-5-mini", "llm")
    assert isinstance(model, ChatOpenAI)
    assert model.model_name == "gpt-5-mini"


def test_a_str_without_a_key_says_what_to_do_about_it(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidArgumentError, match="sub_llm: 'openai:gpt-5' cannot be used: OpenAIError: ") as raised:
        resolve_model("openai:gpt-5", "sub_llm")
    assert str(raised.value).endswith(KEY_REMEDY)
    with pytest.raises(ValueError, match="Unable to infer model provider"):
        resolve_model("nobody-1", "llm")


def test_a_str_without_the_langchain_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain", None)
    monkeypatch.delitem(sys.modules, "langchain.chat_models", raising=False)
    with pytest.raises(MissingExtraError, match="pip install langchain"):
        resolve_model("openai:gpt-5-mini", "sub_llm")


@pytest.mark.parametrize(("value", "says"), [(42, "llm: int is not"), (ChatOpenAI, "the class ChatOpenAI is not")])
def test_something_that_is_no_model_is_refused(value, says):
    with pytest.raises(InvalidArgumentError, match=says):
        resolve_model(value, "llm")
