from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypedDict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.loop.answer_type import AnswerType


class Lease(BaseModel):
    plot: int = Field(ge=1)
    ends: datetime.date
    tenant: str | None = None


@dataclass
class Point:
    x: int
    y: int


class Row(TypedDict):
    name: str


class Colour(enum.Enum):
    RED = "red"


GOOD = '{"plot": 3, "ends": "2010-03-01"}'


@pytest.mark.parametrize("answer_type", [None, str])
def test_text_fits_as_it_is(answer_type: Any) -> None:
    plain = AnswerType(answer_type)
    assert plain.schema is None
    assert plain.misfit("anything {at} all \ud800", False) is None
    assert plain.read("[1]", True) == plain.text("[1]", True) == "[1]"


@pytest.mark.parametrize(
    ("text", "is_json"),
    [
        (GOOD, True),
        (GOOD, False),
        (f"```json\n{GOOD}\n```", False),
        (f"\n```JSON \n{GOOD}\n```\n", False),
        (f"```\n{GOOD}\n```", False),
    ],
)
def test_a_model_is_read_from_json_fenced_or_not(text: str, is_json: bool) -> None:
    leases = AnswerType(Lease)
    assert leases.misfit(text, is_json) is None
    assert leases.read(text, is_json) == Lease(plot=3, ends=datetime.date(2010, 3, 1))
    assert leases.text(text, is_json) == '{"plot":3,"ends":"2010-03-01","tenant":null}'
    assert leases.schema is not None
    assert leases.schema["required"] == ["plot", "ends"]


@pytest.mark.parametrize(
    ("answer_type", "text", "is_json", "value"),
    [
        (int, "42", False, 42),
        (bool, "true", True, True),
        (list[str], '["a"]', True, ["a"]),
        (list[str], '["a"]', False, ["a"]),
        (Point, '{"x": 1, "y": 2}', True, Point(1, 2)),
        (Row, '{"name": "a"}', True, {"name": "a"}),
        (Colour, "red", False, Colour.RED),
        (datetime.date, "2010-03-01", False, datetime.date(2010, 3, 1)),
        (str | None, "text", False, "text"),
    ],
)
def test_values_of_many_types(answer_type: Any, text: str, is_json: bool, value: Any) -> None:
    typed = AnswerType(answer_type)
    assert typed.misfit(text, is_json) is None
    assert typed.read(text, is_json) == value


def test_a_misfit_says_what_is_wrong_and_where() -> None:
    leases = AnswerType(Lease)
    why = leases.misfit('{"plot": 0, "ends": "soon"}', True)
    assert why is not None
    assert why.startswith("plot: Input should be greater than or equal to 1; ends: Input should be a valid date")
    assert leases.misfit("Plot 3.", False) == ("answer: Invalid JSON: expected value at line 1 column 1")
    assert leases.misfit(f"Here it is:\n```json\n{GOOD}\n```", False) is not None


def test_only_the_first_problems_are_told() -> None:
    why = AnswerType(list[int]).misfit('["a", "b", "c", "d", "e"]', True)
    assert why is not None
    assert why.count("valid integer") == 3
    assert "0: Input" in why
    assert why.endswith("; and 2 more")


@pytest.mark.parametrize(
    ("answer_type", "text", "is_json"),
    [
        (float, "NaN", True),
        (float, "nan", False),
        (float | None, "-inf", False),
        (list[float], "[1.5, -Infinity]", True),
        (dict[str, Any], '```json\n{"mean": NaN}\n```', False),
        (dict[str, float], '{"mean": 1e999}', True),
        (list[Any], "[1e+0400]", False),
    ],
)
def test_what_json_has_no_number_for_does_not_fit(answer_type: Any, text: str, is_json: bool) -> None:
    """pydantic takes it, and writes null: the answer and its text would differ."""
    why = AnswerType(answer_type).misfit(text, is_json)
    assert why is not None
    assert why.startswith(("answer: JSON has no ", "answer: 1e"))


@pytest.mark.parametrize("text", ['{"bank": "Infinity of NaN, 1e999"}', '{"long": "%s"}' % ("9" * 400), '{"n": 1e300}'])
def test_words_that_look_like_no_number_fit(text: str) -> None:
    typed = AnswerType(dict[str, Any])
    assert typed.misfit(text, True) is None
    assert json.loads(typed.text(text, True)) == typed.read(text, True) == json.loads(text)


class Careless(BaseModel):
    name: str

    @model_validator(mode="before")
    @classmethod
    def rename(cls, data: Any) -> Any:
        return {"name": data.get("title", data.get("name"))}


def test_a_validator_of_the_user_that_expects_a_dict_ends_no_run() -> None:
    careless = AnswerType(Careless)
    assert careless.misfit("prose", False) is not None
    assert careless.misfit("[1]", True) == "AttributeError: 'list' object has no attribute 'get'"
    assert careless.read('{"title": "a"}', False) == Careless(name="a")


class Opaque:
    pass


@pytest.mark.parametrize("answer_type", [Opaque, Callable[[int], int], {"type": "object"}, "NoSuchName"])
def test_a_type_without_a_schema_is_refused(answer_type: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AnswerType(answer_type)
    assert str(caught.value).startswith(f"answer_type: {answer_type!r} has no JSON schema (")
    assert str(caught.value).endswith("); pass a pydantic model, a dataclass, a TypedDict or a type such as list[str]")
