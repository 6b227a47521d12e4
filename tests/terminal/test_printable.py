from __future__ import annotations

import pytest

from rlm_integrations.terminal.printable import harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\n\tlines é 漢 😀", "plain\n\tlines é 漢 😀"),
        ("\x1b[2Jgone\rover\x07\x9b31m", "[2Jgoneover31m"),
        ("pay \u202e01\u202c pounds\u2066!\u200f", "pay 01 pounds!"),
    ],
)
def test_what_could_move_a_cursor_or_turn_text_round_is_gone(text: str, shown: str) -> None:
    assert harmless(text) == shown
