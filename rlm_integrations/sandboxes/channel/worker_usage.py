"""What a running worker uses, as the kernel tells the host. Of a worker that has ended: nothing."""

from __future__ import annotations

import os
import time
from mmap import PAGESIZE

_OWN_LINKS = 2  # of every folder: its name, and its own "."


def cpu_seconds(pid: int) -> float:
    """CPU time of all its threads so far."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def thread_count(pid: int) -> int:
    """Its threads; 0 where /proc does not show it."""
    # Each thread is a folder in there. Reading the count in /proc/PID/stat takes eight times as long.
    # lstat: what watches event loops (blockbuster) takes a stat for a wait, which this one never is.
    try:
        return os.lstat(f"/proc/{pid}/task").st_nlink - _OWN_LINKS
    except OSError:
        return 0


def memory_bytes(pid: int) -> int:
    """Memory of its own that it has in use, without what lies in files that others have mapped as well."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except (OSError, ValueError):  # it has ended, or /proc does not show it
        return 0
    return (resident - shared) * PAGESIZE
