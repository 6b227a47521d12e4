"""A worker that was just forked, until it can run code."""

from __future__ import annotations

import select

from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.cannot_confine import cannot_confine
from rlm_integrations.sandboxes.channel.death import cause_of_death
from rlm_integrations.sandboxes.channel.fork_client import START_TIMEOUT_S, WorkerProcess
from rlm_integrations.sandboxes.channel.frames import read_frame
from rlm_integrations.sandboxes.channel.inbound import parse
from rlm_integrations.wire.inbound import Failed, read_beginning


def wait_until_ready(worker: WorkerProcess, memory_mb: int) -> dict[str, str]:
    """Blocks until the worker has shed its rights. Returns its layers.

    Raises SandboxUnavailableError where it cannot, SandboxError where it ends or is not there in time.
    """
    if not _readable_within(worker.channel.fileno(), START_TIMEOUT_S):
        seconds = f"{START_TIMEOUT_S:.0f} s"
        raise SandboxError(f"sandbox: the REPL did not start within {seconds}; the machine may be overloaded")
    body = read_frame(worker.channel.fileno())
    if body is None:
        raise SandboxError(f"sandbox: the REPL ended while it started: {_cause(worker, memory_mb)}")
    begun = read_beginning(parse(body))
    if isinstance(begun, Failed):
        raise cannot_confine(begun.why)
    return begun.layers


def _cause(worker: WorkerProcess, memory_mb: int) -> str:
    report = b""
    if _readable_within(worker.leash.fileno(), START_TIMEOUT_S):
        report = worker.leash.recv(64)
    return cause_of_death(int(report[6:]) if report.startswith(b"ended ") else None, memory_mb)


def _readable_within(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
