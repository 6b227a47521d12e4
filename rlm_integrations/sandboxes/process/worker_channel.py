"""The host's end of a worker's channel, read and written on an event loop.

Not a transport of the loop: those raise or complain when the loop is closed over them.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable

_READ_BYTES = 64 << 10  # a larger buffer is mapped and unmapped for each read
_SENT_A_TURN, _LEAST_COST = 1 << 20, 1 << 14  # bytes; a worker that reads as fast as the host writes stops no loop


class WorkerChannel:
    """Hands on what comes, and keeps what the worker has not read yet. It belongs to one event loop at a time."""

    def __init__(
        self,
        connection: socket.socket,
        loop: asyncio.AbstractEventLoop,
        on_data: Callable[[bytes], None],
        on_end: Callable[[], None],
    ) -> None:
        """`on_end` is called when the worker has closed its end, not after `close`."""
        self._socket, self._on_data, self._on_end = connection, on_data, on_end
        self._descriptor = connection.fileno()  # a selector that is given a socket writes its repr, to no use
        self._loop = loop
        self._rests = False
        self._unsent: deque[memoryview] = deque()
        self.unsent_bytes = 0
        self._waits_to_write = False
        self.closed = False
        self.reads = False
        connection.setblocking(False)
        self.resume_reading()

    def pause_reading(self) -> None:
        if self.reads:
            self.reads = False
            self._loop.remove_reader(self._descriptor)

    def resume_reading(self) -> None:
        if not self.reads and not self.closed:
            self.reads = True
            self._loop.add_reader(self._descriptor, self._read)

    def write(self, data: bytes) -> None:
        """Send it now or as soon as the worker reads."""
        if self.closed:
            return
        idle = not self._unsent
        self._unsent.append(memoryview(data))
        self.unsent_bytes += len(data)
        if idle:
            self._send()
            if self._unsent:
                self._waits_to_write = True
                self._loop.add_writer(self._descriptor, self._send)

    def close(self) -> None:
        """Drop what is unsent. Harmless twice, and after the loop was closed."""
        if self.closed:
            return
        self.closed = True
        self._unsent.clear()
        self.unsent_bytes = 0
        self._on_data = self._on_end = _ignore  # whoever is told holds this
        if not self._rests:
            self._forget()
        self.reads = self._waits_to_write = False  # the number may be another file's by now
        self._socket.close()

    def leave_loop(self) -> None:
        """Be of no loop, until `join_loop`: what comes stays in the socket."""
        self._forget()
        self._rests = True

    def join_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._rests = loop, False
        if self.reads:
            loop.add_reader(self._descriptor, self._read)
        if self._waits_to_write:
            loop.add_writer(self._descriptor, self._send)

    def _forget(self) -> None:
        if self._loop.is_closed():
            return
        if self.reads:
            self._loop.remove_reader(self._descriptor)
        if self._waits_to_write:
            self._loop.remove_writer(self._descriptor)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_data(data)
        else:
            self._end()

    def _send(self) -> None:
        left = _SENT_A_TURN
        try:
            while self._unsent:
                if left <= 0:
                    return
                sent = self._socket.send(self._unsent[0][:left])
                left -= max(sent, _LEAST_COST)
                self.unsent_bytes -= sent
                if sent == len(self._unsent[0]):
                    self._unsent.popleft()
                else:
                    self._unsent[0] = self._unsent[0][sent:]
        except BlockingIOError:
            return
        except OSError:
            # What the worker sent before it ended is read first: its end comes to the reader as well.
            self._unsent.clear()
            self.unsent_bytes = 0
        if self._waits_to_write:
            self._waits_to_write = False
            self._loop.remove_writer(self._descriptor)

    def _end(self) -> None:
        tell = self._on_end
        self.close()
        tell()


def _ignore(*_: object) -> None:
    """For a channel that is closed."""
