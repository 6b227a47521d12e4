"""What can mean one value alone is that value: JSON as models write it, marks and labels around it."""

from __future__ import annotations

import datetime
import enum
import json
from contextlib import suppress
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.near_json import mended_json


class Colour(enum.Enum):
    RED = "red"


class Well(BaseModel):
    name: str
    n: int | None
    tags: list[str] = []


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "a", "n": 3,}',
        '{"name": "a", "n": 3, "tags": [],}',
        "{'name': 'a', 'n': 3}",
        '{"name": "a", // the name\n "n": 3 /* wells */}',
        '{"name": "a", # the name\n "n": 3}',
        "Here it is:\n\n```json\n{'name': 'a', 'n': 3, 'tags': [],}\n```\nThat is all.",
        '"{\\"name\\": \\"a\\", \\"n\\": 3}"',
        '{"answer": {"name": "a", "n": 3}}',
        "{'result': {'name': 'a', 'n': 3}}",
    ],
)
def test_what_can_mean_one_json_value_alone_is_that(text: str) -> None:
    assert AnswerType(Well).read(text, False) == Well(name="a", n=3)


@pytest.mark.parametrize(
    ("text", "name", "n"),
    [
        ("{'name': \"it's\", 'n': None}", "it's", None),
        ("{'name': 'it\\'s \"so\"', 'n': None}", 'it\'s "so"', None),
        ('{"name": "a\nb\t", "n": null}', "a\nb\t", None),
        ('{"name": "C:\\path \\u00e9, // no # comment,}", "n": 1}', "C:\\path é, // no # comment,}", 1),
        ("{'name': 'True, None', 'n': 1,}", "True, None", 1),
    ],
)
def test_strings_in_it_say_what_they_said(text: str, name: str, n: int | None) -> None:
    assert AnswerType(Well).read(text, False) == Well(name=name, n=n)


@pytest.mark.parametrize(
    ("answer_type", "text", "value"),
    [
        (int, "**3**", 3),
        (int, "Answer: 1,234", 1234),
        (int, "The final answer is `3`.", 3),
        (int, "\\boxed{3}", 3),
        (int, '{"answer": 3}', 3),
        (float, "1,234.5", 1234.5),
        (float, "1,234,567", 1234567.0),
        (Decimal, "1,200.50", Decimal("1200.50")),
        (bool, "**Yes**.", True),
        (Colour, "RED", Colour.RED),
        (Colour, "**Red**", Colour.RED),
        (Literal["yes", "no"], "Yes.", "yes"),
        (datetime.date, "Answer: 2024-01-02.", datetime.date(2024, 1, 2)),
        (int | None, "None", None),
        (list[str], "['a', \"b\",]", ["a", "b"]),
        (list[str], '{"items": ["a", "b"]}', ["a", "b"]),
        (list[str], "['a', 'b',] and again ['a', 'b']", ["a", "b"]),
        (list[str], "['a', 'b'] [3]", ["a", "b"]),
        (list[str], "['a', # the first of the list\n 'b']", ["a", "b"]),
        (Well, "As [3] has it: {'name': 'a', 'n': 3} [4]", Well(name="a", n=3)),
        (list[int], "The pages are [3, 5].", [3, 5]),
        (list[int], "Pages:\n[3, 5]", [3, 5]),
        (list[int], "**Pages:** [3, 5]", [3, 5]),
        (int, "12.0", 12),
        (int, "0.000", 0),
        (float, "12.000", 12.0),
        (Decimal, "12.000", Decimal("12.000")),
        (str | None, "null", None),
        (str | None, "None\n", None),
        (str | None, "none of them", "none of them"),
        (int | str, "330.000", "330.000"),
        (int, "The answer is $\\boxed{7}$, and not 8.", 7),
    ],
)
def test_one_value_in_words_or_marks_is_that_value(answer_type: Any, text: str, value: object) -> None:
    assert AnswerType(answer_type).read(text, False) == value


@pytest.mark.parametrize(
    ("answer_type", "text"),
    [
        (float, "1,234"),  # a decimal comma?
        (float, "3,5"),
        (int, "12,34"),
        (int, "3 or 4"),
        (list[int], "[1 2]"),
        (list[int], "[1, , 2]"),
        (list[int], "[1, 2"),
        (list[str], "[a, b]"),
        (Colour, "reddish"),
        (Well, '{"name": "a", "n": 1,234}'),
        (Well, '{"name": "C:\\xab", "n": 3,}'),
        (Well, '{"note": {"name": "a", "n": 3}}'),
        (Well, '{\'note\': {"name": "a", "n": 3}}'),
        (Well, "{'name': 'a', 'n': 3}\nCorrected: {'name': 'a', 'n': 4}"),
        (Well, "{\"name\": \"a\", \"n\": 3}\nCorrected: {'name': 'a', 'n': 4}"),
        (Well, "{'answer': {'name': 'a', 'n': 3}} or {'answer': {'name': 'b', 'n': 3}}"),
        (Well, '```json\n{"name": "a", "n": 3}\n```\n\nFinal:\n```json\n{"name": "a", "n": 4}\n```'),
        (list[str], "['a'] or ['b']"),
        (list[str], '["a", "b", // ... and 12 more\n]'),
        (list[str], '["a", "b"  # rest omitted\n]'),
        (list[str], '["a", /* 12 others */ "b"]'),
        (list[int], "No matching entries were found [3]."),
        (list[int], "Nobody [1, 2] says so."),
        (int, "12.000"),
        (int, "-1.000"),
        (int, "Answer: **12.000**"),
        (int, '"12.000"'),
        (Well, '{"name": "a", "n": "330.000"}'),
        (Well, '{"name": "a", "n": 330.000}'),
        (list[int], "[1, 12.000]"),
    ],
)
def test_what_could_mean_two_things_or_is_half_of_one_does_not_fit(answer_type: Any, text: str) -> None:
    assert AnswerType(answer_type).misfit(text, False) is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=12,
    )
)
def test_a_literal_of_python_is_read_as_the_same_value(value: Any) -> None:
    for written in (repr([value]), json.dumps([value])):
        mended = mended_json(f"So: {written}")
        assert mended is not None
        with suppress(ValueError):  # escapes in double quotes, which may be a path's
            assert json.loads(mended) == [value]


@pytest.mark.parametrize("kind", [str, str | None])
def test_words_that_a_check_of_the_users_refuses_are_not_put_into_others(kind: Any) -> None:
    def check(value: str) -> str:
        if value == "wrong":
            raise ValueError("not that")
        return value

    assert AnswerType(Annotated[kind, AfterValidator(check)]).misfit("wrong", False) is not None


@pytest.mark.parametrize(
    "text",
    [
        "I first got \\boxed{7}, but that counts twice, so 6.",
        "not \\boxed{7}",
        "$\\boxed{7}$ or $\\boxed{8}$",
        "It isn't $\\boxed{7}$",
    ],
)
def test_a_box_that_is_not_meant_or_not_the_only_one_is_no_answer(text: str) -> None:
    assert AnswerType(int).misfit(text, False) is not None
    assert AnswerType(int).read("So it is $\\boxed{7}$.", False) == 7
