from __future__ import annotations

import io

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlm_integrations.terminal.console import TerminalConsole, name, sentence, words

EVIL = "\x1b]0;title\x9c \x9b2J \u202e \U000e0041"
SHOWN = r"\x1b]0;title\x9c \x9b2J \u202e \U000e0041"


def test_whatever_is_printed_is_made_printable_and_richs_own_sequences_stay() -> None:
    table = Table()
    table.add_column()
    table.add_row(Text(EVIL))
    file = io.StringIO()
    console = TerminalConsole(file=file, width=100, force_terminal=True, color_system="standard", highlight=False)
    for renderable in (EVIL, Text(EVIL, style="bold"), table):
        console.print(renderable)
    with Live(Text(EVIL), console=console, auto_refresh=False) as live:
        live.refresh()
    assert file.getvalue().count(SHOWN) >= 4
    assert not {"\x9c", "\x9b", "\u202e", "\U000e0041"} & set(file.getvalue())
    assert "\x1b]" not in file.getvalue()
    assert "\x1b[1m" in file.getvalue()


@pytest.mark.parametrize(
    ("make", "shown"), [(words, "a\nb\\x1b [bold]"), (name, "a\\nb\\x1b [bold]"), (sentence, "a b\\x1b [bold]")]
)
def test_words_names_and_sentences_are_laid_out_as_they_are_shown(make: object, shown: str) -> None:
    assert callable(make)
    assert make("a\nb\x1b [bold]").plain == shown
