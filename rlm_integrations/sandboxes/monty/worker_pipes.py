"""The pipes of a worker beside an event loop: one thread reads, one writes, so that neither ever blocks the loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

from rlm_integrations.sandboxes.channel.frames import write_frame
from rlm_integrations.sandboxes.monty.worker_process import WorkerProcess

_READ_BYTES = 1 << 20


class WorkerPipes:
    """Hands what arrives to the loop, a piece at a time; writes what it is given; reaps the worker at its end."""

    def __init__(self, worker: WorkerProcess, on_data: Callable[[bytes], None], on_end: Callable[[int], None]) -> None:
        """Begins at once, in the running loop. `on_end` gets the exit status; both are called in the loop."""
        self._worker, self._on_data, self._on_end = worker, on_data, on_end
        self._loop = asyncio.get_running_loop()
        self._may_read = threading.Event()
        self._may_read.set()
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._queued = self._written = 0
        self._writer = threading.Thread(target=self._write, name="rlm-monty-write", daemon=True)
        self._writer.start()
        threading.Thread(target=self._read, name="rlm-monty-read", daemon=True).start()

    @property
    def unread_bytes(self) -> int:
        """What was sent and has not gone into the pipe."""
        return self._queued - self._written

    def send(self, frame: bytes) -> None:
        self._queued += len(frame)
        self._outbox.put(frame)

    def pause_reading(self) -> None:
        """Leave what arrives in the pipe, from the next piece on. Called in `on_data`."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    def kill(self) -> None:
        """End the worker; `on_end` follows."""
        self._worker.kill()
        self._may_read.set()

    def _read(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: the loop is closed
            while data := os.read(self._worker.incoming, _READ_BYTES):
                taken = threading.Event()
                self._loop.call_soon_threadsafe(self._take, data, taken)
                taken.wait()
                self._may_read.wait()
        self._worker.kill()
        self._outbox.put(None)
        self._writer.join()
        status = self._worker.reap()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._on_end, status)

    def _take(self, data: bytes, taken: threading.Event) -> None:
        try:
            self._on_data(data)
        finally:
            taken.set()

    def _write(self) -> None:
        while (frame := self._outbox.get()) is not None:
            with contextlib.suppress(OSError):  # it has ended
                write_frame(self._worker.outgoing, frame)
            self._written += len(frame)
