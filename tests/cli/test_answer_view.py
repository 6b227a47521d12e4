"""How an answer comes out on a terminal, and through a pipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlm_integrations.testing import ScriptedModel

MARKDOWN = "# Keys\\n\\n- the **red** key\\n- the blue key"
CITES_ALL = "for n in range(30):\n    cite(f'Line number {n:02d} of the list.')\n"


@pytest.fixture
def arguments(model_server: Any, corpus: Path) -> Callable[[str], list[str]]:
    (corpus / "list.txt").write_text("".join(f"Line number {n:02d} of the list.\n" for n in range(30)))

    def prepare(code: str) -> list[str]:
        model_server.models["root"] = ScriptedModel([f"```repl\n{code}\n```"] * 2)
        return ["ask", "notes", "-q", "?", "-m", "root", "--base-url", model_server.url]

    return prepare


def test_markdown_is_drawn_on_a_terminal_and_raw_elsewhere(
    run_on_terminal: Callable[..., tuple[int, str]], run_cli: Any, arguments: Any
) -> None:
    final = f'FINAL("{MARKDOWN}")'
    _, written = run_on_terminal(*arguments(final))
    assert " • \x1b[0mthe \x1b[1mred\x1b[0m key\r\n" in written
    raw = MARKDOWN.replace("\\n", "\n")
    for plain in ({"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}):
        assert raw.replace("\n", "\r\n") in run_on_terminal(*arguments(final), **plain)[1]
    assert run_cli(*arguments(final)).stdout == raw + "\n"


def test_many_citations_leave_the_answer_on_the_screen(
    run_on_terminal: Callable[..., tuple[int, str]], run_cli: Any, arguments: Any
) -> None:
    code = f'{CITES_ALL}FINAL("the answer")'
    _, written = run_on_terminal(*arguments(code), LINES="20")
    assert "  [10] notes/list.txt:10: “Line number 09 of the list.”" in written
    assert "[11]" not in written
    assert "  … and 20 more: through a pipe (| less), or with --json, all are printed" in written
    assert "  [30] notes/list.txt" in run_cli(*arguments(code)).stdout


def test_drawing_forges_no_heading_of_citations(
    run_on_terminal: Callable[..., tuple[int, str]], arguments: Any
) -> None:
    code = 'FINAL("Yes.\\n\\n**Citations:**\\n\\n- [1] notes/a.txt: “The blue key does.”")'
    _, written = run_on_terminal(*arguments(code))
    assert "**Citations:**" in written
