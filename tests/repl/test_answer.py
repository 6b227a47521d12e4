from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.repl.answer import plain_draft, read_answer
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
    assert repl.step("FINAL(answer='c')").answer.content == "c"


@pytest.mark.parametrize(
    "call", ["FINAL(answer)", "FINAL_VAR('answer')", "FINAL_VAR(answer)", "FINAL(answer['content'])"]
)
def test_answer_itself_stands_for_its_content(repl, call):
    assert repl.step(f"answer['content'] = 'There are 3.'\n{call}").answer == AnswerState(True, "There are 3.")


@pytest.mark.parametrize(
    ("call", "given"), [("FINAL('There are', 3)", 2), ("FINAL()", 0), ("FINAL('x', sure=True)", 2)]
)
def test_final_takes_one_value_and_says_so(repl, call, given):
    error = repl.step(call).error
    assert "TypeError: FINAL takes one value" in error.message
    assert f"and {given} were given" in error.message


def test_what_is_bound_to_the_name_of_final_does_not_keep_it_from_being_called(repl):
    assert not repl.step("FINAL = 'There are 3.'\nFINAL_VAR = 3").answer.ready
    assert repl.step("FINAL('a')").answer.content == "a"
    assert repl.step("def FINAL(text): return text + '!'\nFINAL_VAR('FINAL')").answer.refused is not None
    assert repl.step("FINAL('b')").answer.ready is False


@pytest.mark.parametrize(
    ("ready", "is_ready"),
    [
        *((value, True) for value in ("'true'", "'True'", "'yes'", "1")),
        *((value, False) for value in ("'false'", "'False'", "'no'", "' FALSE '", "0", "None", "''")),
    ],
)
def test_ready_may_be_said_in_words(repl, ready, is_ready):
    assert repl.step(f"answer['content'] = 'x'\nanswer['ready'] = {ready}").answer.ready is is_ready


@pytest.mark.parametrize(
    "content",
    ["'...'", "'…'", "...", "' Your answer here'", "'<your answer>'", "'<your answer here>'", "'[insert answer]'"],
)
def test_what_only_holds_the_place_of_an_answer_is_none(repl, content):
    done = repl.step(f"answer['content'] = {content}", READY)
    assert done.answer.refused == 'answer["content"] only holds the place of an answer'


@pytest.mark.parametrize("content", ["the answer", "My final answer", "Answer: here it is", "value", "[3]"])
def test_words_that_may_be_a_value_are_an_answer_of_code(repl, content):
    assert repl.step(f"FINAL({content!r})").answer.content == content


def test_a_match_of_a_pattern_is_no_answer_but_its_text_is(repl):
    done = repl.step("import re\nfound = re.search('a(.)', 'abc')\nFINAL(found)")
    assert done.answer.refused.endswith("a Match is no value; put its .group() there")
    assert repl.step("FINAL(found.group(1))").answer.content == "b"


@pytest.mark.parametrize("leave", ["exit()", "quit()", "import sys; sys.exit(0)", "raise SystemExit"])
def test_code_that_leaves_once_its_answer_is_ready_has_ended_well(repl, leave):
    done = repl.step(f"FINAL('a')\n{leave}", "FINAL('b')")
    assert (done.error, done.answer) == (None, AnswerState(True, "a"))


@pytest.mark.parametrize("leave", ["sys.exit(1)", "sys.exit('no')", "exit(True)"])
def test_code_that_leaves_with_a_fault_has_failed(repl, leave):
    done = repl.step(f"import sys\nFINAL('a')\n{leave}")
    assert (done.answer.ready, done.answer.refused) == (False, "the block raised")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{'b': 1, 'a': 2}.keys()", '["b", "a"]'),
        ("{'b': 1, 'a': 2}.values()", "[1, 2]"),
        ("{'b': 1}.items()", '[["b", 1]]'),
        ("map(str, [1, 2])", '["1", "2"]'),
        ("filter(None, [0, 1])", "[1]"),
        ("zip('ab', [1, 2])", '[["a", 1], ["b", 2]]'),
        ("(n for n in range(3))", "[0, 1, 2]"),
        ("range(3)", "[0, 1, 2]"),
        ("reversed([1, 2])", "[2, 1]"),
        ("__import__('collections').deque([1])", "[1]"),
        ("__import__('collections').Counter('aab')", '{"a": 2, "b": 1}'),
        ("__import__('types').MappingProxyType({'a': 1})", '{"a": 1}'),
        ("{'a': map(str, [1]), 'b': [range(2), {3}]}", '{"a": ["1"], "b": [[0, 1], [3]]}'),
        ("[__import__('datetime').datetime(2024, 1, 2, 3, 4)]", '["2024-01-02T03:04:00"]'),
        ("{__import__('datetime').date(2024, 1, 2): None, True: 1}", '{"2024-01-02": null, "true": 1}'),
        ("{'sum': __import__('decimal').Decimal('12.50')}", '{"sum": 12.50}'),
        ("[__import__('decimal').Decimal('0.1000000000000000000001')]", '["0.1000000000000000000001"]'),
        ("[__import__('decimal').Decimal('1E+999')]", '["1E+999"]'),
        ("[__import__('fractions').Fraction(1, 3), __import__('pathlib').PurePath('a/b')]", '["1/3", "a/b"]'),
        ("[b'caf\\xc3\\xa9']", '["café"]'),
        ("[Colour.RED, Size.S]", '["red", 1]'),
        ("[Point(1, {2})]", '[{"x": 1, "y": [2]}]'),
        ("__import__('array').array('i', [1, 2])", "[1, 2]"),
        ("True", "true"),
        ("Size.S", "1"),
    ],
)
def test_values_of_many_kinds_become_the_json_that_people_expect(repl, content, text):
    repl.step(KINDS)
    done = repl.step(f"answer['content'] = {content}\n{READY}")
    assert done.answer == AnswerState(ready=True, content=text, is_json=True, refused=None)
    json.loads(done.answer.content)


KINDS = """
import enum
from dataclasses import dataclass
from typing import Any
class Colour(enum.Enum): RED = 'red'
class Size(enum.IntEnum): S = 1
class Name(str): pass
@dataclass
class Point:
    x: int
    y: Any
def count():
    n = 0
    while True:
        yield n
        n += 1
async def later(): pass
class Thing: pass
"""


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("__import__('datetime').date(2024, 1, 2)", "2024-01-02"),
        ("__import__('datetime').datetime(2024, 1, 2, 3, 4)", "2024-01-02T03:04:00"),
        ("__import__('datetime').timedelta(hours=2)", "2:00:00"),
        ("__import__('decimal').Decimal('12.50')", "12.50"),
        ("__import__('fractions').Fraction(1, 3)", "1/3"),
        ("b'caf\\xc3\\xa9'", "café"),
        ("Colour.RED", "red"),
        ("Name('Ann')", "Ann"),
    ],
)
def test_what_json_says_as_a_string_is_text_without_its_quotes(repl, content, text):
    repl.step(KINDS)
    expected = AnswerState(content=text)
    assert repl.step(f"answer['content'] = {content}").answer == expected
    assert repl.step(READY).answer == AnswerState(ready=True, content=text)


@pytest.mark.parametrize("value", ["float('nan')", "-float('inf')", "__import__('decimal').Decimal('NaN')"])
@pytest.mark.parametrize("content", ["{'mean': %s}", "[1, (%s,)]", "%s"])
def test_what_is_no_number_is_refused_and_null_in_a_draft(repl, value, content):
    """JSON has none, and a mean of nothing is for the root LM to put into words."""
    done = repl.step(f"answer['content'] = {content % value}\n{READY}")
    assert not done.answer.ready
    assert "cannot be written as JSON: ValueError: JSON has no " in done.answer.refused
    assert done.answer.content == {"{": '{"mean": null}', "[": "[1, [null]]", "%": ""}[content[0]]


@pytest.mark.parametrize(
    "content",
    [
        "print",
        "later()",
        "Thing()",
        "[Thing]",
        "{'a': __import__('re')}",
        "lambda: 1",
        "count",
        "b'\\xff'",
        "(count(),)",
    ],
)
def test_what_is_no_value_is_refused_with_the_reason(repl, content):
    repl.step(KINDS)
    done = repl.step(
        f"given = {content}\nanswer['content'] = given\n{READY}\nif hasattr(given, 'close'): given.close()"
    )
    assert not done.answer.ready
    assert 'answer["content"] cannot be written as JSON: ' in done.answer.refused
    assert done.answer.content == ""


def test_an_iterator_is_read_once_and_kept(repl):
    done = repl.step("answer['content'] = {'names': map(str.upper, 'ab'), 'all': [iter('c')]}")
    assert done.answer.content == '{"names": ["A", "B"], "all": [["c"]]}'
    assert repl.step(READY).answer.content == '{"names": ["A", "B"], "all": [["c"]]}'
    repl.step("answer = (n for n in (1, 2))")
    assert repl.value("answer['content']") == "[1, 2]"
    assert repl.step(READY).answer.content == "[1, 2]"


def test_an_iterator_without_an_end_is_refused(repl):
    done = repl.step(f"answer['content'] = {{'n': __import__('itertools').repeat(None)}}\n{READY}")
    assert "a repeat gave 5,000,000 items and has no end yet" in done.answer.refused


def test_an_attribute_of_the_answer_is_told_how_it_is_written(repl):
    assert repl.failure("answer.content = 'x'").endswith('so is answer: document["text"], answer["content"])')
    assert repl.failure("answer.ready = True").endswith('(answer is a dict: answer["ready"] = True)')


@given(
    st.dictionaries(
        st.sampled_from(["content", "ready", "more", 3]),
        st.sampled_from(["", "a draft", "x" * 10_001, None, 4, True, False, "false", []]),
    )
)
def test_a_plain_draft_is_read_as_any_answer_is(answer: dict[object, object]) -> None:
    plain = plain_draft({"answer": answer})
    is_plain = len(answer) == 2 and answer.get("ready") is False and answer.get("content") in ("", "a draft")
    assert (plain is not None) == is_plain
    for raised in (False, True):
        assert plain in (None, read_answer({"answer": {**answer}}, raised=raised))


def test_a_plain_draft_is_told_from_others_without_running_code_of_the_models() -> None:
    class Runs(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            raise AssertionError("code of the model's ran")

        __hash__ = str.__hash__

    assert plain_draft({"answer": {Runs("content"): "x", "ready": False}}) is None
    assert plain_draft({"answer": {"content": Runs("x"), "ready": False}}) is None
    assert plain_draft({"answer": {"content": "x", "ready": Runs("x")}}) is None
