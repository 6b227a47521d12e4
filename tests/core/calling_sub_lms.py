"""Runs whose sub-LMs call tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from rlm_integrations import Completion, Message, RLMEngine, RLMResult, ToolCall, Usage
from rlm_integrations.core.trace.events import Event
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.scripted_model import Reply

SPENT = Usage(input_tokens=100, output_tokens=10)
ASK = "answer['content'] = llm_query('What is the rent of plot 7?')\nanswer['ready'] = True"


def rent(plot: int, year: int = 2020) -> dict[str, object]:
    """The rent of a plot, in pounds."""
    return {"plot": plot, "year": year, "pounds": plot * 10}


def calling(*calls: tuple[str, object], text: str = "") -> Completion:
    """A reply that calls tools."""
    made = [
        ToolCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments), f"call_{n}")
        for n, (name, arguments) in enumerate(calls)
    ]
    return Completion(text, SPENT, "sub", "stop", tool_calls=tuple(made))


def saying(text: str) -> Completion:
    return Completion(text, SPENT, "sub", "stop")


def root(code: str = ASK) -> ScriptedModel:
    return ScriptedModel([f"```repl\n{code}\n```"], usage=Usage(input_tokens=1, output_tokens=1))


def run(
    replies: Sequence[Reply] | Callable[[Sequence[Message]], Completion],
    tools: Sequence[Callable[..., Any]] = (rent,),
    *,
    code: str = ASK,
    on_event: Callable[[Event], None] | None = None,
    **limits: Any,
) -> tuple[RLMResult[str], ScriptedModel]:
    sub = ScriptedModel(always=replies) if callable(replies) else ScriptedModel(replies)
    engine = RLMEngine(root(code), sub_llm=sub, sub_tools=tools, limits=limits, on_event=on_event)
    return engine.run("?", "some text\n" * 2_000), sub


def call_of(result: RLMResult[str]) -> Any:
    [execution] = result.trace.executions
    [call] = execution.sub_calls
    return call
