"""The host's side of one worker: steps, replies, time limits, and the worker's end in words."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

from rlm_integrations.core.sandbox import HostCall, ReplEvent, ReplLost, ReplSettings, StepDone
from rlm_integrations.sandboxes.channel.death import cause_of_death
from rlm_integrations.sandboxes.channel.frames import encode
from rlm_integrations.sandboxes.channel.inbound import Finished, Messages, PrintedHead, ProtocolError, read_inbound
from rlm_integrations.sandboxes.channel.open_calls import OpenCalls, held_bytes
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.channel.step_clock import StepClock
from rlm_integrations.sandboxes.process.fork_client import WorkerProcess
from rlm_integrations.sandboxes.process.thread_guard import MAX_THREADS
from rlm_integrations.sandboxes.process.worker_channel import WorkerChannel
from rlm_integrations.sandboxes.process.worker_usage import cpu_seconds, thread_count

INTERRUPT_GRACE_S = 2.0
"""Seconds that code has to end after an interrupt, before it is killed."""

MAX_UNREAD_BYTES = 256 << 20
"""A worker that leaves more of the host's messages unread than this is killed."""

_CORES = os.cpu_count() or 1  # reads a file each time it is asked for
_LOOK_S = 0.05
"""Seconds between two looks at a running step, at most: threads started past the guard are seen by nothing else."""

_OWN_THREADS = 2  # the main one and the reader
_INTERRUPT_AGAIN_S = 0.05
_EXIT_REPORT_S = 2.0
_CALL_COST_S = 2e-4
"""CPU seconds that the host spends on a call beside reading it, charged to the step: instant answers stop no loop."""

_NOT_OPEN = "no step of the code is running any more"


class ProcessRepl:
    """Implements `core.sandbox.Repl`. It belongs to the event loop that runs when it is made.

    Where nobody closes it, as under a loop that was closed, the worker ends when this object does.
    """

    def __init__(self, worker: WorkerProcess, settings: ReplSettings) -> None:
        """Take over a worker that is ready."""
        self._worker, self._settings, self._loop = worker, settings, asyncio.get_running_loop()
        self._messages = Messages()
        self._events: deque[HostCall | StepDone] = deque()
        """What the running step is to yield."""
        self._news: asyncio.Future[None] | None = None
        """What the running step waits for."""
        self._step: RunningStep | None = None
        self._steps = 0
        self._open_calls = OpenCalls()
        self._timer: asyncio.TimerHandle | None = None
        self._verdict: str | None = None
        """Why the host ended the worker, in words for the root."""
        self._closed = False
        self._exited: asyncio.Future[int | None] = self._loop.create_future()
        self._close_pidfd = weakref.finalize(self, os.close, worker.pidfd)
        self._loop.add_reader(worker.leash.fileno(), self._read_leash)
        self._channel = WorkerChannel(worker.channel, self._loop, self._read, self._gone)
        self._signal(signal.SIGSTOP)

    # --- what the engine calls

    async def step(self, blocks: Sequence[str], seconds_left: float = float("inf")) -> AsyncGenerator[ReplEvent, None]:
        if self._step is not None:
            raise RuntimeError("a step of this REPL is still running; steps never overlap")
        if self._channel.closed:
            yield ReplLost(await self._reason())
            return
        step = self._begin(blocks, seconds_left)
        over = False
        try:
            while not over:
                event = await self._next_event() or ReplLost(await self._reason(), step.lost())
                if not isinstance(event, HostCall):
                    over, self._step = True, None
                yield event
        finally:
            # A reader that leaves after the last event closes this late, maybe in the middle of the next step.
            if not over:
                self._step = None
                self._kill("the step was abandoned")

    def reply(self, call_id: int, value: Any) -> None:
        if call_id not in self._open_calls:
            return
        try:
            frame = encode({"t": "reply", "id": call_id, "value": value})
        except (TypeError, ValueError, RecursionError) as error:
            self.refuse(call_id, "type", f"the host's reply cannot be handed on: {error}")
            return
        self._answer(call_id, frame)

    def refuse(self, call_id: int, kind: Literal["type", "value", "budget", "failed"], message: str) -> None:
        if call_id in self._open_calls:
            self._answer(call_id, encode({"t": "refuse", "id": call_id, "kind": kind, "message": message}))

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._kill("it was closed")
        try:
            await self._exit_status()
        finally:
            self._let_go()

    # --- the channel

    async def _next_event(self) -> HostCall | StepDone | None:
        """None: the worker is gone."""
        while not self._events and not self._channel.closed:
            self._news = self._loop.create_future()
            await self._news
        return self._events.popleft() if self._events else None

    def _tell(self) -> None:
        if self._news is not None and not self._news.done() and not self._loop.is_closed():
            self._news.set_result(None)

    def _read(self, data: bytes) -> None:
        step, began = self._step, time.thread_time()
        try:
            for frame in self._messages.feed(data):
                self._receive(frame)
                if self._channel.closed:
                    return
        except ProtocolError as error:
            self._kill(f"it broke the protocol with {error}")
        finally:
            if step is not None:
                step.clock.charge(time.thread_time() - began)

    def _gone(self) -> None:
        """The channel is closed, by the worker or by `_kill`."""
        self._cancel_timer()
        self._tell()

    # --- within a step

    def _begin(self, blocks: Sequence[str], seconds_left: float) -> RunningStep:
        self._steps += 1
        limit_s = self._settings.step_timeout_s
        clock = StepClock(limit_s, seconds_left, time.monotonic(), cpu_seconds(self._worker.pid))
        self._step = step = RunningStep(self._steps, len(blocks), clock, limit_s, self._settings.max_output_chars)
        self._signal(signal.SIGCONT)
        self._send(encode({"t": "step", "step": step.number, "blocks": list(blocks)}))
        self._check_time()
        return step

    def _receive(self, frame: dict[str, Any]) -> None:
        step = self._step
        if step is None:
            self._receive_idle(frame)
            return
        message = read_inbound(frame, step.blocks, self._settings.max_output_chars)
        if isinstance(message, PrintedHead):
            step.print_head(message.text)
        elif isinstance(message, HostCall):
            self._open(message, held_bytes(message.payload), step)
        else:
            self._finish(message, step)

    def _receive_idle(self, frame: dict[str, Any]) -> None:
        """Between steps only threads can have sent something, just before the worker was stopped."""
        if frame.get("t") == "done":
            raise ProtocolError("the end of a step that was not running")
        message = read_inbound(frame, blocks=0, max_output_chars=0)
        if isinstance(message, HostCall):
            self._send(encode({"t": "refuse", "id": message.id, "kind": "failed", "message": _NOT_OPEN}))

    def _open(self, call: HostCall, size: int, step: RunningStep) -> None:
        self._open_calls.open(call.id, size)
        if step.refuses_calls:
            self.refuse(call.id, "failed", step.stopped())
            return
        step.clock.charge(_CALL_COST_S)
        step.clock.pause(time.monotonic())
        if self._open_calls.too_large:
            self._channel.pause_reading()
        self._events.append(call)
        self._tell()

    def _answer(self, call_id: int, frame: bytes) -> None:
        self._open_calls.close(call_id)
        if not self._open_calls.too_large:
            self._channel.resume_reading()
        if not self._open_calls and self._step is not None and self._step.overrun is None:
            self._step.clock.resume(time.monotonic())
            self._check_time()
        self._send(frame)

    def _finish(self, done: Finished, step: RunningStep) -> None:
        if done.step != step.number:
            raise ProtocolError("the end of another step")
        self._cancel_timer()
        for call_id in self._open_calls.ids():  # of threads that the step left behind
            self.refuse(call_id, "failed", _NOT_OPEN)
        self._signal(signal.SIGSTOP)  # threads use no time while no clock runs
        self._step = None  # what comes now, even in the same read, belongs to no step
        self._events.append(step.done(done))
        self._tell()

    # --- time

    def _check_time(self) -> None:
        """Interrupt the step if it has run too long, and look again later."""
        self._cancel_timer()
        step = self._step
        if step is None or self._channel.closed:
            return
        if thread_count(self._worker.pid) > MAX_THREADS + _OWN_THREADS:
            self._kill(f"it started more than {MAX_THREADS} threads; use a pool of fewer workers")
            return
        now, cpu = time.monotonic(), cpu_seconds(self._worker.pid)
        if now >= step.kill_at:
            self._kill(step.stubborn())
            return
        if step.overrun is None:
            step.overrun = step.clock.overrun(now, cpu)
            if step.overrun is None:
                self._look_after(step.clock.next_check(now, cpu, _CORES))
                return
            step.kill_at = now + INTERRUPT_GRACE_S
        else:
            step.refuses_calls = True
        # again and again: the worker lets a signal pass that comes outside of the model's code
        self._signal(signal.SIGINT)
        for call_id in self._open_calls.ids() if step.refuses_calls else ():
            self.refuse(call_id, "failed", step.stopped())
        self._look_after(_INTERRUPT_AGAIN_S)

    def _look_after(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(min(seconds, _LOOK_S), self._check_time)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # --- the worker's process

    def _send(self, frame: bytes) -> None:
        self._channel.write(frame)
        if self._channel.unsent_bytes > MAX_UNREAD_BYTES:
            self._kill("it stopped reading the host's replies")

    def _signal(self, number: signal.Signals) -> None:
        if self._close_pidfd.alive:  # the number may be another file's by now
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._worker.pidfd, number)

    def _kill(self, verdict: str) -> None:
        """End the worker. The verdict is the reason, unless it has ended already."""
        self._signal(signal.SIGKILL)
        if not self._channel.closed:
            self._verdict = verdict
            self._channel.close()
            self._gone()

    def _let_go(self) -> None:
        """Close what is held of the worker, which ends it in any case."""
        if not self._loop.is_closed():
            self._loop.remove_reader(self._worker.leash.fileno())
        self._worker.leash.close()
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
        if not self._exited.done():
            self._exited.set_result(int(message[6:]) if message.startswith(b"ended ") else None)

    async def _exit_status(self) -> int | None:
        """How the worker ended, once its channel is closed; None if nobody can tell."""
        await asyncio.wait([self._exited], timeout=_EXIT_REPORT_S)
        if not self._exited.done():
            self._signal(signal.SIGKILL)
        return self._exited.result() if self._exited.done() else None

    async def _reason(self) -> str:
        if self._verdict is not None:
            return self._verdict
        return cause_of_death(await self._exit_status(), self._settings.memory_mb)
