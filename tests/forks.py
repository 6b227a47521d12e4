"""Programs of Python as forks of one process, which has imported what they import: that is most of what they take.

What is started in place of a program connects to that process' socket, says its own process id, and waits for the exit
status. The fork has all of it: arguments, environment, folder and streams.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import sys
from collections.abc import Callable

_started: dict[int, tuple[int, socket.socket]] = {}
"""By the descriptors of forks: their process ids, and who waits for them."""


def serve(listener: socket.socket, prepare: Callable[[int], None]) -> int:
    """Until standard input ends. Returns in each fork, with the process whose part it has.

    `prepare` is called with that before the fork.
    """
    selector = selectors.DefaultSelector()
    for ready in (sys.stdin, listener):
        selector.register(ready, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                os._exit(0)
            elif key.fileobj is listener:
                waiting, _ = listener.accept()
                selector.register(waiting, selectors.EVENT_READ)
            elif key.fd in _started:
                selector.unregister(key.fd)
                pid, waiting = _started.pop(key.fd)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with waiting, contextlib.suppress(OSError):  # it was killed
                    waiting.send(b"%d" % (status if status >= 0 else 128 - status))
            else:
                selector.unregister(key.fileobj)
                waiting = key.fileobj
                assert isinstance(waiting, socket.socket)
                said = waiting.recv(16)
                if not said:  # it was killed
                    waiting.close()
                    continue
                asking = int(said)
                prepare(asking)
                pid = os.fork()
                if not pid:
                    selector.close()
                    for each in (listener, waiting, *(waiting for _, waiting in _started.values())):
                        each.close()
                    for descriptor in _started:
                        os.close(descriptor)
                    return asking
                descriptor = os.pidfd_open(pid)
                _started[descriptor] = pid, waiting
                selector.register(descriptor, selectors.EVENT_READ)


def arguments(pid: int) -> list[str]:
    """The command line of a process."""
    return [os.fsdecode(each) for each in _contents(pid, "cmdline")]


def take_over(pid: int) -> None:
    """Have the streams, the folder and the environment of a process."""
    for stream in range(3):
        file = os.open(f"/proc/{pid}/fd/{stream}", os.O_WRONLY if stream else os.O_RDONLY)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(f"/proc/{pid}/cwd")
    os.environb.clear()
    for each in _contents(pid, "environ"):
        name, _, value = each.partition(b"=")
        os.environb[name] = value


def _contents(pid: int, name: str) -> list[bytes]:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().split(b"\0")[:-1]
