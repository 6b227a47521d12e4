"""Runs a measuring script in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from rows import Contender, Row

HERE = Path(__file__).parent
PEERS_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
_TIME_LIMIT_S = 120


class CouldNotRunError(Exception):
    """A measurement gave no figure. The message says why, in a line."""


def measure(contender: Contender, row: Row) -> float:
    """The figure of a row for one engine. Raises CouldNotRunError."""
    python = PEERS_PYTHON if contender.peer else Path(sys.executable)
    if not python.exists():
        raise CouldNotRunError("it is not installed; `make bench` does that")
    times = row.slow_times if contender.slow else row.times
    size = ["--mb", str(min(row.mb, contender.largest_mb)), "--times", str(times)]
    script = str(HERE / (row.script or contender.script))
    process = subprocess.Popen(
        [str(python), script, row.measurement, *size],
        env=os.environ | dict(contender.environment),
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
    return json.loads(printed.splitlines()[-1])[row.figure]


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
