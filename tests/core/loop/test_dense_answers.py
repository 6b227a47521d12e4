"""Typed answers of so many values that reading them at once would hold up all other threads."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator

from rlm_integrations.core.loop.answer_type import AnswerType

READ: list[object] = []


def note(value: object) -> object:
    READ.append(value)
    return value


class Row(BaseModel):
    place: Annotated[int, BeforeValidator(note)] = 0


@pytest.mark.parametrize(
    ("of", "item", "most", "what"),
    [
        (Annotated[int, BeforeValidator(note)], "1", 99_999, "100,000 values"),
        (list[Annotated[int, BeforeValidator(note)]], "[1]", 49_999, "100,000 values"),
        (Row, '{"place": 1}', 20_000, "20,000 objects"),
        (Row, "{ }", 20_000, "20,000 objects"),
    ],
)
def test_an_answer_of_too_many_values_is_refused_before_any_is_read(of: Any, item: str, most: int, what: str) -> None:
    reader = AnswerType(list[of])
    assert reader.misfit("[" + ",".join([item] * most) + "]", True) is None
    READ.clear()
    why = reader.misfit("[" + ",".join([item] * (most + 2)) + "]", True)
    assert why == f"answer: over {what}; no more are read, so answer with less"
    assert READ == []


def test_braces_and_quotes_in_a_text_are_no_objects() -> None:
    text = '["' + "if (x) { y(); } " * 50_000 + '"]'
    assert AnswerType(list[str]).misfit(text, True) is None
