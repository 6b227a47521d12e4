"""What OpenAI's API is sent back of a reply that called tools."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from openai.types.chat import ChatCompletionMessage

from rlm_integrations import Message, ToolSpec
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.openai.tool_calling import called


def test_what_servers_want_back_goes_back_and_nothing_else() -> None:
    signature = {"google": {"thought_signature": "c2ln"}}
    message = ChatCompletionMessage.model_validate(
        {
            "role": "assistant",
            "content": "I look.",
            "refusal": None,
            "annotations": [],
            "reasoning_content": "Which plot?",
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "rent", "arguments": '{"plot": 7}'},
                    "extra_content": signature,
                },
                {"id": "a", "type": "function", "function": {"name": "rent", "arguments": "{'plot': 8}"}},
            ],
        }
    )
    calls, native = called(message)
    assert [(call.id, call.arguments) for call in calls] == [("a", '{"plot": 7}'), ("call_2", "{'plot': 8}")]
    first = {"id": "a", "type": "function", "function": {"name": "rent", "arguments": '{"plot": 7}'}}
    assert native == {
        "role": "assistant",
        "content": "I look.",
        "reasoning_content": "Which plot?",
        "tool_calls": [
            {**first, "extra_content": signature},
            {"id": "call_2", "type": "function", "function": {"name": "rent", "arguments": "{}"}},
        ],
    }


def test_a_reply_without_calls_has_nothing_to_send_back() -> None:
    assert called(SimpleNamespace(content="hello", tool_calls=None)) == ((), None)


def test_tools_are_offered_only_where_they_are_given(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("no"))
    model = OpenAIModel("m", chat_server.url)
    model.complete_sync([Message("user", "?")])
    caller: Any = model.with_tools([ToolSpec("rent", "The rent.", {"type": "object", "properties": {}})])
    caller.complete_sync([Message("user", "?")], ())
    plain, offering = chat_server.requests
    assert "tools" not in plain
    assert [tool["function"]["name"] for tool in offering["tools"]] == ["rent"]
