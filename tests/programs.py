"""Programs as tests start them: forks of a process that has imported what they import, see `program_parent.py`."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import filelock

FRAMEWORKS_OWN = [  # warnings of LlamaIndex's RAG engine and agents about themselves
    "ignore:There is no current event loop:DeprecationWarning",
    "ignore:The `__fields:DeprecationWarning",
    "ignore:Accessing the 'model_:DeprecationWarning",
]
ENGINE = (
    "rlm_integrations.core.run.journalled",
    "rlm_integrations.engine",
    "rlm_integrations.sandboxes.process.sandbox",
    "rlm_integrations.testing",
)
EVERYTHING = (
    *ENGINE,
    "langchain.agents",
    "langchain_openai",
    "langgraph.graph",
    "llama_index.llms.openai_like",
    "nltk",  # which LlamaIndex imports for stop words
    "rlm_integrations.cli.app",
    "rlm_integrations.langchain.runnable",
    "rlm_integrations.testing.langchain",
    "rlm_integrations.testing.llama_index",
)
COMMAND_LINE = (
    "anyio._backends._asyncio",
    "encodings.utf_8_sig",
    "httpcore",
    "pathspec",
    "rlm_integrations.cli.agreement",
    "rlm_integrations.cli.app",
    "rlm_integrations.cli.ask",
    "rlm_integrations.cli.chat",
    "rlm_integrations.cli.compare",
    "rlm_integrations.cli.delivery",
    "rlm_integrations.cli.doctor",
    "rlm_integrations.cli.kept_runs",
    "rlm_integrations.cli.run_list",
    "rlm_integrations.cli.settings",
    "rlm_integrations.demo.run",
    "rlm_integrations.files.reading",
    "rlm_integrations.openai",
    "rlm_integrations.sandboxes.process.sandbox",
    "rlm_integrations.terminal.live_view",
    str(Path(__file__).parent / "cli" / "rehearsed.py"),
)


def program_environment(**changes: str) -> dict[str, str]:
    """Without what would choose a model, or the width of what is written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "RLM_", "COLUMNS"))}
    return kept | {"PYTHONPATH": os.getcwd()} | changes


class ProgramParent:
    """Starts programs as forks of one process that has imported these modules: see `program_parent.py`.

    All processes that run tests at the same time have it in common.
    """

    def __init__(self, imported: Sequence[str]) -> None:
        run = os.environ.setdefault("PARENT_OF_PROGRAMS", str(os.getpid()))  # processes below this one read it
        name = f"rlm-tests-{run}-{zlib.crc32(' '.join(imported).encode())}"
        with filelock.FileLock(Path(tempfile.gettempdir(), f"rlm-program-parent-{os.getuid()}.lock")):
            self._requests = self._connected(name) or self._started(name, imported)

    @staticmethod
    def _connected(name: str) -> socket.socket | None:
        """To the one that another process has started, if it has not ended."""
        requests = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            requests.connect("\0" + name)
            if requests.recv(1):
                return requests
        except OSError:
            pass
        requests.close()
        return None

    @classmethod
    def _started(cls, name: str, imported: Sequence[str]) -> socket.socket:
        options = [part for option in ("error", *FRAMEWORKS_OWN) for part in ("-W", option)]
        script = str(Path(__file__).with_name("program_parent.py"))
        command = [sys.executable, "-P", *options, script, *imported]
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listens:
            listens.bind("\0" + name)
            listens.listen()
            subprocess.run(command, stdin=listens, env=program_environment(), check=True)
            requests = cls._connected(name)
        assert requests is not None, "the parent of programs has ended"
        return requests

    def start(
        self,
        source: str,
        argv: Sequence[object],
        streams: Sequence[int],
        *,
        env: dict[str, str],
        cwd: Path,
        warnings: Sequence[str] | None = None,
        closed: Sequence[int] = (),
        new_session: bool = False,
        fresh: bool = False,
        whole_end: bool = False,
        hash_seed: int | None = None,
    ) -> Program:
        """`streams` are descriptors for its stdin, stdout and stderr; it begins without those in `closed`.

        `warnings` are what an interpreter gets as -W; None leaves those of the parent: all are errors. One that is
        `fresh` starts a helper when it needs one. Others find one running, and one of this `hash_seed`, too, which
        REPLs of runs with a journal need. Those that are fresh, or have a `whole_end`, end as any interpreter: see
        `program_parent.py`.
        """
        asked = {
            "source": source,
            "argv": [*map(str, argv)],
            "env": env,
            "cwd": str(cwd),
            "warnings": warnings,
            "closed": closed,
            "new_session": new_session,
            "fresh": fresh,
            "whole_end": fresh or whole_end,
            "hash_seed": hash_seed,
        }
        report, far = os.pipe()
        socket.send_fds(self._requests, [json.dumps(asked).encode()], [*streams, far])
        os.close(far)
        return Program(report)

    def close(self) -> None:
        self._requests.close()


class Program:
    """One that runs."""

    def __init__(self, report: int) -> None:
        self._report = report
        self._ended: int | None = None
        self.pid = int(os.read(report, 12))

    def wait(self, seconds: float | None = 60) -> int:
        """Its exit code. Raises TimeoutError after so long, and then it is killed."""
        if self._ended is None:
            in_time = self._has_ended_within(seconds)
            if not in_time:
                os.kill(self.pid, signal.SIGKILL)
            self._ended = int(os.read(self._report, 12))
            os.close(self._report)
            if not in_time:
                raise TimeoutError(f"the program had not ended after {seconds} s")
        return self._ended

    def kill(self) -> None:
        """Ends it, if it has not ended."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def has_ended(self) -> bool:
        return self._ended is not None or self._has_ended_within(0)

    def _has_ended_within(self, seconds: float | None) -> bool:
        return bool(select.select([self._report], [], [], seconds)[0])


@dataclass
class EndedProgram:
    stdout: str
    stderr: str
    returncode: int


@dataclass
class RunningProgram:
    """A program whose stdout can be read while it runs."""

    process: Program
    stdout: IO[str]
    stderr: IO[str]

    def end(self, seconds: float = 60) -> EndedProgram:
        """Waits for it. It is killed if that takes longer."""
        alarm = threading.Timer(seconds, self.process.kill)
        alarm.start()
        printed = self.stdout.read()
        alarm.cancel()
        alarm.join()
        returncode = self.process.wait()
        self.stderr.seek(0)
        return EndedProgram(printed, self.stderr.read(), returncode)
