"""The helper of Monty's workers: imports what one needs, then forks them. On Linux only."""

from __future__ import annotations

import gc
import os
import signal
from typing import NoReturn

from rlm_integrations.sandboxes.channel.fork_server import ForkServer, WorkerJob
from rlm_integrations.sandboxes.channel.own_signals import take_own_signals
from rlm_integrations.sandboxes.monty import worker


def main(control: int) -> NoReturn:
    """Serve the control socket until the host is gone."""
    take_own_signals()
    lifeline, held = os.pipe()
    server = ForkServer(control, lifeline=(lifeline, held))
    gc.freeze()
    server.ready()
    job = server.serve()
    if not isinstance(job, WorkerJob):
        os._exit(0)
    _run_worker(job, lifeline)


def _run_worker(job: WorkerJob, lifeline: int) -> NoReturn:
    """Become the worker that a program would be. Its lifeline ends with the helper, which ends with the host."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream, descriptor in enumerate((job.channel, job.channel, job.file)):
        os.dup2(descriptor, stream)
    os.close(job.channel)
    os.close(job.file)
    # opened anew: which process group is told of its end is kept with each opening of it
    own = os.open(f"/proc/self/fd/{lifeline}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    os.close(lifeline)
    if os.getppid() != job.parent:  # one that is opened when nobody holds the other end any more does not tell
        os._exit(0)
    worker.main(own)
