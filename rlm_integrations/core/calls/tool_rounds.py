"""Rounds of calls of tools as messages: for a model that is to call no more, and to count characters. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rlm_integrations.core.calls.conversation import NO_REPLY
from rlm_integrations.core.language_model import Completion, Message, ToolCall, ToolResult, ToolRound
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import tool_round_part
from rlm_integrations.core.surrogates import without_lone_surrogates
from rlm_integrations.core.wording import one_line


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
            said = message if message.content.strip() else Message(message.role, NO_REPLY)
            said = Message(said.role, without_lone_surrogates(said.content))
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


def without_tools(messages: Sequence[Message], rounds: Sequence[ToolRound], why: str, key: bytes) -> list[Message]:
    """The conversation told anew, for the model's reply without further tools, and why there are none.

    In words: many servers refuse a conversation with calls where no tools are offered, and some call them in spite of
    being told not to. `key` is that of the fences around what the tools gave.
    """
    *before, last = messages
    results = [
        tool_round_part(
            "result",
            name=one_line(result.call.name),
            arguments=one_line(result.call.arguments),
            tag=fence_tag(key, result.call.name, result.call.arguments, result.text),
            text=result.text,
        )
        for each in rounds
        for result in each.results
    ]
    over = tool_round_part("over" if results else "none", why=why)
    return [*before, Message(last.role, "\n\n".join((last.content, *results, over)))]


def _told(reply: Completion, calls: Sequence[ToolCall]) -> str:
    return "\n".join(filter(None, (reply.text, *(f"{call.name} {call.arguments}" for call in calls))))
