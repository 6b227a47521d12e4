"""The loop of a process that forks others when the host asks: a helper, and a holder for each large corpus.

A server has one thread and no state but its children. Requests come over a control socket, one message each,
with descriptors:

    b"worker"   channel, leash, file            -> a child that becomes a REPL, and knows what the file is for
    b"holder"   control socket, document file, text file -> a child that loads the documents and serves as well

A worker hangs on its leash, a socket whose other end the host holds: the server writes to it
`born PID` with a pidfd, or `failed WORDS`; then `ended STATUS`. When the host lets go of it, the server kills
the worker. When the control socket ends, it kills all of them and is done.

Forking takes most of the time of a start. So when a worker was asked for and nothing else is to be done, a spare
is forked, which waits for the channel and file of the next one. It holds nothing but its end of a socket.
Standard library only: this runs in the helper.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import signal
import socket

from rlm_integrations.frozen import frozen

MESSAGE_BYTES = 4096
"""Messages on control sockets and leashes are shorter."""

SPARE_S = 30.0
"""Seconds that a spare is kept while nothing happens."""

_DESCRIPTORS = {b"worker": 3, b"holder": 3}


@frozen
class WorkerJob:
    """What a child is to become: a REPL."""

    channel: int
    file: int
    parent: int


@frozen
class HolderJob:
    """What a child is to become: a server that holds documents."""

    control: int
    document_file: int
    text_file: int


@frozen
class _Child:
    pid: int
    pidfd: int
    leash: int | None


@frozen
class _Spare:
    """A child that waits for its job."""

    child: _Child
    handover: socket.socket


class ForkServer:
    def __init__(self, control: int) -> None:
        """Serve the socket of this descriptor."""
        self._control = socket.socket(fileno=control)
        self._children: dict[int, _Child] = {}
        """By pidfd and by leash."""
        self._spare: _Spare | None = None
        self._wants_spare = False
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def ready(self) -> None:
        """Tell the host that requests are served from now on."""
        self._control.send(b"ready")

    def serve(self) -> WorkerJob | HolderJob | None:
        """Serve until the host is gone: None. In each child it returns at once, with what the child is to be."""
        while True:
            events = self._poll.poll(self._patience_ms())
            if not events:
                job = self._fork_spare() if self._wants_spare else self._end_spare()
                if job is not None:
                    return job
            for descriptor, _ in events:
                child = self._children.get(descriptor)
                if child is not None:
                    if descriptor == child.pidfd:
                        self._reap(child)
                    else:
                        self._kill(child)
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
        if leash is not None:
            self._wants_spare = True
            if self._hand_over(*descriptors):
                return None
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

    def _patience_ms(self) -> float | None:
        """How long to wait for events before something is done about the spare."""
        if self._wants_spare:
            return 0
        return None if self._spare is None else SPARE_S * 1_000

    def _fork_spare(self) -> WorkerJob | None:
        """Have a spare, if it can be. In the child: its job, once there is one."""
        self._wants_spare = False
        if self._spare is not None:
            return None
        parent = os.getpid()
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return None
        with theirs:
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                return None
            if pid == 0:
                ours.close()
                self._leave_to_parent(keep={theirs.fileno()})
                return _job_of_spare(theirs, parent)
        try:
            child = _Child(pid, os.pidfd_open(pid), None)
        except OSError:  # too many are open here
            ours.close()
            os.waitpid(pid, 0)
            return None
        self._adopt(child)
        self._spare = _Spare(child, ours)
        return None

    def _hand_over(self, channel: int, leash: int, file: int) -> bool:
        """Make the spare the worker, if there is one."""
        spare, self._spare = self._spare, None
        if spare is None:
            return False
        with spare.handover:
            try:
                socket.send_fds(spare.handover, [b"job"], [channel, file])
            except OSError:  # it was killed
                return False
        self._adopt(_Child(spare.child.pid, spare.child.pidfd, leash))
        os.close(channel)
        os.close(file)
        return True

    def _end_spare(self) -> None:
        """Let the spare end."""
        if self._spare is not None:
            self._spare.handover.close()
            self._spare = None

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

    def _kill(self, child: _Child) -> None:
        signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _reap(self, child: _Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        if self._spare is not None and self._spare.child is child:
            self._end_spare()
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
                self._kill(child)

    def _leave_to_parent(self, keep: set[int]) -> None:
        """Close what belongs to the server that forked this process."""
        left = [self._control.detach(), *self._children]
        if self._spare is not None:
            left.append(self._spare.handover.detach())
        highest = max([*left, *keep])
        start = 3
        for descriptor in sorted(keep):
            os.closerange(start, descriptor)
            start = descriptor + 1
        os.closerange(start, highest + 1)


def _job_of_spare(handover: socket.socket, parent: int) -> WorkerJob:
    """Wait for it. Ends this process where none comes: the server has ended, or needs no spare any more."""
    with handover, contextlib.suppress(ConnectionResetError):
        _, descriptors, _, _ = socket.recv_fds(handover, MESSAGE_BYTES, 2)
        if len(descriptors) == 2:
            channel, file = descriptors
            return WorkerJob(channel, file, parent)
    os._exit(0)
