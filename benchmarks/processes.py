"""Memory, in bytes, and CPU time of processes, by Linux's /proc.

Theirs is the proportional share (Pss of smaps_rollup), which counts a page that several share once in all, and their
page tables. Workers are not dumpable: only root may read theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MB = 1_000_000
ONLY_ROOT = "only root may read a worker's memory"


def smaps_of(process: int | str) -> dict[str, int]:
    """By names. Raises PermissionError where the process is another's, or not dumpable."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size) * 1024 for name, size, _ in (line.replace(":", "").split() for line in lines)}


def descendants(process: int | str = "self") -> list[int]:
    """Every process below this one."""
    listed = [path.read_text().split() for path in Path(f"/proc/{process}/task").glob("*/children")]
    own = [int(pid) for pids in listed for pid in pids]
    return [*own, *(below for pid in own for below in descendants(pid))]


def status_of(process: int | str, name: str) -> int:
    """A figure of /proc/PID/status."""
    return int(Path(f"/proc/{process}/status").read_text().partition(f"{name}:")[2].split()[0]) * 1024


def shares(processes: Sequence[int | str]) -> int:
    """Memory in all, page tables included. Raises PermissionError."""
    return sum(smaps_of(process)["Pss"] + status_of(process, "VmPTE") for process in processes)


def private_of(process: int) -> int:
    """What it shares with none. Raises PermissionError."""
    found = smaps_of(process)
    return found["Private_Clean"] + found["Private_Dirty"]


def peak_begins_anew() -> int:
    """What this process holds now, from which its peak is counted from here on."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> int:
    return status_of("self", "VmHWM")


def cpu_seconds(process: int) -> float:
    """That all of its threads have used."""
    return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{process}/task").glob("*/schedstat")) / 1e9
