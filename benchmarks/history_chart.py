"""The rows of this engine over the runs that were kept, and the last run: a panel a group. Needs matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.history import WORSE, Course, courses, most_moved
from benchmarks.report import Report
from benchmarks.table import amount

matplotlib.use("Agg")
from matplotlib import pyplot

_MOST_NAMED = 10
"""Lines of a panel that have a colour and a name: as many as can be told apart."""
_MOST_TICKS = 12
_LINE, _PANEL = 0.17, 1.3
"""Inches: of a name, and of a panel that has none."""


def draw_history(reports: Sequence[Report], folder: Path) -> Path | None:
    """Each row as times of what it was in the first run that has it, on a log scale. None: no row has two runs.

    Rows that moved are named; the others are thin and grey, so that many can be seen at once.
    """
    found = courses(reports)
    if not found:
        return None
    heights = [max(_PANEL, 0.5 + _LINE * (len(most_moved(of, _MOST_NAMED)) + 2)) for of in found.values()]
    figure, axes = pyplot.subplots(
        len(found),
        figsize=(12, sum(heights) + 1.2),
        height_ratios=heights,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (name, of) in zip(axes.flat, found.items(), strict=True):
        _panel(axis, name, of)
    _name_runs(axes.flat[-1], reports)
    last = reports[-1]
    title = f"Rows as times of what they were at first; below 1 is better. The last run: {last.about}"
    figure.suptitle(textwrap.fill(title, 130), fontsize=9)
    path = folder / "history.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def told(course: Course) -> str:
    """A line of the legend."""
    beside = f", beside {course.beside}" if course.beside else ""
    first, last = (amount(figure, course.unit) for figure in (course.figures[0], course.figures[-1]))
    return f"{course.times[-1]:.2f} times: {textwrap.shorten(course.row, 60)} ({first} to {last}{beside})"


def _panel(axis: Any, name: str, of: Sequence[Course]) -> None:
    coloured = most_moved(of, _MOST_NAMED)
    axis.axhspan(1 / WORSE, WORSE, color="0.93")
    for course in of:
        if course not in coloured:
            axis.plot(course.at, course.times, color="0.6", linewidth=0.6)
    colours = pyplot.get_cmap("tab10").colors
    for colour, course in zip(colours, coloured, strict=False):
        axis.plot(course.at, course.times, color=colour, marker="o", markersize=4, label=told(course))
    if len(of) > len(coloured):
        axis.plot(
            [], [], color="0.6", linewidth=0.6, label=f"{len(of) - len(coloured)} rows that moved less, or not at all"
        )
    axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=7, borderaxespad=0, frameon=False)
    axis.set_yscale("log")
    low, high = axis.get_ylim()
    axis.set_ylim(min(low, 0.5), max(high, 2))
    axis.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.tick_params(labelsize=7)
    axis.set_title(name, fontsize=9, loc="left")
    axis.grid(alpha=0.25)


def _name_runs(axis: Any, reports: Sequence[Report]) -> None:
    """The date and version of each, or of some where there are many; the last always."""
    every = -(-len(reports) // _MOST_TICKS)
    places = [at for at in range(len(reports)) if (len(reports) - 1 - at) % every == 0]
    axis.set_xticks(places, [run_named(reports[at]) for at in places], fontsize=7)
    axis.set_xlim(-0.3, len(reports) - 0.7)


def run_named(report: Report) -> str:
    """Below its place on the axis."""
    return "\n".join([report.at[:16].replace("T", " "), report.version, *["(busy)"] * report.was_busy])
