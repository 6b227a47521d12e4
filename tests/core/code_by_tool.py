"""Runs whose root LM hands its code over by a tool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rlm_integrations import Completion, Message, RLMEngine, RLMResult, ToolCall, ToolRound, ToolSpec, Usage
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.scripted_model import Reply

LONG = "".join(f"line {n}: nothing to see\n" for n in range(2_000))
DONE = "answer['content'] = x\nanswer['ready'] = True"
USAGE = Usage(input_tokens=1, output_tokens=1)


def calling(*calls: tuple[str, str], text: str = "", finish: Any = None) -> Completion:
    """A reply with calls of tools as they came: a name, and what was to be JSON."""
    made = tuple(ToolCall(name, arguments, f"call_{n}") for n, (name, arguments) in enumerate(calls, 1))
    return Completion(text, USAGE, "m", finish, tool_calls=made)


def code(text: str) -> tuple[str, str]:
    return "python", json.dumps({"code": text})


class Rounds:
    """A model that keeps each conversation as it is sent: what came first, and the rounds of calls."""

    def __init__(self, *replies: Reply) -> None:
        self.script = ScriptedModel(replies)
        self.sent: list[tuple[Sequence[Message], Sequence[ToolRound]]] = []

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound] | None = None) -> Completion:
        assert rounds is not None, "asked without the tool"
        self.sent.append((tuple(messages), tuple(rounds)))
        return self.script.reply(messages)

    def with_tools(self, tools: Sequence[ToolSpec]) -> Rounds:
        return self


def run(*replies: Reply, context: object = LONG, **options: Any) -> tuple[RLMResult[str], ScriptedModel]:
    with ScriptedModel(replies) as llm:
        return RLMEngine(llm, protocol="tool", **options).run("?", context), llm


def last_results(llm: Rounds) -> list[str]:
    return [result.text for result in llm.sent[-1][1][-1].results]
