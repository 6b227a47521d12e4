"""What follows from a reply, from code that ran, and from a prose reply."""

from __future__ import annotations

import pytest

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.actions import CallRootLM, Fail, Finish, RunCode
from rlm_integrations.core.loop.decide import decide
from rlm_integrations.core.loop.happenings import CodeRan, Opened
from rlm_integrations.core.loop.state import State
from rlm_integrations.core.messages import Messages
from rlm_integrations.core.prompts.fences import fence_tag
from rlm_integrations.wire.steps import CodeError, ReplLost

from .decisions import (
    EXAMPLE,
    KEY,
    NOT_READY,
    OPEN,
    OPENING,
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


def test_a_run_begins_with_a_call_of_the_root() -> None:
    started, action = decide(rules(), State(), Opened(OPENING))
    assert action == CallRootLM(OPENING, 1)
    assert started == State(Messages(OPENING), opening=len(OPENING), head=OPENING, quotable=Messages(OPENING[1:]))


def test_code_is_run_and_the_counts_of_other_replies_begin_anew() -> None:
    after, action = on_reply(rules(), state(codeless=1, empty=1), "```repl\na\n```\n```py\nb\n```", OPEN)
    assert action == RunCode(("a", "b"))
    assert (after.codeless, after.empty, after.iteration) == (0, 0, 1)
    assert after.messages == (*OPENING, Message("assistant", "```repl\na\n```\n```py\nb\n```"))


def test_code_that_ran_is_shown_and_the_root_is_asked_again() -> None:
    after, action = on_code_ran(rules(), after_code(), ran("42", content="so far"), OPEN)
    tag = fence_tag(KEY, "1", "42")
    assert last_message(action) == (
        f"Step 1 of 20: ok · sub-calls: 0 made, 1,000 left\n{NOT_READY}\n<output {tag}>\n42\n</output {tag}>"
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
    assert last_message(action).startswith(f"Step 1 of 20: no code ran. {NOT_READY} A step is Python in a fence")
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


def test_a_call_that_is_written_as_text_is_an_answer_where_the_type_of_the_answer_is_one() -> None:
    reply = '{"name": "browse", "arguments": {"url": "x"}}'
    told = rules(plain_reply_answers=True, misfit=wants_json)
    _, action = on_reply(told._replace(typed=True), state(), reply, OPEN)
    assert action == Finish(reply, "plain_reply")
    _, action = on_reply(told, state(), reply, OPEN)
    assert "no code ran" in last_message(action)


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
