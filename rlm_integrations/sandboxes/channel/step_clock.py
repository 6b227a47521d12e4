"""When a step has run too long. Pure: the time is passed in."""

from __future__ import annotations

from typing import Literal

MIN_CHECK_S = 0.02
"""A step is looked at no more often than this, in seconds."""

Overrun = Literal["wall", "cpu", "run"]
"""Which time is over: that of the step, its CPU time, or that of the run."""


class StepClock:
    """Wall time of a step while no host call is open, and its CPU time always: both are bound by `limit_s`.

    CPU time is the worker's, and what the host needs for its messages.
    Wall time with calls included is bound by `total_s`, which may be infinite.
    All times are seconds; `now` is any monotonic clock, `cpu` the worker's CPU clock. One thread changes it, and
    another may ask it.
    """

    def __init__(self, limit_s: float, total_s: float, now: float, cpu: float) -> None:
        self._wall: tuple[float, float | None] = limit_s, now
        """What was left when it last began or stopped to run, and since when it runs. Changed as one."""
        self._end = now + total_s
        self._cpu_end = cpu + limit_s

    def pause(self, now: float) -> None:
        """A host call is open."""
        self._wall = self._wall_left_at(now), None

    def resume(self, now: float) -> None:
        """No host call is open any more."""
        left, since = self._wall
        if since is None:
            self._wall = left, now

    def stop(self, now: float) -> None:
        """The time of the run is over."""
        self._end = min(self._end, now)

    def charge(self, cpu: float) -> None:
        """CPU time that the host has spent on the step."""
        self._cpu_end -= cpu

    def overrun(self, now: float, cpu: float) -> Overrun | None:
        """Which time is over, if any."""
        if now >= self._end:
            return "run"
        if self._wall_left_at(now) <= 0:
            return "wall"
        return "cpu" if cpu >= self._cpu_end else None

    def next_check(self, now: float, cpu: float, cores: int) -> float:
        """Seconds after which to look again at the latest.

        `cores` is how many seconds of CPU time the worker can use in one.
        """
        soonest = min((self._cpu_end - cpu) / cores, self._end - now)
        if self._wall[1] is not None:
            soonest = min(soonest, self._wall_left_at(now))
        return max(soonest, MIN_CHECK_S)

    def _wall_left_at(self, now: float) -> float:
        left, since = self._wall
        return left if since is None else left - (now - since)


def overrun_words(overrun: Overrun, limit_s: float) -> str:
    """What was over, for the root LM."""
    if overrun == "run":
        return "the time of the whole run was over"
    if overrun == "cpu":
        return f"it used {limit_s:g} s of CPU time, the limit of a step"
    return f"it ran for {limit_s:g} s, the limit of a step (waiting for calls not counted)"


def how_to_go_on(overrun: Overrun) -> str:
    """What the root LM can do about it."""
    return "" if overrun == "run" else "; do less in one step, or in a faster way"
