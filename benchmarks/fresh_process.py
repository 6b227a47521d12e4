"""Runs a measuring module in a process of its own, so that none inherits another's memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.registry import Scale
from benchmarks.row import Row, not_measured

ROOT = Path(__file__).parents[1]
ENGINE_LIMIT_S = 120
_MEASUREMENT_LIMIT_S = 1_200
_TO_END_S = 5


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
    python: str | Path,
    module: str,
    arguments: Sequence[str],
    environment: Mapping[str, str] | None = None,
    limit_s: float = _MEASUREMENT_LIMIT_S,
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
        printed, complaints = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        raise CouldNotRunError(f"it took longer than {limit_s:g} s") from None
    finally:
        if process.poll() is None:
            _end(process)
    if process.returncode != 0:
        raise CouldNotRunError(_last_line(complaints) or f"exit status {process.returncode}")
    return json.loads(printed.splitlines()[-1])


def _end(process: subprocess.Popen[str]) -> None:
    """With what it started: first it may end that itself, which is in groups of its own."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_TO_END_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
