"""Pictures of sub-calls as OpenAI's API takes them, on a server that listens."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from rlm_integrations import Document, Image, Message, RLMEngine
from rlm_integrations.openai import OpenAIModel
from rlm_integrations.testing import ScriptedModel

PICTURE = Image(b"\x89PNG\r\n\x1a\n and more", name="kettle.png")
URL = f"data:image/png;base64,{base64.b64encode(PICTURE.data).decode()}"
ASK = """```repl
try:
    FINAL(llm_query("What is it?", images=context[0]))
except Exception as error:
    FINAL(f"{type(error).__name__}: {error}")
```"""


@pytest.mark.parametrize("is_async", [False, True])
async def test_pictures_are_parts_of_the_users_message(chat_server: Any, is_async: bool) -> None:
    chat_server.will_answer(chat_server.completion("A kettle."))
    engine = RLMEngine(ScriptedModel([ASK]), sub_llm=OpenAIModel("m", chat_server.url))
    context = [Document("ann", "It leaks.", {}, (PICTURE,))]
    result = await engine.arun("?", context) if is_async else engine.run("?", context)
    assert result.answer == "A kettle."
    (request,) = chat_server.requests
    system, user = request["messages"]
    assert isinstance(system["content"], str)
    assert user["content"] == [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "What is it?"},
    ]


def test_a_server_that_sees_no_pictures_says_so_to_the_code(chat_server: Any) -> None:
    chat_server.will_answer(
        chat_server.error(400, "Invalid content type. image_url is only supported by certain models")
    )
    engine = RLMEngine(ScriptedModel([ASK]), sub_llm=OpenAIModel("m", chat_server.url))
    answer = engine.run("?", [Document("ann", "It leaks.", {}, (PICTURE,))]).answer
    assert answer.startswith("SubCallError: ")
    assert "image_url is only supported by certain models" in answer


def test_one_that_is_known_to_see_none_is_asked_nothing(chat_server: Any) -> None:
    engine = RLMEngine(ScriptedModel([ASK]), sub_llm=OpenAIModel("m", chat_server.url, sees_images=False))
    answer = engine.run("?", [Document("ann", "It leaks.", {}, (PICTURE,))]).answer
    assert answer.startswith("ValueError: the sub-LM of this run takes no pictures")
    assert chat_server.requests == []


def test_messages_without_pictures_stay_texts(chat_server: Any) -> None:
    chat_server.will_answer(chat_server.completion("yes"))
    model = OpenAIModel("m", chat_server.url)
    model.complete_sync([Message("user", "?"), Message("assistant", "!"), Message("user", "", images=(PICTURE,))])
    assert [message["content"] for message in chat_server.requests[0]["messages"]] == [
        *("?", "!"),
        [{"type": "image_url", "image_url": {"url": URL}}],
    ]
