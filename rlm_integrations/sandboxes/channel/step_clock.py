"""When a step has run too long. Pure: the time is passed in."""

from __future__ import annotations

MIN_CHECK_S = 0.02
"""A step is looked at no more often than this, in seconds."""


class StepClock:
    """Wall time of a step while no host call is open, and its CPU time always: both are bound by `limit_s`.

    CPU time is the worker's, and what the host needs to read its messages.
    Wall time with calls included is bound by `total_s`, which may be infinite.
    All times are seconds; `now` is any monotonic clock, `cpu` the worker's CPU clock.
    """

    def __init__(self, limit_s: float, total_s: float, now: float, cpu: float) -> None:
        self._wall_left = limit_s
        self._end = now + total_s
        self._cpu_end = cpu + limit_s
        self._running_since: float | None = now

    def pause(self, now: float) -> None:
        """A host call is open."""
        if self._running_since is not None:
            self._wall_left -= now - self._running_since
            self._running_since = None

    def resume(self, now: float) -> None:
        """No host call is open any more."""
        if self._running_since is None:
            self._running_since = now

    def charge(self, cpu: float) -> None:
        """CPU time that the host has spent on the step."""
        self._cpu_end -= cpu

    def total_is_over(self, now: float) -> bool:
        """Whether the time with calls included is over."""
        return now >= self._end

    def check(self, now: float, cpu: float, cores: int) -> float | None:
        """None if the step has run too long, else the seconds after which to look again at the latest.

        `cores` is how many seconds of CPU time the worker can use in one.
        """
        cpu_left = self._cpu_end - cpu
        wall_left = self._wall_left
        soonest = min(cpu_left / cores, self._end - now)
        if self._running_since is not None:
            wall_left -= now - self._running_since
            soonest = min(soonest, wall_left)
        if soonest <= 0 or wall_left <= 0:
            return None
        return max(soonest, MIN_CHECK_S)
