"""What holds for each reply: reading never raises, and the rules are those that are plainly written down here."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rlm_integrations.core.language_model import Message
from rlm_integrations.core.loop.quotations import Quotations
from rlm_integrations.core.loop.reply_parser import ParsedReply, parse_reply, plain_reply, read_reply
from rlm_integrations.core.loop.written_code import as_meant

from .replies import blocks

NOT_PYTHON = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\u200b\u2060\ufeff"
"""Characters that no Python holds outside of its strings."""


def solid(text: str) -> str:
    """The text without anything blank or invisible."""
    return re.sub(rf"[\s{NOT_PYTHON}]", "", text)


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
