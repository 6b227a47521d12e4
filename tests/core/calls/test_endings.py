"""Replies that are no whole ones: in which words, and which of them are worth asking for again."""

from __future__ import annotations

from typing import Any

import pytest

from rlm_integrations import Completion, RLMEngine
from rlm_integrations.core.calls.endings import unfinished, worth_asking_again
from rlm_integrations.core.trace.records import RLMTrace, SubCall
from rlm_integrations.core.usage import Usage
from rlm_integrations.testing import ScriptedModel

REASONED = Usage(output_tokens=900, reasoning_tokens=900)


@pytest.mark.parametrize(
    ("completion", "words", "again"),
    [
        (Completion("3"), None, False),
        (Completion("3", finish="stop", thoughts="hm"), None, False),
        (Completion("It is", finish="length"), "the reply was cut at the model's limit of output tokens (raise", False),
        (Completion("", finish="length"), "output tokens before it began (raise max_tokens)", False),
        (Completion("", finish="length", thoughts="hm"), "all its output tokens on reasoning", False),
        (Completion(" ", REASONED, finish="length"), "(raise max_tokens, or have it reason less)", False),
        (Completion("It", finish="content_filter"), "a content filter cut the reply", False),
        (Completion("", finish="content_filter"), "a content filter withheld the reply", False),
        (Completion("I\nwon't.", finish="refusal"), 'the model refused: "I won\'t."', False),
        (Completion("", finish="refusal"), "the model refused, and did not say why", False),
        (Completion("It is", finish="error"), "the reply broke off: the server failed amid it, or", True),
        (Completion("", finish="stop"), "the reply is empty", True),
        (Completion(" \n"), "the reply is empty", True),
        (Completion("", thoughts="hm"), "the model ended with its reasoning", True),
        (Completion("", cached=True), "the reply is empty", False),
    ],
)
def test_why_a_reply_is_no_whole_one(completion: Completion, words: str | None, again: bool) -> None:
    problem = unfinished(completion)
    assert problem is None if words is None else words in str(problem)
    assert worth_asking_again(completion) == again


def answered(code: str, *replies: Completion, **limits: Any) -> tuple[str, RLMTrace]:
    """What the code answers over these replies of the sub-LM, and the trace."""
    root = ScriptedModel([f"```repl\n{code}\n```", "```repl\nFINAL('shown')\n```"])
    sub = ScriptedModel(list(replies))
    result = RLMEngine(root, sub_llm=sub, limits={"max_concurrency": 1, **limits}).run("?", "a line\n" * 20_000)
    sub.assert_exhausted()
    return result.answer, result.trace


def sub_calls(trace: RLMTrace) -> list[SubCall]:
    execution = trace.iterations[0].execution
    assert execution is not None
    return execution.sub_calls


CATCH = "try:\n    llm_query('q')\nexcept SubCallError as error:\n    FINAL(str(error))"


@pytest.mark.parametrize(
    ("completion", "error"),
    [
        (
            Completion("One of the " + "pears " * 100, finish="length"),
            "the reply was cut at the model's limit of output tokens (raise max_tokens, or ask for less at once); it "
            "began 'One of the pears",
        ),
        (Completion("It", finish="content_filter"), "a content filter cut the reply; it began 'It'"),
        (Completion("I won't.", finish="refusal"), 'the model refused: "I won\'t."'),
    ],
)
def test_a_sub_call_without_a_whole_reply_fails_with_the_start_of_its_text_and_the_trace_has_all(
    completion: Completion, error: str
) -> None:
    answer, trace = answered(CATCH, completion)
    assert answer.startswith(error)
    assert len(answer) < 400
    [call] = sub_calls(trace)
    assert (call.reply, call.finish) == (completion.text, completion.finish)
    assert call.error is not None
    assert error.startswith(call.error)
    assert trace.failed_sub_call_count == 1


def test_in_a_batch_such_calls_are_told_to_the_root_with_the_reason_and_the_others_kept() -> None:
    cut = Completion("Half of", finish="length")
    _, trace = answered("r = llm_query_batched(['a', 'b'])\nprint(r[0])", Completion("whole"), cut)
    observation = str(trace.iterations[0].observation)
    assert "1 of 2 sub-calls failed, at index 1 (the reply was cut at the model's limit of output tokens" in observation
    assert "\nwhole\n" in observation


@pytest.mark.parametrize("first", [Completion(""), Completion("Half", finish="error"), Completion("", thoughts="hm")])
@pytest.mark.parametrize("code", ["FINAL(llm_query('q'))", "FINAL(llm_query_batched(['q'])[0])"])
def test_an_empty_reply_and_one_that_the_server_failed_in_are_asked_for_once_more(code: str, first: Completion) -> None:
    answer, trace = answered(code, first, Completion("three"))
    assert answer == "three"
    assert [(call.number, call.error is None, call.prompt) for call in sub_calls(trace)] == [
        (1, False, "q"),
        (2, True, "q"),
    ]


def test_a_second_empty_reply_fails_the_call() -> None:
    answer, trace = answered(CATCH, Completion(""), Completion(""))
    assert answer == "the reply is empty"
    assert trace.failed_sub_call_count == 2


def test_asking_again_takes_from_the_budget_and_never_beyond_it() -> None:
    code = f"print(llm_query('p'))\n{CATCH}"
    answer, trace = answered(code, Completion("fine"), Completion(""), max_sub_calls=2)
    assert (answer, trace.stop_reason, trace.sub_call_count) == ("the reply is empty", "answer", 2)
    again = "print(llm_query('p'))\ntry:\n    llm_query('q')\nexcept SubCallLimitError as error:\n    FINAL(str(error))"
    answer, trace = answered(again, Completion(""), Completion("fine"), max_sub_calls=2)
    assert (answer, trace.sub_call_count) == ("1 sub-call asked for, 0 left; nothing was sent", 2)
