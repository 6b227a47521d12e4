"""The decision table of a run: every happening in every state, without a model and without a REPL."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.core.calls.token_counts import prompt_chars
from rlm_integrations.core.language_model import Message
from rlm_integrations.core.limits import RLMLimits, StopReason
from rlm_integrations.core.loop.actions import Action, CallRootLM, Fail, Finish, RunCode, Verify
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan, Opened, Replied, RootCallFailed, Verified
from rlm_integrations.core.loop.state import Decision, Rules, State
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, ReplLost, StepDone

OPENING = (Message("system", "You answer."), Message("user", "Question: how many?"))
OPEN = BudgetView(sub_calls_left=1_000)
NO_ANSWER = "the run reached the limit of 90 s (timeout_s), and the last call gave no answer"
TIME_UP = BudgetView(limit="timeout", seconds_left=0)
KEY = b"key"
CODE = "Look.\n```repl\nx = 1\n```"
LIMITS: tuple[StopReason, ...] = ("max_iterations", "max_sub_calls", "max_total_tokens", "max_cost", "timeout")


def rules(**changes: Any) -> Rules:
    usual: dict[str, Any] = {
        "limits": RLMLimits(max_iterations=20, max_cost_usd=2.5, timeout_s=90),
        "question": "how many?",
        "depth": 1,
        "plain_reply_answers": False,
        "misfit": lambda text, is_json: None,
        "typed": False,
        "fence_key": KEY,
    }
    return Rules(**(usual | changes))


def wants_json(text: str, is_json: bool) -> str | None:
    """An answer's type: any JSON."""
    try:
        json.loads(text)
    except ValueError:
        return "answer: Invalid JSON"
    return None


def state(**changes: Any) -> State:
    return State(OPENING)._replace(**changes)


def ran(printed: str = "", *, error: CodeError | None = None, **answer: Any) -> CodeRan:
    return CodeRan(StepDone(Output(printed), error, AnswerState(**answer)))


def on_reply(rules: Rules, before: State, reply: str, budget: BudgetView) -> Decision:
    return decide(rules, before, Replied(reply, budget))


def on_code_ran(rules: Rules, before: State, code: CodeRan, budget: BudgetView) -> Decision:
    return decide(rules, before, code._replace(budget=budget))


def on_root_failed(rules: Rules, before: State, problem: str, budget: BudgetView) -> Decision:
    return decide(rules, before, RootCallFailed(problem, budget))


def after_code(before: State | None = None) -> State:
    after, action = on_reply(rules(), before or state(), CODE, OPEN)
    assert action == RunCode(("x = 1",))
    return after


def last_message(action: Action) -> str:
    assert isinstance(action, CallRootLM)
    assert action.messages[-1].role == "user"
    return action.messages[-1].content


def test_a_run_begins_with_a_call_of_the_root() -> None:
    started, action = decide(rules(), State(), Opened(OPENING))
    assert action == CallRootLM(OPENING, 1)
    assert started == State(OPENING, prompt_chars(OPENING), opening=len(OPENING), head=OPENING, quotable=OPENING[1:])


def test_code_is_run_and_the_counts_of_other_replies_begin_anew() -> None:
    after, action = on_reply(rules(), state(codeless=1, empty=1), "```repl\na\n```\n```py\nb\n```", OPEN)
    assert action == RunCode(("a", "b"))
    assert (after.codeless, after.empty, after.iteration) == (0, 0, 1)
    assert after.messages == (*OPENING, Message("assistant", "```repl\na\n```\n```py\nb\n```"))


def test_code_that_ran_is_shown_and_the_root_is_asked_again() -> None:
    after, action = on_code_ran(rules(), after_code(), ran("42", content="so far"), OPEN)
    tag = fence_tag(KEY, "1", "42")
    assert last_message(action) == (
        f"Step 1 of 20: ok · sub-calls: 0 made, 1,000 left\n<output {tag}>\n42\n</output {tag}>"
    )
    assert action == CallRootLM(after.messages, 2)
    assert (after.iteration, after.draft, after.last_call) == (2, "so far", None)


def test_an_answer_that_is_ready_ends_the_run() -> None:
    _, action = on_code_ran(rules(), after_code(), ran(ready=True, content='{"n": 3}', is_json=True), OPEN)
    assert action == Finish('{"n": 3}', "answer", is_json=True)


def test_an_answer_is_taken_even_where_a_limit_is_met_at_the_same_time() -> None:
    _, action = on_code_ran(rules(), after_code(), ran(ready=True, content="3"), TIME_UP)
    assert action == Finish("3", "answer")


def test_an_answer_that_does_not_fit_is_told_and_kept_as_the_draft() -> None:
    after, action = on_code_ran(rules(misfit=wants_json), after_code(), ran(ready=True, content="three"), OPEN)
    assert "it does not fit the schema (answer: Invalid JSON)" in last_message(action)
    assert after.draft == "three"


def test_a_lost_session_is_shown_and_its_draft_is_gone() -> None:
    before = after_code()._replace(draft="old")
    after, action = on_code_ran(rules(), before, CodeRan(ReplLost("it ended its own process")), OPEN)
    assert "The session ended in this step: it ended its own process." in last_message(action)
    assert after.draft == ""


def test_several_blocks_and_an_open_fence_reach_the_observation() -> None:
    after, _ = on_reply(rules(), state(), "```repl\na\n```\n```repl\nb = (", OPEN)
    error = CodeError(2, 1, "b = (", "SyntaxError: '(' was never closed", "syntax")
    _, action = on_code_ran(rules(), after, ran(error=error), OPEN)
    assert "Error at line 1 of block 2" in last_message(action)
    assert "was not closed" in last_message(action)


@pytest.mark.parametrize("final", ["FINAL(It is 3.)", 'Sure:\nFINAL("It is 3.")'])
@pytest.mark.parametrize("whole", [True, False])
def test_final_as_text_is_the_answer(final: str, whole: bool) -> None:
    _, action = on_reply(rules(plain_reply_answers=whole), state(), final, OPEN)
    assert action == Finish("It is 3.", "answer", nothing_read=not whole)
    looked, _ = on_code_ran(rules(), after_code(), ran(), OPEN)
    _, action = on_reply(rules(plain_reply_answers=whole), looked, final, OPEN)
    assert action == Finish("It is 3.", "answer")


def test_final_that_does_not_fit_is_told_why_its_own_text_does_not() -> None:
    seen: list[str] = []

    def misfit(text: str, is_json: bool) -> str | None:
        seen.append(text)
        return "answer: a number is needed"

    after, action = on_reply(rules(misfit=misfit), state(), "FINAL(three)", OPEN)
    assert seen == ["three"]
    assert last_message(action).startswith(
        "Step 1 of 20: no code ran, and the reply does not fit the schema of the answer (answer: a number is needed)."
    )
    assert after.codeless == 1


@pytest.mark.parametrize("reply", ["", " \n", "FINAL()", 'FINAL("  ")'])
@pytest.mark.parametrize("whole", [True, False])
def test_an_empty_reply_is_told_what_was_expected_and_a_second_one_fails_the_run(reply: str, whole: bool) -> None:
    told = rules(plain_reply_answers=whole)
    after, action = on_reply(told, state(draft="so far"), reply, OPEN)
    assert last_message(action).startswith("Step 1 of 20: no code ran. A step is Python in a fence")
    _, action = on_reply(told, after, reply, OPEN)
    assert action == Fail("the root LM replied twice in a row with nothing", draft="so far")


def test_one_empty_reply_after_prose_does_not_fail_the_run() -> None:
    after, _ = on_reply(rules(), state(), "Let me see.", OPEN)
    after, action = on_reply(rules(), after, "", OPEN)
    assert isinstance(action, CallRootLM)
    _, action = on_reply(rules(), after, "It is 3.", OPEN)
    assert action == Finish("It is 3.", "plain_reply", nothing_read=True)


def test_a_plain_reply_is_the_answer_where_the_root_has_seen_all() -> None:
    _, action = on_reply(rules(plain_reply_answers=True), state(), " It is 3.\n", OPEN)
    assert action == Finish("It is 3.", "plain_reply")


def test_a_plain_reply_over_a_longer_corpus_is_told_once_and_then_taken() -> None:
    after, action = on_reply(rules(), state(), "It is 3.", OPEN)
    assert last_message(action).startswith("Step 1 of 20: no code ran.")
    assert action == CallRootLM(after.messages, 2)
    _, action = on_reply(rules(), after, "As I said, 3.", OPEN)
    assert action == Finish("As I said, 3.", "plain_reply", nothing_read=True)


def test_a_plain_reply_after_code_is_told_again() -> None:
    after, _ = on_reply(rules(), state(), "It is 3.", OPEN)
    after, _ = on_code_ran(rules(), after_code(after), ran(), OPEN)
    _, action = on_reply(rules(), after, "It is 3.", OPEN)
    assert last_message(action).startswith("Step 3 of 20: no code ran.")


def test_a_plain_reply_that_does_not_fit_is_never_taken() -> None:
    typed = rules(misfit=wants_json, plain_reply_answers=True)
    now = state()
    for step in range(1, 4):
        now, action = on_reply(typed, now, "It is three.", OPEN)
        assert f"Step {step} of 20: no code ran, and the reply does not fit" in last_message(action)
    _, action = on_reply(typed, now, '{"n": 3}', OPEN)
    assert action == Finish('{"n": 3}', "plain_reply")


@pytest.mark.parametrize("limit", LIMITS)
def test_a_limit_gives_one_last_call_with_question_and_draft(limit: StopReason) -> None:
    view = OPEN if limit == "max_iterations" else BudgetView(limit=limit)
    before = after_code()._replace(iteration=20 if limit == "max_iterations" else 3)
    after, action = on_code_ran(rules(), before, ran("42", content="so far"), view)
    shown = last_message(action)
    assert shown.startswith(f"Step {before.iteration} of 20: ok")
    tag = fence_tag(KEY, str(before.iteration), "42")
    assert f"</output {tag}>\n\nYou have reached the limit of " in shown
    tag = fence_tag(KEY, "draft", "so far")
    assert shown.endswith(
        f'\nanswer["content"] at present:\n<draft {tag}>\nso far\n</draft {tag}>\nThe question was: how many?'
    )
    assert action == CallRootLM(after.messages, before.iteration + 1, last_call=True)
    assert after.last_call == limit


def test_the_last_call_after_a_plain_reply_asks_for_no_code() -> None:
    _, action = on_reply(rules(), state(iteration=20), "It is 3.", OPEN)
    shown = last_message(action)
    assert shown.startswith("You have reached the limit of 20 steps.")
    assert "```" not in shown
    assert "\n(empty)\n</draft " in shown


def test_the_last_call_after_a_misfit_says_what_did_not_fit() -> None:
    _, action = on_reply(rules(misfit=wants_json), state(iteration=20), "It is three.", OPEN)
    assert "(answer: Invalid JSON)" in last_message(action)
    assert "\n\nYou have reached the limit of 20 steps." in last_message(action)


def test_long_questions_and_drafts_are_cut_in_the_last_call() -> None:
    asked = rules(question="Q" * 5_000 + "end?")
    _, action = on_code_ran(asked, after_code(state(iteration=20)), ran(content="d" * 9_000 + "tail"), OPEN)
    shown = last_message(action)
    assert len(shown) < 5_200
    assert "tail\n</draft " in shown
    assert shown.endswith("end?")


LAST = state(last_call="timeout", iteration=21, draft="the draft")


@pytest.mark.parametrize(
    ("reply", "text"),
    [(" It is 3. ", "It is 3."), ("FINAL(It is 3.)", "It is 3."), ("", "the draft"), ("FINAL()", "the draft")],
)
def test_the_last_reply_is_the_answer_and_else_the_draft(reply: str, text: str) -> None:
    _, action = on_reply(rules(), LAST, reply, TIME_UP)
    assert action == Finish(text, "timeout", is_draft=text == "the draft")


def test_the_last_reply_falls_back_on_a_draft_that_fits() -> None:
    typed = rules(misfit=wants_json)
    _, action = on_reply(typed, LAST._replace(draft="[1]", draft_is_json=True), "about one", TIME_UP)
    assert action == Finish("[1]", "timeout", is_json=True, is_draft=True)


def test_a_last_reply_that_leaves_nothing_fails_with_the_limit() -> None:
    _, action = on_reply(rules(), LAST._replace(draft=""), "", TIME_UP)
    assert action == Fail(NO_ANSWER, "timeout")
    typed = rules(misfit=wants_json, typed=True)
    _, action = on_reply(typed, LAST, "prose", TIME_UP)
    assert action == Fail(f"{NO_ANSWER} that fits the type asked for (answer: Invalid JSON)", "timeout", "the draft")
    _, action = on_reply(typed, LAST._replace(draft=""), "", TIME_UP)
    assert action == Fail(f"{NO_ANSWER} that fits the type asked for", "timeout")


def test_code_in_the_last_reply_is_run_and_its_answer_taken() -> None:
    after, action = on_reply(rules(), LAST, CODE, TIME_UP)
    assert action == RunCode(("x = 1",))
    _, action = on_code_ran(rules(), after, ran(ready=True, content="3"), TIME_UP)
    assert action == Finish("3", "timeout")


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (ran(content="better"), "better"),
        (CodeRan(ReplLost("it ended its own process")), "the draft"),
    ],
)
def test_code_in_the_last_reply_that_does_not_finish(outcome: CodeRan, text: str) -> None:
    after, _ = on_reply(rules(), LAST, CODE, TIME_UP)
    _, action = on_code_ran(rules(), after, outcome, TIME_UP)
    assert action == Finish(text, "timeout", is_draft=True)


@pytest.mark.parametrize(
    "reply",
    [
        "Let me check the rest before I answer.\n```repl\nprint(missing)\n```",
        "```python\nprint(n)\n```\nThat prints 512.\n\nFINAL(512)",
        "I check.\n<code>\nprint(context)\n</code>",
        '{"name": "browse", "arguments": {"url": "x"}}',
    ],
)
def test_words_beside_code_in_the_last_reply_are_no_answer(reply: str) -> None:
    for draft in ("", "the draft"):
        after, action = on_reply(rules(), LAST._replace(draft=draft), reply, TIME_UP)
        if isinstance(action, RunCode):
            _, action = on_code_ran(rules(), after, ran("512", content=draft), TIME_UP)
        assert action == (Finish(draft, "timeout", is_draft=True) if draft else Fail(NO_ANSWER, "timeout"))


def test_a_call_that_is_written_as_text_is_an_answer_where_the_type_of_the_answer_is_one() -> None:
    reply = '{"name": "browse", "arguments": {"url": "x"}}'
    told = rules(plain_reply_answers=True, misfit=wants_json)
    _, action = on_reply(told._replace(typed=True), state(), reply, OPEN)
    assert action == Finish(reply, "plain_reply")
    _, action = on_reply(told, state(), reply, OPEN)
    assert "no code ran" in last_message(action)


EXAMPLE = "Like so:\n```python\nimport acme\nacme.run()\n```\nIt takes a minute."


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (ran(error=CodeError(1, 1, "import acme", "ModuleNotFoundError: no module acme")), True),
        (ran(), True),
        (ran("done"), False),
        (ran(error=CodeError(1, 2, "acme.run()", "ValueError: x")), False),
        (CodeRan(ReplLost("it ended its own process")), False),
    ],
)
def test_an_example_that_did_nothing_is_told_and_the_same_again_is_part_of_the_answer(
    outcome: CodeRan, told: bool
) -> None:
    after, action = on_reply(rules(), state(), EXAMPLE, OPEN)
    assert action == RunCode(("import acme\nacme.run()",))
    after, action = on_code_ran(rules(), after, outcome, OPEN)
    assert ("If this code is an example for the answer" in last_message(action)) == told
    again = EXAMPLE.replace("Like so", "As I said")
    _, action = on_reply(rules(), after, again, OPEN)
    assert action == (Finish(again, "plain_reply") if told else RunCode(("import acme\nacme.run()",)))
    _, action = on_reply(rules(), after, EXAMPLE.replace("run()", "stop()"), OPEN)
    assert isinstance(action, RunCode)


@pytest.mark.parametrize("own", ["```repl\nx = 1\n```\nSo.", "So:\n```python\nlen(context)\n```", "```py\n1 / 0\n```"])
def test_code_for_the_session_is_never_an_example(own: str) -> None:
    now = state()
    for _ in range(3):
        now, action = on_reply(rules(), now, own, OPEN)
        assert isinstance(action, RunCode)
        now, action = on_code_ran(rules(), now, ran(), OPEN)
        assert "example" not in last_message(action)


def test_code_in_the_last_reply_whose_answer_does_not_fit() -> None:
    typed = rules(misfit=wants_json, typed=True)
    after, _ = on_reply(typed, LAST, CODE, TIME_UP)
    _, action = on_code_ran(typed, after, ran(ready=True, content="three"), TIME_UP)
    assert action == Fail(
        f"{NO_ANSWER} that fits the type asked for (answer: Invalid JSON)",
        "timeout",
        draft="three",
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
    after, _ = on_root_failed(rules(), state(messages=opening), "TimeoutError", TIME_UP)
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
    failed = failed.replace("1:", "21:")
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


REPLIES = st.sampled_from(
    [
        "FINAL(x)",
        EXAMPLE,
        f"{CODE}\nFINAL(3)",
        "<tool_call>x</tool_call>",
        "",
        "prose",
        CODE,
        "FINAL(3)",
        "FINAL_VAR(x)",
        "```repl\nx",
        "FINAL()",
        '{"n": 3}',
    ]
)
ENDINGS = st.sampled_from(
    [(), (), (), ("length", "cut"), ("content_filter", "withheld"), ("error", "broken"), ("refusal", "refused")]
)
VIEWS = st.sampled_from([OPEN, OPEN, OPEN, TIME_UP, BudgetView(limit="max_cost"), BudgetView(tokens_left_share=0.1)])
OUTCOMES = st.sampled_from(
    [
        ran("42"),
        ran(content="draft"),
        ran(ready=True, content="three"),
        ran(ready=True, content="[3]", is_json=True),
        ran(error=CodeError(1, 1, "x", "E: x"), refused="the block raised"),
        CodeRan(ReplLost("it ended its own process")),
    ]
)


@given(st.data(), st.integers(1, 4), st.booleans(), st.booleans())
def test_any_run_ends_and_its_conversation_only_grows(
    data: st.DataObject, max_iterations: int, whole: bool, typed: bool
) -> None:
    told = rules(
        limits=RLMLimits(max_iterations=max_iterations, max_cost_usd=1, timeout_s=1),
        plain_reply_answers=whole,
        misfit=wants_json if typed else lambda text, is_json: None,
    )
    now, action = decide(told, State(), Opened(OPENING))
    calls = 0
    while not isinstance(action, (Finish, Fail)):
        before = now.messages
        view = data.draw(VIEWS)
        if isinstance(action, RunCode):
            now, action = on_code_ran(told, now, data.draw(OUTCOMES), view)
        else:
            calls += 1
            assert action.messages == now.messages
            assert action.iteration == now.iteration == calls
            assert action.messages[-1].role == "user"
            if data.draw(st.booleans()) and data.draw(st.booleans()):
                now, action = on_root_failed(told, now, "it failed", view)
            else:
                ended = data.draw(ENDINGS)
                now, action = decide(told, now, Replied(data.draw(REPLIES), view, *ended))
        kept, last = len(before) - 1, before[-1]
        assert now.messages[:kept] == before[:kept]
        assert now.messages[kept].role == last.role
        assert now.messages[kept].content.startswith(last.content)
        assert all(pair != ("user", "user") for pair in pairwise(message.role for message in now.messages))
    assert calls <= max_iterations + 1
    if isinstance(action, Finish):
        assert action.text.strip()
        assert told.misfit(action.text, action.is_json) is None
        assert (action.stop_reason in LIMITS) == (now.last_call is not None)
    else:
        assert action.stop_reason == now.last_call


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
