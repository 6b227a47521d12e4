"""A line below a value that says another one is no answer's second half: typed answers and maps are asked again."""

from __future__ import annotations

import pytest

from rlm_integrations.core.host.map_values import MapValues
from rlm_integrations.core.loop.answer_type import AnswerType

CORRECTED = [
    "5\nNo, 6.",
    "5\n\nNo: 6",
    "5\nI meant 6.",
    "5\nMake that 6",
    "5\nIt is 6.",
    "**5**\n- It's 6",
    "5\nNo, it is 6",
]
KEPT = [
    "5\nNo, 5.",
    "5\nIt is the number of entries.",
    "5\nNo more than 6 were named.",
    "5\n\nIt is 6 less than in May.",
]


@pytest.mark.parametrize("reply", CORRECTED)
def test_another_value_is_heard(reply: str) -> None:
    assert AnswerType(int).misfit(reply, False) is not None
    assert MapValues({"type": "integer"}).read(reply)[1] is not None


@pytest.mark.parametrize("reply", KEPT)
def test_words_about_the_value_are_none(reply: str) -> None:
    assert AnswerType(int).misfit(reply, False) is None
    assert MapValues({"type": "integer"}).read(reply) == (5, None)
