"""In whole runs: what was code, or was still to come, is never the answer, in whatever dress it stands."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine
from rlm_integrations.testing import ScriptedModel

from .dresses import DONE, DRESSES, LONG


@pytest.mark.parametrize("dress", DRESSES)
def test_code_in_another_dress_runs_and_is_never_the_answer(dress: str) -> None:
    with ScriptedModel([DRESSES[dress], DRESSES[dress], DONE]) as llm:
        result = RLMEngine(llm).run("How many?", context="A well on plot 5, a well on plot 7.")
    assert result.answer == "settled"
    assert "\n2\n</output" in llm.requests[1][-1].content
    assert "\nThis ran as code. A step is Python in a fence that opens with ```repl" in llm.requests[1][-1].content


@pytest.mark.parametrize(
    "reply",
    [
        "```ruby\nn = 3; FINAL(n) if n\n```",
        "I run it.\nllm_query('how many?') in the second part",
        "<do>answer['content'] = str(3)",
        "[>>] print(len(context)) [<<]",
        "I run it:\n\n> ```repl\n> n = search('well').total\n> print(n)\n> ```",
        ">```\n>print(context)",
        "I will then call FINAL(3) and be done",
        '{"response": "```repl\\nFINAL(context.count("well"))\\n```"}',
    ],
)
@pytest.mark.parametrize("context", ["A well on plot 5.", LONG])
def test_code_that_cannot_be_made_out_is_never_the_answer(reply: str, context: str) -> None:
    with ScriptedModel([reply, reply, DONE]) as llm:
        result = RLMEngine(llm).run("How many?", context=context)
    assert (result.answer, result.stop_reason) == ("settled", "answer")
    assert "no code ran" in llm.requests[1][-1].content


@pytest.mark.parametrize(
    "reply",
    [
        "Okay. I'll count the wells using code.",
        "First, let me search the context. Then I will count them.",
        "```bash\npython3 count.py context.txt\n```",
        '```json\n{"content": "", "ready": false}\n```',
        '{"content": "One well", "ready": false}',
        "Thought: I look.\nAction: browse\nAction Input: well",
    ],
)
def test_what_was_meant_to_run_or_to_come_is_never_the_answer(reply: str) -> None:
    for context in ("A well on plot 5.", LONG):
        with ScriptedModel([reply, reply, DONE]) as llm:
            assert RLMEngine(llm).run("How many?", context=context).answer == "settled"
        assert "no code ran" in llm.requests[1][-1].content


@pytest.mark.parametrize(
    "reply",
    [
        "I'll go to town.",
        "```bash\npip install wells\n```",
        '{"content": "One well"}',
        "She says: I will search the context. That is all.",
        "Action: none\nAction Input: none",
    ],
)
def test_words_and_commands_that_say_something_are_answers(reply: str) -> None:
    with ScriptedModel([reply]) as llm:
        assert RLMEngine(llm).run("How many?", context="A well on plot 5.").answer == reply


@pytest.mark.parametrize("form", ["{}", "```\n{}\n```", "```json\n{}\n```", "So it is.\n```json\n{}\n```"])
@pytest.mark.parametrize(
    "answer", ['answer = {"content": "Two wells.", "ready": True}', '{"content": "Two wells.", "ready": true}']
)
def test_an_answer_that_is_written_as_a_dict_is_what_that_holds(form: str, answer: str) -> None:
    for context, limits in (("A well on plot 5.", {}), (LONG, {"max_iterations": 1})):
        with ScriptedModel([*(["```repl\nx = 1\n```"] if limits else []), form.format(answer)]) as llm:
            assert RLMEngine(llm, limits=limits).run("How many?", context=context).answer == "Two wells."


def test_a_final_that_is_only_spoken_of_is_told_to_be_sent_alone() -> None:
    talk = "Once I have verified this, I will output: FINAL(500)"
    for context in ("A well on plot 5.", LONG):
        with ScriptedModel([talk, talk, DONE]) as llm:
            assert RLMEngine(llm).run("How many?", context=context).answer == "settled"
        assert (
            "If it is your answer, send FINAL(...) with no other words; else go on with code."
            in llm.requests[1][-1].content
        )
    with ScriptedModel([f"```repl\nx = 1\n```\n{talk}", DONE]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == "settled"
    assert "\nFINAL(...) beside code is not taken" in llm.requests[1][-1].content
    with ScriptedModel(["```repl\nx = 1\n```", talk]) as llm:
        assert RLMEngine(llm, limits={"max_iterations": 1}).run("How many?", context=LONG).answer == "500"


def test_whoever_asks_about_functions_of_the_session_or_shows_them_is_told_of_them() -> None:
    reply = "It calls llm_query('x') once."
    for question, context in (("What does llm_query() do?", "None."), ("What is there?", f"Note: {reply}")):
        with ScriptedModel([reply]) as llm:
            assert RLMEngine(llm).run(question, context=context).answer == reply


@pytest.mark.parametrize("reply", ['{"name": "browse", "arguments": {"url": "x"}}', "<tool_call>count</tool_call>"])
def test_a_call_of_what_is_not_there_is_never_the_answer(reply: str) -> None:
    with ScriptedModel([reply, reply, reply, DONE]) as llm:
        result = RLMEngine(llm).run("How many?", context="A well on plot 5.")
    assert (result.answer, result.stop_reason) == ("settled", "answer")
    assert all("no code ran" in request[-1].content for request in llm.requests[1:])


def test_a_report_of_a_variable_is_looked_up() -> None:
    with ScriptedModel(["```repl\nreport = 'Two wells.'\n```", "FINAL(report)"]) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == "Two wells."
    with ScriptedModel(["```repl\nn = 2\n```", 'I am sure.\n\nFINAL(f"{n} wells")']) as llm:
        assert RLMEngine(llm).run("How many?", context=LONG).answer == "2 wells"


def test_a_word_that_names_no_variable_is_told_and_in_the_last_call_it_is_the_answer() -> None:
    replies = ["```repl\nx = 1\n```", "FINAL(Paris)", "FINAL(Paris)"]
    with ScriptedModel(replies) as llm:
        result = RLMEngine(llm, limits={"max_iterations": 2}).run("Where?", context=LONG)
    assert (result.answer, result.stop_reason) == ("Paris", "max_iterations")
    assert "NameError" in llm.requests[2][-1].content
    told = "\nFINAL(name) as plain text gives the variable of that name; a text stands in quotes, in which a name"
    assert told in llm.requests[2][-1].content


def test_an_answer_that_was_made_before_the_output_was_seen_is_not_taken() -> None:
    imagined = "```repl\nprint(context.count('well'))\n```\nThe output is 512.\n\nFINAL(512)"
    with ScriptedModel([imagined, "FINAL(4000)"]) as llm:
        result = RLMEngine(llm).run("How many?", context=LONG)
    assert result.answer == "4000"
    assert "\nFINAL(...) beside code is not taken: it was written before the output was seen." in (
        llm.requests[1][-1].content
    )
    assert "\n4000\n</output" in llm.requests[1][-1].content


EXAMPLE = (
    "Install it, then:\n\n```python\nfrom acme import Client\nprint(Client('t').list())\n```\n\nThe token is yours."
)


@pytest.mark.parametrize("max_iterations", [1, 2, 5])
@pytest.mark.parametrize("context", ["acme: Client(token).list()", LONG])
def test_an_answer_with_an_example_of_code_is_given_whole(max_iterations: int, context: str) -> None:
    with ScriptedModel(always=lambda messages: EXAMPLE) as llm:
        result = RLMEngine(llm, limits={"max_iterations": max_iterations}).run("Show how to list.", context=context)
    assert result.answer == EXAMPLE
    assert len(llm.requests) == 2
    assert "If this code is an example for the answer, set answer" in llm.requests[1][-1].content
