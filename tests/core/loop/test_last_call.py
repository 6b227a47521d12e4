"""At a limit: the last call, what it shows, and what its reply comes to."""

from __future__ import annotations

import pytest

from rlm_integrations.core.limits import StopReason
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, RunCode
from rlm_integrations.core.loop.happenings import BudgetView, CodeRan
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.wire.steps import ReplLost

from .decisions import (
    CODE,
    KEY,
    LAST,
    LIMITS,
    NO_ANSWER,
    OPEN,
    TIME_UP,
    after_code,
    last_message,
    on_code_ran,
    on_reply,
    ran,
    rules,
    state,
    wants_json,
)


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


def test_code_in_the_last_reply_whose_answer_does_not_fit() -> None:
    typed = rules(misfit=wants_json, typed=True)
    after, _ = on_reply(typed, LAST, CODE, TIME_UP)
    _, action = on_code_ran(typed, after, ran(ready=True, content="three"), TIME_UP)
    assert action == Fail(
        f"{NO_ANSWER} that fits the type asked for (answer: Invalid JSON)",
        "timeout",
        draft="three",
    )
