"""Answers of code that are hardly meant are refused once, with what to do instead."""

from __future__ import annotations

import pytest

from rlm_integrations import RLMEngine, RLMError, RLMResult
from rlm_integrations.testing import PythonCalls, ScriptedModel

LEDGER = "\n".join(f"entry {n}: {'paid' if n % 3 else 'open'}" for n in range(2_000))
COUNT = "n = context.count(': open')"
SETTLED = "```repl\nFINAL('settled')\n```"


def asked(*replies: str | PythonCalls) -> RLMResult[str]:
    protocol = "tool" if isinstance(replies[0], PythonCalls) else "fence"
    with ScriptedModel(replies) as llm:
        return RLMEngine(llm, protocol=protocol).run("How many are open?", LEDGER)


def fenced(*blocks: str, between: str = "\n") -> str:
    return between.join(f"```repl\n{block}\n```" for block in blocks)


@pytest.mark.parametrize(
    "blocks",
    [
        ("FINAL('500')", f"{COUNT}\nFINAL(n)"),
        ("n = 500\nFINAL(n)", f"{COUNT}\nFINAL(n)"),
        (
            "answer['content'] = '500'\nanswer['ready'] = True",
            f"{COUNT}\nanswer['content'] = n\nanswer['ready'] = True",
        ),
        ("answer = {'content': '500', 'ready': True}", f"{COUNT}\nFINAL_VAR('n')"),
        ("x = 1", "FINAL('500')", f"{COUNT}\nFINAL(n)"),
    ],
)
def test_of_two_blocks_that_set_different_answers_none_is_taken(blocks: tuple[str, ...]) -> None:
    for reply in (fenced(*blocks, between="\nOr rather:\n"), PythonCalls(*blocks)):
        settled = SETTLED if isinstance(reply, str) else PythonCalls("FINAL('settled')")
        result = asked(reply, settled)
        assert result.answer == "settled"
        assert "answer not accepted: 2 blocks of one reply set it" in result.trace.iterations[0].observation


@pytest.mark.parametrize(
    "blocks",
    [
        (f"{COUNT}\nFINAL(n)", "FINAL(n)"),
        ("FINAL('667')", "FINAL('667')"),
        (f"{COUNT}\nif n > 500:\n    FINAL(n)", "FINAL('fewer')"),
        (f"{COUNT}\nanswer['content'] = n\nanswer['ready'] = True", "print(answer)"),
    ],
)
def test_an_answer_that_is_said_twice_or_on_a_condition_is_taken(blocks: tuple[str, ...]) -> None:
    assert asked(fenced(*blocks)).answer == "667"


@pytest.mark.parametrize(
    "words", ["This prints:\n", "Running this gives 512, so:\n", "We got 512.\n\nHuman: <output>512</output>\n\n", ""]
)
@pytest.mark.parametrize("final", ["FINAL('512')", "answer['content'] = '512'\nanswer['ready'] = True"])
def test_an_answer_below_code_whose_output_was_not_seen_yet_is_not_taken(words: str, final: str) -> None:
    blind = fenced(f"{COUNT}\nprint(n)", final, between=f"\n{words}")
    result = asked(blind, fenced("FINAL(n)"))
    assert result.answer == "667"
    observation = result.trace.iterations[0].observation
    assert "answer not accepted: it stood below code whose output you had not seen" in observation
    assert "\n667\n" in observation


def test_an_answer_made_of_what_the_code_above_found_is_taken() -> None:
    assert asked(fenced(f"{COUNT}\nprint(n)", "FINAL(f'{n} open')")).answer == "667 open"


@pytest.mark.parametrize(
    ("final", "answer"),
    [
        ('FINAL("There are {n} open")', "There are {n} open"),
        ('answer["content"] = "There are {n:,} open"\nanswer["ready"] = True', "There are {n:,} open"),
        ('FINAL({"open": "{len(lines)} lines"})', '{"open": "{len(lines)} lines"}'),
    ],
)
def test_an_answer_that_is_no_f_string_but_names_a_variable_is_refused_once(final: str, answer: str) -> None:
    code = f"{COUNT}\nlines = context.splitlines()\n{final}"
    result = asked(fenced(code), fenced('FINAL(f"There are {n} open")'))
    assert result.answer == "There are 667 open"
    assert "answer not accepted: {" in result.trace.iterations[0].observation
    assert asked(fenced(code), fenced(code)).answer == answer


@pytest.mark.parametrize(
    "final",
    [
        r"FINAL('x^{n} and \\frac{n}{2}')",
        "FINAL(f'{{n}}')",
        "FINAL('Dear {name}')",
        "FINAL('a set {n, m}')",
        "FINAL('{' + 'n}')",
    ],
)
def test_braces_that_are_meant_are_taken(final: str) -> None:
    assert "{" in asked(fenced(f"{COUNT}\n{final}")).answer


@pytest.mark.parametrize(
    "final",
    [
        "FINAL('report')",
        'FINAL("report")',
        "answer['content'] = 'report'\nanswer['ready'] = True",
        "answer = {'content': 'report', 'ready': True}",
        "answer['content'] = 'FINAL_VAR(report)'\nanswer['ready'] = True",
        "answer['content'] = '<report>'\nanswer['ready'] = True",
        "FINAL('{{report}}')",
    ],
)
def test_an_answer_that_is_but_the_name_of_a_variable_is_refused_once(final: str) -> None:
    code = f"report = 'There are 667.'\n{final}"
    result = asked(fenced(code), fenced("FINAL(report)"))
    assert result.answer == "There are 667."
    assert "which is the name of a variable; `FINAL(report)` gives" in result.trace.iterations[0].observation
    assert "report" in asked(fenced(code), fenced(code)).answer


def test_a_name_of_a_variable_that_code_finds_is_taken() -> None:
    assert asked(fenced("counts = {'pears': 2}\npears = 2\nbest = max(counts)\nFINAL(best)")).answer == "pears"


def test_the_name_of_a_variable_in_quotes_is_refused_in_prose_too() -> None:
    report = fenced("report = 'There are 667.'")
    assert asked(report, "FINAL('report')", "FINAL(report)").answer == "There are 667."
    assert asked(report, "FINAL('report')", "FINAL('report')").answer == "report"
    assert asked(report, 'FINAL_VAR("report")').answer == "There are 667."


@pytest.mark.parametrize("text", ["There are {} open", "Total: {}", "${} in all", "{}"])
def test_an_answer_with_a_field_that_format_has_not_filled_in_is_refused_once(text: str) -> None:
    code = f"FINAL({text!r})"
    result = asked(fenced(code), fenced("FINAL('667')"))
    assert result.answer == "667"
    assert "answer not accepted: {} stands in it as it is written" in result.trace.iterations[0].observation
    assert asked(fenced(code), fenced(code)).answer == text


@pytest.mark.parametrize(
    "final",
    ["FINAL({'a': {}})", "FINAL('{\"a\": {}}')", "FINAL('x = {} is empty, f{} and `{}`')", "FINAL('a ' + '{' + '}')"],
)
def test_empty_braces_that_are_meant_are_taken(final: str) -> None:
    assert "}" in asked(fenced(final)).answer


@pytest.mark.parametrize(
    "reply",
    [
        f"{fenced('FINAL(500)')}\n\nActually, wait: that is wrong, I must recount.",
        f"{fenced('FINAL(500)')}\nHmm, no.",
        f"I will NOT run this:\n{fenced('FINAL(500)')}",
        f"First I count.\n{fenced(COUNT)}\nDo not run this yet:\n{fenced('FINAL(500)')}",
    ],
)
def test_an_answer_that_words_beside_its_code_take_back_is_refused_once(reply: str) -> None:
    result = asked(reply, fenced("FINAL('667')"))
    assert result.answer == "667"
    assert "answer not accepted: your words beside the code say" in result.trace.iterations[0].observation
    assert asked(reply, reply).answer == "500"


@pytest.mark.parametrize(
    "words",
    [
        "I do not run the whole search again:\n{}",
        "{}\nWait for the output.",
        "{}\nLet me check the result.",
        "{}\nNo, it is not stated. That is wrong in the text.",
    ],
)
def test_other_words_beside_the_code_of_an_answer_are_none_of_its(words: str) -> None:
    assert asked(words.format(fenced("FINAL('667')"))).answer == "667"


def test_an_answer_that_was_refused_is_not_taken_for_code_that_says_nothing_of_it() -> None:
    twice = fenced("FINAL('500')", f"{COUNT}\nFINAL(n)")
    result = asked(twice, fenced("print(1)"), fenced("FINAL('667')"))
    assert result.answer == "667"


@pytest.mark.parametrize("said", ["There are {n} entries.", "n", "`n`", "{n}", "<n>"])
def test_at_a_limit_words_that_name_a_variable_give_way_to_the_draft(said: str) -> None:
    for draft, answer in (("answer['content'] = 'At least 600.'", "At least 600."), ("", None)):
        llm = ScriptedModel([fenced(f"{COUNT}\n{draft}"), said])
        engine = RLMEngine(llm, limits={"max_iterations": 1})
        if answer is None:
            with pytest.raises(RLMError, match=r"the name of a variable|was not filled in"):
                engine.run("How many are open?", LEDGER)
        else:
            assert engine.run("How many are open?", LEDGER).answer == answer


def test_at_a_limit_a_word_of_the_question_is_an_answer() -> None:
    llm = ScriptedModel([fenced("pears, apples = 3, 4"), "pears"])
    result = RLMEngine(llm, limits={"max_iterations": 1}).run("Which are more, pears or apples?", LEDGER)
    assert result.answer == "pears"


def test_at_a_limit_an_answer_is_taken_as_it_is() -> None:
    llm = ScriptedModel([fenced("print(1)"), fenced("FINAL('500')", "FINAL('667')")])
    assert RLMEngine(llm, limits={"max_iterations": 1}).run("How many are open?", LEDGER).answer == "500"


@pytest.mark.parametrize("final", ["FINAL('found')", "answer['content'] = 'found'\nanswer['ready'] = True"])
def test_of_a_typed_answer_too_it_is_said_that_it_is_but_a_name(final: str) -> None:
    with ScriptedModel([fenced(f"found = ['A', 'B']\n{final}"), "FINAL('found')", "FINAL(found)"]) as llm:
        result = RLMEngine(llm, answer_type=list[str]).run("Which are open?", LEDGER)
    assert result.answer == ["A", "B"]
    for request in llm.requests[1:]:
        assert (
            "it does not fit the schema (it is the word found in quotes, which is the name of a variable; "
            "`FINAL(found)` gives its value)"
        ) in request[-1].content
