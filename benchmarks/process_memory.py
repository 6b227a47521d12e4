"""Memory of a process and of all that it started, in MB, as the kernel counts it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_PPID_FIELD = 1  # of /proc/PID/stat, after the name in brackets


def descendants(pid: int) -> list[int]:
    """The processes below this one, at any depth."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat_fields(int(entry))):
            children.setdefault(int(fields[_PPID_FIELD]), []).append(int(entry))
    found, rest = [], [pid]
    while rest:
        below = children.get(rest.pop(), [])
        found += below
        rest += below
    return found


def leaves(pid: int) -> list[int]:
    """Those of its descendants that started none: the workers."""
    return [each for each in descendants(pid) if not descendants(each)]


def shared_mb(pids: Iterable[int]) -> float:
    """What the processes take together: a page that several have mapped counts once among them (PSS)."""
    return sum(_rollup_kb(pid, "Pss:") for pid in pids) / 1024


def private_mb(pid: int) -> float:
    """What the process has for itself alone."""
    return (_rollup_kb(pid, "Private_Clean:") + _rollup_kb(pid, "Private_Dirty:")) / 1024


def _stat_fields(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []


def _rollup_kb(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no {field}")
