"""A conversation that outgrew the root LM's window -> a shorter one: what was printed longest ago goes first. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.prompts.texts import observation_part

SHARES = (0.7, 0.5, 0.3, 0.0)
"""Of the characters that the last try sent, how much each further try may send. The last is the shortest there is."""

_KEPT_CHARS = (1_000, 200)
"""Of an output, at first and where that does not do."""
_OUTPUT = re.compile(r"^<output (\w{1,32}+)>$", re.MULTILINE)


def shortened(messages: Sequence[Message], opening: int, share: float) -> tuple[Message, ...] | None:
    """The conversation in `share` of its characters, or as short as it can be; None where nothing can go any more.

    Outputs lose their middle, the oldest first; then the oldest steps go, and only the last one stays. The first
    `opening` messages, which hold the question, stay as they are.
    """
    total = sum(len(message.content) for message in messages)
    most, chars = share * total, total
    shorter = list(messages)
    for kept in _KEPT_CHARS:
        for place in range(opening, len(shorter)):
            if chars > most and shorter[place].role == "user":
                short = _with_short_output(shorter[place].content, kept)
                chars -= len(shorter[place].content) - len(short)
                shorter[place] = Message("user", short)
    steps = [place for place in range(opening, len(shorter)) if shorter[place].role == "assistant"]
    first = opening
    for step in steps[1:]:
        if chars > most:
            chars -= sum(len(message.content) for message in shorter[first:step])
            first = step
    if first > opening:
        shorter[opening:] = _told_of_gap(shorter[first:])
    return tuple(shorter) if sum(len(message.content) for message in shorter) < total else None


def _with_short_output(observation: str, kept: int) -> str:
    """With its status and all else that it says, and of the output in its fence the head and the tail."""
    opening = _OUTPUT.search(observation)
    end = -1 if opening is None else observation.rfind(f"\n</output {opening[1]}>")
    if opening is None or end < opening.end():
        return observation
    output = observation[opening.end() + 1 : end]
    cut = observation_part("cut_later")
    if len(output) <= kept + len(cut) + 2:
        return observation
    tail = kept // 3
    short = f"{output[: kept - tail]}\n{cut}\n{output[len(output) - tail :]}"
    return f"{observation[: opening.end() + 1]}{short}{observation[end:]}"


def _told_of_gap(steps: Sequence[Message]) -> list[Message]:
    """The first of the steps says below its status that there were others."""
    place = next((place for place, message in enumerate(steps) if message.role == "user"), None)
    gap = observation_part("steps_left_out")
    if place is None or gap in steps[place].content:
        return list(steps)
    status, line_break, rest = steps[place].content.partition("\n")
    told = Message("user", f"{status}\n{gap}{line_break}{rest}")
    return [*steps[:place], told, *steps[place + 1 :]]
