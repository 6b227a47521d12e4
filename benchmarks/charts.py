"""A chart a group, and one of the runs that were kept: python -m benchmarks.charts FOLDER, which has a rows.json.

Needs matplotlib.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.history import FOLDER, kept
from benchmarks.history_chart import draw_history
from benchmarks.report import Report
from benchmarks.row import OURS, Row

matplotlib.use("Agg")
from matplotlib import pyplot

_HEIGHT, _WIDTH = 0.24, 9


def draw(name: str, report: Report, earlier: Sequence[Report], folder: Path) -> Path:
    """Bars on a log scale: each row of this engine, of what stands beside it, and what it was in the run kept last."""
    rows = [row for row in report.groups[name] if (row.ours or 0) > 0]
    was = {row.name: row.ours for each in earlier for row in each.groups.get(name, ()) if row.ours}
    bars = [_bars(row, was.get(row.name)) for row in rows]
    labels = list(dict.fromkeys(label for each in bars for label in each))
    figure, axis = pyplot.subplots(figsize=(_WIDTH, 1.4 + _HEIGHT * sum(len(each) + 1 for each in bars)))
    colours = dict(zip(labels, pyplot.get_cmap("tab10").colors, strict=False))
    place, ticks = 0.0, []
    for row, each in zip(rows, bars, strict=True):
        ticks.append((place + (len(each) - 1) / 2, f"{textwrap.fill(row.name, 44)} [{row.unit or 'count'}]"))
        for label, value in each.items():
            axis.barh(place, value, height=0.9, color=colours[label], label=label)
            axis.annotate(f" {value:,.3g}", (value, place), va="center", fontsize=7)
            place += 1
        if row.bound:
            axis.plot([row.bound] * 2, [place - len(each) - 0.5, place - 0.5], color="black", label="to reach")
        place += 1
    _dress(axis, ticks, f"{name}: {report.about}")
    path = folder / f"{name}.png"
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)
    return path


def _bars(row: Row, was: float | None) -> dict[str, float]:
    return {OURS: row.ours or 0.0, **({"as kept last": was} if was else {}), **row.beside}


def _dress(axis: Any, ticks: list[tuple[float, str]], title: str) -> None:
    axis.set_xscale("log")
    axis.margins(x=0.12)
    axis.set_yticks([at for at, _ in ticks], [label for _, label in ticks], fontsize=8)
    axis.invert_yaxis()
    handles = dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    axis.legend(handles.values(), handles.keys(), fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncol=4)
    axis.set_xlabel(textwrap.fill(title, 100), fontsize=8)


def main(folder: Path, history: Path = FOLDER) -> None:
    report = Report.from_json(json.loads((folder / "rows.json").read_text(encoding="utf-8")))
    # a run that was just kept is the last one itself
    earlier = [each for each in kept(report.machine, history) if each.at != report.at]
    for name, rows in report.groups.items():
        if any((row.ours or 0) > 0 for row in rows):
            sys.stdout.write(f"{draw(name, report, earlier, folder)}\n")
    over_runs = draw_history([*earlier, report], folder)
    if over_runs:
        sys.stdout.write(f"{over_runs}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
