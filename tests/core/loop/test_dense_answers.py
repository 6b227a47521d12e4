"""Typed answers of very many values: other threads have their turn while one is read, and there is an end to it."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator

from rlm_integrations import RLMEngine
from rlm_integrations.core.loop.answer_type import AnswerType
from rlm_integrations.testing import ScriptedModel

from .reading_of_classes import MOST_OBJECTS, OBJECTS, where_it_is_watched

READ: list[object] = []


def note(value: object) -> object:
    READ.append(value)
    return value


class Row(BaseModel):
    place: Annotated[int, BeforeValidator(note)] = 0


class Place(BaseModel):
    place: int


class Table(BaseModel):
    rows: list[Place]


class OwnInit(BaseModel):
    rows: list[Row]

    def __init__(self, **rows: Any) -> None:
        super().__init__(**rows)


def many(item: str, count: int) -> str:
    return "[" + ",".join([item] * count) + "]"


@pytest.mark.parametrize(
    ("of", "item", "most", "what"),
    [
        (Annotated[int, BeforeValidator(note)], "1", 999_999, "1,000,000 values"),
        (list[Annotated[int, BeforeValidator(note)]], "[1]", 199_999, "200,000 objects and lists"),
        (Row, '{"place": 1}', MOST_OBJECTS, OBJECTS),
        (Row, "{ }", MOST_OBJECTS, OBJECTS),
    ],
)
def test_an_answer_of_too_many_values_is_refused_before_any_is_read(of: Any, item: str, most: int, what: str) -> None:
    reader = AnswerType(list[of])
    assert reader.misfit(many(item, most), True) is None
    READ.clear()
    why = reader.misfit(many(item, most + 2), True)
    assert why == f"answer: over {what}; no more are read, so answer with less"
    assert READ == []


def test_a_model_that_reads_its_values_itself_takes_fewer() -> None:
    reader = AnswerType(OwnInit)
    assert reader.misfit(f'{{"rows": {many("{}", 19_999)}}}', True) is None
    READ.clear()
    why = reader.misfit(f'{{"rows": {many("{}", 20_001)}}}', True)
    assert why == "answer: over 20,000 objects; no more are read, so answer with less"
    assert READ == []


@pytest.mark.parametrize(
    ("answer_type", "text"),
    [
        (list[int], many("1", 110_000)),
        (set[str], "[" + ",".join(f'"{n}"' for n in range(30_000)) + "]"),
        (tuple[int, ...], many("1", 110_000)),
        (dict[str, int], "{" + ",".join(f'"{n}":1' for n in range(30_000)) + "}"),
        pytest.param(Table, '{"rows": ' + many('{"place": 1}', 30_000) + "}", marks=where_it_is_watched),
        (list[dict[str, Any]], many('{"default": 1}', 30_000)),
        (int | list[tuple[int, int]], many("[1,2]", 40_000)),
    ],
    ids=["numbers", "a set", "a tuple", "a dict", "models", "dicts", "a union"],
)
def test_other_threads_may_run_after_each_item(answer_type: Any, text: str) -> None:
    """Where a function of Python is called: within a call of pydantic's own they may not."""
    reader = AnswerType(answer_type)
    turns = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal turns
        turns += event == "call" and frame.f_code.co_name != "<genexpr>"  # which goes on, and not within pydantic

    sys.setprofile(count)
    try:
        why = reader.misfit(text, True)
    finally:
        sys.setprofile(None)
    assert why is None
    assert turns >= 30_000


def test_a_run_hands_over_a_table_of_very_many_rows() -> None:
    code = f"answer['content'] = [{{'place': n}} for n in range({MOST_OBJECTS})]\nanswer['ready'] = True"
    result = RLMEngine(ScriptedModel([f"```repl\n{code}\n```"]), answer_type=list[Place]).run("?", "x" * 9_000)
    assert [row.place for row in result.answer] == list(range(MOST_OBJECTS))
    assert result.text.startswith('[{"place":0},{"place":1}')


def test_a_dict_whose_entries_may_all_be_wrong_has_fewer() -> None:
    entries = [f'"{n}":""' for n in range(150_000)]
    why = AnswerType(dict[str, int]).misfit("{" + ",".join(entries[:99_000]) + "}", True)
    assert why == "answer: 99,000 problems; it has another form than the schema"
    text = "{" + ",".join(entries) + "}"
    why = AnswerType(list[dict[str, int]]).misfit(f"[{text}]", True)
    assert why == "answer: over 100,000 values; no more are read, so answer with less"
    assert AnswerType(dict[str, Any]).misfit(text, True) is None


def test_braces_and_quotes_in_a_text_are_no_objects() -> None:
    text = '["' + "if (x) { y(); } " * 50_000 + '"]'
    assert AnswerType(list[str]).misfit(text, True) is None
