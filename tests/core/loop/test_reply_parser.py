from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop import reply_parser
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply, plain_reply, read_reply
from rlm_integrations.core.loop.written_code import as_meant

NOT_PYTHON = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\u200b\u2060\ufeff"
"""Characters that no Python holds outside of its strings."""


def solid(text: str) -> str:
    """The text without anything blank or invisible."""
    return re.sub(rf"[\s{NOT_PYTHON}]", "", text)


def blocks(reply: str) -> tuple[str, ...]:
    return parse_reply(reply).blocks


@pytest.mark.parametrize("word", ["repl", "python", "python3", "py", "Python", "REPL", "python title=x"])
@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
def test_a_fence_with_a_word_for_python_holds_a_block(word: str, fence: str) -> None:
    assert blocks(f"Thought.\n\n{fence}{word}\nx = 1\n{fence}\nMore.") == ("x = 1",)


@pytest.mark.parametrize("word", ["", "json", "text", "pycon", "javascript", "sh"])
def test_other_fences_are_prose(word: str) -> None:
    reply = f"```{word}\nx = 1\n```"
    assert parse_reply(reply) == ParsedReply((), None, reply)


def test_every_block_of_a_reply_is_found_in_order() -> None:
    reply = parse_reply("one\n```repl\na\n```\ntwo\n```python\nb\nc\n```\nthree")
    assert reply.blocks == ("a", "b\nc")
    assert reply.prose == "one\ntwo\nthree"
    assert not reply.fence_open


def test_a_fence_inside_a_string_does_not_cut_the_block() -> None:
    code = 'prompt = """Answer in a fence:\n```\n{}\n```\n"""\nx = llm_query(prompt)'
    assert blocks(f"```repl\n{code}\n```\nDone.") == (code,)


def test_a_fence_inside_a_string_of_a_longer_fence_does_not_cut_the_block() -> None:
    code = "x = '''\n```\n'''"
    assert blocks(f"````python\n{code}\n````") == (code,)


def test_a_broken_block_does_not_swallow_the_next_one() -> None:
    assert blocks("```repl\nprint((1)\n```\nand\n```repl\ny = 2\n```") == ("print((1)", "y = 2")


def test_a_block_with_a_wrong_indentation_ends_at_its_first_fence() -> None:
    assert blocks("```repl\nif x:\n        a\n    b\n```\n```repl\ny = 2\n```") == ("if x:\n        a\n    b", "y = 2")


def test_a_nul_is_no_python_and_is_left_to_the_session_to_refuse() -> None:
    assert blocks("```repl\nx = '\0'\n```\nand\n```repl\ny = 2\n```") == ("x = '\0'", "y = 2")


def test_a_fence_that_is_never_closed_is_run_and_reported() -> None:
    reply = parse_reply("Look:\n```repl\nx = 1\nprint(x")
    assert reply.blocks == ("x = 1\nprint(x",)
    assert reply.fence_open


def test_a_fence_in_a_list_loses_the_lists_indentation_and_no_more() -> None:
    assert blocks("- so:\n  ```repl\n  for a in b:\n      print(a)\n  ```") == ("for a in b:\n    print(a)",)


def test_code_that_is_indented_under_its_fence_is_moved_to_the_margin() -> None:
    assert blocks("```repl\n\n    x = 1\n    if x:\n        y = 2\n```") == ("\nx = 1\nif x:\n    y = 2",)
    assert blocks("```repl\nx = '''\n    kept\n'''\n```") == ("x = '''\n    kept\n'''",)


def test_code_at_the_margin_under_a_fence_that_is_indented_keeps_its_own_indentation() -> None:
    assert blocks("  ```repl\nif x:\n  if y:\n    z()\n  ```") == ("if x:\n  if y:\n    z()",)


@pytest.mark.parametrize("closing", ["~~~", "``", "`", "</repl>", "[/repl]", "</code>"])
def test_a_fence_that_is_closed_by_something_else_holds_what_stands_above_it(closing: str) -> None:
    reply = parse_reply(f"```repl\nx = 1\nprint(x)\n{closing}\n")
    assert (reply.blocks, reply.fence_open) == (("x = 1\nprint(x)",), False)


def test_a_fence_that_is_closed_by_a_shorter_one_ends_there() -> None:
    reply = parse_reply("````repl\nx = '''\n```\n'''\n```\nMore.")
    assert (reply.blocks, reply.prose, reply.fence_open) == (("x = '''\n```\n'''",), "More.", False)
    assert parse_reply("````repl\nx = (\n```\n").fence_open


@pytest.mark.parametrize("odd", ["\u200b", "\ufeff", "\u2060"])
def test_characters_that_nobody_sees_are_no_part_of_a_fence(odd: str) -> None:
    assert blocks(f"{odd}```repl\nx = 1\n{odd}```\n") == ("x = 1",)
    assert blocks(f"```{odd}repl\nx = 1\n```\n") == ("x = 1",)


def test_windows_line_ends_and_odd_separators() -> None:
    assert blocks("```repl\r\nx = 1\r\ny = 'a\u2028b'\r\n```\r\n") == ("x = 1\ny = 'a\u2028b'",)


@pytest.mark.parametrize(
    ("reply", "final"),
    [
        ("FINAL(42)", "42"),
        ('FINAL("forty-two")', "forty-two"),
        ("I am sure.\n\n  FINAL(It is 42 (I counted).)  ", "It is 42 (I counted)."),
        ("FINAL(42)\n\n(I checked it twice)", "42"),
        ("FINAL(42)\nThanks", "42"),
        ("Sure\nFINAL('42')", "42"),
        ("FINAL(first line (a)\nsecond line (b))\nthanks (c)", "first line (a)\nsecond line (b)"),
        ("FINAL(uneven :-) but whole)\nSo (there)", "uneven :-) but whole)\nSo (there"),
        ("FINAL([1, 2])", "[1, 2]"),
        ("FINAL (42)", "42"),
        ("So it is.\n\nThe answer is FINAL(42).", "42"),
        ("**Final answer:** **FINAL(42)**", "42"),
        ("- FINAL(42)", "42"),
        ("## FINAL(42)", "42"),
        ('FINAL(answer="42")', "42"),
        ("FINAL(41)\n\nWait, one more.\n\nFINAL(42)", "42"),
        ("FINAL(first (a)\nsecond)\nNo:\nFINAL(42)", "42"),
        ("FINAL('it''s')", "its"),
        ("FINAL()", ""),
        (
            "FINAL(There are:\n1) 600 (paid)\n2) 67 (open)\na) of those (two)\nTotal: 667)",
            "There are:\n1) 600 (paid)\n2) 67 (open)\na) of those (two)\nTotal: 667",
        ),
        ("FINAL(42))", "42"),
        ("FINAL(It is 42 :))", "It is 42 :)"),
        ("FINAL(“42”)", "42"),
        ("FINAL（42）", "42"),
        ("FINAL(共有42（个）)。", "共有42（个）"),
        ("FINAL(42) ✅", "42"),
        ("FINAL(42);", "42"),
        ("I have counted them. FINAL(42)", "42"),
        ("答案是 FINAL(42)", "42"),
        ("La respuesta es FINAL(42).", "42"),
        ("final_answer(42)", "42"),
        ("FINAL_ANSWER('42')", "42"),
        ("**Final(42)**", "42"),
        ("FINAL_VAR('two words')", "two words"),
        ("FINAL(There are {n} entries)", "There are {n} entries"),
        ("FINAL(main())", "main()"),
        ("FINAL(setup.py)", "setup.py"),
    ],
)
def test_final_outside_fences_is_the_answer(reply: str, final: str) -> None:
    assert parse_reply(reply) == ParsedReply((), final, reply)


@pytest.mark.parametrize(
    "reply",
    [
        "Then I call FINAL(x) and so on.",
        "I will then call FINAL(x)",
        "Then:\nFINAL(...)",
        "FINAL(your answer here)",
        "x\n- FINAL (v2)",
        "> FINAL(42)",
        "FINAL(x) ends.",
        "FINAL(cut off",
        "FINAL(<answer>)",
        "FINAL([your final answer])",
        "FINAL(answer here)",
        "FINAL([insert the number here])",
        "FINAL(<total number of entries>)",
        "FINAL([the count of entries])",
        "Use it at the end, e.g. FINAL(42)",
        "finally (x)",
    ],
)
def test_talk_of_final_is_no_answer(reply: str) -> None:
    assert parse_reply(reply) == ParsedReply((), None, reply)


@pytest.mark.parametrize(
    "reply",
    [
        "If the count were 500, I would answer: FINAL(500)\nBut I have not counted yet.",
        "Once I have verified this, I will output: FINAL(500)",
        "Once verified, I'll answer:\n\nFINAL(500)",
        "Then, if it is 667, I finish with:\nFINAL_VAR(n)",
        "My first guess is FINAL(500).\nLet me verify it with code before answering.",
        "FINAL(500)\n\nLet me double-check this.",
        "FINAL_VAR(n)\nI still need to check the branches.",
    ],
)
def test_a_final_that_is_not_sure_is_taken_only_where_nobody_can_be_asked_again(reply: str) -> None:
    known = frozenset({"n"})
    assert parse_reply(reply, variables=known) == ParsedReply((), None, reply, talk_of_final=True)
    last = parse_reply(reply, variables=known, last=True)
    assert (last.final, last.blocks) in (("500", ()), (None, ("FINAL_VAR('n')",)))


@pytest.mark.parametrize(
    "reply",
    [
        "FINAL(500)\n\nWait, I need to verify this. Let me run the code first.",
        "FINAL(500)\n\nActually no, that is the number of paid ones.",
        "FINAL(500)\n\nThose are the paid ones. Hmm, no.",
        "FINAL(500)\n\nSorry, I misread the question.",
        "The wrong answer would be FINAL(500).",
        "FINAL(667)\n\nThe wrong answer would be FINAL(500).",
        "Don't answer yet: FINAL(500)",
        "We must not yet send:\nFINAL(500)",
        "I am not ready to answer: FINAL(500)",
        "I can't return FINAL_VAR(n)",
        "Format: FINAL(42)",
        "The expected format is FINAL(42)",
        "For example: FINAL(42)",
        "Plan:\n1. Count the open entries.\n2. Check the branches.\n3. FINAL(The number of open entries)",
        "Next I will:\n- count\n- FINAL_VAR(n)",
        "The possible answers are:\n1. FINAL(5)\n2. FINAL(6)",
    ],
)
def test_a_final_that_words_deny_or_take_back_is_no_answer(reply: str) -> None:
    for last in (False, True):
        parsed = parse_reply(reply, variables=frozenset({"n"}), last=last)
        assert parsed == ParsedReply((), None, reply, talk_of_final=True)


@pytest.mark.parametrize(
    "words",
    [
        "The answer is: {}",
        "I cannot answer:\n\n{}",
        "I am not able to answer:\n{}",
        "When we count only signed ones, it would be 3, so {}",
        "{}\n\nActually, section 3 says so explicitly.",
        "{}\n\nIt was a draft contract.",
        "{}\n\nLet me double-check: 40 + 2 = 42. Confirmed.",
        "{}\n\nI did not verify the appendix, as it is out of scope.",
        "So my final answer:\n{}\nI counted all entries.",
        "I will now give the final answer.\n\n{}",
        "I will return the final answer:\n\n{}",
        "I don't need to look further. {}",
        "The answer is not 500 but this: {}",
        "The contract doesn't say when it ends, so: {}",
        "I cannot give a number, since the texts do not say: {}",
        "After reviewing all entries, I will now give: {}",
        "If I count only the open ones, the answer is: {}",
        "My earlier guess was wrong. The answer is {}",
        "If there were more, I would say so. {}",
        "I cannot say.\n\n{}",
        "This was more than a guess.\n{}",
        "In the requested format: {}",
        "1. I counted.\n2. I checked.\n\n{}",
        "{}\n\nLet me know if you need anything else!",
        "{}\nBut note that entries without a date are left out.",
        "{}\n\nNo, it is not stated anywhere. That is not correct.",
        "{}\n\nSorry, I could not find more.",
    ],
)
def test_a_final_that_plain_words_stand_beside_is_the_answer(words: str) -> None:
    for final in ("FINAL(42)", "FINAL_VAR(n)"):
        parsed = parse_reply(words.format(final), variables=frozenset({"n"}))
        assert (parsed.final, parsed.blocks) == (("42", ()) if final == "FINAL(42)" else (None, ("FINAL_VAR('n')",)))


def test_words_above_code_do_not_lead_up_to_a_final_below_it() -> None:
    reply = "If there are open ones, I will return them:\n```repl\nn = 1\n```\nFINAL_VAR(n)"
    assert parse_reply(reply).blocks == ("n = 1", "FINAL_VAR('n')")
    reply = "```repl\nn = 1\n```\nIf that is so, I will return:\nFINAL_VAR(n)"
    assert (parse_reply(reply).blocks, parse_reply(reply).talk_of_final) == (("n = 1",), True)


def test_the_last_final_is_the_answer_whatever_it_holds() -> None:
    known = frozenset({"rows", "report"})
    for other in ("FINAL_VAR(rows)", "FINAL(3)", "FINAL(rows)"):
        for last in ("FINAL_VAR(report)", "FINAL(report)"):
            block = last.replace("_VAR(report)", "_VAR('report')")
            assert parse_reply(f"{other}\n\nSorry, I meant:\n{last}", variables=known).blocks == (block,)
    assert parse_reply("FINAL_VAR(rows)\n\nOr rather:\nFINAL(3)", variables=known).final == "3"


@pytest.mark.parametrize(
    ("reply", "block"),
    [
        ("FINAL(500) or FINAL(667)", "FINAL('500', '667')"),
        ("FINAL_VAR(report) and FINAL_VAR(rows)", "FINAL('report', 'rows')"),
        ("FINAL(report, rows)", "FINAL(report, rows)"),
        ("FINAL_VAR(report, rows)", "FINAL(report, rows)"),
    ],
)
def test_of_several_finals_on_one_line_none_is_taken(reply: str, block: str) -> None:
    parsed = parse_reply(reply, variables=frozenset({"rows", "report"}))
    assert (parsed.blocks, parsed.looked_up) == ((block,), True)


def test_words_with_commas_between_and_the_same_final_twice_are_one_answer() -> None:
    assert parse_reply("FINAL(pears, apples)", variables=frozenset({"pears"})).final == "pears, apples"
    assert parse_reply("FINAL(5) and then FINAL(5)").final == "5"


@pytest.mark.parametrize("final", ["FINAL(512)", "FINAL(It's \\ done)", 'FINAL("first\nsecond")', "FINAL(f'512')"])
@pytest.mark.parametrize("below", [True, False])
def test_final_of_a_text_beside_code_is_no_code(final: str, below: bool) -> None:
    code = "```repl\nprint(1)\n```"
    reply = parse_reply(f"{code}\nThe output is 512.\n{final}" if below else f"{final}\n{code}")
    assert reply.blocks == ("print(1)",)
    assert reply.final is not None
    assert not reply.looked_up


@pytest.mark.parametrize("argument", ["report", "_1", "f'{n} entries'", 'rF"""{n:,}\nentries"""', "f'{{' f'{n}'"])
def test_final_of_a_variable_or_an_f_string_becomes_a_block_of_its_own(argument: str) -> None:
    reply = parse_reply(f"FINAL({argument})")
    assert (reply.blocks, reply.looked_up) == ((f"FINAL({argument})",), True)
    reply = parse_reply(f"```repl\nn = 1\n```\nFINAL({argument})", variables=None)
    assert (reply.blocks, reply.looked_up) == (("n = 1", f"FINAL({argument})"), True)


@pytest.mark.parametrize("text", ["two words", "None", "class", "42", "a.b", "f'{{n}}'", "f'{n}' and more"])
def test_final_of_other_words_is_text(text: str) -> None:
    reply = parse_reply(f"FINAL({text})")
    assert reply.blocks == ()
    assert reply.final is not None


@pytest.mark.parametrize("argument", ["len(rows)", "rows[0]", 'rows["total"]', "rows.total", "', '.join(rows)"])
def test_final_of_what_is_taken_from_a_variable_becomes_a_block_of_its_own(argument: str) -> None:
    assert parse_reply(f"FINAL({argument})", variables=frozenset({"rows"})).blocks == (f"FINAL({argument})",)
    other = parse_reply(f"FINAL({argument})", variables=frozenset({"row"}))
    assert (other.final, other.blocks) == (argument, () if argument == "rows.total" else (f"FINAL({argument})",))
    for argument in ("'There are ' + str(n)", "'%d rows' % n", "{'n': n}", "[n, rows]", "{n}", "{{ n }}"):
        parsed = parse_reply(f"FINAL({argument})", variables=frozenset({"n", "rows"}))
        assert parsed.blocks == (f"FINAL({argument if '{' not in argument or ':' in argument else 'n'})",)
        other = parse_reply(f"FINAL({argument})", variables=frozenset({"rows"}))
        assert other.blocks == (("FINAL(n)",) if argument in ("{n}", "{{ n }}") else ())  # no text: the REPL says so
    assert parse_reply("FINAL(not rows)", variables=frozenset({"rows"})).final == "not rows"


@pytest.mark.parametrize(
    "argument",
    [
        *(
            "str(n)",
            "len(rows)",
            "sum(1 for row in rows)",
            "search('open', limit=None).total",
            "llm_query('how many?')",
        ),
        *("rows['a']", "rows[0]", "', '.join(rows)", "'{}'.format(n)", '"667", sure=True', "'667', 'sure'"),
    ],
)
@pytest.mark.parametrize("variables", [None, frozenset[str](), frozenset({"n", "rows"})])
def test_final_of_what_can_only_be_code_is_never_a_text(argument: str, variables: frozenset[str] | None) -> None:
    parsed = parse_reply(f"FINAL({argument})", variables=variables)
    assert (parsed.blocks, parsed.looked_up) == ((f"FINAL({argument})",), True)


@pytest.mark.parametrize("argument", ["<n>", "<<n>>", "$n", "${n}", "%n%", "{n}", "{{ n }}"])
@pytest.mark.parametrize("variables", [None, frozenset[str](), frozenset({"n"})])
def test_a_name_that_is_marked_as_that_of_a_variable_is_looked_up(
    argument: str, variables: frozenset[str] | None
) -> None:
    parsed = parse_reply(f"FINAL({argument})", variables=variables)
    assert (parsed.blocks, parsed.looked_up) == (("FINAL(n)",), True)
    assert parse_reply(f"FINAL_VAR({argument})", variables=variables).blocks == ("FINAL(n)",)


@pytest.mark.parametrize("argument", ["`n`", "*n*", "@n", "#n", "(n)", "n.", "the value of n", "variable `n`"])
def test_words_for_a_variable_are_looked_up_where_there_is_one(argument: str) -> None:
    assert parse_reply(f"FINAL({argument})", variables=frozenset({"n"})).blocks == ("FINAL(n)",)
    assert parse_reply(f"FINAL({argument})", variables=frozenset({"x"})) == ParsedReply(
        (), argument, f"FINAL({argument})"
    )


@pytest.mark.parametrize(
    "argument", ["667, 'done'", "667, sure=True", "n, 'done'", "f'{n}', 'done'", "'Paris', France", "[n], 'x', 2"]
)
def test_several_values_are_no_text(argument: str) -> None:
    parsed = parse_reply(f"FINAL({argument})", variables=frozenset({"n"}))
    assert (parsed.blocks, parsed.looked_up) == ((f"FINAL({argument})",), True)


@pytest.mark.parametrize("text", ["1,234", "Paris, France", "x = 3, y = 4", "667, of course", "It is 'so', no?"])
def test_commas_alone_make_no_several_values(text: str) -> None:
    assert parse_reply(f"FINAL({text})", variables=frozenset({"n"})) == ParsedReply((), text, f"FINAL({text})")


@pytest.mark.parametrize("between", [" ", "; ", ", ", ""])
@pytest.mark.parametrize("form", ["FINAL({})", "FINAL('{}')", "final_answer({})", "FINAL(answer={})"])
def test_a_final_that_is_said_twice_counts_once_and_two_that_differ_are_refused(between: str, form: str) -> None:
    said = between.join([form.format("6 (of 9)"), form.format("6 (of 9)")])
    parsed = parse_reply(said)
    assert (parsed.final, parsed.blocks) == ("6 (of 9)", ())
    differ = parse_reply(between.join([form.format("6 of 9"), form.format("7 of 9")]))
    assert (differ.blocks, differ.looked_up) == (("FINAL('6 of 9', '7 of 9')",), True)


def test_a_final_in_a_text_is_part_of_it() -> None:
    for text in ("Use f(x) FINAL(3)", "It says: FINAL(1) FINAL(2"):
        assert parse_reply(f"FINAL('{text}')").final == text


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("There are <n>.", "There are {n}."),
        ("There are {{n}} of {x:,}.", "There are {n} of {x:,}."),
        ("There are %(n)s.", "There are {n}."),
        ("There are %n%.", "There are {n}."),
        ("There are {len(rows)} in {n}.", "There are {len(rows)} in {n}."),
        ("<b>{n}</b>", "<b>{n}</b>"),
    ],
)
def test_fields_of_other_forms_are_filled_too(text: str, filled: str) -> None:
    parsed = parse_reply(f"FINAL({text})", variables=frozenset({"n", "x"}))
    assert (parsed.blocks, parsed.looked_up) == ((f"FINAL(f'{filled}')",), True)


def test_a_dollar_sign_before_the_name_of_a_variable_is_for_the_root_lm_to_explain() -> None:
    for text in ("There are $n.", "'There are $n.'"):
        parsed = parse_reply(f"FINAL({text})", variables=frozenset({"n"}))
        assert (parsed.blocks, parsed.looked_up) == (("FINAL(There are $n.)",), True)
    assert parse_reply("FINAL(It costs $5, or $x)", variables=frozenset({"n"})).blocks == ()


def test_fields_of_a_text_that_variables_fill_are_filled() -> None:
    for text, variables in (("There are {n:,} ({share}).", {"n", "share"}), ("'There are {n}.'", {"n"})):
        parsed = parse_reply(f"FINAL({text})", variables=frozenset(variables))
        assert parsed.blocks == (f"FINAL(f{text.strip(chr(39))!r})",)
        assert parse_reply(f"FINAL({text})", variables=frozenset({"x"})).blocks == ()
    for text in ("\\frac{n}{2}", "{n} and {", "{n.m}"):
        assert parse_reply(f"FINAL({text})", variables=frozenset({"n"})).blocks == ()


@pytest.mark.parametrize(
    "form", ["FINAL_VAR(`n`)", "FINAL_VAR(“n”)", "final_var(n)", "FINAL_VAR(n);", "FINAL_VAR(n) ✅"]
)
def test_final_var_in_other_forms(form: str) -> None:
    assert parse_reply(form, variables=frozenset({"n"})).blocks == ("FINAL_VAR('n')",)
    assert parse_reply("FINAL_VAR(str(n))", variables=frozenset({"n"})).blocks == ("FINAL(str(n))",)


@pytest.mark.parametrize("mark", ["**", "`", "```", "__"])
def test_final_may_be_marked_up(mark: str) -> None:
    assert parse_reply(f"So:\n\n{mark}FINAL(It is 42.){mark}").final == "It is 42."
    assert parse_reply(f"{mark}FINAL(report){mark}").blocks == ("FINAL(report)",)
    assert parse_reply(f"{mark}FINAL_VAR(report){mark}").blocks == ("FINAL_VAR('report')",)


def test_final_of_a_word_where_no_code_has_run_is_text() -> None:
    assert parse_reply("FINAL(Paris)", variables=None) == ParsedReply((), "Paris", "FINAL(Paris)")
    assert parse_reply("n = 3 items;\nFINAL(n)", variables=None).blocks == ("FINAL(n)",)


@pytest.mark.parametrize(
    "text",
    [
        "Install it:\n```python\nfrom acme import Client\nprint(Client(1))\n```\nThe token is yours.",
        "Install it:\n```repl\nx = 1\n```",
        "Like so :-)\n```python\nprint('(')\n```\nand ```sh\n:-)\n```",
        "FINAL_VAR(x)\n```repl\nFINAL_VAR(y)\n```",
    ],
)
def test_an_answer_that_holds_code_stays_whole(text: str) -> None:
    assert parse_reply(f"FINAL('''{text}''')\nThat is all.").final == text
    assert parse_reply(f'So:\n  FINAL("""{text}\n""")').final == f"{text}\n"
    if text.count("(") == text.count(")"):
        parsed = parse_reply(f"FINAL({text})")
        assert (parsed.blocks, parsed.final) == ((), text)


@pytest.mark.parametrize(
    "form",
    [
        "FINAL_VAR(report)",
        "FINAL_VAR(report).",
        "So I return FINAL_VAR(report)",
        "FINAL_VAR (report)",
        "FINAL_VAR(variable_name='report')",
        'FINAL_VAR("report")',
        "  FINAL_VAR( 'report' )",
    ],
)
def test_final_var_becomes_a_block_of_its_own(form: str) -> None:
    assert parse_reply(f"```repl\nreport = 1\n```\n{form}").blocks == ("report = 1", "FINAL_VAR('report')")
    assert parse_reply(form).blocks == ("FINAL_VAR('report')",)
    assert parse_reply(form).final is None


def test_an_empty_reply_asks_for_nothing() -> None:
    assert parse_reply("") == ParsedReply(())


LINES = st.one_of(
    st.sampled_from(
        ["```repl", "```python", "```", "````", "````repl", "  ```py", "  ```", "~~~repl", "~~~", "```json"]
    ),
    st.sampled_from([")", "FINAL_VAR(x)"]),
    st.sampled_from(["x = 1", "  y = (2", '"""', "'''", "\0", "\ud800", "\tz", "if x:", "'\\"]),
    st.text(max_size=12),
)


OTHER_DRESSES = st.sampled_from(
    [
        *(
            "FINAL(",
            "FINAL('''",
            "FINAL(x)",
            "''')",
            "<code>",
            "</code>",
            "<tool_call>",
            "</tool_call>",
            "words ```repl",
        ),
        *("```repl x = 1", "```py title=x", "x = 1```", "print(context)", "print(context)```<|im_end|>", "``` words"),
        *(
            '{"name": "python", "arguments": {"code": "x"}}',
            '{"name": "search"',
            "- ```py",
            "```repl x = 2```",
            "words ```repl",
        ),
        *("<function=python>", "<parameter=code>x</parameter>", "Action: python", "Action Input: x", "[TOOL_CALLS][{"),
    ]
)


@given(st.one_of(st.lists(st.one_of(LINES, OTHER_DRESSES), max_size=16).map("\n".join), st.text(max_size=200)))
@example("```repl\n\ud800\n```\n```repl\n\0\n```")
def test_parsing_never_raises_and_code_is_what_was_written(reply: str) -> None:
    parsed = parse_reply(reply)
    written = reply.replace("\r\n", "\n")
    for block in parsed.blocks:
        assert all(solid(line) in solid(written) for line in block.split("\n")) or block.startswith("FINAL_VAR")
    assert all(line in written for line in parsed.prose.split("\n"))
    assert not parsed.looked_up or parsed.blocks[-1].startswith("FINAL(")


TAME = st.sampled_from(["x = 1", "  y", "", "Words.", "`z` ~~", "a < b", "FINAL", "\u2028", "\t"])
SOME = st.one_of(
    *(st.lists(lines, max_size=3).map("\n".join) for lines in (TAME, TAME, st.one_of(LINES, OTHER_DRESSES)))
)
NEARLY_PLAIN = st.tuples(
    st.one_of(st.just(""), SOME.map(lambda text: f"{text}\n"), SOME),
    st.sampled_from(["```repl\n"] * 6 + ["```repl \n", "```python\n", "````repl\n", "~~~repl\n"]),
    SOME,
    st.sampled_from(["\n```"] * 6 + ["\n```\n", "\n```\nDone.", "\n````", "```"]),
).map("".join)
SHOWN = st.sampled_from([None, "nothing", "```repl\nx = 1\n```", "```repl\n\n```", "- ```repl\n  y\n  ```\n"])


@given(NEARLY_PLAIN, SHOWN)
@example("So:\n```repl\nx = 1\n```", None)
@example("```repl\n    x = 1\n    y\n```", None)
@example("So:\n```repl\nx = 1\n```", "```repl\nx = 1\n```")
@example("FINAL(```repl\nx = 1\n```", None)
@example("<code>\n```repl\nx = 1\n```", None)
def test_a_plain_reply_is_read_as_any_other_is(reply: str, shown: str | None) -> None:
    reply = reply.replace("\r\n", "\n")

    def quotations() -> Quotations | None:
        return None if shown is None else Quotations([Message("user", f"<output 6f>\n{shown}\n</output 6f>")])

    plain = plain_reply(reply, quotations())
    assert plain is None or plain == read_reply(reply, quotations(), {"x"})


@pytest.mark.parametrize("prose", ["", "I count `x`.\n\n", "1. First:\n"])
def test_what_most_replies_are_is_plain(prose: str) -> None:
    plain = plain_reply(f"{prose}```repl\nx = len(context)\nprint('~~~', x < 3)\n```", None)
    assert plain == ParsedReply(("x = len(context)\nprint('~~~', x < 3)",), prose=prose[:-1])


@given(st.lists(st.text(alphabet=st.characters(exclude_characters=f"`~\r\n{NOT_PYTHON}")), min_size=1, max_size=6))
def test_a_block_comes_back_as_it_was_written(lines: list[str]) -> None:
    code = "\n".join(["pass", *lines])
    assume(as_meant(code).code == code)  # where a first line lost its indentation, the others are moved to it
    assert blocks(f"```repl\n{code}\n```") == (code,)


# -- the same rules, written down plainly and without a thought of what they cost

PLAIN_MARK = re.compile(r"(?:repl|python3?|py)\b[^`]*$", re.IGNORECASE)
PLAIN_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>.*)$", re.DOTALL)
PLAIN_FINAL_VAR = re.compile(r"^\s*FINAL_VAR\(\s*[\"']?(\w+)[\"']?\s*\)\s*$", re.MULTILINE)


def plain_blocks(reply: str) -> tuple[list[str], str, bool]:
    """Blocks as they stand, what is outside of them, and whether the last one is open."""
    lines = reply.replace("\r\n", "\n").split("\n")
    blocks: list[str] = []
    prose: list[str] = []
    is_open = False
    at = 0
    while at < len(lines):
        opening = PLAIN_FENCE.match(lines[at])
        ends = plain_ends(lines, at, opening["fence"]) if opening else []
        if opening is None or not PLAIN_MARK.match(opening["info"]):
            closed = bool(ends) and ends[0][1]
            below = ends[0][0] + 1 if closed and opening and "`" not in opening["info"] else at + 1
            prose += lines[at:below]
            at = below
            continue
        whole = [end for end in ends if plain_whole("\n".join(lines[at + 1 : end[0]]))]
        if not ends and (shorter := plain_ends(lines, at, opening["fence"][:3])) and shorter[0][1]:
            ends = whole = [end for end in shorter if plain_whole("\n".join(lines[at + 1 : end[0]]))][:1]
        is_open = not ends
        end, closing = (whole or ends or [(len(lines), True)])[0]
        body = lines[at + 1 : end]
        indent = opening["indent"] if next(filter(str.strip, body), "").startswith(opening["indent"]) else ""
        blocks.append("\n".join(line.removeprefix(indent) for line in body))
        at = end + closing
    return blocks, "\n".join(prose), is_open


def plain_ends(lines: list[str], at: int, fence: str) -> list[tuple[int, bool]]:
    """The lines below that hold a fence at least as long, and whether they close the first one or open another."""
    found = [(end, PLAIN_FENCE.match(lines[end])) for end in range(at + 1, len(lines))]
    of_this_kind = [(end, other) for end, other in found if other and other["fence"].startswith(fence)]
    return [(end, not other["info"].strip()) for end, other in of_this_kind]


def plain_whole(code: str) -> bool:
    """Whether code ends outside of strings and brackets, letter by letter."""
    quote, depth, at = "", 0, 0
    while at < len(code):
        three = code[at : at + 3]
        if quote and code.startswith(quote, at):
            at += len(quote)
            quote = ""
        elif quote:
            if code[at] == "\n" and len(quote) == 1:
                quote = ""
            at += 2 if code[at] == "\\" else 1
        elif three in ("'''", '"""') or code[at] in "'\"":
            quote = three if three in ("'''", '"""') else code[at]
            at += len(quote)
        elif code[at] == "#":
            at = (code + "\n").index("\n", at)
        else:
            depth = max(0, depth + (code[at] in "([{") - (code[at] in ")]}"))
            at += 2 if code[at : at + 2] == "\\\n" else 1
    return len(quote) != 3 and depth == 0


NESTED = st.sampled_from(
    ["```repl", "```", "```", "````", "````py", '\'\' """', '"""', "x = (", ")", "x = 1", "  y", ""]
)
SPACED = st.text("\n \t\x1c\x85\u2028\r", max_size=4)
FINAL_VARS = st.tuples(SPACED, st.just("FINAL_VAR("), SPACED, st.sampled_from(["x", "'x'", '"é_1', "x y"]), SPACED).map(
    "".join
)


@given(
    st.one_of(
        st.lists(LINES, max_size=16).map("\n".join),
        st.lists(NESTED, max_size=24).map("\n".join),
        st.lists(st.one_of(FINAL_VARS, st.just(")"), SPACED, LINES.map(lambda line: f"\n{line}\n")), max_size=8).map(
            "".join
        ),
    )
)
@example("  ```py\n~~~repl\n  y = (2")
def test_the_rules_are_those_that_are_plainly_written_down(reply: str) -> None:
    plain, prose, is_open = plain_blocks(reply)
    parsed = parse_reply(reply)
    assume(not parsed.unmarked)  # a reply that is code as a whole
    code = list(parsed.blocks)
    assume(not parsed.looked_up)
    if found := list(PLAIN_FINAL_VAR.finditer(prose)):
        assume("FINAL" not in prose[found[-1].end() :])
        assert code.pop() == f"FINAL_VAR({found[-1][1]!r})"
    assume(not (is_open and reply.rstrip().endswith(("`", "~"))))  # nearly closed
    assert code == [as_meant(block).code for block in plain]
    assert (parsed.prose, parsed.fence_open) == (prose, is_open)


# -- what reading a reply costs

WEARING: dict[str, Callable[[int], str]] = {
    "blank lines": lambda n: "\n" * n,
    "blank lines, then talk of a variable": lambda n: "\n" * n + "FINAL_VAR(x) it is",
    "variables that are never closed": lambda n: "FINAL_VAR(\n" * n,
    "answers that are never closed": lambda n: "FINAL((\n" * n,
    "answers that close unevenly": lambda n: "FINAL((" + ")\n(" * n,
    "blocks": lambda n: "```repl\nx = 1\n```\n" * n,
    "blocks that are not whole": lambda n: "```repl\nx = (\n```\n" * n,
    "blocks in strings": lambda n: "```repl\n'''\n```\n'''\n```\n" * n,
    "openings without an end": lambda n: "```repl\n" * n,
    "openings without an end, of other fences": lambda n: "```json\n" * n,
    "openings behind words": lambda n: "words ```repl\n" * n,
    "openings behind words, with an end": lambda n: "words ```repl\n" * n + "```",
    "ends behind code": lambda n: "```repl\n(\n" + "x```\n" * n,
    "fences inside of a string": lambda n: "```repl\n'''\n" + "```\n" * n + "'''\n```",
    "strings that are never closed": lambda n: "```repl\n'''\n```\n" * n,
    "other fences, each shorter, above ends behind code": lambda n: (
        "".join(f"{'`' * length}json\n" for length in range(int(n**0.5) + 3, 3, -1))
        + f"x{'`' * (int(n**0.5) + 3)}\n" * n
    ),
    "unmarked fences": lambda n: "```\nprint(context)\n```\n" * n,
    "tags": lambda n: "<code>\nprint(context)\n</code>\n" * n,
    "tags that are never closed": lambda n: "<code>\n" * n,
    "tags around a fence": lambda n: "<code>\n" * n + "~~~\n</code>",
    "calls": lambda n: '{"name": "python", "arguments": {"code": "x"}}\n' * n,
    "heads of calls": lambda n: '{"name": "python",\n' * n,
    "invocations": lambda n: '<invoke name="python">\n<parameter name="code">x</parameter>\n' * n,
    "invocations that are never closed": lambda n: '<invoke name="python">\n<parameter name="code">x\n' * n,
    "code among words": lambda n: "words\nx = context\n" * n,
    "outputs that were made up": lambda n: "```repl\nx = 1\n```\nOutput:\n" * n,
    "quotes for fences": lambda n: "'''python\nx = context\n" * n,
    "answers that hold a fence and never end": lambda n: "FINAL('''\n```repl\n" * n,
    "sessions": lambda n: "```repl\n" + ">>> x = 1\n" * n + "1\n>>> y\n```",
    "odd spaces": lambda n: "```repl\n" + "x\u00a0=\u00a0'a'\n" * n + "```",
    "items of a list in an answer": lambda n: "FINAL(\n" + "1) a (b)\n" * n,
    "fields in an answer": lambda n: "FINAL(" + "{n} " * n + ")",
    "other forms of an answer": lambda n: "final_answer(\n" * n,
    "thoughts below heads": lambda n: "**Thinking:**\n```repl\nFINAL(1)\n```\n**Code:**\n" * n,
    "thoughts in tags": lambda n: "<plan>\n```repl\nx\n```\n</plan>\nFINAL(3)\n" * n,
    "tags of thoughts that are never closed": lambda n: "<plan>\n" * n + "```repl\nFINAL(1)\n```\n" * n,
    "answers that are taken back": lambda n: "FINAL(1)\nno, but so\n" * n + "Wait",
    "a plan of answers": lambda n: "Plan:\n" + "1. FINAL(1)\n" * n,
    "answers on one line": lambda n: "FINAL(1) " * n,
    "tags in a tag": lambda n: "<run_code>" + "<code>\n" * n + "</code></run_code>",
    "commands in commands": lambda n: "```\n" + "python -c 'x = " * n + "'\n```",
    "lines that print": lambda n: "```repl\n" + "print x\n" * n + "```",
    "calls of Python": lambda n: "python(code='x')\n" * n,
    "JSON": lambda n: '{"code": "' + "x = context\\n" * n + '"}',
    "JSON that holds fences": lambda n: '{"a": "' + "```repl\\nx\\n```\\n" * n + '"}',
    "JSON of many strings": lambda n: '["' + 'x = context", "' * n + '"]',
    "fences that are closed by shorter ones": lambda n: "````repl\nx = 1\n```\n" * n,
    "endings without a beginning": lambda n: "```\n" * n,
    "long fences above short ones": lambda n: "``````repl\nx = (\n``````\n" * n + "```\n" * n,
    "each fence shorter than the one before": lambda n: "".join(
        f"{'`' * length}repl\n(\n{'`' * length}\n" for length in range(int(n**0.5) + 3, 3, -1)
    ),
}


HERE = str(Path(reply_parser.__file__).parent)


def steps_of(reply: str) -> int:
    """Instructions that the parser took."""
    steps = 0

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        frame.f_trace_opcodes = True
        return count

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        steps += event == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(enter)
    try:
        parse_reply(reply)
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("wearing", WEARING)
def test_reading_a_reply_takes_time_in_proportion_to_its_length(wearing: str) -> None:
    short, long = WEARING[wearing](30), WEARING[wearing](120)
    assert steps_of(long) <= 1.3 * len(long) / len(short) * steps_of(short)


def test_nested_fences_are_still_seen_in_a_long_reply() -> None:
    code = 'text = """\n' + "```\nA line of a report with as many words as usual.\n" * 5 + '"""\n' + "y = 1\n" * 3_000
    assert blocks(f"```repl\n{code}```\n" * 3) == (code.rstrip("\n"),) * 3
