"""Tools in OpenAI's API: how they are offered, and how calls and their results are sent back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any, cast

from rlm_integrations.core.calls.reply_fields import arguments_of, calls_in, field_of, text_in
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolRound, ToolSpec


class OpenAIToolCaller:
    """A model to which these tools are offered. It is asked by functions of (messages, rounds, tools)."""

    def __init__(
        self, tools: Iterable[ToolSpec], ask: Callable[..., Awaitable[Completion]], ask_sync: Callable[..., Completion]
    ) -> None:
        self._tools = [{"type": "function", "function": _function(tool)} for tool in tools]
        self._ask = ask
        self._ask_sync = ask_sync

    async def complete(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return await self._ask(messages, rounds, self._tools)

    def complete_sync(self, messages: Sequence[Message], rounds: Sequence[ToolRound]) -> Completion:
        return self._ask_sync(messages, rounds, self._tools)


def round_messages(rounds: Sequence[ToolRound]) -> list[dict[str, Any]]:
    """The replies that called tools, and what those gave, as the API has them."""
    sent: list[dict[str, Any]] = []
    for each in rounds:
        results = [{"role": "tool", "tool_call_id": result.call.id, "content": result.text} for result in each.results]
        said = [{"role": message.role, "content": message.content} for message in each.then]
        sent += [cast("dict[str, Any]", each.reply.native), *results, *said]
    return sent


def called(message: object) -> tuple[tuple[ToolCall, ...], dict[str, Any] | None]:
    """The calls of a reply, each with an id of its own, and the message to send back before their results.

    Arguments that are no JSON object go back as {}: servers read them again, and fail at others.
    """
    made = cast("Sequence[object]", field_of(message, "tool_calls") or ())
    of_each = [(calls_in({"tool_calls": [each]}), field_of(each, "extra_content")) for each in made]
    extras = [extra for read, extra in of_each for _ in read]
    calls = _with_ids([call for read, _ in of_each for call in read] or calls_in(message))
    if not calls:
        return (), None
    kept = {"content": text_in(field_of(message, "content")) or None}
    if thoughts := field_of(message, "reasoning_content"):  # DeepSeek and others want them back amid calls
        kept["reasoning_content"] = thoughts
    sent = [_sent_back(call, extra) for call, extra in zip_longest(calls, extras)]
    return calls, {"role": "assistant", **kept, "tool_calls": sent}


def _sent_back(call: ToolCall, extra: object) -> dict[str, Any]:
    arguments = call.arguments if arguments_of(call) and call.arguments.strip() else "{}"
    function = {"name": call.name, "arguments": arguments}
    sent = {"id": call.id, "type": "function", "function": function}
    return sent if extra is None else {**sent, "extra_content": extra}  # Gemini's, whose API refuses a call without


def _with_ids(calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    seen: set[str] = set()
    told: list[ToolCall] = []
    for place, call in enumerate(calls, 1):
        told.append(call if call.id and call.id not in seen else replace(call, id=f"call_{place}"))
        seen.add(told[-1].id)
    return tuple(told)


def _function(tool: ToolSpec) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
