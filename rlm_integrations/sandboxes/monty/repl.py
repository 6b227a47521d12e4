"""The host's side of one Monty worker: steps, replies, time limits, and the worker's end in words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

from rlm_integrations.core.sandbox import HostCall, ReplEvent, ReplLost, ReplSettings, StepDone
from rlm_integrations.sandboxes.channel.death import cause_of_death
from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, encode
from rlm_integrations.sandboxes.channel.inbound import Finished, PrintedHead, ProtocolError, parse, read_inbound
from rlm_integrations.sandboxes.channel.open_calls import OpenCalls, held_bytes
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.channel.step_clock import StepClock
from rlm_integrations.sandboxes.monty.worker_pipes import WorkerPipes
from rlm_integrations.sandboxes.monty.worker_process import WorkerProcess

MAX_UNREAD_BYTES = 256 << 20
"""A worker that leaves more of the host's messages unread than this is killed."""

_LOOK_S = 0.5  # between two looks at the clock of a step, at most


class MontyRepl:
    """Implements `core.sandbox.Repl`. It belongs to the event loop it was created in."""

    def __init__(self, worker: WorkerProcess, settings: ReplSettings) -> None:
        """Takes over a worker that is ready."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._frames = FrameBuffer()
        self._events: asyncio.Queue[HostCall | StepDone | None] = asyncio.Queue()
        """What the running step is to yield; None: the worker is gone."""
        self._step: RunningStep | None = None
        self._steps = 0
        self._open_calls = OpenCalls()
        self._timer: asyncio.TimerHandle | None = None
        self._verdict: str | None = None
        """Why the host ended the worker, in words for the root."""
        self._ended: asyncio.Future[int] = self._loop.create_future()
        """The worker's exit status."""
        self.pid = worker.pid
        self._pipes = WorkerPipes(worker, self._receive, self._end)

    # --- what the engine calls

    async def step(self, blocks: Sequence[str], seconds_left: float = float("inf")) -> AsyncGenerator[ReplEvent, None]:
        if self._step is not None:
            raise RuntimeError("a step of this REPL is still running; steps never overlap")
        if self._lost:
            yield ReplLost(await self._reason())
            return
        step = self._begin(blocks, seconds_left)
        over = False
        try:
            while not over:
                event = await self._events.get()
                if event is None:
                    event = ReplLost(await self._reason(), step.lost())
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
        self._kill("it was closed")
        await asyncio.wait([self._ended])

    # --- within a step

    def _begin(self, blocks: Sequence[str], seconds_left: float) -> RunningStep:
        self._steps += 1
        clock = StepClock(self._settings.step_timeout_s, seconds_left, time.monotonic(), cpu=0.0)
        self._step = step = RunningStep(self._steps, len(blocks), clock, self._settings.max_output_chars)
        self._pipes.send(encode({"t": "step", "step": step.number, "blocks": list(blocks)}))
        self._check_time()
        return step

    def _receive(self, data: bytes) -> None:
        began, step = time.thread_time(), self._step
        try:
            for body in self._frames.feed(data):
                if self._lost:
                    return
                self._read(body)
        except ProtocolError as error:
            self._kill(f"it broke the protocol with {error}")
        except FrameTooLongError as error:
            self._kill(f"it broke the protocol with a message of {error}")
        finally:
            if step is not None:
                step.clock.charge(time.thread_time() - began)

    def _read(self, body: bytes) -> None:
        step = self._step
        if step is None:
            raise ProtocolError("a message while no step was running")
        message = read_inbound(parse(body), step.blocks, self._settings.max_output_chars)
        if isinstance(message, PrintedHead):
            step.print_head(message.text)
        elif isinstance(message, HostCall):
            self._open(message, max(len(body), held_bytes(message.payload)), step)
        else:
            self._finish(message, step)

    def _open(self, call: HostCall, size: int, step: RunningStep) -> None:
        self._open_calls.open(call.id, size)
        step.clock.pause(time.monotonic())
        if self._open_calls.too_large:
            self._pipes.pause_reading()
        self._events.put_nowait(call)

    def _answer(self, call_id: int, frame: bytes) -> None:
        self._open_calls.close(call_id)
        if not self._open_calls.too_large:
            self._pipes.resume_reading()
        if not self._open_calls and self._step is not None:
            self._step.clock.resume(time.monotonic())
            self._check_time()
        if self._lost:
            return
        self._pipes.send(frame)
        if self._pipes.unread_bytes > MAX_UNREAD_BYTES:
            self._kill("it stopped reading the host's replies")

    def _finish(self, done: Finished, step: RunningStep) -> None:
        if done.step != step.number:
            raise ProtocolError("the end of another step")
        if self._open_calls:
            raise ProtocolError("the end of a step with calls still open")
        self._cancel_timer()
        self._step = None  # what comes now, even in the same read, belongs to no step
        self._events.put_nowait(step.done(done))

    # --- time and the worker's end

    def _check_time(self) -> None:
        """End the worker if the step has run too long, and look again later: the VM cannot be interrupted."""
        self._cancel_timer()
        step = self._step
        if step is None or self._lost:
            return
        now = time.monotonic()
        wait = step.clock.check(now, cpu=0.0, cores=1)
        if wait is not None:
            self._timer = self._loop.call_later(min(wait, _LOOK_S), self._check_time)
        elif step.clock.total_is_over(now):
            self._kill("it was still running when the time of the run was over")
        else:
            self._kill(f"it ran longer than {self._settings.step_timeout_s:g} s")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _lost(self) -> bool:
        return self._verdict is not None or self._ended.done()

    def _kill(self, verdict: str) -> None:
        """End the worker. The verdict is the reason, unless it has ended already."""
        if self._lost:
            return
        self._verdict = verdict
        self._cancel_timer()
        self._pipes.kill()

    def _end(self, status: int) -> None:
        self._cancel_timer()
        if not self._ended.done():  # a loop that is being closed cancels what waits for it
            self._ended.set_result(status)
        self._events.put_nowait(None)

    async def _reason(self) -> str:
        if self._verdict is not None:
            return self._verdict
        await asyncio.wait([self._ended])
        return cause_of_death(self._ended.result(), self._settings.memory_mb)
