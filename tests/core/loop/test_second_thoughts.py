"""Who reads a FINAL(...) and who reads the value of a map know the same words by which a model takes it back."""

from __future__ import annotations

import re

import pytest

from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.loop.reply_parser import parse_reply
from rlm_integrations.core.loop.second_thoughts import SECOND_THOUGHTS

TAKES_BACK = [
    "Wait, 501.",
    "Hold on. One is missing.",
    "Moment mal, 501.",
    "Actually, that is wrong.",
    "Oops: 501.",
    "Hmm.",
    "Scratch that.",
    "On second thoughts, 501.",
    "On reflection it is 501.",
    "Never mind, I read the wrong list.",
    "My mistake: 501.",
    "Edit: 501.",
    "Correction: 501.",
    "No, sorry, 501.",
    "Sorry, I meant 501.",
    "I miscounted.",
]


@pytest.mark.parametrize("words", TAKES_BACK)
def test_both_readers_hear_that_a_model_takes_back_what_it_said(words: str) -> None:
    assert parse_reply(f"FINAL(500)\n\n{words}").talk_of_final
    value, why = MapValues({"type": "integer"}).read(f"500\n\n{words}")
    assert (value, why) == (None, "the reply takes back what it says first; say the last of it alone")


@pytest.mark.parametrize("thought", SECOND_THOUGHTS)
def test_each_of_the_words_is_tried_above(thought: str) -> None:
    assert any(re.match(thought, words, re.IGNORECASE | re.MULTILINE) for words in TAKES_BACK)
