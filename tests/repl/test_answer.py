from __future__ import annotations

import json

import pytest

from rlm_integrations.wire.steps import AnswerState

READY = "answer['ready'] = True"


def test_a_ready_answer_with_content_ends_the_run(repl):
    done = repl.step("answer['content'] = 'Paris'\nanswer['ready'] = True")
    assert done.answer == AnswerState(ready=True, content="Paris", is_json=False, refused=None)


def test_a_draft_is_reported_while_it_is_not_ready(repl):
    assert repl.step("answer['content'] = 'so far'").answer.content == "so far"
    assert repl.step("answer['content'] = [1, 2]").answer == AnswerState(
        ready=False, content="[1, 2]", is_json=True, refused=None
    )
    done = repl.step("answer['content'] = ['x'] * 10**6")
    assert (len(done.answer.content), done.answer.is_json) == (10_000, False)
    assert len(repl.step("answer['content'] = 'y' * 20_000").answer.content) == 10_000


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{'a': [1, None, True], 'é': (2, 3)}", '{"a": [1, null, true], "é": [2, 3]}'),
        ("[]", "[]"),
        ("{}", "{}"),
        ("0", "0"),
        ("False", "false"),
        ("1.5", "1.5"),
        ("{'b', 'a'}", '["a", "b"]'),
        ("{(1, 2): 'x', 3: {None: {4}}}", '{"(1, 2)": "x", "3": {"null": [4]}}'),
        ("[__import__('datetime').date(2024, 1, 2)]", '["2024-01-02"]'),
    ],
)
def test_content_that_is_no_str_becomes_json(repl, content, text):
    done = repl.step(f"answer['content'] = {content}\n{READY}")
    assert done.answer == AnswerState(ready=True, content=text, is_json=True, refused=None)
    json.loads(done.answer.content)


@pytest.mark.parametrize("content", ["''", "None", "' \\n'"])
def test_empty_content_is_refused_and_ready_taken_back(repl, content):
    done = repl.step(f"answer['content'] = {content}", READY)
    assert not done.answer.ready
    assert done.answer.refused == 'answer["content"] is empty'
    assert repl.value("answer['ready']") == "False"


def test_a_block_that_raises_does_not_finish(repl):
    done = repl.step("answer['content'] = 'x'\nanswer['ready'] = True\nassert False")
    assert done.answer == AnswerState(ready=False, content="x", is_json=False, refused="the block raised")
    done = repl.step("1")
    assert (done.answer.ready, done.answer.refused) == (False, None)


def test_a_refusal_stands_unless_a_later_block_is_accepted(repl):
    assert repl.step(READY, "x = 1").answer.refused == 'answer["content"] is empty'
    done = repl.step(READY, "FINAL('now')")
    assert done.answer == AnswerState(ready=True, content="now", is_json=False, refused=None)


def test_update_and_subclasses_of_dict_work(repl):
    assert repl.step("answer.update(content='a', ready=1)").answer.ready
    code = "from collections import defaultdict\nanswer = defaultdict(str, content='b', ready=True)"
    assert repl.step(code).answer.content == "b"
    assert repl.step("answer = {'content': 'c', 'ready': True}").answer.content == "c"


@pytest.mark.parametrize(("value", "content"), [("'Paris'", "Paris"), ("[1]", "[1]"), ("42", "42")])
def test_an_answer_that_was_replaced_becomes_the_content_and_the_root_is_told(repl, value, content):
    done = repl.step(f"answer = {value}")
    kind = type(eval(value)).__name__
    assert (done.answer.ready, done.answer.content) == (False, content)
    assert done.answer.refused == (
        f'`answer` was replaced by a {kind}; it is now answer["content"]; set answer["ready"] = True to finish'
    )
    assert repl.step(READY).answer.content == content


def test_an_answer_that_is_no_value_or_gone_is_fresh_again(repl):
    done = repl.step("answer = print")
    assert "it is an empty dict again" in done.answer.refused
    done = repl.step("del answer")
    assert done.answer == AnswerState(ready=False, content="", is_json=False, refused=None)
    assert repl.value("answer") == "{'content': '', 'ready': False}"


def test_a_hostile_answer_is_replaced_and_the_step_goes_on(repl):
    done = repl.step("class No:\n    def __bool__(self): raise OSError('no')\nanswer['ready'] = No()", "x = 1")
    assert done.answer.refused == "reading it failed: OSError: no; it is empty again"
    assert (done.error, repl.value("x")) == (None, "1")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("'x' * 10_000_001", "has more than 10,000,000 characters"),
        ("['x' * 1000] * 20_000", "has more than 10,000,000 characters"),
        ("loop", "cannot be written as JSON: ValueError"),
        ("deep", "cannot be written as JSON: RecursionError"),
        ("FailedSubCall('no reply')", "is a sub-call that failed (no reply)"),
    ],
)
def test_content_that_cannot_be_handed_over_is_refused_with_the_reason(repl, content, why):
    repl.step("loop = []\nloop.append(loop)\ndeep = []\nfor _ in range(100_000): deep = [deep]")
    done = repl.step(f"answer['content'] = {content}\n{READY}")
    assert not done.answer.ready
    assert why in done.answer.refused
    assert repl.step("FINAL('short')").answer.ready
    repl.step("while deep: deep = deep.pop()")  # freed a level at a time


def test_final_and_final_var(repl):
    assert repl.step("FINAL('a')").answer.content == "a"
    assert repl.step("best = {'k': 1}\nFINAL_VAR('best')").answer.content == '{"k": 1}'
    assert repl.step("FINAL_VAR(best)").answer.content == '{"k": 1}'
    assert repl.step("report = 'Two words.'\nFINAL_VAR(report)").answer.content == "Two words."
    done = repl.step("FINAL_VAR('bset')")
    assert done.error is not None
    assert done.error.message == "NameError: FINAL_VAR: no variable 'bset'; SHOW_VARS() lists them"
    assert repl.step("answer = 3\nFINAL('b')").answer.content == "b"
