"""Rows summed up: a cell for each family, length and method, and a markdown table of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

from evals.grid import Row
from evals.statistics import Mean, mean_of

BY_CODE, BY_READING = "found or counted by code", "told only by reading"
"""Groups of families. They are summed up apart: those that only reading tells are not made as long."""


class Cell(NamedTuple):
    """One method at one length."""

    score: Mean
    truncated: float
    """The share of tasks whose texts were cut to fit, or did not fit at all: no error of reading."""
    failed: float
    """The share without an answer for another reason."""
    tokens: float
    """On average, input and output of all calls."""
    calls: float
    seconds: float


def cells(rows: Sequence[Row]) -> dict[tuple[str, int, str], Cell]:
    """By family, length and method; and by group, length and method."""
    groups: dict[tuple[str, int, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.family, row.tokens, row.method].append(row)
        groups[group_of(row.family), row.tokens, row.method].append(row)
    return {key: _cell(group) for key, group in groups.items()}


def group_of(family: str) -> str:
    return BY_READING if "by meaning" in family else BY_CODE


def _cell(rows: Sequence[Row]) -> Cell:
    by_seed: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_seed[row.seed].append(row.score)

    def share(holds: Callable[[Row], bool]) -> float:
        return fmean(holds(row) for row in rows)

    return Cell(
        mean_of([fmean(scores) for scores in by_seed.values()], most=1.0),
        share(lambda row: row.status in ("truncated", "too_long")),
        share(lambda row: row.status in ("failed", "limit", "skipped")),
        fmean(row.input_tokens + row.output_tokens for row in rows),
        fmean(row.calls for row in rows),
        fmean(row.seconds for row in rows),
    )


def markdown(rows: Sequence[Row], reader: str) -> str:
    """Scores in percent with their intervals; † marks a cell whose texts were cut to fit."""
    found = cells(rows)
    methods = list(dict.fromkeys(row.method for row in rows))
    keys = dict.fromkeys((family, tokens) for family, tokens, _ in found)
    places = {key: place for place, key in enumerate(keys)}
    order = sorted(keys, key=lambda key: (key[0] in (BY_CODE, BY_READING), key[0] == BY_READING, places[key]))
    lines = [f"| {reader} | tokens | {' | '.join(methods)} |", "|---" * (len(methods) + 2) + "|"]
    for family, tokens in order:
        told = [_told(found.get((family, tokens, method))) for method in methods]
        lines.append(f"| {family} | {tokens:,} | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _told(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    mark = "†" if cell.truncated else ""
    interval = cell.score.interval
    within = "" if interval is None else f" ({round(100 * interval[0])}–{round(100 * interval[1])})"
    return f"{round(100 * cell.score.mean)}{within}{mark}"
