"""An answer read as the type that was asked for, and what is told of a misfit."""

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


OTHER = '{"plot": 4, "ends": "2011-03-01"}'


@pytest.mark.parametrize(
    "text",
    [
        f"Here is the answer: {GOOD}",
        f"{GOOD}\n\nThat is the lease of plot 3 [see d1], {{as far as I know}}.",
        f"Here it is:\n\n```json\n{GOOD}\n```\nIt ends soon.",
        f"The lease:\n```\n{GOOD}```",
        f'By {{"plot": 0, "ends": "2010-03-01"}} I do not mean it, nor [1, 2], but {GOOD}.',
        f"As I said, {GOOD}. So:\n```json\n{GOOD}\n```",
        f'It is "{GOOD}"',
    ],
)
def test_the_one_json_value_that_fits_is_taken_from_among_words(text: str) -> None:
    leases = AnswerType(Lease)
    assert leases.misfit(text, False) is None
    assert leases.read(text, False) == Lease(plot=3, ends=datetime.date(2010, 3, 1))
    assert leases.text(text, False) == '{"plot":3,"ends":"2010-03-01","tenant":null}'


@pytest.mark.parametrize(
    ("answer_type", "text", "value"),
    [
        (list[str], 'The branches:\n```json\n["branch 3", "branch 9"]\n```', ["branch 3", "branch 9"]),
        (int, "It is this many:\n```json\n42\n```\nof 50.", 42),
        (bool, "```\ntrue\n```\nI think.", True),
        (Colour, 'So:\n```json\n"red"\n```', Colour.RED),
        (
            dict[str, str],
            'It says {"text": "a ] and a } and \\" and ```"}, no more.',
            {"text": 'a ] and a } and " and ```'},
        ),
    ],
)
def test_values_of_many_types_are_taken_from_among_words(answer_type: Any, text: str, value: Any) -> None:
    typed = AnswerType(answer_type)
    assert typed.misfit(text, False) is None
    assert typed.read(text, False) == value


def test_which_of_several_values_is_meant_is_for_the_root_to_say() -> None:
    why = AnswerType(Lease).misfit(f"Either {GOOD} or {OTHER}.", False)
    assert why == "answer: 2 JSON values in it fit the schema; send one, and no other"


@pytest.mark.parametrize("text", ["It is 42.", "I found nothing in 3 documents.", "true, I think"])
def test_a_number_or_word_in_a_sentence_is_no_answer(text: str) -> None:
    assert AnswerType(int | bool).misfit(text, False) is not None


def test_the_only_value_among_words_is_the_one_whose_problem_is_told() -> None:
    why = AnswerType(Lease).misfit('Here: {"plot": 0, "ends": "2010-03-01"}', False)
    assert why == "plot: Input should be greater than or equal to 1"


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


class Unruly:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        raise LookupError


@pytest.mark.parametrize(
    "answer_type",
    [Opaque, Callable[[int], int], {"type": "object"}, {}, {"title": "A"}, "NoSuchName", "", "list[", Unruly],
)
def test_a_type_without_a_schema_is_refused(answer_type: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AnswerType(answer_type)
    assert str(caught.value).startswith(f"answer_type: {answer_type!r} has no JSON schema (")
    assert str(caught.value).endswith("); pass a pydantic model, a dataclass, a TypedDict or a type such as list[str]")
