"""Replies that were cut, withheld, refused or broken, or are empty again and again."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations.core.loop.actions import Action, Fail, Finish, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, Replied
from rlm_integrations.core.loop.state import Decision, State

from .decisions import CODE, LAST, NO_ANSWER, OPEN, TIME_UP, last_message, on_code_ran, on_reply, ran, rules, state

CUT = "the reply was cut"


def on_cut(before: State, reply: str, budget: BudgetView = OPEN, **changes: Any) -> Decision:
    return decide(rules(**changes), before, Replied(reply, budget, "length", CUT))


@pytest.mark.parametrize(
    "reply",
    ["The open ones are 3, 9 and", "FINAL(It is 3, and", "FINAL(It is 3)", "```repl\nx = 1\nprint(x", "It:\n```\nx"],
)
@pytest.mark.parametrize("whole", [True, False])
def test_a_reply_that_was_cut_is_told_and_never_an_answer_however_often_it_comes(reply: str, whole: bool) -> None:
    now = state()
    for step in range(1, 5):
        now, action = on_cut(now, reply, plain_reply_answers=whole)
        assert last_message(action).startswith(f"Step {step} of 20: no code ran, and no answer was taken: {CUT}. Reply")
    _, action = on_reply(rules(plain_reply_answers=True), now, "It is 3.", OPEN)
    assert action == Finish("It is 3.", "plain_reply")


@pytest.mark.parametrize("tail", ["", "\nAnd so", "\n```repl\nb = [", "\nFINAL(3", "\n~~~\nx"])
def test_of_a_reply_that_was_cut_the_closed_blocks_run_and_the_root_is_told_of_the_rest(tail: str) -> None:
    after, action = on_cut(state(), f"Look.\r\n```repl\na\n```{tail}")
    assert action == RunCode(("a",))
    _, action = on_code_ran(rules(), after, ran("42"), OPEN)
    assert f"\nYour reply did not come whole ({CUT}): of its code only the closed blocks ran" in last_message(action)
    after, _ = on_reply(rules(), after, CODE, OPEN)
    _, action = on_code_ran(rules(), after, ran("42"), OPEN)
    assert "whole" not in last_message(action)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("reply", ["It is", CODE])
def test_the_remedy_is_told_to_the_user_and_not_to_the_root_lm(reply: str, direct: bool) -> None:
    bounded, cut = rules(direct=direct), Replied(reply, OPEN, "length", f"{CUT} (raise max_tokens)")
    after, action = decide(bounded, state(), cut)
    if isinstance(action, RunCode):
        after, action = on_code_ran(bounded, after, ran("42"), OPEN)
    assert CUT in last_message(action)
    assert "max_tokens" not in last_message(action)
    _, action = decide(bounded, LAST._replace(draft=""), cut._replace(text="It is", budget=TIME_UP))
    assert action == Fail(f"{NO_ANSWER} ({CUT} (raise max_tokens))", "timeout")


@pytest.mark.parametrize("reply", ["It is", "FINAL(It is)", "Look.\n```repl\nx = 1\n```\nIt is"])
def test_at_a_limit_a_reply_that_was_cut_is_no_answer_either(reply: str) -> None:
    def ended(before: State) -> Action:
        after, action = on_cut(before, reply, TIME_UP)
        if isinstance(action, RunCode):
            _, action = on_code_ran(rules(), after, ran(content=before.draft), TIME_UP)
        return action

    assert ended(LAST) == Finish("the draft", "timeout", is_draft=True)
    assert ended(LAST._replace(draft="")) == Fail(f"{NO_ANSWER} ({CUT})", "timeout")


def test_a_reply_that_was_cut_where_a_limit_is_met_is_told_in_the_last_call() -> None:
    _, action = on_cut(state(iteration=20), "It is")
    shown = last_message(action)
    assert shown.startswith(f"Your reply did not come whole ({CUT})")
    assert "\n\nYou have reached the limit of 20 steps." in shown
    assert "```" not in shown


def test_a_refusal_ends_the_run_with_what_it_says_and_the_draft() -> None:
    refused = Replied("I cannot help.", OPEN, "refusal", "the model refused: 'I cannot help.'")
    _, action = decide(rules(plain_reply_answers=True), state(draft="so far"), refused)
    failed = "the root LM failed in iteration 1: the model refused: 'I cannot help.'"
    assert action == Fail(failed, draft="so far")
    _, action = decide(rules(), LAST._replace(draft=""), refused)
    failed = "the last call failed: the model refused: 'I cannot help.'"
    assert action == Fail(f"the run reached the limit of 90 s (timeout_s), and {failed}", "timeout")
    assert decide(rules(), LAST, refused)[1] == Finish("the draft", "timeout", is_draft=True)


@pytest.mark.parametrize("finish", ["content_filter", "error"])
def test_two_replies_in_a_row_that_were_withheld_or_broken_fail_the_run(finish: Any) -> None:
    broken = Replied("It is", OPEN, finish, "the server failed")
    after, action = decide(rules(), state(draft="so far"), broken)
    assert "no answer was taken: the server failed. Reply again" in last_message(action)
    _, action = decide(rules(), after, broken)
    assert action == Fail("the root LM replied twice in a row with nothing: the server failed", draft="so far")


def test_a_run_that_fails_with_empty_replies_says_why_they_are() -> None:
    empty = Replied("", OPEN, "length", "all tokens went into reasoning")
    after, _ = decide(rules(), state(), empty)
    _, action = decide(rules(), after, empty)
    assert action == Fail("the root LM replied twice in a row with nothing: all tokens went into reasoning")
    _, action = decide(rules(), LAST._replace(draft=""), empty)
    assert action == Fail(f"{NO_ANSWER} (all tokens went into reasoning)", "timeout")
