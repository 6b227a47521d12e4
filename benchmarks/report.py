"""What one run measured, and on what machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.row import Row


@dataclass(frozen=True)
class Machine:
    kind: str
    """Figures of two runs may be compared where this is the same."""
    words: str

    @classmethod
    def this(cls) -> Machine:
        cores = os.cpu_count() or 1
        kernel = ".".join(platform.release().split(".")[:2])
        python = f"{platform.python_implementation()} {platform.python_version()}"
        words = f"{cores} cores ({_processor()}), {platform.system()} {kernel}, {python}"
        minor = ".".join(platform.python_version_tuple()[:2])
        kind = f"{platform.system()} {_processor()} {cores} cores {platform.python_implementation()} {minor}"
        return cls(re.sub(r"[^a-z0-9.]+", "-", kind.lower()).strip("-"), words)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{platform.machine()}, {names[0]}" if names else platform.machine()


@dataclass(frozen=True)
class Report:
    """Rows by their groups."""

    at: str
    version: str
    machine: str
    words: str
    load: float
    """Processes that wanted a processor, on average of the minute before."""
    groups: Mapping[str, Sequence[Row]]

    @classmethod
    def of(cls, groups: Mapping[str, Sequence[Row]], load: float) -> Report:
        machine = Machine.this()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(now, version("rlm-integrations"), machine.kind, machine.words, round(load, 1), groups)

    @property
    def was_busy(self) -> bool:
        return self.load > BUSY

    @property
    def about(self) -> str:
        busy = "; busy, so of little meaning" if self.was_busy else ""
        return f"{self.at[:10]}, {self.words}, load {self.load} at the start{busy}"

    def to_json(self) -> dict[str, Any]:
        groups = {name: [row.to_json() for row in rows] for name, rows in self.groups.items()}
        return vars(self) | {"groups": groups}

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Report:
        groups = {name: [Row.from_json(row) for row in rows] for name, rows in written["groups"].items()}
        return cls(**{**written, "groups": groups})


BUSY = 0.5
"""A load above this: something else takes part of a processor, which can double times that a process wakes up in."""
