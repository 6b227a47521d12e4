from __future__ import annotations

import io
import re
import sys
import textwrap
import tokenize
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rlm_integrations.core.loop import reply_parser
from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply


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
    assert parse_reply(reply) == ParsedReply((), final, reply)


@pytest.mark.parametrize("reply", ["Then I call FINAL(x) and so on.", "FINAL(x) ends.", "FINAL(cut off", "finally (x)"])
def test_talk_of_final_is_no_answer(reply: str) -> None:
    assert parse_reply(reply) == ParsedReply((), None, reply)


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
    assert parse_reply("") == ParsedReply(())


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


# -- the same rules, written down plainly and without a thought of what they cost

PLAIN_OPENING = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?:repl|python3?|py)\b[^`]*$", re.IGNORECASE
)
PLAIN_FINAL_VAR = re.compile(r"^\s*FINAL_VAR\(\s*[\"']?(\w+)[\"']?\s*\)\s*$", re.MULTILINE)


def plain_blocks(reply: str) -> tuple[list[str], str, bool]:
    """Blocks as they stand, what is outside of them, and whether the last one is open."""
    lines = reply.replace("\r\n", "\n").split("\n")
    blocks: list[str] = []
    prose: list[str] = []
    is_open = False
    at = 0
    while at < len(lines):
        opening = PLAIN_OPENING.match(lines[at])
        if opening is None:
            prose.append(lines[at])
            at += 1
            continue
        fence = opening["fence"]
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
        ends = [end for end in range(at + 1, len(lines)) if closing.match(lines[end])][:8]
        whole = [end for end in ends if plain_whole("\n".join(lines[at + 1 : end]))]
        is_open = not ends
        end = (whole or ends or [len(lines)])[0]
        blocks.append("\n".join(line.removeprefix(opening["indent"]) for line in lines[at + 1 : end]))
        at = end + 1
    return blocks, "\n".join(prose), is_open


def plain_whole(code: str) -> bool:
    try:
        list(tokenize.generate_tokens(io.StringIO(textwrap.dedent(code)).readline))
    except (tokenize.TokenError, SyntaxError, ValueError, SystemError):
        return False
    return "\0" not in code


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
        st.lists(st.one_of(FINAL_VARS, st.just(")"), SPACED, LINES), max_size=8).map("".join),
    )
)
def test_the_rules_are_those_that_are_plainly_written_down(reply: str) -> None:
    plain, prose, is_open = plain_blocks(reply)
    parsed = parse_reply(reply)
    code = list(parsed.blocks)
    if variable := PLAIN_FINAL_VAR.search(prose):
        assert code.pop() == f"FINAL_VAR({variable[1]!r})"
    elif len(code) > len(plain):
        assert code.pop().startswith("FINAL(")
        assert re.search(r"^[ \t]*FINAL\(", prose, re.MULTILINE)
    assert code == [textwrap.dedent(block) if block.lstrip("\n")[:1] in (" ", "\t") else block for block in plain]
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
    "endings without a beginning": lambda n: "```\n" * n,
    "long fences above short ones": lambda n: "``````repl\nx = (\n``````\n" * n + "```\n" * n,
    "each fence shorter than the one before": lambda n: "".join(
        f"{'`' * length}repl\n(\n{'`' * length}\n" for length in range(int(n**0.5) + 3, 3, -1)
    ),
}


def steps_of(reply: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Instructions that the parser took, and characters that it gave to the tokenizer."""
    steps = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal steps
        if frame.f_code.co_filename != reply_parser.__file__:
            return None
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return count

    def whole(code: str) -> bool:
        nonlocal steps
        steps += len(code)
        return code.count("(") == code.count(")") and code.count("'''") % 2 == 0

    monkeypatch.setattr(reply_parser, "_whole", whole)
    before = sys.gettrace()
    sys.settrace(count)
    try:
        parse_reply(reply)
    finally:
        sys.settrace(before)
    return steps


@pytest.mark.parametrize("wearing", WEARING)
def test_reading_a_reply_takes_time_in_proportion_to_its_length(wearing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = WEARING[wearing](100), WEARING[wearing](400)
    assert steps_of(long, monkeypatch) <= 1.3 * len(long) / len(short) * steps_of(short, monkeypatch)


# The tokenizer of Python 3.11 takes the square of such lines' length
LONG_LINES = ["(" + " " * 30_000 + "$", "(" + "\\'" * 30_000]


@pytest.mark.parametrize("code", ["x = (1,\n" * 50 + "x", *LONG_LINES])
def test_however_long_a_reply_is_no_more_than_so_much_of_it_is_tokenized(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenized = 0

    def whole(code: str) -> bool:
        nonlocal tokenized
        tokenized += sum(len(line) * max(1, len(line) // 100) for line in code.split("\n"))
        return False

    monkeypatch.setattr(reply_parser, "_whole", whole)
    count = 1_000_000 // len(code)
    parsed = parse_reply(f"```repl\n{code}\n```\n" * count)
    assert tokenized <= 500_000
    assert parsed.blocks == (code,) * count


def test_nested_fences_are_still_seen_in_a_long_reply() -> None:
    code = 'text = """\n' + "```\nA line of a report with as many words as usual.\n" * 5 + '"""\n' + "y = 1\n" * 3_000
    assert blocks(f"```repl\n{code}```\n" * 3) == (code.rstrip("\n"),) * 3


def test_no_pattern_backtracks() -> None:
    patterns = [value.pattern for value in vars(reply_parser).values() if isinstance(value, re.Pattern)]
    assert len(patterns) == 5
    for pattern in patterns:
        plain = re.sub(r"\\.|\[[^]]*\]|\(\?(?:P<\w+>|:)", "c", pattern)  # escapes, sets and the heads of groups
        assert re.findall(r"(?:[*+?]|\{\d+,?\d*\})(?!\+)", re.sub(r"(?:[*+?]|\})\+", "", plain)) == []
