"""The host's side of a worker, of whatever sandbox: its steps, its calls and their replies, and its time."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rlm_integrations.sandboxes.channel.answers import hand_over, refusal_frame, reply_frame
from rlm_integrations.sandboxes.channel.begun_calls import (
    CALL_COST_S,
    SHORT_BYTES,
    SHORT_FRAME_COST_S,
    BegunCalls,
    Charged,
)
from rlm_integrations.sandboxes.channel.death import cause_of_death
from rlm_integrations.sandboxes.channel.frames import encode
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.sandboxes.channel.open_calls import OpenCalls, held_bytes
from rlm_integrations.sandboxes.channel.running_step import RunningStep
from rlm_integrations.sandboxes.channel.step_clock import StepClock
from rlm_integrations.wire.calls import HostCall, RefusalKind
from rlm_integrations.wire.inbound import Finished, PrintedHead, ProtocolError, read_inbound
from rlm_integrations.wire.messages import BeginStep, refusal_of_all
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import ReplLost, StepDone

MAX_UNREAD_BYTES = 256 << 20
"""A worker that leaves more of the host's messages unread than this is killed."""

_NOT_OPEN = "no step of the code is running any more: ask again, and wait for the reply within the step"


class Channel(Protocol):
    """Bytes to and from a worker, without waiting. What comes goes to `WorkerRepl._read`, its end to `_gone`."""

    @property
    def closed(self) -> bool: ...

    @property
    def unsent_bytes(self) -> int:
        """What the worker has not read yet."""
        ...

    def write(self, data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None:
        """Hand on nothing any more. `_gone` is not called."""
        ...

    def leave_loop(self) -> None:
        """Keep what comes, until there is a loop again."""
        ...

    def join_loop(self, loop: asyncio.AbstractEventLoop) -> None: ...


class WorkerRepl(ABC):
    """Implements `core.sandbox.Repl` but for what depends on the kind of worker: its process and its time limits.

    It belongs to the event loop that runs when it is made, until it leaves that.
    """

    _channel: Channel
    """For the subclass to set."""

    def __init__(self, settings: ReplSettings) -> None:
        self._settings, self._loop = settings, asyncio.get_running_loop()
        self._messages = Messages()
        self._calls: deque[HostCall] = deque()
        """Those that are not begun yet."""
        self._on_call: Callable[[HostCall], None] | None = None
        self._next_turn: asyncio.Handle | None = None
        """When the loop has turned, others of them are begun."""
        self._ended: asyncio.Future[StepDone | None] | None = None
        """The end of the running step; None where the worker is gone."""
        self._step: RunningStep | None = None
        self._steps = 0
        self._open_calls = OpenCalls()
        self._begun = BegunCalls(self._loop)
        self._timer: asyncio.TimerHandle | None = None
        self._verdict: str | None = None
        """Why the host ended the worker, in words for the root."""

    # --- what depends on the kind of worker

    @abstractmethod
    def _cpu_seconds(self) -> float:
        """CPU time that the worker has used so far, on the clock that `_enforce_time` asks."""

    @abstractmethod
    def _wake(self) -> None:
        """A step is about to be sent."""

    @abstractmethod
    def _rest(self) -> None:
        """A step has ended: what it left behind is to use no time while no clock runs."""

    @abstractmethod
    def _enforce_time(self, step: RunningStep) -> float | None:
        """Interrupt or kill a step that has run too long.

        Returns the seconds after which to look again at the latest, None where it was killed.
        """

    @abstractmethod
    def _end_process(self) -> None:
        """End the worker's process at once. May be called at any time, and again."""

    @abstractmethod
    async def _exit_status(self) -> int | None:
        """How the worker ended, once its channel is closed; None if nobody can tell."""

    # --- what the engine calls

    async def step(
        self, blocks: Sequence[str], on_call: Callable[[HostCall], None], seconds_left: float = float("inf")
    ) -> StepDone | ReplLost:
        if self._step is not None:
            raise RuntimeError("a step of this REPL is still running; steps never overlap")
        if self._channel.closed:
            return ReplLost(await self._reason())
        self._on_call, self._ended = on_call, self._loop.create_future()
        step = self._begin(blocks, seconds_left)
        try:
            end = await self._ended or ReplLost(await self._reason(), step.lost())
        except BaseException:
            self._step = None
            self._kill("the step was abandoned")
            raise
        finally:
            if self._on_call is on_call:
                self._on_call = None  # it may hold what holds this
        if isinstance(end, ReplLost):
            self._step = None
        return end

    def reply(self, call_id: int, value: Any) -> None:
        if call_id not in self._open_calls:
            return
        if isinstance(value, str) and len(value) <= SHORT_BYTES:
            self._answer(call_id, reply_frame(call_id, value))
            return
        with self._charged():
            hand_over(self._loop, call_id, value, self._answer)

    def refuse(self, call_id: int, kind: RefusalKind, message: str) -> None:
        if call_id in self._open_calls:
            self._answer(call_id, refusal_frame(call_id, kind, message))

    def interrupt(self) -> None:
        if self._step is not None:
            self._step.clock.stop(time.monotonic())
            self._keep_time()

    @abstractmethod
    async def close(self) -> None:
        """As `core.sandbox.Repl.close`."""

    def leave_loop(self) -> bool:
        if self._step is not None:
            raise RuntimeError("a step of this REPL is still running")
        if self._channel.closed:
            return False
        self._stop_keeping_time()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        self._on_call, self._ended = None, None  # what they belong to may hold whoever would end this REPL
        self._channel.leave_loop()
        return True

    def join_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._begun = BegunCalls(self._loop)
        self._channel.join_loop(self._loop)

    @abstractmethod
    def end(self) -> None:
        """As `core.sandbox.Repl.end`."""

    @property
    @abstractmethod
    def memory_bytes(self) -> int:
        """As `core.sandbox.Repl.memory_bytes`."""

    # --- the channel

    def _begin_calls(self) -> None:
        """Begin as many of the calls as one turn of the loop is to begin; the others in later turns."""
        if self._step is not None and self._on_call is not None and self._calls:
            if len(self._calls) == 1 and self._open_calls.held_bytes <= SHORT_BYTES:
                self._on_call(self._calls.popleft())  # what that takes was charged when it came
            else:
                self._begun.begin(self._calls, self._on_call, self._step.clock)
        self._next_turn = self._loop.call_soon(self._begin_calls) if self._calls else None

    def _tell(self, end: StepDone | None) -> None:
        if self._ended is not None and not self._ended.done() and not self._loop.is_closed():
            self._ended.set_result(end)

    def _read(self, data: bytes) -> None:
        if len(data) > SHORT_BYTES or self._messages.unfinished:
            with self._charged():
                self._take_in(data)
        else:
            self._take_in(data, SHORT_FRAME_COST_S)
        if self._next_turn is None and not self._channel.closed:
            self._begin_calls()

    def _take_in(self, data: bytes, cost_s: float = 0.0) -> None:
        """Take what was read. The running step is charged `cost_s` for each frame."""
        try:
            for frame in self._messages.feed(data):
                if cost_s and self._step is not None:
                    self._step.clock.charge(cost_s)
                self._receive(frame)
                if self._channel.closed:
                    return
        except ProtocolError as error:
            self._kill(f"it broke the protocol with {error}")

    def _charged(self) -> Charged:
        """What is done in here is done for the running step: charge it, unless that is done anyway."""
        step = None if self._begun.measures else self._step
        return Charged(None if step is None else step.clock)

    def _gone(self) -> None:
        """The channel is closed, by the worker or by `_kill`."""
        self._stop_keeping_time()
        self._calls.clear()
        self._tell(None)

    def _send(self, frame: bytes) -> None:
        self._channel.write(frame)
        if self._channel.unsent_bytes > MAX_UNREAD_BYTES:
            self._kill("it stopped reading the host's replies")

    # --- within a step

    def _begin(self, blocks: Sequence[str], seconds_left: float) -> RunningStep:
        self._steps += 1
        limit_s = self._settings.step_timeout_s
        clock = StepClock(limit_s, seconds_left, time.monotonic(), self._cpu_seconds())
        self._step = step = RunningStep(self._steps, len(blocks), clock, limit_s, self._settings.max_output_chars)
        self._wake()
        self._send(encode(BeginStep(step.number, blocks, seconds_left).to_message()))
        self._keep_time()
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
            self._open(message, held_bytes(frame["payload"]), step)
        else:
            self._finish(message, step)

    def _receive_idle(self, frame: dict[str, Any]) -> None:
        """Between steps only threads can have sent something, just before the worker was put to rest."""
        message = read_inbound(frame, blocks=0, max_output_chars=0)
        if isinstance(message, Finished):
            raise ProtocolError("the end of a step that was not running")
        if isinstance(message, HostCall):
            self._send(refusal_frame(message.id, "failed", _NOT_OPEN))

    def _open(self, call: HostCall, size: int, step: RunningStep) -> None:
        self._open_calls.open(call.id, size)
        if step.refuses_calls:
            self.refuse(call.id, "failed", step.stopped())
            return
        step.clock.charge(CALL_COST_S)
        step.clock.pause(time.monotonic())
        if self._open_calls.too_large:
            self._channel.pause_reading()
        self._calls.append(call)

    def _answer(self, call_id: int, frame: bytes) -> None:
        if call_id not in self._open_calls:  # its step has ended while the frame was written
            return
        self._open_calls.close(call_id)
        if not self._open_calls.too_large:
            self._channel.resume_reading()
        if not self._open_calls and self._step is not None and self._step.overrun is None:
            self._step.clock.resume(time.monotonic())
            self._clock_goes_on()
        self._send(frame)

    def _refuse_all(self, message: str) -> None:
        """Refuse the calls that are open, in one message: there may be thousands."""
        self._calls.clear()  # nobody waits for them any more
        ids = self._open_calls.take_all()
        self._channel.resume_reading()
        if ids:
            self._send(encode(refusal_of_all(ids, "failed", message)))

    def _finish(self, done: Finished, step: RunningStep) -> None:
        if done.step != step.number:
            raise ProtocolError("the end of another step")
        self._stop_keeping_time()
        self._refuse_all(_NOT_OPEN)  # those of threads that the step left behind
        self._rest()
        self._step = None  # what comes now, even in the same read, belongs to no step
        self._tell(step.done(done))

    # --- time and the end

    def _keep_time(self) -> None:
        """See that the step keeps its time, now and again later."""
        self._stop_keeping_time()
        step = self._step
        if step is None or self._channel.closed:
            return
        look_after = self._enforce_time(step)
        if look_after is not None:
            self._stop_keeping_time()
            self._timer = self._loop.call_later(look_after, self._keep_time)

    def _clock_goes_on(self) -> None:
        """The clock of the step has stood still: it is to be looked at sooner."""
        self._keep_time()

    def _stop_keeping_time(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _kill(self, verdict: str) -> None:
        """End the worker. The verdict is the reason, unless it has ended already."""
        self._end_process()
        if not self._channel.closed:
            self._verdict = verdict
            self._channel.close()
            self._gone()

    async def _reason(self) -> str:
        if self._verdict is not None:
            return self._verdict
        return cause_of_death(await self._exit_status(), self._settings.memory_mb)
