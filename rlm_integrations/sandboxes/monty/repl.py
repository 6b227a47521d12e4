"""The host's side of one Monty worker: its process, how its time is kept, and its end."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from rlm_integrations.sandboxes.channel.inbound import Finished
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.channel.worker_pipes import WorkerPipes
from rlm_integrations.sandboxes.channel.worker_repl import WorkerRepl
from rlm_integrations.sandboxes.monty.worker_process import VmWorkerProcess
from rlm_integrations.wire.settings import ReplSettings

INTERRUPT_GRACE_S = 2.0
"""Seconds that the VM has to interrupt code that is over its time, before it is killed."""

_LOOK_S = 0.5
"""Seconds between two looks at a running step, at most: what the host spends on it brings its end nearer."""


class MontyRepl(WorkerRepl):
    """A worker whose VM interrupts the code when its time is over; where it cannot, the REPL is lost.

    Where nobody closes it, as under a loop that was closed, the worker ends when this object does.
    """

    def __init__(self, worker: VmWorkerProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        super().__init__(settings)
        self._worker = worker
        self._exited: asyncio.Future[int] = self._loop.create_future()
        self._channel = WorkerPipes(worker, self._loop, self._read, self._end)

    async def close(self) -> None:
        self._kill("it was closed")
        await asyncio.wait([self._exited])

    def join_loop(self) -> None:
        super().join_loop()
        self._exited = self._loop.create_future()

    def end(self) -> None:
        self._channel.close()

    @property
    def pid(self) -> int:
        """The worker's process id, for whoever watches it from outside."""
        return self._worker.pid

    @property
    def memory_bytes(self) -> int:
        """Not known: its memory is in two processes, and bounded in each."""
        return 0

    # --- what a VM below a worker has of its own

    def _cpu_seconds(self) -> float:
        """None that counts: it is one thread, which waits while a call is open, so wall time bounds it."""
        return 0.0

    def _wake(self) -> None:
        """It waits for its next step of itself."""

    def _rest(self) -> None:
        """It has no threads that could go on."""

    def _enforce_time(self, step: RunningStep) -> float | None:
        """Refuse its calls, wait for the VM to interrupt it, and kill it if neither has an effect."""
        now, cpu = time.monotonic(), self._cpu_seconds()
        if step.overrun is None:
            step.overrun = step.clock.overrun(now, cpu)
            if step.overrun is None:
                return min(step.clock.next_check(now, cpu, cores=1), _LOOK_S)
            # the VM knows nothing of the run's time: only a refused call can end its code then
            step.kill_at = now + (INTERRUPT_GRACE_S if self._open_calls or step.overrun != "run" else 0.0)
            step.refuses_calls = True
            self._refuse_all(step.stopped())
        if now >= step.kill_at:
            self._kill(step.stubborn())
            return None
        return step.kill_at - now

    def _finish(self, done: Finished, step: RunningStep) -> None:
        """Where code was stopped, by the VM (which may have been faster than the timer) or a refused call, say so."""
        if step.overrun is None:
            step.overrun = step.clock.overrun(time.monotonic(), self._cpu_seconds())
        error = done.done.error
        if step.refuses_calls and error is not None and error.message.endswith(step.stopped()):
            done = done._replace(done=replace(done.done, error=replace(error, kind="interrupted")))
        super()._finish(done, step)

    def _end_process(self) -> None:
        self._worker.kill()

    async def _exit_status(self) -> int:
        await asyncio.wait([self._exited])
        return self._exited.result()

    def _end(self, status: int) -> None:
        if not self._exited.done():  # a loop that is being closed cancels what waits for it
            self._exited.set_result(status)
        self._gone()
