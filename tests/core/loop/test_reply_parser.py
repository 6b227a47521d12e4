"""Replies, as models write them."""

from __future__ import annotations

import pytest

from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply

from .replies import blocks


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


def test_an_empty_reply_asks_for_nothing() -> None:
    assert parse_reply("") == ParsedReply(())


def test_nested_fences_are_still_seen_in_a_long_reply() -> None:
    code = 'text = """\n' + "```\nA line of a report with as many words as usual.\n" * 5 + '"""\n' + "y = 1\n" * 3_000
    assert blocks(f"```repl\n{code}```\n" * 3) == (code.rstrip("\n"),) * 3
