"""Rounds of calls of tools as messages, and messages as rounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlm_integrations.core.calls.conversation import NO_REPLY
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolResult, ToolRound
from rlm_integrations.core.surrogates import without_lone_surrogates


@dataclass(frozen=True, slots=True)
class CallingMessage(Message):
    """A reply that called tools, in a conversation that goes on. Its content tells of the calls too."""

    reply: Completion
    results: tuple[ToolResult | None, ...]
    """Of each call. One is None: the message that follows is its result."""

    @classmethod
    def of(cls, reply: Completion, results: Sequence[ToolResult | None]) -> CallingMessage:
        return cls("assistant", _told(reply, reply.tool_calls), reply, tuple(results))


def as_rounds(messages: Sequence[Message]) -> tuple[list[Message], list[ToolRound]]:
    """A conversation with CallingMessages as what came before the first of them, and the rounds of calls.

    No result is empty, and so no message between two rounds, as some servers want it.
    """
    before: list[Message] = []
    rounds: list[ToolRound] = []
    called: CallingMessage | None = None
    for message in messages:
        if isinstance(message, CallingMessage):
            called = message
        elif called is not None:
            rounds.append(ToolRound(called.reply, _results(called, message.content)))
            called = None
        elif rounds:
            said = message if message.content.strip() else replace(message, content=NO_REPLY)
            said = replace(said, content=without_lone_surrogates(said.content))
            rounds[-1] = replace(rounds[-1], then=(*rounds[-1].then, said))
        else:
            before.append(message)
    return before, rounds


def _results(called: CallingMessage, observation: str) -> tuple[ToolResult, ...]:
    text = without_lone_surrogates(observation)
    pairs = zip(called.reply.tool_calls, called.results, strict=True)
    return tuple(ToolResult(call, text) if result is None else result for call, result in pairs)


def as_messages(messages: Sequence[Message], rounds: Sequence[ToolRound]) -> list[Message]:
    """The conversation with what was called and what came of it, at its length."""
    told = list(messages)
    for each in rounds:
        told.append(Message("assistant", _told(each.reply, [result.call for result in each.results])))
        told.append(Message("user", "\n".join(result.text for result in each.results)))
        told += each.then
    return told


def _told(reply: Completion, calls: Sequence[ToolCall]) -> str:
    return "\n".join(filter(None, (reply.text, *(f"{call.name} {call.arguments}" for call in calls))))
