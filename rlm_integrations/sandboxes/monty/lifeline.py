"""Ends a worker and its VM when their host dies, even amid a regular expression that lets no other thread run.

A pipe that nobody writes to: when the host ends, however it does, the kernel closes the host's end, and kills the
process group that has asked for that. A parent-death signal would not do: it comes already when the *thread* ends that
started the worker, and to the worker alone, not to a VM that spins.
"""

from __future__ import annotations

import os
import signal
import sys

_F_SETSIG = 10  # the module fcntl has no name for it before Python 3.14

HAS_LIFELINE = sys.platform == "linux"
"""Elsewhere the end of the worker's channel and its CPU limit must do."""


def hold_on(lifeline: int) -> None:
    """Let the kernel kill this process group when the other end of the pipe closes. Ends at once where it has closed.

    Args:
        lifeline: The descriptor of the end to read from. For Linux only.
    """
    if sys.platform != "linux":
        raise NotImplementedError
    import fcntl
    import select

    os.set_inheritable(lifeline, False)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
    gone = select.poll()
    gone.register(lifeline, 0)
    if gone.poll(0):  # before the kernel was asked
        os._exit(0)
