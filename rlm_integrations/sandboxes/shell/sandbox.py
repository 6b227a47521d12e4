"""A sandbox whose REPLs are on a machine that only takes commands and files."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.sandbox import Capabilities, Repl
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.death import cause_of_death
from rlm_integrations.sandboxes.channel.inbound import Messages
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.sandboxes.process.corpus_files import write_setup
from rlm_integrations.sandboxes.shell.exchange import Exchanges
from rlm_integrations.sandboxes.shell.install import Installation
from rlm_integrations.sandboxes.shell.machine import Machine
from rlm_integrations.sandboxes.shell.process import ShellProcess
from rlm_integrations.sandboxes.shell.repl import ShellRepl
from rlm_integrations.wire.inbound import Failed, ProtocolError, read_beginning
from rlm_integrations.wire.settings import ReplSettings

_READY_S = 60.0


class ShellSandbox:
    """Implements `core.sandbox.Sandbox`. What confines the code is the machine's affair."""

    def __init__(self, machine: Machine, *, name: str, python: str, confined: bool, layers: Mapping[str, str]) -> None:
        """`layers` is what is known of the machine's confinement, in words."""
        self._machine, self._name, self._python = machine, name, shlex.quote(python)
        self._confined, self._layers = confined, dict(layers)
        self._installation = Installation(machine, self._python)

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    @property
    def subset(self) -> str:
        return ""

    def capabilities(self) -> Capabilities:
        version = self._installation.python_version
        python = f"CPython {version}" if version else "its own Python"
        layers = self._layers | {
            "machine": f"{self._machine.name}, with {python}; the corpus is sent there",
            "REPLs": "each a process of its own, which could reach the others on the same machine",
            "memory": "address space limited for each run, on top of the machine's own limits",
            "time": "a step over its limit is interrupted, or ends the REPL where that has no effect",
        }
        return Capabilities(self._name, self._confined, layers)

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        worker = await in_own_thread(
            lambda: self._open(corpus, settings, retrieved), discard=lambda worker: worker.kill()
        )
        return ShellRepl(worker, settings)

    def _open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> ShellProcess:
        setup = write_setup(corpus, settings, retrieved, held=False)
        try:
            folder, said = self._installation.start(setup, settings.hash_seed)
        finally:
            os.close(setup)
        worker = ShellProcess(Exchanges(self._machine, self._python, folder), said)
        try:
            _wait_until_ready(worker, settings.memory_mb)
        except BaseException:
            worker.kill()
            raise
        return worker


def _wait_until_ready(worker: ShellProcess, memory_mb: int) -> None:
    messages, end = Messages(), time.monotonic() + _READY_S
    while (data := worker.read()) and time.monotonic() < end:
        try:
            for message in messages.feed(data):
                begun = read_beginning(message)
                if isinstance(begun, Failed):
                    raise SandboxError(f"sandbox: the REPL could not be started: {begun.why[:300]}")
                return
        except ProtocolError as error:
            raise SandboxError(f"sandbox: the REPL began with {error}") from None
    reason = f"it {worker.lost}" if worker.lost else cause_of_death(worker.reap(), memory_mb)
    raise SandboxError(f"sandbox: the REPL ended while it started: {reason}")
