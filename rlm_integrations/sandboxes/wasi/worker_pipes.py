"""The pipes of a worker beside an event loop: one thread reads, one writes, so that neither ever blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

from rlm_integrations.sandboxes.channel.frames import write_frame
from rlm_integrations.sandboxes.wasi.worker_process import WasiProcess

_READ_BYTES = 64 << 10  # the host parses so much in one go


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
        worker: WasiProcess,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_exit: Callable[[int], None],
    ) -> None:
        """Begins at once. `on_exit` gets the exit status, after `close` too; both are called in the loop."""
        self._worker, self._on_data, self._on_exit = worker, on_data, on_exit
        self._writer = _Writer(worker.outgoing)
        self._turns = threading.Semaphore(0)
        """Pieces that the reader may go on to."""
        self._owes_turn = False
        self.reads = True
        self.closed = False
        self._ends = weakref.finalize(self, _end, worker, self._turns)
        self._loop = LoopOrNone(loop)
        reader = _Reader(worker, self._loop, self._writer, self._turns, weakref.ref(self))
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

    def end(self, status: int) -> None:
        """For the reader, in the loop: the worker has ended and everything was taken."""
        self.closed = True
        self._on_exit(status)


def _end(worker: WasiProcess, turns: threading.Semaphore) -> None:
    worker.kill()
    turns.release()  # the reader may be waiting for a loop that is closed


class _Writer:
    """A thread that writes to the worker what is queued."""

    def __init__(self, outgoing: int) -> None:
        self._outgoing = outgoing
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
            with contextlib.suppress(OSError):  # it has ended
                write_frame(self._outgoing, data)
            self._written += len(data)


class _Reader:
    """What the reading thread does: it waits for its turn after each piece, and reaps the worker."""

    def __init__(
        self,
        worker: WasiProcess,
        loop: LoopOrNone,
        writer: _Writer,
        turns: threading.Semaphore,
        pipes: weakref.ref[WorkerPipes],
    ) -> None:
        self._worker, self._loop, self._writer, self._turns, self._pipes = worker, loop, writer, turns, pipes

    def run(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the loop is closed
            while (data := os.read(self._worker.incoming, _READ_BYTES)) and not self._worker.killed:
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

    def _report(self, status: int) -> None:
        pipes = self._pipes()
        if pipes is not None:
            pipes.end(status)
