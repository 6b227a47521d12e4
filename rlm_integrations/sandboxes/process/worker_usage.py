"""What a running worker uses, as the kernel tells the host. Of a worker that has ended: nothing."""

from __future__ import annotations

import time

_THREADS_FIELD = 17  # of /proc/PID/stat, after the name in brackets


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads so far."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def thread_count(pid: int) -> int:
    """Its threads; 0 where /proc does not show it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[_THREADS_FIELD])
    except (OSError, IndexError):
        return 0
