"""rich's Console, made safe for words of models, documents and servers."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from rlm_integrations.terminal.printable import one_line, one_sentence, printable
from rlm_integrations.terminal.streams import ReaderGoneError, progress_stream

_WIDTH = 80


class TerminalConsole(Console):
    """Prints nothing that would steer the terminal but what rich itself adds, wherever the words come from.

    `words` and `name` are for laying out: escapes that this class has to add are not counted in a table's widths.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if not self.width:  # as of COLUMNS=0, which shells without a terminal have: rich would print nothing
            self.width = _WIDTH

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        # called where it was caught; what rich does instead ends the process, and with it a paid run
        raise ReaderGoneError(errno.EPIPE, os.strerror(errno.EPIPE)) from sys.exception()


def progress_console() -> TerminalConsole:
    """On stderr; it never raises what a stream raises."""
    stream = progress_stream()
    forced = None if stream.isatty() else False  # FORCE_COLOR makes no pipe a terminal, whose lines are redrawn
    return TerminalConsole(file=stream, force_terminal=forced, highlight=False, emoji=False)


def words(text: str, style: str = "") -> Text:
    """Somebody's words, of several lines, without markup."""
    return Text(printable(text), style=style)


def name(text: str, style: str = "") -> Text:
    """Somebody's name for something, in one line."""
    return Text(one_line(text), style=style)


def sentence(text: str, style: str = "") -> Text:
    """Somebody's words in one line."""
    return Text(one_sentence(text), style=style)


def without_space_at_end(line: list[Segment]) -> list[Segment]:
    """A line as rich renders it, without the space that a terminal would wrap when it is made narrower."""
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept
