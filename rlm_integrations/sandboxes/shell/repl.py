"""The host's side of a REPL on a machine that only takes commands: how its time is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rlm_integrations.sandboxes.channel.piped_repl import PipedRepl
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.process_worker.thread_guard import MAX_THREADS
from rlm_integrations.sandboxes.shell.process import ShellProcess
from rlm_integrations.wire.settings import ReplSettings

INTERRUPT_GRACE_S = 5.0
"""Seconds that code has to end after an interrupt has been sent, before it is killed."""

_REFUSE_AFTER_S = 0.5  # until then an interrupt has had its effect, if it has one
_LOOK_S = 0.5
_OWN_THREADS = 2


class ShellRepl(PipedRepl):
    """A worker that is interrupted from outside.

    Its clock runs from when the machine has what was sent until news of it come, both as seen from here: so the way
    there and back is not the code's time. Only of the command that brings a step the machine says how long it had it.
    """

    def __init__(self, worker: ShellProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        worker.rest()
        self._worker = worker
        super().__init__(worker, settings)

    @property
    def folder(self) -> str:
        """Of this REPL, on its machine, for whoever watches it there."""
        return self._worker.folder

    @property
    def memory_bytes(self) -> int:
        """As the machine said last."""
        return self._worker.memory_bytes

    def _cpu_seconds(self) -> float:
        return self._worker.cpu_seconds

    def _begin(self, blocks: Sequence[str], seconds_left: float) -> RunningStep:
        step = super()._begin(blocks, seconds_left)
        step.clock.pause(time.monotonic())
        return step

    def _clock_goes_on(self) -> None:
        """Not before the machine has the answer."""
        if self._step is not None:
            self._step.clock.pause(time.monotonic())

    def _all_sent(self) -> None:
        head_start = self._worker.take_head_start()
        step = self._step
        if step is not None and not self._open_calls and step.overrun is None:
            step.clock.resume(time.monotonic() - head_start)
            self._keep_time()

    def _read(self, data: bytes) -> None:
        head_start = self._worker.take_head_start()  # where what soon came of a step is here before `_all_sent`
        if head_start and self._step is not None:
            self._step.clock.resume(time.monotonic() - head_start)
        super()._read(data)

    def _wake(self) -> None:
        self._worker.begin_step()

    def _rest(self) -> None:
        self._worker.rest()

    def _enforce_time(self, step: RunningStep) -> float | None:
        """Interrupt it, then refuse its calls too, and kill it if neither has an effect."""
        now = time.monotonic()
        if self._worker.threads > MAX_THREADS + _OWN_THREADS:
            self._kill(f"it started more than {MAX_THREADS} threads; use a pool of fewer workers")
            return None
        if step.overrun is None:
            step.overrun = step.clock.overrun(now, self._cpu_seconds())
            if step.overrun is None:
                return min(step.clock.next_check(now, self._cpu_seconds(), cores=1), _LOOK_S)
            step.kill_at = now + INTERRUPT_GRACE_S
            self._worker.interrupt()
            self._channel.write(b"")
        elif not step.refuses_calls and now >= step.kill_at - INTERRUPT_GRACE_S + _REFUSE_AFTER_S:
            step.refuses_calls = True
            self._refuse_all(step.stopped())
        if now >= step.kill_at:
            self._kill(step.stubborn())
            return None
        return _LOOK_S

    async def _reason(self) -> str:
        status = await self._exit_status()
        if self._verdict is None and status is None and self._worker.lost:
            return f"it {self._worker.lost}"
        return await super()._reason()
