"""What can be measured: groups of measurements, each group a module of `groups/`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from benchmarks.row import Row

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Scale:
    """How large and how often: in full, or just enough to see that it works."""

    quick: bool = False
    peers: bool = True

    def of(self, full: _Value, quick: _Value) -> _Value:
        return quick if self.quick else full


Measurement = Callable[[Scale], list[Row]]
"""Measures something in this process, and in further ones that it starts."""


@dataclass(frozen=True)
class Group:
    title: str
    measurements: Sequence[Measurement]
    in_quick: bool = True
    """Whether `--quick` measures it without being asked for it by name: not what takes seconds to set up."""


NAMES = (
    "engines",
    "sub_calls",
    "many_runs",
    "documents",
    "files",
    "memory",
    "imports",
    "loop",
    "children",
    "journal",
    "sandboxes",
    "ray_machines",
    "deepagents",
    "tracer",
)
"""Of the groups, as they are measured and written."""


def group(name: str) -> Group:
    found: Group = importlib.import_module(f"benchmarks.groups.{name}").GROUP
    return found


def measured(name: str, measurement: str, scale: Scale) -> list[Row]:
    """The rows of one measurement, measured here. What is to be reached holds for the full size alone."""
    found = next(each for each in group(name).measurements if each.__name__ == measurement)
    rows = found(scale)
    return [replace(row, bound=None, ratio_bound=None) for row in rows] if scale.quick else rows
