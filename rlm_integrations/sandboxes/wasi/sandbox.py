"""The WASI sandbox: each REPL is CPython in WebAssembly, below a worker process."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.errors import SandboxUnavailableError
from rlm_integrations.core.extras import missing_extra
from rlm_integrations.core.sandbox import Capabilities, Repl
from rlm_integrations.sandboxes.own_thread import in_own_thread
from rlm_integrations.sandboxes.patched_sockets import check_sockets
from rlm_integrations.sandboxes.wasi.cache import compiled_path
from rlm_integrations.sandboxes.wasi.component import component_digest
from rlm_integrations.sandboxes.wasi.open_worker import open_worker
from rlm_integrations.sandboxes.wasi.repl import WasiRepl
from rlm_integrations.sandboxes.wasi.worker_process import WasiProcess
from rlm_integrations.wire.settings import ReplSettings

_SYSTEMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}
SUBSET = (
    "This session runs Python 3.14 in one thread: threads, pools and asyncio take turns, and what they ask of sub-LMs "
    "runs side by side. The modules bz2, lzma, ctypes and mmap are missing."
)
"""For the system message."""


def is_installed() -> bool:
    try:
        return find_spec("wasmtime") is not None
    except ValueError:  # somebody put None in its place
        return False


def is_usable() -> bool:
    """Whether it is installed, with a component of this code."""
    try:
        return is_installed() and bool(component_digest())
    except SandboxUnavailableError:
        return False


class WasiSandbox:
    """Implements `core.sandbox.Sandbox` with CPython in WebAssembly, which `wasmtime` runs: all of Python, anywhere.

    Weaker than the process sandbox in that there is no numpy or pandas, Python is slower, each REPL holds a corpus of
    its own, and a step over its time within one call of C loses its variables; stronger in that it needs nothing of the
    operating system.
    """

    def __init__(self) -> None:
        """Raises MissingExtraError, and SandboxUnavailableError where gevent has replaced sockets."""
        check_sockets()
        if not is_installed():
            raise missing_extra("sandbox: 'wasi'", "wasmtime", extra="wasi")

    @property
    def modules(self) -> tuple[str, ...]:
        return ()

    @property
    def subset(self) -> str:
        return SUBSET

    def capabilities(self) -> Capabilities:
        """What wasmtime keeps from the code. Raises SandboxUnavailableError for a component that is stale."""
        compiled = compiled_path()
        is_there = os.path.exists(compiled)  # False, too, where this user may not look
        kept = f"kept in {compiled}" if is_there else "to be compiled by the first run, which takes some seconds"
        layers = {
            "WebAssembly": f"CPython 3.14 below wasmtime {version('wasmtime')}, in a process of its own: two clocks, "
            f"random bytes and the calls of the REPL are all that the code can reach{_untried()}",
            "component": kept,
            "memory": "linear memory is limited for each run; what the worker needs beside it is not",
            "time": "a step over its limit is interrupted, or ends the REPL where that has no effect",
        }
        return Capabilities("wasi", confined=True, layers=layers)

    async def open(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document] = ()) -> Repl:
        worker = await in_own_thread(lambda: open_worker(corpus, settings, retrieved), discard=WasiProcess.end)
        return WasiRepl(worker, settings)


def _untried() -> str:
    """What is said of a machine on which nobody has run the tests."""
    machine = platform.machine()
    if sys.platform == "linux" and machine == "x86_64":
        return ""
    return f"; not tried by its authors on {_SYSTEMS.get(sys.platform, sys.platform)} ({machine})"
