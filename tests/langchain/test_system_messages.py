"""Models that refuse system messages get their text at the head of the user's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import RLMRunnable
from rlm_integrations.langchain.system_messages import refuses_system_messages, without_system_messages
from rlm_integrations.testing.langchain import ScriptedChatModel

READY = '```repl\nanswer["content"] = {0}\nanswer["ready"] = True\n```'


class Refusing:
    """The replies of a model that takes no system message."""

    def __init__(self, *replies: str, words: str = "System role not supported") -> None:
        self.replies = iter(replies)
        self.words = words
        self.refused = 0

    def __call__(self, messages: Sequence[Message]) -> str:
        if any(message.role == "system" for message in messages):
            self.refused += 1
            raise ValueError(self.words)
        return next(self.replies)


@pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
async def test_a_run_goes_on_without_system_messages_after_one_refusal_of_each_model(mode: str) -> None:
    root_replies = Refusing("```repl\nx = len(context)\n```", READY.format("'; '.join(llm_query_batched(['a', 'b']))"))
    sub_replies = Refusing("one", "two")
    root, sub = ScriptedChatModel(always=root_replies), ScriptedChatModel(always=sub_replies)
    rlm = RLMRunnable(llm=root, sub_llm=sub, context="c" * 30_000, limits={"max_concurrency": 1})
    asked = [("system", "Be brief."), ("human", "How many?")]
    message = rlm.invoke(asked) if mode == "invoke" else await rlm.ainvoke(asked)

    assert message.content == "one; two"
    assert (root_replies.refused, sub_replies.refused) == (1, 1)
    refused, first, second = root.requests
    assert [each.role for each in first] == ["user"]
    assert all(each.content in first[0].content for each in refused)
    assert second[: len(first)] == first  # it only grows, so that prompt caches hit


async def test_calls_that_are_refused_side_by_side_are_all_made_again() -> None:
    sub = ScriptedChatModel(always=Refusing(*"abcdefgh"))
    root = ScriptedChatModel([READY.format("''.join(sorted(llm_query_batched([str(n) for n in range(8)])))")])
    assert (await RLMRunnable(llm=root, sub_llm=sub, context="c").ainvoke("q")).content == "abcdefgh"


def test_another_error_is_raised_as_it_is() -> None:
    llm = ScriptedChatModel(always=Refusing(words="the operating system is down"))
    with pytest.raises(RootModelError, match="the operating system is down"):
        RLMRunnable(llm=llm).invoke("q")
    assert len(llm.requests) == 1


@pytest.mark.parametrize(
    ("words", "refuses"),
    [
        ("System role not supported", True),
        ("Error code: 400 - Developer instruction is not enabled for models/gemma-3-27b-it", True),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", True),
        ("Conversation roles must alternate user/assistant/user/assistant/...", True),
        ("Received multiple non-consecutive system messages.", True),
        ("This model doesn't accept a role other than user", False),
        ("Rate limit reached for system fingerprint fp_1", False),
        ("The service is not available", False),
    ],
)
def test_how_providers_say_it(words: str, refuses: bool) -> None:
    assert refuses_system_messages(ValueError(words)) == refuses


@pytest.mark.parametrize(
    ("given", "becomes"),
    [
        ("s1 s2 u1 a1 u2", [("user", "s1\n\ns2\n\nu1"), ("assistant", "a1"), ("user", "u2")]),
        ("u1 s1 a1", [("user", "u1"), ("user", "s1"), ("assistant", "a1")]),
        ("u1 s1", [("user", "u1"), ("user", "s1")]),
    ],
)
def test_where_the_text_of_system_messages_goes(given: str, becomes: list[tuple[str, str]]) -> None:
    roles: dict[str, Any] = {"s": "system", "u": "user", "a": "assistant"}
    messages = [Message(roles[name[0]], name) for name in given.split()]
    assert [(each.role, each.content) for each in without_system_messages(messages)] == becomes
