"""How figures are written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.registry import NAMES, group
from benchmarks.report import Report
from benchmarks.row import OURS, Row

BEGINS, ENDS = "<!-- figures: written by a run -->", "<!-- end of figures -->"


def size(mb: float) -> str:
    """A size as a person says it: 10 KB, 100 MB, 1 GB."""
    if mb < 1:
        return f"{mb * 1_000:g} KB"
    return f"{mb / 1_000:g} GB" if mb >= 1_000 else f"{mb:g} MB"


def amount(value: float, unit: str) -> str:
    digits = 0 if not unit or value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines) + "\n"


def tables(report: Report) -> str:
    """A table for each group, and below each what could not be measured."""
    return "\n".join(_table(name, rows) for name, rows in report.groups.items()) + f"\n{report.about}\n"


def _table(name: str, rows: Sequence[Row]) -> str:
    others = list(dict.fromkeys(other for row in rows for other in (*row.beside, *row.missing) if other != OURS))
    bounded = any(row.bound is not None or row.ratio_bound is not None for row in rows)
    compared = any(row.ratio is not None for row in rows)
    header = ["", OURS, *others, *["ratio"] * compared, *["to reach"] * bounded]
    lines = [
        [
            row.name,
            *(_cell(row, each) for each in (OURS, *others)),
            *[_ratio(row)] * compared,
            *[_bound(row)] * bounded,
        ]
        for row in rows
    ]
    return f"### {group(name).title}\n\n{markdown(header, lines)}{_reasons(rows)}"


def _cell(row: Row, who: str) -> str:
    value = row.ours if who == OURS else row.beside.get(who)
    if value is None:
        return "not measured" if who in row.missing else "-"
    written = amount(value, row.unit)
    return f"{written} (missed)" if who == OURS and row.misses else written


def _ratio(row: Row) -> str:
    return "-" if row.ratio is None else f"{row.ratio:.2f}"


def _bound(row: Row) -> str:
    bounds = [amount(row.bound, row.unit)] if row.bound is not None else []
    bounds += [f"{row.ratio_bound:g} times {next(iter(row.beside), '')}"] if row.ratio_bound is not None else []
    return ", ".join(bounds) or "-"


def _reasons(rows: Sequence[Row]) -> str:
    """Each reason once, with the rows it holds for where it is not all of them."""
    found: dict[str, list[str]] = {}
    for row in rows:
        for who, why in row.missing.items():
            found.setdefault(f"{who} was not measured: {why}", []).append(row.name)
    return "".join(f"\n{reason} ({'; '.join(names)})\n" for reason, names in found.items())


def with_figures(page: str, reports: Sequence[Report]) -> str:
    """The page, between the two marks each group as it was measured last. Raises ValueError where a mark is missing."""
    before, begins, rest = page.partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not begins or not ends:
        raise ValueError(f"the page lacks {BEGINS!r}, or {ENDS!r} after it")
    last = {name: report for report in reports for name in report.groups}
    written = [f"{_table(name, last[name].groups[name])}\n{last[name].about}.\n" for name in NAMES if name in last]
    return f"{before}{BEGINS}\n\n" + "\n".join(written) + f"\n{ENDS}{after}"
