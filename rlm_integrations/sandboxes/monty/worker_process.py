"""The host's hold on a worker: a program of its own, on every platform, or a fork of a helper (`forked_worker.py`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from pathlib import Path

from rlm_integrations.sandboxes.monty.lifeline import HAS_LIFELINE

# Builds the package by hand, so that its __init__ is not run, over the paths of this interpreter. What it leaves out is
# a third of the time of a start: searches for garbage among what is imported, and asyncio, which pydantic-monty needs
# where code sleeps, which has no way out of this sandbox.
_BOOT = """
import gc, json, sys, types
gc.disable()
sys.path[:] = json.loads(sys.argv[1])
package = types.ModuleType("rlm_integrations")
package.__path__ = [sys.argv[2]]
sys.modules["rlm_integrations"] = package
from rlm_integrations.sandboxes.monty.imported_on_use import import_on_use
import_on_use("asyncio")
from rlm_integrations.sandboxes.monty.{module} import main
gc.enable()
main(int(sys.argv[3]) if sys.argv[3] else None)
"""
_PASSED_ON = (
    *("PATH", "LD_LIBRARY_PATH", "MONTY_BIN", "TZ", "HOME", "TMPDIR"),
    *("SYSTEMROOT", "USERPROFILE", "APPDATA", "TEMP", "TMP"),
)


def command_of(module: str, descriptor: int | None) -> list[str]:
    """What starts the `main` of a module beside this one, with a descriptor that is passed to it."""
    package = str(Path(__file__).resolve().parents[2])
    paths = json.dumps([path for path in sys.path if isinstance(path, str)])  # pyright: ignore[reportUnnecessaryIsInstance]
    passed = "" if descriptor is None else str(descriptor)
    return [sys.executable, "-I", "-X", "utf8", "-c", _BOOT.format(module=module), paths, package, passed]


def passed_environment() -> dict[str, str]:
    """What of the environment a worker may know."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | {"MALLOC_ARENA_MAX": "1"}


class VmWorkerProcess(ABC):
    """A worker and the VM below it. Safe in any thread."""

    pid: int
    incoming: int
    """A descriptor to read what it sends from."""
    outgoing: int
    """A descriptor to write to it; may be the same."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_let_go`
        self._lock = threading.Lock()
        self._status: int | None = None
        self.killed = False
        """Whether the host has ended it: what it still says is of no interest."""

    def kill(self) -> None:
        """End it at once. May be called at any time."""
        with self._lock:
            self.killed = True
            if self._status is None:
                self._kill()

    def reap(self) -> int:
        """End it, if need be, and its exit status. Frees everything; nobody may be reading or writing any more."""
        with self._lock:
            if self._status is None:
                self._kill()
                self._status = self._wait()
                self._let_go()
            return self._status

    def end(self) -> None:
        """End one that nobody uses yet."""
        self.reap()

    def complaint(self) -> str:
        """What it wrote to its standard error."""
        self._complaints.seek(0)
        return self._complaints.read(4000).decode(errors="replace").strip()

    @abstractmethod
    def _kill(self) -> None:
        """End it and the VM, which have not been reaped."""

    @abstractmethod
    def _wait(self) -> int:
        """Its exit status, as `subprocess` gives it, when it has ended."""

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            self._complaints.close()


class WorkerProgram(VmWorkerProcess):
    """One that was started as a program."""

    def __init__(self) -> None:
        super().__init__()
        self._lifeline: int | None = None
        theirs: int | None = None
        try:
            if HAS_LIFELINE:
                theirs, self._lifeline = os.pipe()
            self._process = subprocess.Popen(
                command_of("worker", theirs),
                env=passed_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                bufsize=0,
                pass_fds=() if theirs is None else (theirs,),
                start_new_session=True,  # the VM is in this group: both are ended at once, where there are groups
            )
        except BaseException:
            self._let_go()
            raise
        finally:
            if theirs is not None:
                os.close(theirs)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self.pid = self._process.pid
        self.incoming, self.outgoing = self._stdout.fileno(), self._stdin.fileno()

    def _kill(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _wait(self) -> int:
        status = self._process.wait()
        for file in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                file.close()
        return status

    def _let_go(self) -> None:
        super()._let_go()
        if self._lifeline is not None:
            os.close(self._lifeline)
