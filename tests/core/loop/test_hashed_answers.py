"""Answers whose type holds values in sets, or as keys: whoever writes them can choose such of one hash, and each is
compared with all the others."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from rlm_integrations.core.loop.answer_type import AnswerType

from .reading_of_classes import IS_WATCHED, where_it_is_watched

COUNT = 2_000
P = 2**61 - 1
"""Numbers that differ by it have one hash."""
INTS = [n * P for n in range(COUNT)]
DECIMALS = [f"{7 * pow(10, -sign * n, P) % P}E{sign * n}" for n in range(1, COUNT // 2 + 1) for sign in (1, -1)]
FRACTIONS = [f"{5 * bottom % P}/{bottom}" for bottom in range(P // 3, P // 3 + COUNT)]
UUIDS = [str(UUID(int=7 + n * P)) for n in range(COUNT)]
COMPLEXES = [f"{-1_000_003 * n}+{n}j" for n in range(COUNT)]


def pairs_of_one_hash() -> list[tuple[int, int]]:
    """Of two numbers the second is chosen such that CPython mixes both to the same."""
    size, first, second, begin = 1 << 64, 11400714785074694791, 14029467366897019727, 2870177450012600261
    pairs: list[tuple[int, int]] = []
    for a in range(1, 5 * COUNT):
        mixed = (begin + a * second) % size
        mixed = (mixed << 31 | mixed >> 33) % size * first % size
        wanted = 12_345 * pow(first, -1, size) % size
        wanted = (wanted >> 31 | wanted << 33) % size
        b = (wanted - mixed) * pow(second, -1, size) % size
        b = b if b < size // 2 else b - size
        pairs += [(a, b)] if abs(b) < P else []
    return pairs[:COUNT]


PAIRS = pairs_of_one_hash()


class Counts(BaseModel):
    by_number: dict[int, str]


class Pair(BaseModel, frozen=True):
    a: int
    b: int


class Own(BaseModel):
    numbers: set[int]

    def __init__(self, **numbers: Any) -> None:
        super().__init__(**numbers)


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        (set[int], INTS),
        (list[frozenset[int]], [INTS]),
        (dict[int, int], dict.fromkeys(INTS, 0)),
        pytest.param(Counts | None, {"by_number": dict.fromkeys(INTS, "")}, marks=where_it_is_watched),
        (set, INTS),
        (set[Decimal], DECIMALS),
        (dict[Decimal, int], dict.fromkeys(DECIMALS, 0)),
        (set[Fraction], FRACTIONS),
        (set[UUID], UUIDS),
        (set[complex], COMPLEXES),
        (set[tuple[int, int]], PAIRS),
        pytest.param(set[Pair], [{"a": a, "b": b} for a, b in PAIRS], marks=where_it_is_watched),
        (list[set[int]], [INTS[n : n + 2] for n in range(0, COUNT, 2)]),
    ],
)
@pytest.mark.parametrize("is_json", [True, False])
def test_very_many_of_one_hash_are_refused(answer_type: Any, answer: Any, is_json: bool) -> None:
    why = AnswerType(answer_type).misfit(json.dumps(answer), is_json)
    assert why == "answer: over 100 values of one hash in a set, or as keys, are not read; answer with fewer"


def test_of_classes_within_no_more_are_read_than_may_have_one_hash_where_they_are_read_alone() -> None:
    answer = {"by_number": {n * P: "" for n in range(COUNT + 10)}}
    why = AnswerType(Counts | None).misfit(json.dumps(answer), True)
    words = "100 values of one hash in a set, or as keys, are not read; answer with fewer"
    assert why == f"answer: over {words if IS_WATCHED else '2,000 values; no more are read, so answer with less'}"


def test_of_a_model_that_reads_its_values_itself_no_more_are_read_than_may_have_one_hash() -> None:
    text = json.dumps({"numbers": list(range(1_500))})
    assert AnswerType(Own).misfit(text, True) is None
    why = AnswerType(Own).misfit(json.dumps({"numbers": INTS + INTS}), True)
    assert why == "answer: over 2,000 values; no more are read, so answer with less"


@pytest.mark.parametrize(
    ("answer_type", "answer"),
    [
        (set[int], INTS[:90]),
        (set[int], list(range(20_000))),
        (list[set[int]], [[-1, -2]] * 5_000),
        (list[set[int] | list[str]], [[-1, -2]] * 5_000),
        (list[int], INTS),
        (set[float], [float(n) for n in INTS]),
        (set[str], [str(n) for n in INTS]),
        (dict[str, int], dict.fromkeys(map(str, INTS), 0)),
        (set[float], [m * 2.0 ** (61 * n) for m in range(1, 50) for n in range(-16, 16)]),
        (list[tuple[int, int]], PAIRS),
    ],
)
def test_all_others_are_read(answer_type: Any, answer: Any) -> None:
    assert AnswerType(answer_type).misfit(json.dumps(answer), is_json=True) is None
