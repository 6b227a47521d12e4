"""Small Python programs, each in a process of its own: its time and its memory from start to end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.fresh_process import ROOT


@dataclass(frozen=True)
class Ended:
    seconds: float
    cpu_seconds: float
    """Of itself and the processes that it has waited for."""
    peak_mb: float
    """The resident memory of it, or of a process that it has waited for, whichever held most. On Linux no less than
    what this process holds, so measure where little is imported."""


def ended(program: str, *arguments: str) -> Ended:
    """Raises RuntimeError where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"a program failed with exit status {process.returncode}: {program}")
    return Ended(took, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1_000_000)
