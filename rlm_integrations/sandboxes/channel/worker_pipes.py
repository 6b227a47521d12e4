"""The pipes of a worker beside an event loop: one thread reads, one writes, so that neither ever blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from rlm_integrations.sandboxes.channel.frames import write_frame

READ_BYTES = 64 << 10
"""The host parses so much in one go."""


class PipedProcess(Protocol):
    """A process that is read from and written to by a thread each. Safe in any thread."""

    killed: bool
    """Whether the host has ended it: what it still says is of no interest."""

    def read(self) -> bytes:
        """What it sends next, a piece that the host can parse in one go; blocks. b"" at its end. Raises OSError."""
        ...

    def write(self, data: bytes) -> None:
        """Write all of it to the process; blocks. Raises OSError where it has ended."""
        ...

    def kill(self) -> None:
        """End it at once. May be called at any time."""
        ...

    def reap(self) -> int | None:
        """End it, if need be, and its exit status; None if nobody can tell. Frees everything.

        Nobody may be reading or writing any more.
        """
        ...


class OnDescriptors:
    """How a process is read and written that is at the other end of two descriptors."""

    incoming: int
    """To read what it sends from."""
    outgoing: int
    """To write to it; may be the same."""

    def read(self) -> bytes:
        return os.read(self.incoming, READ_BYTES)

    def write(self, data: bytes) -> None:
        write_frame(self.outgoing, data)


class LoopOrNone:
    """The event loop of one pair of pipes, from any thread; while there is none, what is to be called in it waits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = loop
        self._waiting: list[Callable[[], None]] = []

    def call(self, function: Callable[[], None]) -> None:
        """Raises RuntimeError where the loop is closed."""
        with self._lock:
            if self._loop is None:
                self._waiting.append(function)
            else:
                self._loop.call_soon_threadsafe(function)

    def leave(self) -> None:
        with self._lock:
            self._loop = None

    def join(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            self._loop = loop
            for function in self._waiting:
                loop.call_soon(function)
            self._waiting.clear()


class WorkerPipes:
    """Hands what comes to the loop, a piece at a time; writes what it is given; reaps the worker at its end.

    The threads do not hold this object: the worker ends with it at the latest, as when the loop was closed over it.
    """

    def __init__(
        self,
        worker: PipedProcess,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_exit: Callable[[int | None], None],
        on_all_sent: Callable[[], None],
    ) -> None:
        """Begins at once. All are called in the loop, `on_exit` with the exit status, after `close` too."""
        self._worker, self._on_data, self._on_exit, self._on_all_sent = worker, on_data, on_exit, on_all_sent
        self._turns = threading.Semaphore(0)
        """Pieces that the reader may go on to."""
        self._owes_turn = False
        self.reads = True
        self.closed = False
        self._ends = weakref.finalize(self, _end, worker, self._turns)
        self._loop = LoopOrNone(loop)
        me: weakref.ref[WorkerPipes] = weakref.ref(self)
        self._writer = _Writer(worker, self._loop, me)
        reader = _Reader(worker, self._loop, self._writer, self._turns, me)
        threading.Thread(target=reader.run, name="rlm-worker-read", daemon=True).start()

    @property
    def unsent_bytes(self) -> int:
        """What was written and has not gone into the pipe."""
        return self._writer.unsent_bytes

    def write(self, data: bytes) -> None:
        if not self.closed:
            self._writer.write(data)

    def pause_reading(self) -> None:
        """Leave what comes in the pipe, from the next piece on. Called in `on_data`."""
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True
        if self._owes_turn:
            self._owes_turn = False
            self._turns.release()

    def close(self) -> None:
        """End the worker; `on_exit` follows."""
        self.closed = True
        self._ends()

    def leave_loop(self) -> None:
        """Keep what comes until there is a loop again."""
        self._loop.leave()

    def join_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop.join(loop)

    def take(self, data: bytes) -> None:
        """For the reader, in the loop."""
        try:
            if not self.closed:
                self._on_data(data)
        finally:
            if self.reads:
                self._turns.release()
            else:
                self._owes_turn = True

    def all_sent(self) -> None:
        """For the writer, in the loop."""
        if not self.closed and not self.unsent_bytes:
            self._on_all_sent()

    def end(self, status: int | None) -> None:
        """For the reader, in the loop: the worker has ended and everything was taken."""
        self.closed = True
        self._on_exit(status)


def _end(worker: PipedProcess, turns: threading.Semaphore) -> None:
    worker.kill()
    turns.release()  # the reader may be waiting for a loop that is closed


class _Writer:
    """A thread that writes to the worker what is queued: all of it at once, for each write may take long."""

    def __init__(self, worker: PipedProcess, loop: LoopOrNone, pipes: weakref.ref[WorkerPipes]) -> None:
        self._worker, self._loop, self._pipes = worker, loop, pipes
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._queued = self._written = 0
        self._thread = threading.Thread(target=self._run, name="rlm-worker-write", daemon=True)
        self._thread.start()

    @property
    def unsent_bytes(self) -> int:
        return self._queued - self._written

    def write(self, data: bytes) -> None:
        self._queued += len(data)
        self._queue.put(data)

    def stop(self) -> None:
        """Wait until it has ended. The worker must have ended before."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (data := self._queue.get()) is not None:
            parts: list[bytes] = [data]
            with contextlib.suppress(Empty):
                while (more := self._queue.get_nowait()) is not None:
                    parts.append(more)
                self._queue.put(None)
            whole = data if len(parts) == 1 else b"".join(parts)
            with contextlib.suppress(OSError):  # it has ended
                self._worker.write(whole)
            self._written += len(whole)
            if self._queue.empty():
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call(self._report)

    def _report(self) -> None:
        pipes = self._pipes()
        if pipes is not None:
            pipes.all_sent()


class _Reader:
    """What the reading thread does: it waits for its turn after each piece, and reaps the worker."""

    def __init__(
        self,
        worker: PipedProcess,
        loop: LoopOrNone,
        writer: _Writer,
        turns: threading.Semaphore,
        pipes: weakref.ref[WorkerPipes],
    ) -> None:
        self._worker, self._loop, self._writer, self._turns, self._pipes = worker, loop, writer, turns, pipes

    def run(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the loop is closed
            while (data := self._worker.read()) and not self._worker.killed:
                self._loop.call(partial(self._hand_on, data))
                self._turns.acquire()
        self._worker.kill()
        self._writer.stop()
        status = self._worker.reap()
        with contextlib.suppress(RuntimeError):
            self._loop.call(partial(self._report, status))

    def _hand_on(self, data: bytes) -> None:
        pipes = self._pipes()
        if pipes is not None:
            pipes.take(data)

    def _report(self, status: int | None) -> None:
        pipes = self._pipes()
        if pipes is not None:
            pipes.end(status)
