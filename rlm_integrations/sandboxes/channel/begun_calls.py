"""What the messages and calls of a step cost the host."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from rlm_integrations.sandboxes.channel.step_clock import StepClock
from rlm_integrations.wire.calls import HostCall

CALLS_A_TURN = 16
"""Calls that are begun in one turn of the loop, at most: a flood of them is to leave room for others."""

TURN_S = 2e-3
"""CPU seconds that the calls of one turn are to take. One is begun in any case."""

CALL_COST_S = 2e-4
"""CPU seconds that are charged for each call in any case, for what is not measured."""

SHORT_BYTES = 4 << 10
"""Of what is read at once, of a call and of an answer: whatever is done at once for one as short is not measured, which
would take a tenth of a callback. It takes less than it is charged in any case. The end of a longer message
is measured.
"""

SHORT_FRAME_COST_S = 5e-5
"""CPU seconds that are charged for each frame of what is as short."""


class Charged:
    """CPU time of the thread while a `with` lasts, charged to a clock if there is one.

    A class: a generator would take thrice as long.
    """

    __slots__ = ("_began", "_clock")

    def __init__(self, clock: StepClock | None) -> None:
        self._clock = clock

    def __enter__(self) -> None:
        if self._clock is not None:
            self._began = time.thread_time()

    def __exit__(self, *_: object) -> None:
        if self._clock is not None:
            self._clock.charge(time.thread_time() - self._began)


class BegunCalls:
    """The calls that are begun in one turn of the loop, and the CPU time of whatever is done for them at once.

    Whoever is told of a call makes a task for it. So those tasks run between two callbacks of this: one that was put
    in the loop's queue before them and one behind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._most = 1  # until it has been seen what one takes
        self._began: float | None = None

    @property
    def measures(self) -> bool:
        """Whether what is done now is measured."""
        return self._began is not None

    def begin(self, calls: deque[HostCall], on_call: Callable[[HostCall], None], clock: StepClock) -> None:
        """Take from the calls those of one turn, and tell of each. They are charged to the clock."""
        self._loop.call_soon(self._start)
        begun = 0
        while calls and begun < self._most:
            on_call(calls.popleft())
            begun += 1
        self._loop.call_soon(self._end, clock, begun)

    def _start(self) -> None:
        self._began = time.thread_time()

    def _end(self, clock: StepClock, calls: int) -> None:
        if self._began is not None:
            spent, self._began = time.thread_time() - self._began, None
            if spent > calls * CALL_COST_S:  # which they were charged when they came
                clock.charge(spent - calls * CALL_COST_S)
            self._most = max(1, min(CALLS_A_TURN, int(calls * TURN_S / max(spent, 1e-9))))
