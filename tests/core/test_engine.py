"""Runs of an engine, with code in fences and by a tool: answers, sub-calls, citations and errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rlm_integrations import Completion, Message, RLMEngine, Usage
from rlm_integrations.core.trace.events import Event, Warned
from rlm_integrations.testing import ScriptedModel

from .both_protocols import (
    FINISH,
    LONG,
    NOTES,
    each_protocol,  # noqa: F401 - of each test below
    engine,
    finish,
    in_fences,
    repl,
)


def test_the_answer_is_what_the_code_set() -> None:
    with ScriptedModel([repl("hits = search('code word')\nhits"), finish("hits[0].line.split()[-1]")]) as llm:
        result = engine(llm).run("What is the code word?", LONG)
    assert result.answer == result.text == "HERON"
    assert result.stop_reason == "answer"
    assert [iteration.number for iteration in result.trace.iterations] == [1, 2]


def test_the_root_sees_of_a_long_corpus_what_its_code_printed_and_a_sample() -> None:
    secret = "the code word is HERON"
    documents = [LONG.replace(secret, f"filler {n}") for n in range(30)] + [f"{'x' * 50_000} {secret}"]
    with ScriptedModel([repl("print(len(context))"), finish("'seen'")]) as llm:
        engine(llm).run("What is the code word?", documents)
    shown = "\n".join(message.content for message in llm.requests[-1])
    assert secret not in shown
    assert sum(len(document) for document in documents) > 1_000_000
    assert len(shown) < 10_000


def test_a_short_corpus_is_shown_whole_and_a_plain_reply_answers() -> None:
    with ScriptedModel(["On Monday."]) as llm:
        result = engine(llm).run("When was the kiln lit?", NOTES)
    assert (result.answer, result.stop_reason) == ("On Monday.", "plain_reply")
    assert NOTES["b"] in llm.requests[0][-1].content


def test_without_a_corpus_a_plain_reply_answers() -> None:
    with ScriptedModel(["4"]) as llm:
        assert engine(llm).run("What is 2 + 2?").answer == "4"


def test_a_reply_without_code_is_told_so_once_and_the_second_is_the_answer() -> None:
    with ScriptedModel(["I think HERON.", "HERON"]) as llm, pytest.warns(RuntimeWarning, match="no code ran"):
        result = engine(llm).run("What is the code word?", LONG)
    assert (result.answer, result.stop_reason) == ("HERON", "plain_reply")
    assert "no code ran" in llm.requests[1][-1].content


@pytest.mark.parametrize("replies", [["I think so.", "yes"], ["FINAL(yes)"]])
def test_an_answer_for_which_nothing_was_read_is_warned_of(replies: list[str]) -> None:
    events: list[Event] = []
    with ScriptedModel(replies) as llm, pytest.warns(RuntimeWarning) as warned:
        result = engine(llm, on_event=events.append).run("Is there a code word?", LONG)
    assert result.answer == "yes"
    [warning] = [str(each.message) for each in warned]
    assert warning.startswith("no code ran: the root LM answered “Is there a code word?” without reading the corpus")
    assert result.trace.warnings == [warning]
    assert [event.kind for event in events if isinstance(event, Warned)] == ["nothing_read"]


@pytest.mark.parametrize(("context", "limits"), [(None, {}), (NOTES, {}), (LONG, {"inline_chars": len(LONG)})])
def test_of_what_was_shown_whole_a_plain_reply_is_an_answer_like_any_other(
    context: Any, limits: dict[str, int], recwarn: pytest.WarningsRecorder
) -> None:
    with ScriptedModel(["yes"]) as llm:
        assert engine(llm, limits=limits).run("Is there a code word?", context).answer == "yes"
    assert list(recwarn) == []


def test_a_plain_reply_after_code_that_looked_is_not_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    with ScriptedModel([repl("print(search('code word'))"), "yes", "yes"]) as llm:
        assert engine(llm).run("Is there a code word?", LONG).answer == "yes"
    assert list(recwarn) == []


def test_sub_calls_see_their_prompt_and_nothing_else() -> None:
    root = ScriptedModel([repl("r = llm_query('Which day?', context[0]['text'])\nprint(r)"), finish("r")])
    sub = ScriptedModel(["Monday"])
    with root, sub:
        result = engine(root, sub_llm=sub, limits={"inline_chars": 0}).run("When was the kiln lit?", NOTES)
    assert result.answer == "Monday"
    system, asked = sub.requests[0]
    assert (system.role, asked.role) == ("system", "user")
    assert asked.content == "Which day?\n\nThe kiln was lit on Monday."
    [call] = result.trace.executions[0].sub_calls
    assert (call.prompt, call.reply, call.batch) == (asked.content, "Monday", None)


def test_a_batch_keeps_order_and_the_others_when_one_fails() -> None:
    def reply(messages: Sequence[Message]) -> str:
        prompt = messages[-1].content
        if prompt == "p3":
            raise ConnectionError("reset by peer")
        return prompt.upper()

    code = "r = llm_query_batched([f'p{i}' for i in range(6)])\nfailed = [isinstance(x, FailedSubCall) for x in r]"
    with ScriptedModel([repl(code), finish("[r[0], r[5], failed.index(True), sum(failed)]")]) as root:
        result = engine(root, sub_llm=ScriptedModel(always=reply)).run("?", LONG)
    assert result.text == '["P0", "P5", 3, 1]'
    told = root.requests[1][-1].content
    assert "1 of 6 sub-calls failed, at index 3 (ConnectionError: reset by peer)" in told
    assert result.trace.failed_sub_call_count == 1


def test_usage_is_the_sum_over_the_tree() -> None:
    root = ScriptedModel(
        [repl("r = llm_query_batched(['a', 'b', 'c'])"), finish("'done'")],
        usage=Usage(input_tokens=100, output_tokens=10, cached_tokens=50),
    )
    sub = ScriptedModel(always=lambda messages: Completion("x", Usage(input_tokens=5, output_tokens=1, cost_usd=0.5)))
    result = engine(root, sub_llm=sub).run("?", LONG)
    assert result.usage == Usage(input_tokens=215, output_tokens=23, cached_tokens=100, cost_usd=1.5)
    assert result.trace.root_usage.input_tokens == 200


def test_citations_are_compared_with_the_hosts_copy() -> None:
    code = (
        "cite('lit on  Monday', 'a')\ntry:\n    cite('lit on Tuesday')\nexcept ValueError as error:\n    print(error)"
    )
    with ScriptedModel([repl(code), finish("'Monday'")]) as llm:
        result = engine(llm, limits={"inline_chars": 0}).run("When?", NOTES)
    [citation] = result.citations
    assert NOTES["a"][citation.start_index : citation.end_index] == citation.cited_text == "lit on Monday"
    assert citation.document_id == "a"
    assert result.sources[0] == "a"
    assert "letter for letter" in llm.requests[1][-1].content


def test_an_error_shows_the_line_and_keeps_what_ran() -> None:
    with ScriptedModel([repl("x = 41\nprint('before')\ncontext['nothing']"), finish("x + 1")]) as llm:
        result = engine(llm).run("?", LONG)
    told = llm.requests[1][-1].content
    assert "Error at line 3: TypeError" in told
    assert "context['nothing']" in told
    assert "before" in told
    assert result.text == "42"


def test_an_error_after_ready_takes_it_back() -> None:
    first = 'answer["content"] = "wrong"\nanswer["ready"] = True\nassert False, "checked"'
    with ScriptedModel([repl(first), finish("'right'")]) as llm:
        result = engine(llm).run("?", LONG)
    assert result.answer == "right"
    assert "ready is False again" in llm.requests[1][-1].content


def test_final_works_in_code_and_as_plain_text() -> None:
    for replies, expected in (
        ([repl("FINAL('one')")], "one"),
        ([repl("x = 'two'\nFINAL_VAR('x')")], "two"),
        ([repl("x = 'three'"), "FINAL_VAR(x)"], "three"),
        (["FINAL(four)"], "four"),
        ([repl("x = 'five'"), "FINAL(x)"], "five"),
    ):
        with ScriptedModel(replies) as llm:
            result = engine(llm).run("?", LONG)
        assert (result.answer, result.stop_reason) == (expected, "answer")


def test_final_of_a_variable_beside_code_is_code() -> None:
    with ScriptedModel(["```repl\nx = 'six'\n```\n\nFINAL(x)"]) as llm:
        assert RLMEngine(llm).run("?", LONG).answer == "six"


def test_several_blocks_run_in_order_until_one_sets_ready() -> None:
    with ScriptedModel([repl("x = [1]", "x.append(2)", FINISH.format("x"), "x.append(3)")]) as llm:
        assert engine(llm).run("?", LONG).text == "[1, 2]"


def test_blocks_of_other_marks_run_too() -> None:
    reply = in_fences("x = [1]") + "\nThen:\n```python\nx.append(2)\n```\n" + in_fences(FINISH.format("x"))
    with ScriptedModel([reply + "\n```py\nx.append(3)\n```"]) as llm:
        assert RLMEngine(llm).run("?", LONG).text == "[1, 2]"
