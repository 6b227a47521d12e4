"""An answer that is set and not ready: the root LM is told, and words that only point at it are not the answer."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.core.loop.actions import Finish
from rlm_integrations.testing import ScriptedModel
from rlm_integrations.wire.steps import CodeError

from .decisions import NOT_READY, OPEN, after_code, last_message, on_code_ran, on_reply, ran, rules, state, wants_json
from .dresses import LONG

SET = "```repl\nanswer['content'] = 'Two wells.'\n```"
POINTS = [
    'The answer is already set in answer["content"].',
    "Die Antwort steht in `answer['content']`.",
    "answer['content'] holds it.",
    "La réponse est dans answer['content'].",
    "答案在 answer['content']。",
    "The answer at present is correct.",
    "Yes, the final answer stands as it is.",
    "I have already set the answer.",
    "**The draft is right.**",
]
SAYS = [
    "The answer is 3.",
    "The answer is given in section 4: two wells.",
    "The answer above is wrong: there are three wells.",
    "I have set the table for three.",
    "It is 3, as I now set in answer['content'].",
    "answer['content']: three wells.",
    "answer['content'] is three wells.",
    "answer['content'] should be three wells.",
    "Three wells, as the answer in answer['content']",
    "It is three, not what stands in answer['content'].",
    "I was wrong to put two into answer['content'] before; there are three wells on it.",
]


@pytest.mark.parametrize("reply", POINTS)
def test_words_that_only_point_at_the_answer_give_what_is_set(reply: str) -> None:
    with ScriptedModel([SET, reply, reply]) as llm:
        result = RLMEngine(llm).run("How many?", context=LONG)
    assert (result.answer, result.stop_reason) == ("Two wells.", "plain_reply")
    assert NOT_READY in llm.requests[1][-1].content
    assert llm.requests[2][-1].content.startswith(f"Step 2 of 20: no code ran. {NOT_READY}")


@pytest.mark.parametrize("reply", POINTS)
def test_in_the_last_call_they_give_it_too(reply: str) -> None:
    with ScriptedModel([SET, reply]) as llm, pytest.warns(RuntimeWarning, match="the root LM's word"):
        result = RLMEngine(llm, limits={"max_iterations": 1}).run("How many?", context=LONG)
    assert (result.answer, result.stop_reason) == ("Two wells.", "max_iterations")


@pytest.mark.parametrize("reply", POINTS)
def test_over_a_short_corpus_they_are_asked_about_first(reply: str) -> None:
    with ScriptedModel([SET, reply, "```repl\nanswer['ready'] = True\n```"]) as llm:
        assert RLMEngine(llm).run("How many?", context="A well on plot 5.").answer == "Two wells."


@pytest.mark.parametrize("reply", SAYS)
def test_words_that_say_an_answer_are_the_answer(reply: str) -> None:
    with ScriptedModel([SET, reply, reply]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == reply


@pytest.mark.parametrize("reply", POINTS)
def test_where_nothing_is_set_they_are_an_answer_like_any_other(reply: str) -> None:
    with ScriptedModel([reply, reply]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == reply


@pytest.mark.parametrize("reply", ["The answer is right.", "The answer is given.", "answer['content'] is right."])
def test_a_word_of_the_question_may_be_the_answer(reply: str) -> None:
    with ScriptedModel([SET, reply, reply]) as llm:
        assert RLMEngine(llm).run("Is the way left or right, given or not?", context=LONG).answer == reply


def test_what_is_set_has_to_fit() -> None:
    typed, reply = rules(misfit=wants_json, typed=True), POINTS[0]
    _, action = on_reply(typed, state(draft="two", codeless=1), reply, OPEN)
    assert "does not fit the schema" in last_message(action)
    assert NOT_READY not in last_message(action)
    _, action = on_reply(typed, state(draft="two"), " ", OPEN)
    assert NOT_READY not in last_message(action)
    _, action = on_reply(typed, state(draft="2", draft_is_json=True, codeless=1), reply, OPEN)
    assert action == Finish("2", "plain_reply", is_json=True)


def test_that_it_is_not_ready_is_told_where_it_is_new_and_code_went_well() -> None:
    drafted, action = on_code_ran(rules(), after_code(), ran(content="so far"), OPEN)
    assert NOT_READY in last_message(action)
    _, action = on_code_ran(rules(), after_code(drafted), ran(content="so far"), OPEN)
    assert NOT_READY not in last_message(action)
    _, action = on_code_ran(rules(), after_code(drafted), ran(content="farther"), OPEN)
    assert NOT_READY in last_message(action)
    error = CodeError(1, 1, "x", "NameError: x")
    for code in (ran(), ran(content=" "), ran(content="x", error=error), ran(content="x", refused="the block raised")):
        _, action = on_code_ran(rules(), after_code(), code, OPEN)
        assert NOT_READY not in last_message(action)


def test_before_the_last_call_nothing_is_said_of_it() -> None:
    _, action = on_code_ran(rules(), after_code()._replace(iteration=20), ran(content="so far"), OPEN)
    assert NOT_READY not in last_message(action)
    _, action = on_reply(rules(), state(draft="so far", iteration=20), "Let me see.", OPEN)
    assert NOT_READY not in last_message(action)
