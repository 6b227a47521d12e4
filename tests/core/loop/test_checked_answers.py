"""Answers that the user's checks take or refuse."""

from __future__ import annotations

from rlm_integrations.core.loop.actions import CallRootLM, Finish, Verify
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import Verified
from rlm_integrations.core.prompts.fences import fence_tag

from .decisions import KEY, OPEN, TIME_UP, after_code, last_message, on_code_ran, on_reply, ran, rules, state


def test_where_there_are_checks_an_answer_is_one_when_they_took_it() -> None:
    checked = rules(verifies=True)
    before, action = on_code_ran(checked, after_code(), ran(ready=True, content="3"), OPEN)
    assert action == Verify(Finish("3", "answer"))
    assert before.draft == "3"
    _, action = decide(checked, before, Verified(None, OPEN))
    assert action == Finish("3", "answer", verified=True)


def test_a_refused_answer_of_code_is_told_with_what_the_code_printed_and_stays_the_draft() -> None:
    checked = rules(verifies=True)
    before, _ = on_code_ran(checked, after_code(), ran("seen", ready=True, content="3"), OPEN)
    after, action = decide(checked, before, Verified("count again", OPEN))
    tag = fence_tag(KEY, "1", "count again")
    assert f"<check {tag}>\ncount again\n</check {tag}>" in last_message(action)
    assert "seen" in last_message(action)
    assert (after.iteration, after.draft) == (2, "3")


def test_a_refused_answer_in_prose_is_told_and_a_refused_one_in_the_last_call_is_handed_back() -> None:
    checked = rules(verifies=True, plain_reply_answers=True)
    before, action = on_reply(checked, state(), "three", OPEN)
    assert action == Verify(Finish("three", "plain_reply"))
    _, action = decide(checked, before, Verified("in digits", OPEN))
    assert "in digits" in last_message(action)
    at_limit, action = decide(checked, before, Verified("in digits", TIME_UP))
    assert isinstance(action, CallRootLM)
    assert action.last_call
    assert "in digits" in last_message(action)
    assert 'answer["ready"]' not in last_message(action)
    before, action = on_reply(checked, at_limit, "four", TIME_UP)
    assert action == Verify(Finish("four", "timeout"))
    _, action = decide(checked, before, Verified("no", TIME_UP))
    assert action == Finish("four", "timeout", verified=False, objection="no")


def test_an_answer_that_time_ran_out_on_is_handed_back_at_once() -> None:
    checked = rules(verifies=True)
    before, _ = on_code_ran(checked, after_code(), ran(ready=True, content="3"), OPEN)
    _, action = decide(checked, before, Verified("not done", TIME_UP, out_of_time=True))
    assert action == Finish("3", "timeout", verified=False, objection="not done", unchecked=True)
