"""Forks workers from a helper, which has imported what they need: to import it is most of the time of a start.

Linux alone has what ends all of them with the host, pidfds and the lifeline. Elsewhere each is a program (a fork is
not safe on macOS, and there is none on Windows).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.fork_client import (
    ForkClient,
    ServerGoneError,
    WorkerProcess,
    close_all_in_fork,
    socket_pair,
)
from rlm_integrations.sandboxes.monty.worker_process import VmWorkerProcess, command_of, passed_environment

HAS_HELPER = sys.platform == "linux"

_EXIT_WAIT_S = 2.0


class ForkedWorker(VmWorkerProcess):
    """One that the helper forked."""

    def __init__(self, client: ForkClient) -> None:
        """Raises ServerGoneError, SandboxError, OSError."""
        super().__init__()
        try:
            self._worker: WorkerProcess = client.start_worker(self._complaints.fileno())
        except BaseException:
            self._let_go()
            raise
        self._worker.leash.setblocking(True)
        self.pid = self._worker.pid
        self.incoming = self.outgoing = self._worker.channel.fileno()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._worker.pidfd, signal.SIGKILL)  # the helper ends its group

    def _wait(self) -> int:
        with contextlib.suppress(OSError):
            message = self._worker.leash.recv(100)
            if message.startswith(b"ended "):
                self._worker.discard()
                return int(message[6:])
        self._worker.discard()
        return -signal.SIGKILL  # with its helper


@dataclass
class _Helper:
    process: subprocess.Popen[bytes]
    client: ForkClient

    def end(self) -> None:
        self.client.close()
        try:
            self.process.wait(_EXIT_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def abandon(self) -> None:
        """Leave it to itself: it is that of a fork's parent, or ends with the interpreter that exits."""
        self.process.returncode = 0


_helpers: dict[tuple[str, ...], _Helper] = {}
"""By the interpreter and the environment that their workers get: a change of these is for workers from then on."""
_lock = threading.Lock()


def fork_worker() -> ForkedWorker:
    """Fork one; blocks, for longer where the helper is to be started. Raises SandboxError, OSError."""
    for _ in range(2):
        client = _running_client()
        try:
            return ForkedWorker(client)
        except ServerGoneError:
            _forget(client)
    raise SandboxError("sandbox: the process that starts Monty workers ends at once; see the machine's limits and logs")


def _running_client() -> ForkClient:
    environment = passed_environment()
    key = (sys.executable, *(f"{name}={value}" for name, value in environment.items()))
    with _lock:
        if key not in _helpers:
            _helpers[key] = _start_helper(environment)
        return _helpers[key].client


def _start_helper(environment: dict[str, str]) -> _Helper:
    control, control_end = socket_pair(socket.SOCK_SEQPACKET)
    client = ForkClient(control)
    with control_end, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            command_of("helper", control_end.fileno()),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            pass_fds=[control_end.fileno()],
            start_new_session=True,
        )
        helper = _Helper(process, client)
        control_end.close()
        try:
            client.wait_until_ready()
        except ServerGoneError:
            status = process.wait()
            complaints.seek(0)
            words = complaints.read(4000).decode(errors="replace").strip()
            raise SandboxError(f"sandbox: the Monty worker ended at once (status {status}): {words}") from None
        except BaseException:
            process.kill()
            helper.end()
            raise
    return helper


def _forget(client: ForkClient) -> None:
    """Its helper is gone: the next use starts another."""
    with _lock:
        gone = [key for key, helper in _helpers.items() if helper.client is client]
        helpers = [_helpers.pop(key) for key in gone]
    for helper in helpers:
        helper.end()


def _after_fork() -> None:
    global _lock
    close_all_in_fork()
    for helper in _helpers.values():
        helper.abandon()
    _helpers.clear()
    _lock = threading.Lock()  # another thread of the parent may have held it


def _at_exit() -> None:
    with _lock:
        helpers = list(_helpers.values())
    for helper in helpers:
        if threading.active_count() > 1:  # a daemon thread may be amid a run, which would fail loudly
            helper.abandon()
        else:
            helper.end()


if HAS_HELPER:
    os.register_at_fork(after_in_child=_after_fork)
    atexit.register(_at_exit)
