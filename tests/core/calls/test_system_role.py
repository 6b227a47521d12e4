from __future__ import annotations

import gc
from collections.abc import Sequence

import pytest

from rlm_integrations.core.calls import system_role
from rlm_integrations.core.calls.model_path import ModelPath
from rlm_integrations.core.calls.system_role import refuses_system_messages, without_system
from rlm_integrations.core.language_model import Completion, Message
from rlm_integrations.testing import ScriptedModel

ASKED = (Message("system", "Be brief."), Message("user", "How many?"))
FOLDED = (Message("user", "Be brief.\n\nHow many?"),)


@pytest.mark.parametrize(
    ("words", "refuses"),
    [
        ("System role not supported", True),
        ("Error code: 400 - Developer instruction is not enabled for models/gemma-3-27b-it", True),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", True),
        ("Conversation roles must alternate user/assistant/user/assistant/...", True),
        ("Received multiple non-consecutive system messages.", True),
        ("Only user and assistant roles are supported!", True),
        ("Only user, assistant and tool roles are supported, got system.", True),
        ("message role not supported yet: system", True),
        ("Unknown role: system", True),
        ("Invalid value: 'system'. Supported values are: 'assistant' and 'user'.", True),
        ("messages.0.role: Input should be 'user' or 'assistant'", True),
        ("Please use a valid role: user, model.", True),
        ("'system' is not one of ['user', 'assistant'] - 'messages.0.role'", True),
        ('Unexpected role "system". The Messages API accepts a top-level `system` parameter', True),
        ("System messages are not allowed for this model", True),
        ('messages: first message must use the "user" role', True),
        ("Please ensure that the first message must be from the user", True),
        ("A conversation must start with a user message", True),
        ("messages.0.role: value is not a valid enumeration member; permitted: 'user', 'assistant'", True),
        ("'messages[0].role' must be one of: user, assistant", True),
        ("Expected 'user' or 'assistant' role, got system", True),
        ("message[0].role value error, must in ['user','assistant','function']", True),
        ("The role information is incorrect", True),
        ("This model doesn't support the system prompt that you provided.", True),
        ("Please ensure that the message roles alternate between user and model: roles must alternate", True),
        ("'messages[3].role' must be one of: user, assistant, system", False),
        ("This model doesn't accept a role other than user", False),
        ("Rate limit reached for system fingerprint fp_1", False),
        ("The service is not available", False),
        ("the operating system is down", False),
        ("Only 5 requests a minute are allowed", False),
        ("max_tokens must be at most 4096", False),
    ],
)
def test_how_servers_say_it(words: str, refuses: bool) -> None:
    assert refuses_system_messages(ValueError(words)) == refuses


def test_where_the_text_goes() -> None:
    assert without_system(ASKED) == FOLDED
    assert without_system(FOLDED) == FOLDED


class Refusing(ScriptedModel):
    """Takes no system message."""

    def complete_sync(self, messages: Sequence[Message]) -> Completion:
        if messages[0].role == "system":
            self.requests.append(tuple(messages))
            raise ValueError("System role not supported")
        return super().complete_sync(messages)


async def test_a_model_that_refused_is_asked_without_from_then_on_by_whoever_asks_it() -> None:
    model = Refusing(always=lambda messages: "ok")
    assert (await ModelPath(model, "llm", None).call(ASKED, 5.0)).text == "ok"
    for _ in range(2):
        await ModelPath(model, "sub_llm", None).call(ASKED, 5.0)
    assert model.requests == [ASKED, FOLDED, FOLDED, FOLDED]


async def test_what_was_learned_of_a_model_goes_with_it() -> None:
    gc.collect()
    known = len(system_role._met)
    model = Refusing(always=lambda messages: "ok")
    await ModelPath(model, "llm", None).call(ASKED, 5.0)
    assert len(system_role._met) == known + 1
    del model
    gc.collect()
    assert len(system_role._met) == known


async def test_a_model_that_no_weak_reference_can_be_made_to_is_asked_so_for_one_run() -> None:
    class Slotted:
        __slots__ = ("asked",)

        def __init__(self) -> None:
            self.asked: list[Sequence[Message]] = []

        async def complete(self, messages: Sequence[Message]) -> Completion:
            self.asked.append(messages)
            if messages[0].role == "system":
                raise ValueError("System role not supported")
            return Completion("ok")

    model = Slotted()
    path = ModelPath(model, "llm", None)
    await path.call(ASKED, 5.0)
    await path.call(ASKED, 5.0)
    assert model.asked == [ASKED, FOLDED, FOLDED]


async def test_a_second_refusal_is_raised() -> None:
    async def refuse(messages: Sequence[Message]) -> Completion:
        raise ValueError("Conversation roles must alternate")

    model = ScriptedModel()
    model.complete = refuse  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="must alternate"):
        await ModelPath(model, "llm", None).call(ASKED, 5.0)
