"""The Monty sandbox: each REPL is a language VM in a process of its own, below a worker that serves it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import MissingExtraError
from rlm_integrations.core.sandbox import Capabilities, Repl
from rlm_integrations.sandboxes.monty.repl import MontyRepl
from rlm_integrations.sandboxes.monty.start_worker import start_worker
from rlm_integrations.sandboxes.monty.subset import SUBSET
from rlm_integrations.sandboxes.monty.worker_process import VmWorkerProcess
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.wire.settings import ReplSettings


def is_installed() -> bool:
    try:
        return find_spec("pydantic_monty") is not None
    except ValueError:  # somebody put None in its place
        return False


class MontySandbox:
    """Implements `core.sandbox.Sandbox` with `pydantic-monty`, an interpreter of a subset of Python.

    Weaker than the process sandbox in that a step over its time limit loses its variables where the VM cannot interrupt
    it, as in a regular expression, and each REPL holds the corpus twice; stronger in that it needs nothing of the
    operating system.
    """

    def __init__(self) -> None:
        """Raises MissingExtraError."""
        if not is_installed():
            raise MissingExtraError(
                "sandbox='monty' needs pydantic-monty, which is not installed: pip install \"rlm-integrations[monty]\""
            )

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    @property
    def subset(self) -> str:
        return SUBSET

    def capabilities(self) -> Capabilities:
        """What the VM keeps from the code, whatever the machine."""
        layers = {
            "language VM": f"pydantic-monty {version('pydantic-monty')} in a process of its own: no files, network, "
            "environment, processes or modules of the host; a subset of Python",
            "memory": "the VM's heap is limited for each run; the functions beside it by the kernel, on Linux",
            "time": "a step over its limit is interrupted, or ends the REPL where that has no effect",
        }
        return Capabilities("monty", confined=True, layers=layers)

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        worker = await in_own_thread(lambda: start_worker(corpus, settings, retrieved), discard=VmWorkerProcess.end)
        return MontyRepl(worker, settings)
