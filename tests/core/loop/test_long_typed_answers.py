"""A long typed answer is read in a way of its own, and as the type reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from annotated_types import Len
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, model_validator
from typing_extensions import TypedDict

from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.watched_reading import WatchedReader


class Colour(Enum):
    RED = "a"


class Tree(BaseModel):
    a: int = 0
    default: list[Tree] = []


class Both(BaseModel):
    a: list[int]
    b: set[str] = set()

    @model_validator(mode="after")
    def is_short(self) -> Both:
        assert len(self.a) < 3, "too long"
        return self


class Kind(BaseModel):
    a: Literal["a"]


class Other(BaseModel):
    a: Literal["b"]


@dataclass
class Plain:
    a: int
    b: list[Decimal]


class Named(NamedTuple):
    a: int
    b: str = ""


class Keys(TypedDict, total=False):
    a: list[date]
    b: dict[str, float]


def all_differ(values: list[Any]) -> list[Any]:
    assert len({str(value) for value in values}) == len(values), "twice the same"
    return values


TYPES: list[Any] = [
    Any,
    list,
    list[int],
    list[float] | list[int],
    list[Any] | list[int] | dict[str, list[str]],
    Annotated[list[int], Field(min_length=2, max_length=3)],
    Annotated[list[Any], AfterValidator(all_differ)],
    Annotated[set[int | str], Len(1, 2)],
    frozenset[str] | list[str],
    tuple[int, ...] | tuple[str, int],
    tuple[int, *tuple[str, ...]],
    dict[str, Any],
    dict[int, list[int]] | dict[str, int],
    dict[str, int] | Tree | None,
    Tree,
    list[Tree],
    Both,
    Annotated[Kind | Other, Field(discriminator="a")],
    Plain,
    list[Plain] | Named,
    Keys,
    list[Colour | date],
]
READERS = [(adapter := TypeAdapter(each), WatchedReader(adapter)) for each in TYPES]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.sampled_from([0.5, 1.0, "a", "b", "1", "2024-01-31", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "default", "1"]), inner),
    max_leaves=12,
)


def outcome(read: Any, text: str) -> tuple[Any, ...]:
    try:
        value = read(text)
    except ValidationError:
        return ("refused",)
    return ("read", value, repr(value))


@given(st.sampled_from(READERS), JSON)
def test_a_watched_reader_reads_what_the_type_reads_and_refuses_what_it_refuses(readers: Any, value: object) -> None:
    adapter, watched = readers
    text = json.dumps(value)
    assert outcome(watched.validate_json, text) == outcome(adapter.validate_json, text)


@pytest.mark.parametrize(
    ("answer_type", "answer", "words"),
    [
        (Annotated[list[int], Field(max_length=9_999)], [1] * 10_000, "at most 9999 items after validation, not 10000"),
        (Annotated[list[int], AfterValidator(all_differ)], [*range(9_000), 8], "twice the same"),
        (list[int], [1] * 9_000 + ["x"] * 9, "9000: Input should be a valid integer"),
        (Both, {"a": [1] * 9_000}, "too long"),
        (list[list[set[int]] | list[str]], [[9] * 9_000], "0.list[set[int]].0: Input should be a valid array"),
    ],
)
def test_rules_for_the_whole_of_a_long_answer_hold(answer_type: Any, answer: Any, words: str) -> None:
    why = AnswerType(answer_type).misfit(json.dumps(answer), is_json=True)
    assert why is not None
    assert words in why


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "-123.5E+400", "9" * 309 + ".5"])
def test_what_is_no_number_of_json_is_refused_beside_very_many_texts(number: str) -> None:
    texts = ",".join([r'"a \\"', r'"\" NaN 1e999 \\\" Infinity"', '"12"'] * 3_000)
    reader = AnswerType(list[str | float])
    assert reader.misfit(f"[{texts}]", True) is None
    assert reader.read(f"[{texts},1e30]", True)[-1] == 1e30
    why = reader.misfit(f"[{texts},{number}]", True)
    assert why is not None
    assert "JSON has no" in why or "is more than a number of JSON can be" in why
