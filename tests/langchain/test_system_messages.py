"""Models that refuse system messages get their text at the head of the user's."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.trace.run_errors import RootModelError
from rlm_integrations.langchain import RLMRunnable
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
