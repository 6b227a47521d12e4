"""What the gate gives back of a model's reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.language_model import Completion, Message, ToolCall
from rlm_integrations.core.limits import RLMLimits

ANSWERED = Completion(
    "<think>hm</think>Paris",
    model="m",
    finish="length",
    thoughts="said apart",
    cached=True,
    tool_calls=(ToolCall("python"),),
    native={"as": "it came"},
    replayed=True,
)


class Model:
    async def complete(self, messages: Sequence[Message]) -> Completion:
        return ANSWERED


async def test_a_reply_whose_thoughts_are_taken_out_keeps_all_else_that_it_came_with() -> None:
    calls = ModelCalls(Budget(RLMLimits(), lambda: 0.0))
    given = await calls.root_call(ModelPath(Model(), "llm", None), [Message("user", "Where?")])
    assert (given.text, given.thoughts) == ("Paris", "said apart\n\nhm")
    kept = {field.name for field in fields(Completion)} - {"text", "thoughts", "usage"}
    assert {name: getattr(given, name) for name in kept} == {name: getattr(ANSWERED, name) for name in kept}
    unsaid = Completion("")
    assert all(getattr(given, name) != getattr(unsaid, name) for name in kept)
