"""The REPLs of sessions between two questions: how many of them there are, for how long, and how large."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from dataclasses import dataclass, field

from rlm_integrations.core.limits import RLMLimits
from rlm_integrations.core.sandbox import Repl
from rlm_integrations.core.wording import number

_LOOK_S = 60.0
"""Seconds between two looks, where nothing is due before."""


@dataclass(eq=False)
class IdleRepl:
    """One that rests, until it is taken or ended."""

    repl: Repl | None
    limits: RLMLimits
    since: float = field(default_factory=time.monotonic)
    ended: str = ""
    """Why there is none any more, in words for the root LM."""

    @property
    def until(self) -> float:
        seconds = self.limits.session_idle_s
        return float("inf") if seconds is None else self.since + seconds


class IdleRepls:
    """Those of this process. Any thread may call, and the garbage collector.

    The limits of the one that came last are those that hold for all together: whoever comes has room made.
    """

    def __init__(self) -> None:
        # re-entrant: a garbage collection within it may end a session
        self._changed = threading.Condition(threading.RLock())
        self._idle: dict[int, IdleRepl] = {}
        """In the order in which they came: the first rests longest."""
        self._runs = False

    def keep(self, repl: Repl, limits: RLMLimits) -> IdleRepl:
        """Keep one that has left its loop."""
        idle = IdleRepl(repl, limits)
        with self._changed:
            self._idle[id(idle)] = idle
            while len(self._idle) > limits.max_sessions:
                self._end(
                    self._longest(), f"there were more than {number(limits.max_sessions)} sessions (max_sessions)"
                )
            if not self._runs:
                _thread.start_new_thread(self._run, ())  # not one of `threading`, as in the sandboxes' watch
                self._runs = True
            self._changed.notify()
        return idle

    def take(self, idle: IdleRepl) -> Repl | None:
        """It rests no more. None where it has ended; `ended` says why."""
        with self._changed:
            self._idle.pop(id(idle), None)
            repl, idle.repl = idle.repl, None
        return repl

    def end(self, idle: IdleRepl) -> None:
        """Nobody is going to take it."""
        repl = self.take(idle)
        if repl is not None:
            repl.end()

    def look(self) -> float | None:
        """End those whose time is over, and those that hold too much.

        Returns the seconds until the next look; None where no REPL rests.
        """
        with self._changed:
            now = time.monotonic()
            for idle in [*self._idle.values()]:
                if now >= idle.until:
                    self._end(idle, f"it was not used for {idle.limits.session_idle_s:g} s (session_idle_s)")
            sizes = {id(idle): idle.repl.memory_bytes for idle in self._idle.values() if idle.repl is not None}
            bound = next(reversed(self._idle.values())).limits.sessions_memory_mb if self._idle else None
            while bound is not None and self._idle and sum(map(sizes.__getitem__, self._idle)) > bound << 20:
                self._end(self._longest(), f"sessions held more than {number(bound)} MB (sessions_memory_mb)")
            if not self._idle:
                return None
            return min(_LOOK_S, *(idle.until - now for idle in self._idle.values()))

    def _longest(self) -> IdleRepl:
        return next(iter(self._idle.values()))

    def _end(self, idle: IdleRepl, why: str) -> None:
        idle.ended = why
        self.end(idle)

    def _run(self) -> None:
        try:
            with self._changed:
                while (seconds := self.look()) is not None:
                    self._changed.wait(max(0.0, seconds))
                self._runs = False
        except BaseException:
            self._runs = False  # the next that comes starts another
            raise

    def before_fork(self) -> None:
        self._changed.acquire()

    def after_fork_in_parent(self) -> None:
        self._changed.release()

    def after_fork_in_child(self) -> None:
        """The REPLs are the parent's."""
        for idle in self._idle.values():
            idle.repl, idle.ended = None, "the program was forked"
        self._idle.clear()
        self._changed = threading.Condition(threading.RLock())
        self._runs = False


idle_repls = IdleRepls()
"""Those of this process."""

if sys.platform != "win32":
    os.register_at_fork(
        before=idle_repls.before_fork,
        after_in_parent=idle_repls.after_fork_in_parent,
        after_in_child=idle_repls.after_fork_in_child,
    )
