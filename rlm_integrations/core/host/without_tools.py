"""The last request to a sub-LM that is to call no more tools. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rlm_integrations.core.language_model import Message, ToolRound
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.core.prompts.texts import tool_round_part
from rlm_integrations.core.wording import one_line


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
    return [*before, replace(last, content="\n\n".join((last.content, *results, over)))]
