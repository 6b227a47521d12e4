"""`make bench`: what this engine costs, beside what else there is, in one run on one machine.

python -m benchmarks                          all of it (some minutes, on a machine that does nothing else)
python -m benchmarks --group sub_calls loop   some groups
python -m benchmarks --keep                   and keep the figures: in history/, and in the README's tables
python -m benchmarks --quick                  hardly any of anything: to see that it works
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import history
from benchmarks.engines.contenders import PEERS_PYTHON
from benchmarks.fresh_process import ROOT, rows_of
from benchmarks.registry import NAMES, Scale, group, measured
from benchmarks.report import BUSY, Report
from benchmarks.row import OURS, Row
from benchmarks.table import tables, with_figures

README = Path(__file__).parent / "README.md"
Measure = Callable[[str, str, Scale], list[Row]]


def main(arguments: Sequence[str] | None = None) -> None:
    asked = _parser().parse_args(arguments)
    load = os.getloadavg()[0]
    if load > BUSY:
        _tell(f"load {load:.1f}: this machine does something else, so times are of little meaning")
    if asked.quick:
        _tell("--quick: sizes are a small part of what the rows say")
    scale = Scale(asked.quick, not asked.without_peers)
    names = asked.group or [name for name in NAMES if not scale.quick or group(name).in_quick]
    # one process for all of a quick run: its figures mean nothing, and imports take longer than what is measured
    report = Report.of({name: _rows(name, scale, measured if scale.quick else rows_of) for name in names}, load)
    sys.stdout.write(tables(report))
    folder = asked.out or Path("build", "bench-quick" if scale.quick else "bench")
    folder.mkdir(parents=True, exist_ok=True)
    written = json.dumps(report.to_json(), indent=1) + "\n"
    (folder / "rows.json").write_text(written, encoding="utf-8")
    if scale.quick:
        return
    before = history.kept(report.machine)
    _compare(report, before)
    if asked.keep:
        _tell(f"kept in {history.keep(report).relative_to(ROOT)}")
        README.write_text(with_figures(README.read_text(encoding="utf-8"), [*before, report]), encoding="utf-8")
    _draw(folder)
    missing = [name for name, rows in report.groups.items() if any(OURS in row.missing for row in rows)]
    if missing:
        raise SystemExit(f"not all could be measured: {', '.join(missing)}")


def _rows(name: str, scale: Scale, measure: Measure) -> list[Row]:
    rows: list[Row] = []
    for each in group(name).measurements:
        _tell(f"{name}: {each.__name__}")
        rows += measure(name, each.__name__, scale)
    return rows


def _compare(report: Report, before: Sequence[Report]) -> None:
    if not before:
        sys.stdout.write("\nNo run on such a machine was kept to compare with (--keep).\n")
        return
    lines = list(history.regressions(report, list(before)))
    sys.stdout.write("\n" + "\n".join(lines or [f"nothing is worse by more than {history.WORSE - 1:.0%}"]) + "\n")


def _draw(folder: Path) -> None:
    """matplotlib is of the environment of the peers alone."""
    if PEERS_PYTHON.exists():
        subprocess.run([PEERS_PYTHON, "-m", "benchmarks.charts", str(folder.resolve())], check=True, cwd=ROOT)
    else:
        _tell("no charts: `make bench` installs what draws them")


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--group", nargs="+", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--quick", action="store_true", help="all in one process, at the smallest")
    parser.add_argument("--without-peers", action="store_true", help="this engine alone")
    parser.add_argument("--keep", action="store_true", help="append to history/, and write the README's tables")
    parser.add_argument("--out", type=Path, help="folder for rows.json and charts (default: build/bench)")
    return parser


if __name__ == "__main__":
    main()
