"""A run while it goes on, in a few short lines for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from rlm_integrations.terminal.amounts import SubCallCounts, duration
from rlm_integrations.terminal.run_lines import child_line
from rlm_integrations.terminal.run_view import RunView

_BAR_CELLS = 20
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_ASCII_SPINNER = "|/-\\"
_MOST_CHILDREN = 8


def panel(view: RunView, seconds: float, retries: str = "", *, ascii_only: bool = False) -> Table:
    """The run so far, for a terminal of any width."""
    frames = _ASCII_SPINNER if ascii_only else _SPINNER
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "run": view.iteration_name if view.iteration else "",
        "now": f"{frames[int(seconds * 8) % len(frames)]} {view.phase}",
        "sub-calls": str(view.sub_calls) if view.sub_calls != SubCallCounts() else "",
        "pace": _pace(view, ascii_only=ascii_only),
        "children": _children(view),
        "retries": retries,
        "tokens": view.tokens if (view.usage + view.replayed).total_tokens else "",
        "cost": view.cost,
        "elapsed": duration(seconds),
    }
    for label, value in rows.items():
        if value:
            table.add_row(label, Text(value))
    return table


def _pace(view: RunView, *, ascii_only: bool) -> str:
    """A bar, and how fast it moves. Empty where a single sub-call is waited for."""
    done, total = view.pending
    if total < 2:
        return ""
    full, empty = ("#", ".") if ascii_only else ("━", "─")
    filled = _BAR_CELLS * done // total
    bar = full * filled + empty * (_BAR_CELLS - filled)
    if not view.rate:
        return bar
    return f"{bar} {view.rate:.1f}/s, {duration((total - done) / view.rate)} left"


def _children(view: RunView) -> str:
    """Child RLMs at work, a line each, parents before theirs; of many the first."""
    lines = [child_line(*item) for item in sorted(view.children.items())]
    more = len(lines) - _MOST_CHILDREN
    return "\n".join([*lines[:_MOST_CHILDREN], *([f"and {more} more"] if more > 0 else [])])
