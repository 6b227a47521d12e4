from __future__ import annotations

import datetime
import enum
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator
from typing_extensions import TypedDict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.loop import embedded_json as module
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.core.loop.embedded_json import embedded_json
from rlm_integrations.core.loop.near_json import mended_json


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


short = st.text(max_size=8)


@given(
    st.lists(
        st.recursive(st.none() | st.integers() | short, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
        | st.dictionaries(short, short, max_size=3),
        max_size=5,
    ),
    st.text(st.sampled_from("ab {}[]\"',:\n`\\"), max_size=20),
)
def test_json_behind_words_without_brackets_is_found_whole(values: list[Any], words: str) -> None:
    before = words.replace("{", "").replace("[", "")
    dumped = json.dumps(values, ensure_ascii=False)
    assert dumped in embedded_json(f"{before}{dumped} {before}")


@pytest.mark.parametrize("piece", ["[", "{", '{"a": ', '["', '[1, {"a": [', '["\\"', "```\n", '{"a": 1} ', '"[', "[1,"])
def test_looking_for_json_among_words_takes_work_that_grows_with_the_text(piece: str) -> None:
    def read(repeated: int) -> int:
        """Characters that the decoder passed over."""
        passed = 0
        text = piece * repeated

        def decode(text: str, start: int) -> Any:
            nonlocal passed
            try:
                value, end = real(text, start)
            except json.JSONDecodeError as error:
                passed += (len(text) if error.msg.startswith("Unterminated") else error.pos) - start
                raise
            except RecursionError:
                passed += 1_000
                raise
            passed += end - start
            return value, end

        real = module._decode
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_decode", decode)
            embedded_json(text)
        return passed

    assert read(4_000) <= 6 * len(piece) * 4_000 + 1_000


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
