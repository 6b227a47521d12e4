"""Runs a measuring script in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from rows import Contender, Row, ScaleRow

HERE = Path(__file__).parent
PEERS_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
_TIME_LIMIT_S = 120


class CouldNotRunError(Exception):
    """A measurement gave no figure. The message says why, in a line."""


def measure(contender: Contender, row: Row) -> float:
    """Milliseconds of a row for one engine. Raises CouldNotRunError."""
    python = PEERS_PYTHON if contender.peer else Path(sys.executable)
    if not python.exists():
        raise CouldNotRunError("it is not installed; `make bench` does that")
    times = row.slow_times if contender.slow else row.times
    size = ["--mb", str(min(row.mb, contender.largest_mb)), "--times", str(times)]
    return _printed([str(python), str(HERE / contender.script), row.measurement, *size], dict(contender.environment))


def measure_scale(row: ScaleRow) -> list[tuple[str, str]]:
    """The figures of a row, each with its name. Raises CouldNotRunError."""
    script = str(HERE / row.script)
    return _printed([sys.executable, script, "--size-mb", str(row.mb), "--row", row.name], {})


def _printed(command: list[str], environment: dict[str, str]) -> Any:
    """The JSON that a command prints in its last line."""
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
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
