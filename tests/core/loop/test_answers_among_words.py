"""An answer of a type that is said plainly, among a few words, is one; a misfit says what was expected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest

from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.plain_value import value_among

Status = Literal["open", "closed"]


@pytest.mark.parametrize(
    ("answer_type", "text", "value"),
    [
        (int, "Total: 42", 42),
        (int, "42 (forty-two)", 42),
        (int, "42\n\nThe text lists them.", 42),
        (int, "答案是42。", 42),
        (int, "1 234", 1234),
        (int, "\u22125", -5),
        (float, "$3.50", 3.5),
        (float, "1'234.5", 1234.5),
        (bool, "Yes, it does.", True),
        (bool, "No\n\nNothing says so.", False),
        (date, "The date is 2024-03-05.", date(2024, 3, 5)),
        (date, "2024-03-05 (signed)", date(2024, 3, 5)),
        (Status, "Status: open", "open"),
        (Status, "closed - it ended in 2020", "closed"),
        (Decimal, "The total is 3.50 EUR.", Decimal("3.50")),
        (Decimal, "€1,234.50", Decimal("1234.50")),
        (int | None, "None, as none is given", None),
    ],
)
def test_a_plain_answer_among_words_is_taken(answer_type: Any, text: str, value: Any) -> None:
    typed = AnswerType(answer_type)
    assert typed.misfit(text, False) is None
    found = typed.read(text, False)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("answer_type", "text"),
    [
        (int, "42 (or 43)"),
        (int, "42\n\nActually, 43."),
        (int, "42 (forty-two)\n\nFinal answer: 43"),
        (bool, "Yes, but actually no."),
        (bool, "Yes, I will look at the context first."),
        (bool, "No, let me search before I answer."),
        (Status, "open, later closed"),
        (date, "2024-03-05 (or 2024-03-06)"),
    ],
)
def test_an_answer_that_may_be_another_is_none_and_it_is_said_why(answer_type: Any, text: str) -> None:
    why = AnswerType(answer_type).misfit(text, False)
    assert why == "answer: it names more than one value, or doubts the one it names; send the one meant, alone"


@pytest.mark.parametrize(
    ("answer_type", "text", "why"),
    [
        (int, "many", "answer: Input should be a valid integer, unable to parse string as an integer"),
        (Status, "ajar", "answer: Input should be 'open' or 'closed'"),
        (float | None, "lots", "answer: Input should be a valid number, unable to parse string as a number"),
        (list[int], "[1, 2", "answer: Invalid JSON: EOF while parsing a list at line 1 column 5"),
    ],
)
def test_words_that_are_no_single_value_are_told_what_is_one(answer_type: Any, text: str, why: str) -> None:
    """That they are no JSON says nothing to who was to send a number."""
    assert AnswerType(answer_type).misfit(text, False) == why


@pytest.mark.parametrize(
    "text",
    [
        lambda n: "5, " + "a. " * (n // 3),
        lambda n: "5 (" + "b " * (n // 2),
        lambda n: "x: " * (n // 3),
        lambda n: "5, so\n" + "6, so\n" * (n // 6),
        lambda n: "5, a" + "\nx: 5" * (n // 5),
        lambda n: "a:\n" * (n // 3),
        lambda n: "5\n" + "no, " * (n // 4),
        lambda n: "5, a" + f"\n{'答' * 50}：7" * (n // 53),
        lambda n: "5, a" + f"\n{'b ' * 25}: 7" * (n // 54),
    ],
)
def test_a_value_is_looked_for_in_few_places_however_long_the_reply(text: Callable[[int], str]) -> None:
    """Each costs a look at all that a type checks."""
    looks = 0

    def read(words: str) -> tuple[object] | None:
        nonlocal looks
        looks += 1
        return (words,) if words == "5" else None

    value_among(text(100_000), read)
    assert 0 < looks < 2_000
