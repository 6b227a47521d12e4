"""What providers' caches of prompts need: that each prompt of a conversation begins with the one before."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.openai import OpenAIModel

LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
REPLIES = [
    "```repl\nprint(context[:5_000])\n```",
    "I think there are many.",
    "```repl\n1 / 0\n```",
    "```repl\nprint(llm_query('Which?'))\n```",
    "which",
    "```repl\nFINAL('done')\n```",
]


@pytest.mark.parametrize("path", ["sync", "async"])
def test_the_messages_of_each_root_call_begin_with_those_of_the_call_before(chat_server: Any, path: str) -> None:
    chat_server.will_answer(*map(chat_server.completion, REPLIES))
    engine = RLMEngine(OpenAIModel("t", chat_server.url), limits={"max_iterations": 9})
    asked = ("How many?", LONG)
    result = engine.run(*asked) if path == "sync" else asyncio.run(engine.arun(*asked))
    assert result.answer == "done"
    sent = [request["messages"] for request in chat_server.requests if request["messages"][-1]["content"] != "Which?"]
    assert [len(messages) for messages in sent] == [2, 4, 6, 8, 10]
    for before, after in pairwise(sent):
        assert after[: len(before)] == before
