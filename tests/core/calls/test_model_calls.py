"""What the gate gives back of a model's reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from rlm_integrations.core.calls.budget import Budget
from rlm_integrations.core.calls.model_calls import ModelCalls
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.reply_fields import call_text
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
    def __init__(self, reply: Completion) -> None:
        self._reply = reply

    async def complete(self, messages: Sequence[Message]) -> Completion:
        return self._reply


async def given_for(reply: Completion) -> Completion:
    calls = ModelCalls(Budget(RLMLimits(), lambda: 0.0))
    return await calls.root_call(ModelPath(Model(reply), "llm", None), [Message("user", "Where?")])


async def test_a_reply_whose_thoughts_are_taken_out_keeps_all_else_that_it_came_with() -> None:
    given = await given_for(ANSWERED)
    assert given.thoughts == "said apart\n\nhm"
    assert given.text == f"Paris\n\n{call_text(ANSWERED.tool_calls)}"
    kept = {field.name for field in fields(Completion)} - {"text", "thoughts", "usage"}
    assert {name: getattr(given, name) for name in kept} == {name: getattr(ANSWERED, name) for name in kept}
    unsaid = Completion("")
    assert all(getattr(given, name) != getattr(unsaid, name) for name in kept)


@dataclass(frozen=True)
class Signed(Completion):
    signature: str = ""


async def test_a_reply_of_a_models_own_class_stays_one_where_its_tokens_are_estimated() -> None:
    given = await given_for(Signed("Paris", signature="s"))
    assert isinstance(given, Signed)
    assert (given.text, given.signature) == ("Paris", "s")
    assert given.usage.estimated_tokens > 0
