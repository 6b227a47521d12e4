"""What of an input is the question, and what is context."""

from __future__ import annotations

import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, ChatMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.language_model import Message
from rlm_integrations.langchain.inputs import CallInput, read_input

ASKED = (Message("system", "Be brief."), Message("user", "Who?"))


def test_a_str_is_the_question():
    assert read_input("Who?") == CallInput("Who?", None)


@pytest.mark.parametrize(
    "value",
    [
        ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{q}")]).invoke({"q": "Who?"}),
        [SystemMessage("Be brief."), HumanMessage("Who?")],
        [("system", "Be brief."), ("user", "Who?")],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}],
        [ChatMessage(role="developer", content="Be brief."), HumanMessage([{"type": "text", "text": "Who?"}])],
        {"messages": [SystemMessage("Be brief."), HumanMessage("Who?")]},
        {"input": "Who?", "chat_history": [SystemMessage("Be brief.")]},
    ],
)
def test_messages_keep_their_roles_and_places(value):
    assert read_input(value) == CallInput(ASKED, None)


def test_a_rendered_str_prompt_and_a_single_message_are_user_messages():
    asked = (Message("user", "Who?"),)
    assert read_input(PromptTemplate.from_template("{q}").invoke({"q": "Who?"})).question == asked
    assert read_input(HumanMessage("Who?")).question == asked


@pytest.mark.parametrize("key", ["question", "input", "query"])
def test_a_dict_holds_the_question_and_a_context(key):
    documents = [Document("a")]
    taken = read_input({key: "Who?", "context": documents, "anything else": 1})
    assert taken.question == "Who?"
    assert taken.context is documents


def test_a_history_may_be_a_str():
    taken = read_input({"input": "Who?", "chat_history": "We spoke of whales."})
    assert taken.question == (Message("user", "We spoke of whales."), Message("user", "Who?"))


def test_of_several_question_keys_the_first_counts():
    assert read_input({"query": "rewritten", "question": "Who?"}).question == "Who?"


def test_a_history_placeholder_arrives_as_messages():
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "{input}")])
    history = [HumanMessage("Hello"), AIMessage("Good day")]
    assert read_input(prompt.invoke({"chat_history": history, "input": "Who?"})).question == (
        Message("user", "Hello"),
        Message("assistant", "Good day"),
        Message("user", "Who?"),
    )


def test_tool_calls_and_results_become_text_of_the_assistant():
    call = {"name": "weather", "args": {"city": "Rome"}, "id": "1"}
    taken = read_input([HumanMessage("Who?"), AIMessage("", tool_calls=[call]), ToolMessage("sunny", tool_call_id="1")])
    assert taken.question == (
        Message("user", "Who?"),
        Message("assistant", '[called weather({"city": "Rome"})]'),
        Message("assistant", "[the tool returned]\nsunny"),
    )


def test_reasoning_of_an_earlier_reply_is_left_out():
    reply = AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Yes"}])
    assert read_input([reply, HumanMessage("Who?")]).question[0] == Message("assistant", "Yes")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"context": "x"}, "no question in a dict with the keys ['context']"),
        ({"question": None, "input": None}, "no question in a dict"),
        ({"messages": [HumanMessage("a")], "question": "b"}, "has both \"messages\" and 'question'"),
        (17, "int is not a question"),
        ([Document("a")], 'pass {"question": ..., "context": documents}'),
        ([object()], "not a list of messages"),
        ([RemoveMessage(id="1")], "message 1 (RemoveMessage)"),
        ([ChatMessage(role="critic", content="a")], "message 1 (role 'critic')"),
    ],
)
def test_an_input_without_a_question_says_what_to_pass(value, says):
    with pytest.raises(InvalidArgumentError) as caught:
        read_input(value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image", "url": "https://example.com/a.png"},
        {"type": "file", "base64": "QQ==", "mime_type": "application/pdf"},
    ],
)
def test_a_part_that_is_no_text_is_refused_by_its_place(block):
    with pytest.raises(InvalidArgumentError, match="message 2 holds a block of type"):
        read_input([SystemMessage("s"), HumanMessage([{"type": "text", "text": "Who?"}, block])])
