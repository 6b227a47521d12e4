from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlm_integrations.terminal.console import TerminalConsole
from rlm_integrations.terminal.markdown import as_markdown

EVERYTHING = """# What was decided

Three things, **all** of `2*3*4` and *then* some_name_here:

1. One <b>thing</b> &amp; C:\\_x
2. [a page](http://a.b/c) and ![p](q)

| who | what |
|---|---|
| Ada | no |

[1]: notes/a.txt
> quoted
"""


def drawn(text: str, width: int = 80) -> str:
    console = TerminalConsole(file=io.StringIO(), width=width, record=True, highlight=False, emoji=False)
    markdown = as_markdown(text)
    assert markdown is not None
    console.print(markdown)
    return console.export_text()


def test_what_is_markdown_is_drawn_and_nothing_is_lost() -> None:
    shown = drawn(EVERYTHING)
    for words in (
        "What was decided",
        "Three things, all of 2*3*4 and *then* some_name_here:",
        "1 One <b>thing</b> &amp; C:\\_x",
        "2 [a page](http://a.b/c) and ![p](q)",
        "[1]: notes/a.txt\n> quoted",
    ):
        assert words in shown
    assert "# What" not in shown
    assert "|---|" not in shown


@pytest.mark.parametrize("text", ["plain", "two\nlines", "2*3*4 = 24", "a_b_c", "<b>", "x [1] y", "", "\n\n"])
def test_what_is_no_markdown_stays_text(text: str) -> None:
    assert as_markdown(text) is None


def test_line_breaks_stay_where_they_are() -> None:
    assert "two: a\nthree: b\n" in drawn("- list\n\ntwo: a\nthree: b")


@given(
    st.lists(st.sampled_from(["word", "`a`", "**b**", "*", "_", "~", "[x](y)", "<i>", "\\", "&lt;", "\x1b[2J", "\n"]))
)
def test_letters_are_kept_whatever_stands_around_them(parts: list[str]) -> None:
    text = "- item\n\n" + " ".join(parts)
    kept = "".join(char for char in drawn(text, 400) if char.isalnum())
    assert kept == "item" + "".join(c for c in text.replace("\x1b", "x1b")[8:] if c.isalnum())
