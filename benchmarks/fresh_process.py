"""Runs a measuring module in a process of its own, so that none inherits another's memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.registry import Scale
from benchmarks.row import Row, not_measured

ROOT = Path(__file__).parents[1]
_TIME_LIMIT_S = 300


class CouldNotRunError(Exception):
    """A measurement gave no figure. The message says why, in a line."""


def rows_of(group: str, measurement: str, scale: Scale) -> list[Row]:
    """The rows of a measurement; one without a figure where it failed."""
    options = ["--quick"] * scale.quick + ["--without-peers"] * (not scale.peers)
    try:
        printed = printed_by(sys.executable, "benchmarks.one", [group, measurement, *options])
    except CouldNotRunError as error:
        return [not_measured(measurement, str(error))]
    return [Row.from_json(row) for row in printed]


def printed_by(
    python: str | Path, module: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
) -> Any:
    """The JSON that a module prints in its last line. Raises CouldNotRunError."""
    if not Path(python).exists():
        raise CouldNotRunError("it is not installed; `make bench` does that")
    process = subprocess.Popen(
        [str(python), "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, complaints = process.communicate(timeout=_TIME_LIMIT_S)
    except subprocess.TimeoutExpired:
        raise CouldNotRunError(f"it took longer than {_TIME_LIMIT_S} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # with what it started
            process.communicate()
    if process.returncode != 0:
        raise CouldNotRunError(_last_line(complaints) or f"exit status {process.returncode}")
    return json.loads(printed.splitlines()[-1])


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
