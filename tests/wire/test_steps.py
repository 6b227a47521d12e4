"""The end of a step: what is sent is what is read, and what is not of that form is refused, or cut where it is long."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.wire.steps import (
    MAX_ANSWER_CHARS,
    AnswerState,
    CodeError,
    Output,
    StepDone,
    WrongStepError,
    read_step_done,
)

BLOCKS, MAX_OUTPUT_CHARS = 3, 50

texts = st.text(st.characters(exclude_categories=()), max_size=8)
counts = st.integers(0, 1 << 53)
errors = st.builds(
    CodeError,
    st.integers(0, BLOCKS),
    st.none() | counts,
    texts,
    texts,
    st.sampled_from(["raised", "syntax", "interrupted"]),
)
answers = st.builds(AnswerState, st.booleans(), texts, st.booleans(), st.none() | texts)
steps = st.builds(
    StepDone,
    st.builds(Output, st.just(""), texts, counts),
    st.none() | errors,
    answers,
    st.lists(texts, max_size=20).map(tuple),
)


@given(steps)
def test_a_step_that_was_sent_is_read_as_it_was(done: StepDone):
    assert read_step_done(json.loads(json.dumps(done.to_json())), BLOCKS, MAX_OUTPUT_CHARS) == done


def sent(**changes: object) -> dict[str, Any]:
    """A step as it is sent; "answer.ready" changes a field within."""
    error = CodeError(2, 1, "1 / 0", "ZeroDivisionError: division by zero")
    payload = StepDone(Output(tail="tail"), error, AnswerState(content="draft"), ("x: int",)).to_json()
    for path, value in changes.items():
        *above, field = path.split(".")
        place = payload[above[0]] if above else payload
        place[field] = value
    return payload


WRONG: list[tuple[object, str]] = [
    ([], "done is no object"),
    (sent(output=None), "output is no object"),
    (sent(**{"output.tail": 5}), "tail is no text"),
    (sent(**{"output.cut_chars": True}), "cut_chars is no number between 0 and 9,007,199,254,740,992"),
    (sent(error="it failed"), "error is no object"),
    (sent(**{"error.block": BLOCKS + 1}), "block is no number between 0 and 3"),
    (sent(**{"error.line": -1}), "line is no number between 0 and 9,007,199,254,740,992"),
    (sent(**{"error.message": None}), "message is no text"),
    (sent(**{"error.kind": ["raised"]}), "kind of the error is unknown"),
    (sent(answer=None), "answer is no object"),
    (sent(**{"answer.ready": 1}), "the answer is neither ready nor not, or neither JSON nor not"),
    (sent(**{"answer.content": {}}), "content is no text"),
    (sent(**{"answer.refused": False}), "refused is no text"),
    (sent(variables="x: int"), "variables are no list"),
    (sent(variables=[1]), "a variable is no text"),
]


@pytest.mark.parametrize(("payload", "problem"), WRONG, ids=[problem for _, problem in WRONG])
def test_a_wrong_end_is_refused_in_words_that_name_the_field(payload: object, problem: str):
    with pytest.raises(WrongStepError) as caught:
        read_step_done(payload, BLOCKS, MAX_OUTPUT_CHARS)
    assert str(caught.value) == problem


def test_what_is_too_long_is_cut_and_the_rest_is_kept():
    long = "x" * 5_000
    payload = sent(
        variables=[long] * 30,
        **{"output.tail": long, "error.source": long, "error.message": long, "answer.refused": long},
    )
    done = read_step_done(payload, BLOCKS, MAX_OUTPUT_CHARS)
    assert done.output.tail == "x" * MAX_OUTPUT_CHARS
    assert done.variables == ("x" * 200,) * 20
    assert done.error == CodeError(2, 1, "x" * 2_000, "x" * 2_000)
    assert done.answer == AnswerState(content="draft", refused="x" * 2_000)


def test_an_answer_is_taken_whole_or_not_at_all():
    content = "x" * MAX_ANSWER_CHARS
    assert read_step_done(sent(**{"answer.content": content}), BLOCKS, MAX_OUTPUT_CHARS).answer.content == content
    with pytest.raises(WrongStepError, match="the answer has more than 10,000,000 characters"):
        read_step_done(sent(**{"answer.content": content + "x"}), BLOCKS, MAX_OUTPUT_CHARS)


def test_steps_are_made_and_sent_whatever_is_done_to_builtins():
    names, mend = vars(builtins), vars(builtins).copy()
    try:
        names.clear()
        error = CodeError(1, None, "", "MemoryError")
        payload = StepDone(Output(tail="x"), None, AnswerState()).with_error(error).to_json()
    finally:
        mend["dict"].update(names, mend)
    assert read_step_done(payload, 1, 10).error == error
