"""FINAL(...) and FINAL_VAR(...) in prose: what is a text, and what is code."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply


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
