"""The host's side of one worker: its process, how its time is kept, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import weakref
from collections.abc import Callable

from rlm_integrations.sandboxes.channel.fork_client import WorkerProcess
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.channel.worker_repl import WorkerRepl
from rlm_integrations.sandboxes.channel.worker_usage import cpu_seconds, memory_bytes, thread_count
from rlm_integrations.sandboxes.process.watch import LOOK_S, watch
from rlm_integrations.sandboxes.process.worker_channel import WorkerChannel
from rlm_integrations.sandboxes.process_worker.thread_guard import MAX_THREADS
from rlm_integrations.wire.settings import ReplSettings

INTERRUPT_GRACE_S = 2.0
"""Seconds that code has to end after an interrupt, before it is killed."""

_OWN_THREADS = 2  # the main one and the reader
_EXIT_REPORT_S = 2.0


class ProcessRepl(WorkerRepl):
    """A worker that can be interrupted, stopped and looked at from outside.

    Its time and threads are kept by `watch`, in a thread of its own: other code may keep the event loop.
    Where nobody closes it, as under a loop that was closed, the worker ends when this object does.
    """

    def __init__(self, worker: WorkerProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        super().__init__(settings)
        self._worker = worker
        self._closed = False
        self._exited = False
        """Whether the server has said how it ended, or has ended itself."""
        self._status: int | None = None
        self._await_exit: list[asyncio.Future[None]] = []
        self._close_pidfd = weakref.finalize(self, os.close, worker.pidfd)
        self._loop.add_reader(worker.leash.fileno(), self._read_leash)
        self._channel = WorkerChannel(worker.channel, self._loop, self._read, self._gone)
        self._signal(signal.SIGSTOP)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._kill("it was closed")
        try:
            await self._exit_status()
        finally:
            self._let_go()

    def leave_loop(self) -> bool:
        left = super().leave_loop()
        if left and not self._exited:
            self._loop.remove_reader(self._worker.leash.fileno())
        return left

    def join_loop(self) -> None:
        super().join_loop()
        if not self._exited:
            self._loop.add_reader(self._worker.leash.fileno(), self._read_leash)

    def end(self) -> None:
        self._closed = True
        self._end_process()
        self._channel.close()
        self._free()

    @property
    def memory_bytes(self) -> int:
        return memory_bytes(self._worker.pid)

    @property
    def pid(self) -> int:
        """The worker's process id, for whoever watches it from outside."""
        return self._worker.pid

    # --- what a process has of its own

    def _cpu_seconds(self) -> float:
        return cpu_seconds(self._worker.pid)

    def _wake(self) -> None:
        self._signal(signal.SIGCONT)

    def _rest(self) -> None:
        self._signal(signal.SIGSTOP)

    def _keep_time(self) -> None:
        watch.add(self)

    def _clock_goes_on(self) -> None:
        """The watch looks as often in any case."""

    def _stop_keeping_time(self) -> None:
        watch.discard(self)

    def look(self) -> None:
        """For the watch, in its thread."""
        step = self._step
        if step is not None and self._verdict is None:
            self._enforce_time(step)

    def _enforce_time(self, step: RunningStep) -> float | None:
        """Interrupt it, and kill it if that has no effect."""
        if thread_count(self._worker.pid) > MAX_THREADS + _OWN_THREADS:
            self._strike(f"it started more than {MAX_THREADS} threads; use a pool of fewer workers")
            return None
        now = time.monotonic()
        if now >= step.kill_at:
            self._strike(step.stubborn())
            return None
        if step.overrun is None:
            step.overrun = step.clock.overrun(now, cpu_seconds(self._worker.pid))
            if step.overrun is None:
                return LOOK_S
            step.kill_at = now + INTERRUPT_GRACE_S
        else:
            step.refuses_calls = True
        # again and again: the worker lets a signal pass that comes outside of the model's code
        self._signal(signal.SIGINT)
        if step.refuses_calls:
            self._in_loop(lambda: self._refuse_open(step))
        return LOOK_S

    def _strike(self, verdict: str) -> None:
        """Kill the worker at once, from any thread; the loop learns of it when it turns."""
        self._verdict = verdict
        self._end_process()
        self._in_loop(lambda: self._kill(verdict))

    def _in_loop(self, do: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(do)

    def _refuse_open(self, step: RunningStep) -> None:
        if self._step is step:
            self._refuse_all(step.stopped())

    def _end_process(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._close_pidfd.alive:  # the number may be another file's by now
            try:  # noqa: SIM105 - each step has two: a `suppress` takes as long as the call
                signal.pidfd_send_signal(self._worker.pidfd, number)
            except ProcessLookupError:
                pass

    def _let_go(self) -> None:
        """Close what is held of the worker, which ends it in any case."""
        if not self._exited and not self._loop.is_closed():
            self._loop.remove_reader(self._worker.leash.fileno())
        self._free()

    def _free(self) -> None:
        self._worker.leash.close()
        self._worker.server = None
        self._close_pidfd()

    def _read_leash(self) -> None:
        """The server says how the worker ended, or has ended itself."""
        try:
            message = self._worker.leash.recv(64)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        self._loop.remove_reader(self._worker.leash.fileno())
        self._exited = True
        self._status = int(message[6:]) if message.startswith(b"ended ") else None
        for told in self._await_exit:
            _wake(told)

    async def _exit_status(self) -> int | None:
        """How the worker ended, once its channel is closed; None if nobody can tell."""
        if not self._exited:
            told: asyncio.Future[None] = self._loop.create_future()
            self._await_exit.append(told)
            timer = self._loop.call_later(_EXIT_REPORT_S, _wake, told)
            try:
                await told
            finally:
                timer.cancel()
                self._await_exit.remove(told)
            if not self._exited:
                self._signal(signal.SIGKILL)
        return self._status


def _wake(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)
