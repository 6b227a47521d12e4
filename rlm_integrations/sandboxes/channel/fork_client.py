"""The host's view of a fork server: the helper, or a holder of documents."""

from __future__ import annotations

import errno
import os
import socket
import threading
import weakref
from dataclasses import dataclass

from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.fork_server import MESSAGE_BYTES

START_TIMEOUT_S = 60.0
"""Seconds that a process may take to be there."""

LOAD_TIMEOUT_S = 600.0
"""Seconds that a holder may take to load its documents."""


_SHORT_OF_MEANS = (errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM)


class ServerGoneError(Exception):
    """The process at the other end of the control socket has ended."""


_open_sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()


class _HostSocket(socket.socket):
    """Closed without a complaint where nobody could: when a loop was closed over it, and at interpreter exit."""

    def __del__(self) -> None:
        self.close()


def socket_pair(kind: socket.SocketKind) -> tuple[socket.socket, socket.socket]:
    """A pair of sockets, the first for the host. It does not outlive a fork of the host. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    host_end = _HostSocket(socket.AF_UNIX, kind, fileno=ours.detach())
    _open_sockets.add(host_end)
    return host_end, theirs


def close_all_in_fork() -> None:
    """A fork of the host would hold the other ends alive: it closes its copies."""
    for each in list(_open_sockets):
        each.close()


@dataclass(eq=False)
class WorkerProcess:
    """A worker that was just forked. Whoever has it closes both sockets and the pidfd."""

    channel: socket.socket
    leash: socket.socket
    pid: int
    pidfd: int
    server: ForkClient | None
    """Held, for the worker dies with its server; let go of when that does not matter any more."""

    def discard(self) -> None:
        """End the worker: it hangs on the leash."""
        self.channel.close()
        self.leash.close()
        os.close(self.pidfd)


class ForkClient:
    """Sends requests to one fork server, from any thread. The server ends when this object does."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lock = threading.Lock()

    def close(self) -> None:
        """End the server."""
        self._control.close()

    def wait_until_ready(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Raises ServerGoneError, or SandboxError in the server's words."""
        self._control.settimeout(timeout_s)
        message, _ = _receive(self._control)
        self._control.settimeout(None)
        if message != b"ready":
            raise SandboxError(f"sandbox: the process could not be started: {_words(message)}")

    def start_worker(self, file: int) -> WorkerProcess:
        """Fork a worker that gets a file, which stays the caller's. Raises ServerGoneError, SandboxError, OSError."""
        channel, channel_end = socket_pair(socket.SOCK_STREAM)
        with channel_end:
            leash, leash_end = socket_pair(socket.SOCK_SEQPACKET)
            with leash_end:
                self._request(b"worker", [channel_end.fileno(), leash_end.fileno(), file])
        pidfds: list[int] = []
        try:
            leash.settimeout(START_TIMEOUT_S)
            message, pidfds = _receive(leash)
            if not message.startswith(b"born "):
                raise SandboxError(f"sandbox: the REPL could not be started: {_words(message)}")
            if not pidfds:  # the kernel had no place for it
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        except BaseException:
            channel.close()
            leash.close()
            raise
        leash.setblocking(False)
        return WorkerProcess(channel, leash, int(message[5:]), pidfds[0], self)

    def start_holder(self, document_file: int, text_file: int) -> ForkClient:
        """Fork a server that holds the documents of these files. Raises ServerGoneError, SandboxError."""
        control, control_end = socket_pair(socket.SOCK_SEQPACKET)
        client = ForkClient(control)
        with control_end:
            self._request(b"holder", [control_end.fileno(), document_file, text_file])
        client.wait_until_ready(LOAD_TIMEOUT_S)
        return client

    def _request(self, message: bytes, descriptors: list[int]) -> None:
        try:
            with self._lock:
                socket.send_fds(self._control, [message], descriptors)
        except OSError as error:
            if error.errno in _SHORT_OF_MEANS:
                raise
            raise ServerGoneError from error


def _receive(receiver: socket.socket) -> tuple[bytes, list[int]]:
    try:
        message, descriptors, _, _ = socket.recv_fds(receiver, MESSAGE_BYTES, 1)
    except TimeoutError:
        seconds = f"{receiver.gettimeout():.0f} s"
        raise SandboxError(f"sandbox: no process was there after {seconds}; the machine may be overloaded") from None
    except OSError as error:
        raise ServerGoneError from error
    if not message:
        raise ServerGoneError
    return message, descriptors


def _words(message: bytes) -> str:
    return message.removeprefix(b"failed ").decode(errors="replace")
