"""Answers whose type holds numbers in sets, or as keys: whoever writes the numbers can choose such of one hash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from rlm_integrations.core.loop.answer_type import AnswerType

OF_ONE_HASH = [n * (2**61 - 1) for n in range(2_000)]


class Counts(BaseModel):
    by_number: dict[int, str]


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        (set[int], OF_ONE_HASH),
        (list[frozenset[float]], [OF_ONE_HASH]),
        (dict[int, int], dict.fromkeys(OF_ONE_HASH, 0)),
        (Counts | None, {"by_number": dict.fromkeys(OF_ONE_HASH, "")}),
        (set, OF_ONE_HASH),
    ],
)
@pytest.mark.parametrize("is_json", [True, False])
def test_very_many_long_ones_are_refused_before_they_are_read(answer_type: Any, answer: Any, is_json: bool) -> None:
    why = AnswerType(answer_type).misfit(json.dumps(answer), is_json)
    assert why == (
        "answer: over 1,000 numbers of 20 digits and more in a set, or as keys, are not read; answer with fewer"
    )


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        (set[int], OF_ONE_HASH[:900]),
        (set[int], list(range(20_000))),
        (list[int], OF_ONE_HASH),
        (set[str], [str(n) for n in OF_ONE_HASH]),
        (dict[str, int], dict.fromkeys(map(str, OF_ONE_HASH), 0)),
    ],
)
def test_all_others_are_read(answer_type: Any, answer: Any) -> None:
    assert AnswerType(answer_type).misfit(json.dumps(answer), is_json=True) is None
