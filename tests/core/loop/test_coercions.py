"""What pydantic would take for something else: parts left out, digits as dates, fields that stand twice."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator
from typing_extensions import TypedDict

from rlm_integrations.core.loop.answer_type import AnswerType


class Counted(BaseModel):
    count: int | None = None
    note: str = ""


class Notes(TypedDict, total=False):
    notes: str


@pytest.mark.parametrize(
    ("answer_type", "text", "why"),
    [
        (Counted, '{"total": 3}', "answer: the schema has none of its fields, which are total"),
        (list[Counted], '[{"count": 3}, {"total": 3}]', "answer: the schema has none of its fields, which are total"),
        (Notes, '{"text": "a"}', "answer: the schema has none of its fields, which are text"),
        (int, "true", "answer: true is no number"),
        (Counted, '{"count": false}', "answer: false is no number"),
        (dict[str, list[float]], '{"a": [1.5, true]}', "answer: true is no number"),
    ],
)
def test_what_pydantic_would_take_for_something_else_is_refused(answer_type: Any, text: str, why: str) -> None:
    assert AnswerType(answer_type).misfit(text, True) == why


@pytest.mark.parametrize(
    ("answer_type", "text", "value"),
    [
        (Counted, "{}", Counted()),
        (Counted, '{"total": 3, "note": "three"}', Counted(note="three")),
        (dict[str, bool], '{"a": true}', {"a": True}),
        (bool | int, "true", True),
        (list[Counted], "[]", []),
    ],
)
def test_what_leaves_nothing_out_is_taken(answer_type: Any, text: str, value: Any) -> None:
    assert AnswerType(answer_type).misfit(text, True) is None
    assert AnswerType(answer_type).read(text, True) == value


def test_a_field_that_stands_twice_with_two_values_says_nothing() -> None:
    counted = AnswerType(Counted)
    assert "a field stands in it twice" in str(counted.misfit('{"count": 3, "count": 4}', False))
    assert counted.read('{"count": 3, "count": 3}', False) == Counted(count=3)


class Event(BaseModel):
    when: datetime.datetime
    seen: list[datetime.date] = []
    lasts: datetime.timedelta | None = None
    code: str = ""


@pytest.mark.parametrize(
    ("answer_type", "text", "form"),
    [
        (datetime.datetime, "2024", "no datetime; send one such as 2024-01-31T14:30:00"),
        (datetime.datetime, "20240102", "no datetime"),
        (datetime.datetime, "1704153600", "no datetime"),
        (datetime.datetime, "1704153600000", "no datetime"),
        (datetime.datetime, "Answer: 2024", "no datetime"),
        (datetime.time, "1430", "no time; send one such as 14:30:00"),
        (datetime.date, "0", "no date; send one such as 2024-01-31"),
        (Event, '{"when": "2024"}', "no datetime"),
        (Event, '{"when": 2024.5}', "no datetime"),
        (Event, '{"when": "2024-01-02T00:00:00", "seen": [86400]}', "no date"),
    ],
)
def test_bare_digits_are_no_date_and_no_time(answer_type: Any, text: str, form: str) -> None:
    """pydantic takes them for seconds since 1970, or since midnight."""
    for is_json in {text[0] in "{[" or text.isdecimal(), False}:
        why = AnswerType(answer_type).misfit(text, is_json)
        assert why is not None
        assert form in why or text.startswith("Answer")


@pytest.mark.parametrize(
    ("answer_type", "text", "value"),
    [
        (datetime.datetime, "2024-01-02", datetime.datetime(2024, 1, 2)),
        (datetime.datetime, "1970-01-01T00:00:05", datetime.datetime(1970, 1, 1, 0, 0, 5)),
        (datetime.time, "14:30", datetime.time(14, 30)),
        (datetime.timedelta, "PT90S", datetime.timedelta(seconds=90)),
        (Annotated[datetime.date, BeforeValidator(lambda _: "2024-01-02")], "20240102", datetime.date(2024, 1, 2)),
        (
            Event,
            '{"when": "2024-01-02T14:30:00", "lasts": 90, "code": "0000"}',
            Event(when=datetime.datetime(2024, 1, 2, 14, 30), lasts=datetime.timedelta(seconds=90), code="0000"),
        ),
    ],
)
def test_dates_and_times_in_a_form_of_theirs_are_read(answer_type: Any, text: str, value: object) -> None:
    assert AnswerType(answer_type).read(text, False) == value
