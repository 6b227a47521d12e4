"""An answer for a person at a terminal: Markdown is drawn, and many citations leave the answer on the screen."""

from __future__ import annotations

import re

from rich.text import Text

from rlm_integrations.core.wording import number
from rlm_integrations.terminal.console import TerminalConsole, words
from rlm_integrations.terminal.markdown import as_markdown
from rlm_integrations.terminal.streams import stdout_is_screen, write_out, write_out_drawn

_HEADING = "\n\nCitations:\n"
_LEAST_LINES = 4
_would_pass_for_the_heading = re.compile(r"citations[^\w:]*+:", re.IGNORECASE)


def print_answer(text: str) -> None:
    """On stdout: the text as it is, but on a terminal that can draw.

    Args:
        text: An answer as `answer_text` writes it, in which the heading of citations stands once.

    Raises:
        OSError: It cannot be written.
    """
    if not stdout_is_screen():
        write_out(text)
        return
    console = TerminalConsole(highlight=False, emoji=False)
    answer, heading, citations = text.partition(_HEADING)
    with console.capture() as drawn:
        markdown = None if _would_pass_for_the_heading.search(answer) else as_markdown(answer)
        if markdown is None:
            console.print(words(answer), soft_wrap=True)
        else:
            console.print(markdown)
        if heading:
            console.print(Text(heading.strip("\n"), style="bold"), new_line_start=True)
            for line in _on_screen(citations.split("\n"), console.width, console.height):
                console.print(words(line), soft_wrap=True)
    write_out_drawn(drawn.get())


def _on_screen(lines: list[str], columns: int, rows: int) -> list[str]:
    """As many of the citations as leave half of the screen to the answer, and how many there are besides."""
    space = max(_LEAST_LINES, rows // 2)
    used = 0
    for shown, line in enumerate(lines):
        used += max(1, -(-len(line) // columns))
        if used > space and shown and len(lines) - shown > 1:
            left = number(len(lines) - shown)
            return [*lines[:shown], f"  … and {left} more: through a pipe (| less), or with --json, all are printed"]
    return lines
