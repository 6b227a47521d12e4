"""The host's hold on a worker: a program at the end of two pipes, on every platform."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
import weakref
from pathlib import Path

from rlm_integrations.sandboxes.channel.worker_pipes import OnDescriptors
from rlm_integrations.sandboxes.wasi.program import command_of, environment

_running: weakref.WeakSet[WasiProcess] = weakref.WeakSet()


class WasiProcess(OnDescriptors):
    """Implements `PipedProcess`. It ends when its standard input does, so never after its host."""

    def __init__(self, compiled: Path) -> None:
        """Raises OSError."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_close`
        try:
            self._process = subprocess.Popen(
                command_of("worker", compiled),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                start_new_session=sys.platform != "win32",  # an interrupt of the terminal is the host's affair
            )
        except BaseException:
            self._complaints.close()
            raise
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        self.incoming, self.outgoing = self._stdout.fileno(), self._stdin.fileno()
        self._lock = threading.Lock()
        self._status: int | None = None
        self._words = ""
        self.killed = False
        _running.add(self)

    @property
    def runs(self) -> bool:
        """Whether it has not ended. Only for one that nobody uses yet."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once. May be called at any time."""
        with self._lock:
            self.killed = True
            if self._status is None:
                self._process.kill()

    def reap(self) -> int:
        """End it, if need be, and its exit status. Frees everything; nobody may be reading or writing any more."""
        with self._lock:
            if self._status is None:
                self._process.kill()
                self._status = self._process.wait()
                self._close()
            return self._status

    def end(self) -> None:
        """End one that nobody uses."""
        self.reap()

    def wait(self) -> int:
        """Its exit status, when it has ended of itself. Frees everything, as `reap`."""
        status = self._process.wait()
        with self._lock:
            if self._status is None:
                self._status = status
                self._close()
        return status

    def complaint(self) -> str:
        """What one that has ended wrote to its standard error."""
        return self._words

    def abandon(self) -> None:
        """Leave it to the process that started it, of which this one is a fork."""
        if self._status is None:
            self._process.returncode = self._status = 0
            self._close()

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._complaints.seek(0)
            self._words = self._complaints.read(4000).decode(errors="replace").strip()
        for file in (self._stdin, self._stdout, self._complaints):
            with contextlib.suppress(OSError):
                file.close()


def abandon_all() -> None:
    """In a fork of the host: it would hold the pipes open, and so keep workers alive that their host has left."""
    for process in list(_running):
        process.abandon()
    _running.clear()
