"""Threads in an interpreter that has one: tasks, each a generator that says what it waits for.

Whoever waits has the others run meanwhile. So what a task waits for may be a reply that another asked for at the same
time: the calls of all are open at once.
"""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from collections.abc import Callable, Generator
from itertools import count
from time import monotonic
from typing import Any, Protocol

from rlm_integrations.sandboxes.wasi_guest.host import Asked, Host

DEADLOCK = "deadlock: this session has one thread, and nothing is left to run that could end the wait"

Run = Generator["Wait", bool, Any]
"""Yields what it waits for, and is sent whether that came in time."""


class Event(Protocol):
    """Something that can be waited for."""

    def ready(self) -> bool: ...


class Never:
    def ready(self) -> bool:
        return False


class Wait:
    """For an event, for so many seconds at most; None for as long as it takes."""

    __slots__ = ("end", "event")

    def __init__(self, event: Event, seconds: float | None = None) -> None:
        self.event = event
        self.end = None if seconds is None else monotonic() + seconds

    @property
    def left(self) -> float | None:
        return None if self.end is None else self.end - monotonic()


class _Task:
    __slots__ = ("ident", "in_time", "run", "waits")

    def __init__(self, ident: int, run: Run) -> None:
        self.ident, self.run = ident, run
        self.waits: Wait | None = None
        self.in_time = True


class Tasks:
    """Those that are not at their end. The model's own code outside of any is the main one."""

    def __init__(self, host: Host, check: Callable[[], object]) -> None:
        """`check` raises KeyboardInterrupt where the step is over its time."""
        self.host, self._check = host, check
        self.ident = get_ident()
        """Of the one that runs."""
        self._idents = count(self.ident + 1)
        self._ready: deque[_Task] = deque()
        self._blocked: list[_Task] = []
        """Those that wait for something else than the host."""

    def begin(self, run: Run) -> int:
        """A task that runs when somebody waits. Returns its ident. What it raises is its own affair."""
        task = _Task(next(self._idents), run)
        self._ready.append(task)
        return task.ident

    def wait(self, event: Event, seconds: float | None = None) -> bool:
        """Have the others run until the event is there. Whether it is.

        Raises KeyboardInterrupt at the end of the step's time, and RuntimeError where nothing could end the wait.
        """
        wait = Wait(event, seconds)
        while not event.ready():
            if self.turn():
                continue
            if wait.end is not None and monotonic() >= wait.end:
                return False
            soonest = min((each for each in (wait.left, *self._ends()) if each is not None), default=None)
            if soonest is None and not self.host.owes_answers:
                raise RuntimeError(DEADLOCK)
            if self.host.receive(soonest):
                self._check()
        return True

    def turn(self) -> bool:
        """Run each task that can go on, up to where it waits. Whether there was one."""
        if self._blocked:
            self._wake()
        ready, self._ready = self._ready, deque()
        ran = bool(ready)
        try:
            while ready:
                self._resume(ready.popleft())
        finally:
            self._ready.extendleft(reversed(ready))
        return ran

    def run_ready(self) -> None:
        """Run all tasks as far as they come without waiting for the host."""
        while self.turn():
            pass

    def _resume(self, task: _Task) -> None:
        before, self.ident = self.ident, task.ident
        try:
            task.waits = task.run.send(task.in_time) if task.waits is not None else next(task.run)
        except StopIteration:
            return
        finally:
            self.ident = before
        event = task.waits.event
        if isinstance(event, Asked) and task.waits.end is None:
            task.in_time = True
            event.when_ready(lambda: self._ready.append(task))
        else:
            self._blocked.append(task)

    def _wake(self) -> None:
        blocked, self._blocked = self._blocked, []
        for task in blocked:
            assert task.waits is not None
            task.in_time = task.waits.event.ready()
            if task.in_time or (task.waits.end is not None and monotonic() >= task.waits.end):
                self._ready.append(task)
            else:
                self._blocked.append(task)

    def _ends(self) -> list[float]:
        return [left for task in self._blocked if task.waits and (left := task.waits.left) is not None]
