"""Workers of the WASI sandbox as forks of one process that has loaded their component: that is most of their start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .programs import ProgramParent

IMPORTED = ("wasmtime._bindings", "wasmtime.component", "tests.loaded_component")
COMPONENT_VARIABLE = "COMPONENT_OF_TESTS"
"""Names the compiled component to that process."""

FOREVER_S = 1e6


class ForkedWorker:
    """What the host uses of a `subprocess.Popen` of `python -I -S -X utf8 -c CODE ...`, with pipes."""

    def __init__(self, parent: ProgramParent, command: Sequence[str], env: dict[str, str], stderr: IO[bytes]) -> None:
        code, *arguments = command[command.index("-c") + 1 :]
        stdin, to_worker = os.pipe()
        from_worker, stdout = os.pipe()
        streams = [stdin, stdout, stderr.fileno()]
        self._program = parent.start(
            code, ["-c", *arguments], streams, env=env, cwd=Path.cwd(), new_session=True, fresh=True
        )
        os.close(stdin)
        os.close(stdout)
        self.stdin, self.stdout = os.fdopen(to_worker, "wb", buffering=0), os.fdopen(from_worker, "rb", buffering=0)
        self.pid = self._program.pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and self._program.has_ended():
            self.wait()
        return self.returncode

    def wait(self) -> int:
        self.returncode = self._program.wait(FOREVER_S)
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(self.pid, signal.SIGKILL)


class ForkedWorkers:
    """Stands for the module `subprocess`, where it starts a worker."""

    PIPE = subprocess.PIPE

    def __init__(self, parent: ProgramParent) -> None:
        self._parent = parent

    def Popen(self, command: Sequence[str], *, env: dict[str, str], stderr: IO[bytes], **_: Any) -> ForkedWorker:  # noqa: N802
        return ForkedWorker(self._parent, command, env, stderr)
