"""Rounds of calls of tools as messages, for whoever counts characters. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rlm_integrations.core.language_model import Message, ToolRound


def as_messages(messages: Sequence[Message], rounds: Sequence[ToolRound]) -> list[Message]:
    """The conversation with what was called and what came of it, at its length."""
    told = list(messages)
    for each in rounds:
        calls = [f"{result.call.name} {result.call.arguments}" for result in each.results]
        told.append(Message("assistant", "\n".join(filter(None, (each.reply.text, *calls)))))
        told.append(Message("user", "\n".join(result.text for result in each.results)))
    return told
