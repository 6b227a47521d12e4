"""Markdown as a terminal can show it, without losing a character that may have been meant as it is."""

from __future__ import annotations

from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown
from rich.segment import Segment

from rlm_integrations.terminal.console import without_space_at_end
from rlm_integrations.terminal.printable import printable

_LEFT_AS_THEY_ARE = [
    "autolink", "blockquote", "entity", "escape", "html_block", "html_inline", "image", "lheading", "link", "reference",
]  # fmt: skip
"""What hides or drops something: an address, a backslash, a note that looks like a definition."""
_PLAIN = frozenset({"paragraph_open", "paragraph_close", "inline", "text", "softbreak", "hardbreak"})


class _Whole:
    def __init__(self, parts: RenderResult) -> None:
        self._parts = parts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._parts


class _Parsed(Markdown):
    def __init__(self, tokens: list[Token]) -> None:
        super().__init__("", code_theme="ansi_dark", hyperlinks=False)
        self.parsed = tokens

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in Segment.split_lines(console.render(_Whole(super().__rich_console__(console, options)), options)):
            yield from without_space_at_end(line)
            yield Segment.line()


def as_markdown(text: str) -> Markdown | None:
    """The text drawn as Markdown; None where there is nothing in it to draw. Line breaks stay where they are."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(_LEFT_AS_THEY_ARE)
    tokens = parser.parse(printable(text))
    for token in tokens:
        if token.children:
            token.children = list(map(_kept, token.children))
    return None if all(token.type in _PLAIN for token in _all(tokens)) else _Parsed(tokens)


def _kept(token: Token) -> Token:
    """Single stars and underscores may be signs of a formula or of a name."""
    if token.type in ("em_open", "em_close"):
        return Token("text", "", 0, content=token.markup)
    return Token("hardbreak", "br", 0) if token.type == "softbreak" else token


def _all(tokens: Iterable[Token]) -> Iterable[Token]:
    for token in tokens:
        yield token
        yield from token.children or ()
