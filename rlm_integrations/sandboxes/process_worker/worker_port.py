"""The worker's end of the channel: calls from any thread, answered by id; one thread reads.

It lives beside the model's code, so like `frames` it holds what it calls and has builtins of its own.
Standard library only.
"""

from __future__ import annotations

import _thread
import builtins
import itertools
import os
from _queue import SimpleQueue
from collections.abc import Callable, Sequence
from typing import Any

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_CHANNEL
from rlm_integrations.sandboxes.channel.frames import FrameTooLongError, encode_short, write_frame
from rlm_integrations.sandboxes.channel.host_messages import read_host
from rlm_integrations.wire.calls import Call
from rlm_integrations.wire.messages import VALUE, BeginStep, Message, answered_calls, printed, refusal, refused
from rlm_integrations.wire.messages import call as call_message

globals()["__builtins__"] = vars(builtins).copy()

_OPEN_CALLS = 2_000
"""Calls open at once; more wait their turn in the worker. The host kills a worker at five times as many."""

_exit, _ident = os._exit, _thread.get_ident
_read_step = BeginStep.read
_allocate_lock, _start_thread = _thread.allocate_lock, _thread.start_new_thread

_Answer = tuple[int, Message]


class WorkerPort:
    """Implements `HostPort`. Created in the main thread, which alone is interrupted."""

    def __init__(self, channel: int) -> None:
        """`channel` is the descriptor of a socket."""
        self._channel = channel
        self._main_thread = _ident()
        self._send_lock = _allocate_lock()
        self._ids = itertools.count(1)
        self._waiting: dict[int, SimpleQueue[_Answer]] = {}
        self._unused_places = iter(range(_OPEN_CALLS))
        self._free_places: SimpleQueue[None] = SimpleQueue()
        """Those that were used before."""
        self._steps: SimpleQueue[BeginStep] = SimpleQueue()
        self.own_threads = {self._main_thread}
        """Idents of the threads that are not the model's."""
        self.main_sends = False
        """Whether the main thread is sending: an interrupt now would tear the message."""
        self.when_sent: Callable[[], None] | None = None
        """Called once when the main thread has sent: the interrupt that came meanwhile."""

    def start_reading(self) -> None:
        self.own_threads.add(_start_thread(read_host, (self._channel, self._take)))

    def next_step(self) -> BeginStep:
        """Wait for the host to start a step."""
        return self._steps.get()

    def send(self, message: Message) -> None:
        """Send a message, whole, from any thread. Raises what `encode_short` raises."""
        frames = encode_short(message)
        if _ident() != self._main_thread:
            self._write(frames)
            return
        self.main_sends = True
        try:
            self._write(frames)
        finally:
            self.main_sends = False
        when_sent, self.when_sent = self.when_sent, None
        if when_sent is not None:
            when_sent()

    def call(self, call: Call) -> Any:
        (reply,) = self.call_all([call])
        if isinstance(reply, HostRefusalError):
            raise reply
        return reply

    def call_all(self, calls: Sequence[Call]) -> list[Any]:
        replies: SimpleQueue[_Answer] = SimpleQueue()
        places: dict[int, int] = {}
        results: list[Any] = [None] * len(calls)
        try:
            for place, call in enumerate(calls):
                if next(self._unused_places, None) is None:
                    self._free_places.get()
                id_ = next(self._ids)
                places[id_] = place
                self._waiting[id_] = replies
                refusal = self._send_call(id_, call)
                if refusal is not None:
                    self._deliver(id_, refusal)
            for _ in calls:
                id_, reply = replies.get()
                results[places[id_]] = _result(reply)
        finally:
            for id_ in places:
                # one that is still open keeps its place until the host answers it, at the end of the step at the latest
                if id_ in self._waiting:
                    self._waiting[id_] = SimpleQueue()
        return results

    def print_head(self, text: str) -> None:
        self.send(printed(text))

    def _send_call(self, id_: int, call: Call) -> Message | None:
        """Returns what refuses it, where it cannot be sent."""
        try:
            self.send(call_message(id_, call.function, call.to_payload()))
        except (TypeError, RecursionError) as error:
            return refusal(id_, "type", f"only plain data can be passed to the host: {error}")
        except FrameTooLongError as error:
            return refusal(id_, "value", f"too much to be passed to the host: {error}")
        return None

    def _write(self, frames: list[bytes]) -> None:
        with self._send_lock:
            try:
                for frame in frames:
                    write_frame(self._channel, frame)
            except OSError:
                _exit(EXIT_CHANNEL)

    def _take(self, message: Message) -> None:
        """In the thread that reads: give a message of the host to whoever waits for it."""
        step = _read_step(message)
        if step is not None:
            self._steps.put(step)
            return
        for id_ in answered_calls(message):
            self._deliver(id_, message)

    def _deliver(self, id_: int, message: Message) -> None:
        waiter = self._waiting.pop(id_, None)
        if waiter is not None:
            self._free_places.put(None)
            waiter.put((id_, message))


def _result(answer: Message) -> Any:
    why = refused(answer)
    return answer[VALUE] if why is None else HostRefusalError(*why)
