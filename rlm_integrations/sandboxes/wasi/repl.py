"""The host's side of one worker: how its time is kept, and its end."""

from __future__ import annotations

import time

from rlm_integrations.sandboxes.channel.frames import encode
from rlm_integrations.sandboxes.channel.piped_repl import PipedRepl
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.wasi.worker_process import WasiProcess
from rlm_integrations.wire.inbound import Finished
from rlm_integrations.wire.messages import interrupt
from rlm_integrations.wire.settings import ReplSettings

INTERRUPT_GRACE_S = 2.0
"""Seconds that code has to come out of a call of C when it is over its time, before it is killed."""

_LOOK_S = 0.5
"""Seconds between two looks at a running step, at most: what the host spends on it brings its end nearer."""


class WasiRepl(PipedRepl):
    """A worker that interrupts its code when its time is over; where it cannot, the REPL is lost."""

    def __init__(self, worker: WasiProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        super().__init__(worker, settings)
        self._worker = worker

    @property
    def pid(self) -> int:
        """The worker's process id, for whoever watches it from outside."""
        return self._worker.pid

    @property
    def memory_bytes(self) -> int:
        """Not known."""
        return 0

    def _cpu_seconds(self) -> float:
        """None that counts: it is one thread, which waits while a call is open, so wall time bounds it."""
        return 0.0

    def _wake(self) -> None:
        """It waits for its next step of itself."""

    def _rest(self) -> None:
        """It has no threads that could go on."""

    def _enforce_time(self, step: RunningStep) -> float | None:
        """Interrupt it, refuse its calls, and kill it if neither has an effect."""
        now, cpu = time.monotonic(), self._cpu_seconds()
        if step.overrun is None:
            step.overrun = step.clock.overrun(now, cpu)
            if step.overrun is None:
                return min(step.clock.next_check(now, cpu, cores=1), _LOOK_S)
            step.kill_at = now + INTERRUPT_GRACE_S
            step.refuses_calls = True
            self._send(encode(interrupt(step.number)))
            self._refuse_all(step.stopped())
        if now >= step.kill_at:
            self._kill(step.stubborn())
            return None
        return step.kill_at - now

    def _finish(self, done: Finished, step: RunningStep) -> None:
        """The worker looks at the clock itself, and may have been faster than the timer."""
        if step.overrun is None:
            step.overrun = step.clock.overrun(time.monotonic(), self._cpu_seconds())
        super()._finish(done, step)
