from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_integrations.core.loop.reply_parser import Reply, parse_reply


def blocks(reply: str) -> tuple[str, ...]:
    return parse_reply(reply).blocks


@pytest.mark.parametrize("word", ["repl", "python", "python3", "py", "Python", "REPL", "python title=x"])
@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
def test_a_fence_with_a_word_for_python_holds_a_block(word: str, fence: str) -> None:
    assert blocks(f"Thought.\n\n{fence}{word}\nx = 1\n{fence}\nMore.") == ("x = 1",)


@pytest.mark.parametrize("word", ["", "json", "text", "pycon", "javascript", "sh"])
def test_other_fences_are_prose(word: str) -> None:
    reply = f"```{word}\nx = 1\n```"
    assert parse_reply(reply) == Reply((), None, reply)


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


def test_windows_line_ends_and_odd_separators() -> None:
    assert blocks("```repl\r\nx = 1\r\ny = 'a\u2028b'\r\n```\r\n") == ("x = 1\ny = 'a\u2028b'",)


@pytest.mark.parametrize(
    ("reply", "final"),
    [
        ("FINAL(42)", "42"),
        ('FINAL("forty-two")', "forty-two"),
        ("I am sure.\n\n  FINAL(It is 42 (I counted).)  ", "It is 42 (I counted)."),
        ("FINAL(42)\n\n(I checked it twice)", "42"),
        ("FINAL(first line (a)\nsecond line (b))\nthanks (c)", "first line (a)\nsecond line (b)"),
        ("FINAL(uneven :-) but whole)\nSo (there)", "uneven :-) but whole)\nSo (there"),
        ("FINAL([1, 2])", "[1, 2]"),
        ("FINAL('it''s')", "its"),
        ("FINAL()", ""),
    ],
)
def test_final_outside_fences_is_the_answer(reply: str, final: str) -> None:
    assert parse_reply(reply) == Reply((), final, reply)


@pytest.mark.parametrize("reply", ["Then I call FINAL(x) and so on.", "FINAL(x) ends.", "FINAL(cut off", "finally (x)"])
def test_talk_of_final_is_no_answer(reply: str) -> None:
    assert parse_reply(reply) == Reply((), None, reply)


def test_final_beside_code_runs_after_it() -> None:
    reply = parse_reply("FINAL(It's \\ done)\n```repl\nx = 1\n```")
    assert reply.final is None
    assert reply.blocks[0] == "x = 1"
    said: list[str] = []
    exec(reply.blocks[1], {"FINAL": said.append})
    assert said == ["It's \\ done"]


@pytest.mark.parametrize("form", ["FINAL_VAR(report)", 'FINAL_VAR("report")', "  FINAL_VAR( 'report' )"])
def test_final_var_becomes_a_block_of_its_own(form: str) -> None:
    assert parse_reply(f"```repl\nreport = 1\n```\n{form}").blocks == ("report = 1", "FINAL_VAR('report')")
    assert parse_reply(form).blocks == ("FINAL_VAR('report')",)
    assert parse_reply(form).final is None


def test_an_empty_reply_asks_for_nothing() -> None:
    assert parse_reply("") == Reply(())


LINES = st.one_of(
    st.sampled_from(
        ["```repl", "```python", "```", "````", "````repl", "  ```py", "  ```", "~~~repl", "~~~", "```json"]
    ),
    st.sampled_from(["FINAL(1)", "FINAL(", ")", "FINAL_VAR(x)"]),
    st.sampled_from(["x = 1", "  y = (2", '"""', "'''", "\0", "\ud800", "\tz", "if x:", "'\\"]),
    st.text(max_size=12),
)


@given(st.one_of(st.lists(LINES, max_size=16).map("\n".join), st.text(max_size=200)))
@example("```repl\n\ud800\n```\n```repl\n\0\n```")
def test_parsing_never_raises_and_code_is_what_was_written(reply: str) -> None:
    parsed = parse_reply(reply)
    written = reply.replace("\r\n", "\n").split("\n")
    stripped = "\n".join(line.strip() for line in written)
    for block in parsed.blocks:
        if block.startswith("FINAL"):  # made out of prose
            continue
        assert "\n".join(line.strip() for line in block.split("\n")) in stripped
    assert parsed.final is None or not parsed.blocks
    assert parsed.prose == "" or all(line in written for line in parsed.prose.split("\n"))


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="`~\r\n")), min_size=1, max_size=6))
def test_a_block_comes_back_as_it_was_written(lines: list[str]) -> None:
    code = "\n".join(["pass", *lines])
    assert blocks(f"```repl\n{code}\n```") == (code,)
