"""The loop of a process that forks others when the host asks: the helper, and a holder for each large corpus.

A server has one thread and no state but its children. Requests come over a control socket, one message each,
with descriptors:

    b"worker"   channel, leash, session file      -> a child that becomes a REPL
    b"holder"   control socket, document file, text file -> a child that loads the documents and serves as well

A worker hangs on its leash, a socket whose other end the host holds: the server writes to it
`born PID` with a pidfd, or `failed WORDS`; then `ended STATUS`. When the host lets go of it, the server kills
the worker. When the control socket ends, it kills all of them and is done.
Standard library only: this runs in the helper.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket
from dataclasses import dataclass

MESSAGE_BYTES = 4096
"""Messages on control sockets and leashes are shorter."""

_DESCRIPTORS = {b"worker": 3, b"holder": 3}


@dataclass(frozen=True)
class WorkerJob:
    """What a child is to become: a REPL."""

    channel: int
    session_file: int
    parent: int


@dataclass(frozen=True)
class HolderJob:
    """What a child is to become: a server that holds documents."""

    control: int
    document_file: int
    text_file: int


@dataclass(frozen=True)
class _Child:
    pid: int
    pidfd: int
    leash: int | None


class ForkServer:
    def __init__(self, control: int) -> None:
        self._control = socket.socket(fileno=control)
        self._children: dict[int, _Child] = {}
        """By pidfd and by leash."""
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def ready(self) -> None:
        """Tell the host that requests are served from now on."""
        self._control.send(b"ready")

    def serve(self) -> WorkerJob | HolderJob | None:
        """Serve until the host is gone: None. In each child it returns at once, with what the child is to be."""
        while True:
            for descriptor, _ in self._poll.poll():
                child = self._children.get(descriptor)
                if child is not None:
                    if descriptor == child.pidfd:
                        self._reap(child)
                    else:
                        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
                        self._poll.unregister(descriptor)
                elif descriptor == self._control.fileno():
                    try:
                        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, 4)
                    except ConnectionResetError:
                        message, descriptors = b"", []
                    if not message:
                        self._kill_all()
                        return None
                    job = self._start(message, descriptors)
                    if job is not None:
                        return job

    def _start(self, message: bytes, descriptors: list[int]) -> WorkerJob | HolderJob | None:
        """Fork. In the child: its job, and nothing open that is not part of it."""
        if len(descriptors) != _DESCRIPTORS[message]:  # too many are open here; the host sees its ends close
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        parent = os.getpid()
        leash = descriptors[1] if message == b"worker" else None
        try:
            pid = os.fork()
        except OSError as error:
            if leash is not None:
                os.write(leash, f"failed no process could be started: {error.strerror}".encode())
            for descriptor in descriptors:
                os.close(descriptor)
            return None
        if pid == 0:
            self._leave_to_parent(keep={each for each in descriptors if each != leash})
            first, second, last = descriptors
            return HolderJob(first, second, last) if leash is None else WorkerJob(first, last, parent)
        self._adopt(_Child(pid, os.pidfd_open(pid), leash))
        for descriptor in descriptors:
            if descriptor != leash:
                os.close(descriptor)
        return None

    def _adopt(self, child: _Child) -> None:
        self._children[child.pidfd] = child
        self._poll.register(child.pidfd, select.POLLIN)
        if child.leash is None:
            return
        self._children[child.leash] = child
        self._poll.register(child.leash, 0)  # reported when the other end is closed
        leash = socket.socket(fileno=child.leash)
        with contextlib.suppress(OSError):  # the host may have let go already, which the poll reports
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [child.pidfd]))]
            leash.sendmsg([b"born %d" % child.pid], rights)
        leash.detach()

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        if child.leash is not None:
            with contextlib.suppress(OSError):  # nobody may be left to be told
                os.write(child.leash, b"ended %d" % os.waitstatus_to_exitcode(status))
            self._drop(child.leash)
        self._drop(child.pidfd)

    def _drop(self, descriptor: int) -> None:
        with contextlib.suppress(KeyError):  # a leash that was let go of is no longer polled
            self._poll.unregister(descriptor)
        del self._children[descriptor]
        os.close(descriptor)

    def _kill_all(self) -> None:
        for descriptor, child in self._children.items():
            if descriptor == child.pidfd and child.leash is not None:
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _leave_to_parent(self, keep: set[int]) -> None:
        """Close what belongs to the server that forked this process."""
        control = self._control.detach()
        highest = max([control, *self._children, *keep])
        start = 3
        for descriptor in sorted(keep):
            os.closerange(start, descriptor)
            start = descriptor + 1
        os.closerange(start, highest + 1)
