"""`make bench`: this engine beside its peers, in one run on one machine. Prints a markdown table of medians.

python benchmarks/bench.py [--quick] [--without-peers] [--only MEASUREMENT ...]
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence

from fresh_process import PEERS_PYTHON, CouldNotRunError, measure, measure_scale
from rows import CONTENDERS, ROWS, SCALE_ROWS, THIS_ENGINE, Contender, Row, ScaleRow, quick, quick_scale
from table import amount, markdown, size


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size: for seeing that it works")
    parser.add_argument("--without-peers", action="store_true")
    parser.add_argument("--only", nargs="+", choices=_names(), metavar="MEASUREMENT")
    asked = parser.parse_args(arguments)
    rows = [quick(row) if asked.quick else row for row in ROWS if not asked.only or row.measurement in asked.only]
    contenders = [each for each in CONTENDERS if not (asked.without_peers and each.peer)]
    reasons: dict[str, list[str]] = {}
    lines = [_line(row, contenders, reasons) for row in rows]
    for row in (
        quick_scale(row) if asked.quick else row for row in SCALE_ROWS if not asked.only or row.name in asked.only
    ):
        lines += _scale_lines(row, len(contenders) - 1, reasons)
    header = ["", *(each.name for each in contenders), "to reach"]
    sys.stdout.write(markdown(header, lines) + f"\n{_machine(contenders)}\n")
    sys.stdout.writelines(f"\n{reason}: {'; '.join(titles)}\n" for reason, titles in reasons.items())
    if any(reason.startswith(THIS_ENGINE.name) for reason in reasons):
        raise SystemExit(1)


def _names() -> list[str]:
    return sorted({row.measurement for row in ROWS} | {row.name for row in SCALE_ROWS})


def _scale_lines(row: ScaleRow, peers: int, reasons: dict[str, list[str]]) -> list[list[str]]:
    sys.stderr.write(f"{row.name}: {THIS_ENGINE.name}\n")
    try:
        figures = measure_scale(row)
    except CouldNotRunError as error:
        reasons.setdefault(f"{THIS_ENGINE.name} could not run ({error})", []).append(row.name)
        return []
    return [
        [title, figure, *["-"] * peers, to_reach]
        for (title, figure), to_reach in zip(figures, row.to_reach, strict=True)
    ]


def _line(row: Row, contenders: Sequence[Contender], reasons: dict[str, list[str]]) -> list[str]:
    title = row.title.format(mb=size(row.mb))
    cells = [_cell(row, title, contender, reasons) for contender in contenders]
    return [title, *cells, amount(row.to_reach) if row.to_reach else "-"]


def _cell(row: Row, title: str, contender: Contender, reasons: dict[str, list[str]]) -> str:
    """The figure; "-" where the engine has no such thing."""
    if contender.peer and not row.peers:
        return "-"
    sys.stderr.write(f"{title}: {contender.name}\n")
    try:
        value = statistics.median(measure(contender, row) for _ in range(row.processes))
    except CouldNotRunError as error:
        reasons.setdefault(f"{contender.name} could not run ({error})", []).append(title)
        return "could not run"
    written = amount(value)
    return written if row.mb <= contender.largest_mb else f"{written} (at {size(contender.largest_mb)})"


def _machine(contenders: Sequence[Contender]) -> str:
    kernel = ".".join(platform.release().split(".")[:2])
    parts = [f"{os.cpu_count()} cores ({platform.machine()})", f"{platform.system()} {kernel}"]
    parts.append(f"CPython {platform.python_version()}")
    if any(each.peer for each in contenders) and PEERS_PYTHON.exists():
        listed = subprocess.run([str(PEERS_PYTHON), "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
        parts += [line for line in listed.stdout.splitlines() if line.startswith(("rlms==", "dspy=="))]
    # a busy machine doubles the times of everything that wakes a process
    return f"{', '.join(parts)}; load average of the last five minutes {os.getloadavg()[1]:.1f}"


if __name__ == "__main__":
    main()
