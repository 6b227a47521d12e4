"""A root LM that fails, and what a run without an answer says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish
from rlm_integrations.core.loop.happenings import CodeRan
from rlm_integrations.core.messages import Messages
from rlm_integrations.wire.steps import CodeError, ReplLost

from .decisions import (
    LAST,
    NO_ANSWER,
    OPEN,
    OPENING,
    TIME_UP,
    after_code,
    last_message,
    on_code_ran,
    on_reply,
    on_root_failed,
    ran,
    rules,
    state,
)


def test_a_root_that_fails_ends_the_run_with_the_draft() -> None:
    _, action = on_root_failed(rules(), state(draft="so far"), "the root LM failed: 401", OPEN)
    assert action == Fail("the root LM failed: 401", draft="so far")


def test_a_root_call_that_ran_out_of_the_runs_time_is_followed_by_the_last_call() -> None:
    after, action = on_root_failed(rules(), state(iteration=3), "TimeoutError", TIME_UP)
    assert last_message(action).startswith("Question: how many?\n\nYou have reached the limit of 90 s.")
    assert action == CallRootLM(after.messages, 4, last_call=True)


def test_the_last_call_after_a_root_call_that_failed_makes_no_second_user_message_in_a_row() -> None:
    told, _ = on_code_ran(rules(), after_code(), ran("42"), OPEN)
    after, action = on_root_failed(rules(), told, "TimeoutError", TIME_UP)
    assert [message.role for message in after.messages] == ["system", "user", "assistant", "user"]
    assert last_message(action).startswith(f"{told.messages[-1].content}\n\nYou have reached the limit of 90 s.")


def test_the_last_call_after_an_opening_that_ends_with_a_reply_is_a_message_of_its_own() -> None:
    opening = (*OPENING, Message("assistant", "Hm."))
    after, _ = on_root_failed(rules(), state(messages=Messages(opening)), "TimeoutError", TIME_UP)
    assert after.messages[:-1] == opening
    assert after.messages[-1].role == "user"


def test_a_last_call_that_fails_gives_the_draft_and_else_its_own_reason() -> None:
    stale = LAST._replace(parsed=after_code().parsed)  # prose of an earlier reply is no answer
    _, action = on_root_failed(rules(), stale, "the root LM failed: 500", TIME_UP)
    assert action == Finish("the draft", "timeout", is_draft=True)
    _, action = on_root_failed(rules(), stale._replace(draft=""), "the root LM failed: 500", TIME_UP)
    assert action == Fail("the run reached the limit of 90 s (timeout_s), and the root LM failed: 500", "timeout")


KEY_ERROR = CodeError(1, 2, "plots['x']", "KeyError: 'x'")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([ran(error=KEY_ERROR)], "; the last step failed: KeyError: 'x'"),
        ([ran(), ran(error=KEY_ERROR)], "; the last step failed: KeyError: 'x'"),
        ([ran(error=KEY_ERROR)] * 3, "; each of the last 3 steps failed: KeyError: 'x'"),
        (
            [ran(error=KEY_ERROR), ran(error=replace(KEY_ERROR, line=9)), ran(error=replace(KEY_ERROR, message="E"))],
            "; the last step failed: E",
        ),
        ([ran(error=KEY_ERROR), ran(error=KEY_ERROR), ran("42")], ""),
        ([CodeRan(ReplLost("it ended itself"))], "; the last step failed: the REPL was lost: it ended itself"),
        ([ran(error=replace(KEY_ERROR, message="E: \u2028" + "x" * 2_000))], "; the last step failed: E:  xxx"),
    ],
)
def test_a_run_without_an_answer_says_how_its_last_steps_failed(steps: list[CodeRan], told: str) -> None:
    now = state()
    for step in steps:
        now, _ = on_code_ran(rules(), after_code(now), step, OPEN)
    _, action = on_reply(rules(), now._replace(last_call="timeout"), "", OPEN)
    assert isinstance(action, Fail)
    assert action.message.startswith(f"{NO_ANSWER}{told}")
    assert len(action.message) < len(NO_ANSWER) + 350
    assert told or action.message == NO_ANSWER
    assert action.message.splitlines() == [action.message]


def test_the_last_calls_own_code_may_be_what_failed() -> None:
    now, _ = on_code_ran(rules(), after_code(), ran(error=KEY_ERROR), OPEN)
    _, action = on_code_ran(rules(), after_code(now._replace(last_call="timeout")), ran(error=KEY_ERROR), TIME_UP)
    assert action == Fail(f"{NO_ANSWER}; each of the last 2 steps failed: KeyError: 'x'", "timeout")
