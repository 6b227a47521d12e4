"""Runs that were kept, for each kind of machine: what became worse since the last, and the course of each row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Report
from benchmarks.row import Row

FOLDER = Path(__file__).parent / "history"
WORSE = 1.3
"""More than this times what it was: said to be worse."""
LEAST = {"ms": 0.05, "s": 0.05, "MB": 5.0, "KB": 1.0, "": 0.5}
"""By units: differences below this are noise of the clock."""


def keep(report: Report, folder: Path = FOLDER) -> Path:
    """Append it, a line of JSON."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{report.machine}.jsonl"
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report.to_json()) + "\n")
    return path


def kept(machine: str, folder: Path = FOLDER) -> list[Report]:
    """Those of such a machine, the oldest first."""
    path = folder / f"{machine}.jsonl"
    if not path.exists():
        return []
    return [Report.from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def last_rows(reports: list[Report]) -> dict[tuple[str, str], tuple[Row, Report]]:
    """Each row by group and name, as it was measured last: runs of some groups are kept too."""
    return {(name, row.name): (row, each) for each in reports for name, rows in each.groups.items() for row in rows}


def regressions(now: Report, reports: list[Report]) -> Iterator[str]:
    """A line for each row that became worse.

    Where something stood beside it both times, ratios are compared, since a slower machine slows both down;
    else the figures themselves.
    """
    before = last_rows(reports)
    for name, rows in now.groups.items():
        for row in rows:
            was, when = before.get((name, row.name), (None, None))
            if was is None or when is None or was.ours is None:
                continue
            if row.ours is None:
                yield f"not measured any more: {name}: {row.name}"
                continue
            by, how = _worse_by(row, was)
            if by > WORSE and row.ours - was.ours > LEAST[row.unit]:
                word = "larger" if row.unit in ("MB", "KB", "") else "slower"
                much = f" by {(by - 1) * 100:.0f} % than" if was.ours else ", where it was 0"
                busy = ", and a machine was busy" if now.was_busy or when.was_busy else ""
                yield f"{word}{much} on {when.at[:10]} ({how}{busy}): {name}: {row.name}"


def _worse_by(row: Row, was: Row) -> tuple[float, str]:
    if row.ratio and was.ratio and next(iter(row.beside)) == next(iter(was.beside)):
        return row.ratio / was.ratio, f"beside {next(iter(row.beside))}"
    if not was.ours:
        return (float("inf") if row.ours else 1.0), "in itself"
    return (row.ours or 0.0) / was.ours, "in itself"


@dataclass(frozen=True)
class Course:
    """A row over several runs, the oldest first."""

    row: str
    unit: str
    beside: str | None
    """What stood beside it in all of these runs, and what its ratios are to; None: the figures are its own."""
    at: Sequence[int]
    """Which of the runs measured it."""
    figures: Sequence[float]
    """This engine's, in `unit`."""
    times: Sequence[float]
    """How many times what it was in the first of these runs: the ratio, or the figure where nothing stands beside."""

    @property
    def moved(self) -> bool:
        """Whether it did, either way, by more than is told from noise."""
        return max(self.times) / min(self.times) > WORSE and max(self.figures) - min(self.figures) > LEAST[self.unit]


def courses(reports: Sequence[Report]) -> dict[str, list[Course]]:
    """By groups, of each row that was measured in two runs at least; what became worst comes first."""
    points: dict[str, dict[str, list[tuple[int, Row]]]] = {}
    for at, report in enumerate(reports):
        for name, rows in report.groups.items():
            for row in rows:
                if row.ours is not None:
                    points.setdefault(name, {}).setdefault(row.name, []).append((at, row))
    found = {name: [_course(each) for each in of.values() if len(each) > 1] for name, of in points.items()}
    return {name: sorted(of, key=lambda course: -course.times[-1]) for name, of in found.items() if of}


def most_moved(of: Sequence[Course], count: int) -> list[Course]:
    """Those that moved, in their order; where they are more than `count`, those that did so most."""
    moved = sorted((course for course in of if course.moved), key=lambda course: max(course.times) / min(course.times))
    chosen = {course.row for course in moved[-count:]}
    return [course for course in of if course.row in chosen]


def _course(points: Sequence[tuple[int, Row]]) -> Course:
    rows = [row for _, row in points]
    figures = [row.ours or 0.0 for row in rows]
    first_beside = {next(iter(row.beside), None) for row in rows}
    beside = first_beside.pop() if len(first_beside) == 1 and all(row.ratio for row in rows) else None
    # a nought has no ratio to what it becomes: it counts as the least that is told from it
    scale = [row.ratio or 0.0 if beside else row.ours or LEAST[row.unit] for row in rows]
    return Course(
        rows[0].name, rows[0].unit, beside, [at for at, _ in points], figures, [each / scale[0] for each in scale]
    )
