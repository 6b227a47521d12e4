"""Means over seeds, with what chance leaves open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Of Student's distribution, two-sided, for 1 degree of freedom and more."""


class Mean(NamedTuple):
    mean: float
    interval: tuple[float, float] | None
    """It holds the mean over all seeds with 95 %. None for one seed, which tells nothing of others."""


def mean_of(seeds: Sequence[float], most: float = math.inf) -> Mean:
    """Of one value for each seed; `most` bounds what a value can be, as 0 does."""
    mean = fmean(seeds)
    if len(seeds) < 2:
        return Mean(mean, None)
    freedom = len(seeds) - 1
    half = (_T_95[freedom - 1] if freedom <= len(_T_95) else 1.96) * stdev(seeds) / math.sqrt(len(seeds))
    return Mean(mean, (max(0.0, mean - half), min(most, mean + half)))
