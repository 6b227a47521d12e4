"""Between commands and a worker: two streams of bytes, of which each exchange says how far it has come.

An exchange is a request and its answer over a local socket, made by a command that lasts as long. It may be lost,
cut short, come late or twice: bytes have places, and what was received before is passed.

Between steps the worker is stopped, as soon as it says that one is over: what a step left behind is to use no time. So
each exchange says how many steps the host has begun. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, decode
from rlm_integrations.sandboxes.channel.worker_usage import cpu_seconds, memory_bytes, thread_count
from rlm_integrations.wire.exchanges import Answer, Mode, Request
from rlm_integrations.wire.messages import may_wait_for_steps, waits_for_steps

SOCKET = "s"
"""Name of the socket in the folder of a REPL: short, for a socket's address is."""

_MOST_HELD_BYTES = 4 << 20
"""Of what waits for the worker, or for its host. More is not taken."""

_READ_BYTES = 256 << 10
_INTERRUPT_EVERY_S = 0.05  # the worker lets a signal pass that comes outside of the model's code
_MORE_S = 0.002  # an answer amid a step waits so long for more: what is said at once comes in pieces
_CLIENT_S = 5.0


@dataclass
class _Waiting:
    client: socket.socket
    most: int
    since: float
    until: float


class _StepsOver:
    """How many steps are over, by what the worker says; -1 until it is ready."""

    def __init__(self) -> None:
        self.count = -1
        self._frames = FrameBuffer()

    def look_at(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                if may_wait_for_steps(body) and waits_for_steps(decode(body)):
                    self.count += 1
        except (FrameTooLongError, ValueError, StopIteration, LookupError, TypeError, RecursionError):
            pass  # the code wrote it: the host ends what breaks the protocol


class Relay:
    """Serves one worker, its child, until its host says that it is over, or says nothing for long."""

    def __init__(self, listener: socket.socket, worker: socket.socket, pid: int) -> None:
        self._listener, self._worker, self._pid = listener, worker, pid
        self._status: int | None = None
        self._to_worker, self._got = bytearray(), 0
        """What the worker has not read yet, and how many bytes have come for it."""
        self._to_host, self._had = bytearray(), 0
        """What the host does not have yet, and how many bytes before it the host has."""
        self._said_at = 0.0
        """When it began to have something again that the host does not have."""
        self._waiting: list[_Waiting] = []
        self._newest, self._steps = -1, 0
        self._mode: Mode = "run"
        self._over = _StepsOver()
        worker.setblocking(False)

    def serve(self, silence_s: float) -> None:
        """Until then, or until nobody has asked for anything for so many seconds."""
        heard = time.monotonic()
        try:
            while self._mode != "end" and time.monotonic() < heard + silence_s:
                if self._wait(silence_s / 4):
                    heard = time.monotonic()
                if self._interrupts and self._status is None:
                    os.kill(self._pid, signal.SIGINT)
                self._answer_those_who_wait()
        finally:
            self._end()

    @property
    def _rests(self) -> bool:
        return self._over.count >= self._steps

    @property
    def _interrupts(self) -> bool:
        return self._mode == "interrupt" and not self._rests

    def _wait(self, seconds: float) -> bool:
        """Until something can be done. Whether somebody asked."""
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        if self._status is None:
            wanted = select.POLLIN if len(self._to_host) < _MOST_HELD_BYTES else 0
            poll.register(self._worker, wanted | (select.POLLOUT if self._to_worker else 0))
        if self._interrupts:
            seconds = _INTERRUPT_EVERY_S
        if self._waiting:
            seconds = min(seconds, max(0.0, min(map(self._due, self._waiting)) - time.monotonic()))
        asked = False
        for descriptor, what in poll.poll(seconds * 1000):
            if descriptor == self._listener.fileno():
                asked = True
                self._take_request()
            else:
                self._move(what)
        return asked

    def _move(self, what: int) -> None:
        """Bytes to and from the worker, as far as they go."""
        try:
            if what & select.POLLOUT:
                del self._to_worker[: self._worker.send(self._to_worker[:_READ_BYTES])]
            if what & ~select.POLLOUT:
                data = self._worker.recv(_READ_BYTES)
                if not data:
                    self._reap()
                    return
                if not self._to_host:
                    self._said_at = time.monotonic()
                self._to_host += data
                self._over.look_at(data)
                self._rest_or_run()
        except BlockingIOError:
            pass
        except OSError:
            self._reap()

    def _reap(self) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                if self._mode == "end":
                    os.killpg(self._pid, signal.SIGKILL)
                else:
                    self._let_it_end()
            self._status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
            with contextlib.suppress(ProcessLookupError):  # what its code started
                os.killpg(self._pid, signal.SIGKILL)

    def _let_it_end(self) -> None:
        """It has closed its channel: it ends now, or is ended."""
        pidfd = os.pidfd_open(self._pid)
        try:
            if not select.select([pidfd], [], [], 1.0)[0]:
                os.kill(self._pid, signal.SIGKILL)
        finally:
            os.close(pidfd)

    def _take_request(self) -> None:
        client, _ = self._listener.accept()
        client.settimeout(_CLIENT_S)
        try:
            parts: list[bytes] = []
            while part := client.recv(_READ_BYTES):
                parts.append(part)
            asked = Request.read(b"".join(parts))
            self._steer(asked)
            self._take(asked)
            self._forget(asked.have)
            now = time.monotonic()
            self._waiting.append(_Waiting(client, asked.most, now, now + asked.wait_s))
        except (OSError, ValueError, KeyError, TypeError):  # the command was ended amid it, or is none of ours
            client.close()

    def _steer(self, asked: Request) -> None:
        """What the host wants of the worker, unless it has said something newer."""
        if asked.number <= self._newest:
            return
        self._newest, self._mode, self._steps = asked.number, asked.mode, asked.steps
        self._rest_or_run()

    def _rest_or_run(self) -> None:
        if self._status is None:
            os.killpg(self._pid, signal.SIGSTOP if self._rests else signal.SIGCONT)

    def _take(self, asked: Request) -> None:
        """What is new of the bytes that came, if there is room."""
        if asked.end <= self._got:
            return
        data = asked.data
        if asked.file:
            data = Path(asked.file).read_bytes()
            if crc32(data) != asked.crc:  # it is to be brought again
                return
        new = data[self._got - asked.at :] if asked.at <= self._got else b""
        if len(self._to_worker) < _MOST_HELD_BYTES:
            self._to_worker += new
            self._got += len(new)
        if asked.file and self._got >= asked.end:
            Path(asked.file).unlink()

    def _forget(self, had: int) -> None:
        more = min(had - self._had, len(self._to_host))
        if more > 0:
            del self._to_host[:more]
            self._had += more

    def _due(self, asker: _Waiting) -> float:
        """When it is to be answered, as things are."""
        if self._status is not None or self._mode == "end" or (self._to_host and self._rests):
            return 0.0
        return min(asker.until, self._said_at + _MORE_S) if self._to_host else asker.until

    def _answer_those_who_wait(self) -> None:
        now, left = time.monotonic(), list[_Waiting]()
        for each in self._waiting:
            if now >= self._due(each):
                self._answer(each)
            else:
                left.append(each)
        self._waiting = left

    def _answer(self, asker: _Waiting) -> None:
        over = self._status is not None and len(self._to_host) <= asker.most
        answer = Answer(
            self._got,
            self._had,
            bytes(self._to_host[: asker.most]),
            self._status if over else None,
            cpu_seconds(self._pid),
            memory_bytes(self._pid),
            thread_count(self._pid),
            time.monotonic() - asker.since,
        )
        with asker.client, contextlib.suppress(OSError):
            asker.client.sendall(answer.to_line())

    def _end(self) -> None:
        self._mode = "end"
        self._reap()
        self._answer_those_who_wait()
