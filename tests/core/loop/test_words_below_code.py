"""Words below code that but sound as if they took it back do not."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import parse_reply


@pytest.mark.parametrize(
    ("words", "taken_back"),
    [
        ("No, I was not asked for closed ones.", False),
        ("No, I have counted all of them.", False),
        ("Sorry, I was brief.", False),
        ("No, I was wrong.", True),
        ("No, I have to look first.", True),
        ("Sorry, I was wrong.", True),
        ("Sorry, I made a mistake.", True),
    ],
)
def test_what_is_not_said_of_the_code_does_not_take_it_back(words: str, taken_back: bool) -> None:
    assert parse_reply(f"```repl\nFINAL(n)\n```\n\n{words}").taken_back == taken_back
