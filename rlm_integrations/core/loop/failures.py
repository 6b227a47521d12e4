"""Why a run fails whose root LM gives nothing to go on with, in words for the user. Pure."""

from __future__ import annotations

from rlm_integrations.core.wording import number

MOST_UNCALLED = 3
"""Replies in a row with code in their text, where code comes by calling a tool."""


def said_nothing(unfinished: str | None) -> str:
    """It replied twice in a row with nothing: `unfinished` is why, where that is known."""
    return f"the root LM replied twice in a row with nothing{f': {unfinished}' if unfinished else ''}"


def never_calls(times: int) -> str:
    """It wrote code in its text so many times in a row, where code comes by calling a tool."""
    return (
        f'the root LM wrote code {number(times)} times in a row without calling the tool "python", so that nothing '
        'ran: it, or its server, does not call tools natively; pass protocol="fence"'
    )


def outgrown(problem: str) -> str:
    """The conversation does not fit its window, however short it is made. `problem` is what it said to that."""
    return (
        f"{problem}. The conversation does not fit the root LM's window even at its shortest: tell the model's "
        "max_input_tokens (OpenAIModel(max_input_tokens=...), or as the profile or context_window of a framework's "
        "model), so that it is shown less, or lower limits.inline_chars and max_output_chars, or take a model with a "
        "larger window"
    )
