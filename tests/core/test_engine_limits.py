"""Limits of a run: the last call, what is refused, and what is warned of."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMLimits, Usage
from rlm_integrations.core.trace.events import Event, RunEnded, Warned
from rlm_integrations.core.trace.run_errors import LimitReachedError, RunError
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.testing.scripted_model import Reply

from .both_protocols import (
    LONG,
    NOTES,
    each_protocol,  # noqa: F401 - of each test below
    engine,
    finish,
    repl,
)


def test_at_a_limit_the_root_gets_one_last_call() -> None:
    with ScriptedModel([repl("x = 1"), repl("y = 2"), "The best I have."]) as llm:
        result = engine(llm, limits={"max_iterations": 2}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("The best I have.", "max_iterations")
    assert "the limit of 2 steps" in llm.requests[-1][-1].content
    assert result.trace.iterations[-1].last_call


def test_the_last_reply_may_be_code_that_answers_from_variables() -> None:
    with ScriptedModel([repl("x = 'kept'"), finish("x")]) as llm:
        result = engine(llm, limits={"max_iterations": 1}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("kept", "max_iterations")


def test_on_limit_raise_carries_the_result_and_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    with (
        ScriptedModel([repl("x = 1"), "Perhaps."]) as llm,
        pytest.raises(LimitReachedError, match="max_iterations") as caught,
    ):
        engine(llm, limits={"max_iterations": 1}, on_limit="raise").run("?", LONG)
    assert caught.value.result is not None
    assert caught.value.result.answer == "Perhaps."
    assert (list(recwarn), caught.value.result.trace.warnings) == ([], [])


@pytest.mark.parametrize(
    ("code", "last", "limits", "told"),
    [
        (
            "x = 1",
            "Perhaps.",
            {"max_iterations": 1},
            "the limit of 1 step (max_iterations), and its answer is the root",
        ),
        (
            "x = 'Perhaps.'",
            lambda messages: finish("x"),
            {"max_iterations": 1},
            "answer is the root LM's word in one last call; pass on_",
        ),
        ("answer['content'] = 'Perhaps.'", "", {"max_iterations": 1}, "answer is the unfinished draft that stood in"),
        ("answer['content'] = 'Perhaps.'", OSError("down"), {"max_iterations": 1}, "answer is the unfinished draft"),
        ("x = 1", "Perhaps.", {"max_total_tokens": 1}, "reached the limit of 1 tokens (max_total_tokens), and its"),
    ],
)
async def test_an_answer_after_a_limit_is_warned_of_once(
    code: str, last: Reply, limits: dict[str, int], told: str
) -> None:
    events: list[Event] = []
    llm = ScriptedModel([repl(code), last], usage=Usage(input_tokens=1))
    asked = engine(llm, limits=limits, on_event=events.append)
    with pytest.warns(RuntimeWarning) as warned:
        result = await asked.arun("Which\nkiln? " + "x" * 500, LONG)
    assert result.answer == "Perhaps."
    [warning] = [str(each.message) for each in warned]
    assert warning.startswith("a limit was met: the run for “Which kiln? xxx")
    assert told in warning
    assert warning.endswith('pass on_limit="raise" to have LimitReachedError in its place')
    assert len(warning) < 350
    assert result.trace.warnings == [warning]
    assert [event.message for event in events if isinstance(event, Warned)] == [warning]
    assert isinstance(events[-1], RunEnded)


def test_a_run_that_ends_of_itself_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    result = engine(ScriptedModel([finish("1")]), limits={"max_iterations": 1}).run("?", LONG)
    assert engine(ScriptedModel(["Monday."])).run("?", NOTES).stop_reason == "plain_reply"
    assert (list(recwarn), result.trace.warnings) == ([], [])


def test_tokens_are_bounded_over_the_tree() -> None:
    root = ScriptedModel([repl("llm_query('x')"), "Late."], usage=Usage(input_tokens=10))
    sub = ScriptedModel(["y"], usage=Usage(input_tokens=1_000))
    with root, sub:
        result = engine(root, sub_llm=sub, limits={"max_total_tokens": 500}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("Late.", "max_total_tokens")


def test_sub_calls_are_exact_and_an_oversized_batch_sends_nothing() -> None:
    code = "try:\n    llm_query_batched(['p'] * 6)\nexcept SubCallLimitError as error:\n    print(error)"
    more = "r = llm_query_batched(['p'] * 5)"
    with ScriptedModel([repl(code), repl(more), repl("llm_query('one more')"), finish("len(r)")]) as root:
        sub = ScriptedModel(always=lambda messages: "ok")
        result = engine(root, sub_llm=sub, limits={"max_sub_calls": 5}).run("?", LONG)
    assert len(sub.requests) == 5
    assert "6 sub-calls asked for, 5 left; nothing was sent" in root.requests[1][-1].content
    assert (result.text, result.stop_reason) == ("5", "max_sub_calls")


def test_a_cost_limit_needs_a_model_that_reports_cost() -> None:
    with pytest.raises(RunError, match="max_cost_usd") as caught:
        engine(ScriptedModel([finish("1")]), limits={"max_cost_usd": 1.0}).run("?", LONG)
    assert caught.value.result is not None
    assert caught.value.result.usage.total_tokens > 0
    priced = ScriptedModel([repl("x = 1"), "dear"], usage=Usage(input_tokens=1, cost_usd=2.0))
    result = engine(priced, limits={"max_cost_usd": 1.0}).run("?", LONG)
    assert (result.answer, result.stop_reason) == ("dear", "max_cost")


def test_depth_0_offers_no_sub_calls() -> None:
    with ScriptedModel([repl("llm_query('x')"), finish("'alone'")]) as llm:
        result = engine(llm, limits=RLMLimits(max_depth=0)).run("?", LONG)
    assert "llm_query" not in llm.requests[0][0].content
    assert "NameError" in llm.requests[1][-1].content
    assert "sub-calls" not in llm.requests[1][-1].content
    assert result.answer == "alone"
