"""Clocks, and medians of ways that take turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def milliseconds(work: Callable[[], object]) -> float:
    return seconds(work) * 1_000


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu_milliseconds(work: Callable[[], object]) -> float:
    """CPU time of this process, which is the host's, all its threads together."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1_000


def median_of(measure: Callable[[], float], times: int) -> float:
    return statistics.median(measure() for _ in range(times))


def alternating(ways: Mapping[str, Callable[[], float]], times: int) -> dict[str, float]:
    """The median of each way, when each round measures every one, and begins with another than the round before."""
    names = list(ways)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(times):
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(ways[name]())
    return {name: statistics.median(values) for name, values in taken.items()}
