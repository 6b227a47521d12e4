"""Starts helpers on first use, and a holder for each large corpus.

A host process has a helper for each set of imports, and others for REPLs that are not confined: the usual one gives
up rights before it forks.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

from rlm_integrations.core.corpus.corpus import Corpus
from rlm_integrations.core.corpus.document import Document
from rlm_integrations.core.trace.run_errors import SandboxError
from rlm_integrations.sandboxes.channel.fork_client import (
    ForkClient,
    ServerGoneError,
    WorkerProcess,
    close_all_in_fork,
)
from rlm_integrations.sandboxes.process.corpus_files import write_documents, write_setup
from rlm_integrations.sandboxes.process.helper_process import Helper, end_helper, start_helper
from rlm_integrations.sandboxes.process.holders import Holders
from rlm_integrations.wire.settings import ReplSettings

_Modules = tuple[str, ...]

HOLDER_MIN_CHARS = 64_000
"""A smaller corpus is sent along with each REPL; a larger one gets a process that holds it."""

_END_AT_ONCE = "sandbox: the processes that start REPLs end at once; see the machine's limits and logs"


class HelperClient:
    """The way to new workers, confined or not. Safe in any thread."""

    def __init__(self, modules: _Modules, *, confined: bool, hash_seed: int | None = None) -> None:
        self._modules = modules
        self._hash_seed = hash_seed
        self._confined = confined
        self._lock = threading.Lock()
        self._helper: Helper | None = None
        self._holders = Holders(self._start_holder)

    def start_worker(self, corpus: Corpus, settings: ReplSettings, retrieved: Sequence[Document]) -> WorkerProcess:
        """Fork a worker over the corpus; blocks.

        Raises SandboxError, and InvalidArgumentError for metadata and for modules that cannot be imported.
        """
        with _InWords():
            held = is_held(corpus)
            setup_file = write_setup(corpus, settings, retrieved, held=held)
            try:
                for _ in range(2):
                    holder = self._holders.client_of(corpus.shared) if held else None
                    try:
                        return self.start_worker_from(setup_file, holder)
                    except ServerGoneError:
                        self._forget(holder, corpus.shared)
                raise SandboxError(_END_AT_ONCE)
            finally:
                os.close(setup_file)

    def start_worker_from(self, setup_file: int, holder: ForkClient | None = None) -> WorkerProcess:
        """Fork a worker that gets a file of `write_setup`, which stays the caller's; blocks.

        Raises SandboxError, and ServerGoneError where the holder, of `start_holder_over`, has ended.
        """
        with _InWords():
            for _ in range(2):
                server = holder or self._running_helper().client
                os.lseek(setup_file, 0, os.SEEK_SET)
                try:
                    return server.start_worker(setup_file)
                except ServerGoneError:
                    if holder is not None:
                        raise
                    self._forget(server, corpus=None)
            raise SandboxError(_END_AT_ONCE)

    def start_holder_over(self, document_file: int, text_file: int) -> ForkClient:
        """Fork a holder over files of `write_documents`, which stay the caller's; blocks. It ends with the result.

        Raises SandboxError.
        """
        with _InWords():
            for _ in range(2):
                server = self._running_helper().client
                os.lseek(document_file, 0, os.SEEK_SET)
                try:
                    return server.start_holder(document_file, text_file)
                except ServerGoneError:
                    self._forget(server, corpus=None)
            raise SandboxError("sandbox: the process that holds the corpus ended; the machine may be short of memory")

    def shut_down(self) -> None:
        """End the helper and wait for it. A later start begins anew."""
        with self._lock:
            helper, self._helper = self._helper, None
        if helper is not None:
            end_helper(helper)

    def abandon(self) -> None:
        """Leave the processes to themselves: those of a fork's parent, or of an interpreter that exits."""
        if self._helper is not None:
            self._helper.process.returncode = 0

    def _running_helper(self) -> Helper:
        with self._lock:
            if self._helper is None:
                self._helper = start_helper(self._modules, self._hash_seed, confined=self._confined)
            return self._helper

    def _start_holder(self, corpus: Corpus) -> ForkClient:
        document_file, text_file = write_documents(corpus)
        try:
            return self.start_holder_over(document_file, text_file)
        finally:
            os.close(document_file)
            os.close(text_file)

    def _forget(self, server: ForkClient | None, corpus: Corpus | None) -> None:
        """A server is gone: the next use starts another."""
        with self._lock:
            helper = self._helper
            if helper is not None and server is not None and helper.client is server:
                self._helper = None
            else:
                helper = None
        if corpus is not None and server is not None:
            self._holders.forget(corpus, server)
        if helper is not None:
            end_helper(helper)


def is_held(corpus: Corpus) -> bool:
    """Whether a process is to hold its shared documents for all REPLs over them."""
    return corpus.shared.kind != "none" and corpus.shared.chars >= HOLDER_MIN_CHARS


class _InWords:
    """Raises SandboxError for an OSError."""

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, OSError):
            remedy = "raise the limit (ulimit -n) or run fewer at once" if error.errno == errno.EMFILE else "run fewer"
            raise SandboxError(f"sandbox: the REPL could not be started: {error.strerror}; {remedy}") from error


def _after_fork() -> None:
    global _clients_lock
    close_all_in_fork()
    for client in _clients.values():
        client.abandon()
    _clients.clear()
    _clients_lock = threading.Lock()  # another thread of the parent may have held it


def helper_client(modules: _Modules = (), *, confined: bool = True, hash_seed: int | None = None) -> HelperClient:
    """The one of this process whose REPLs have these modules besides the standard library, whatever their order.

    With a `hash_seed` their sets have the same order in all of them, and in every other process.
    """
    modules = tuple(sorted(set(modules)))
    key = modules, confined, hash_seed
    with _clients_lock:
        if key not in _clients:
            _clients[key] = HelperClient(modules, confined=confined, hash_seed=hash_seed)
        return _clients[key]


def _at_exit() -> None:
    with _clients_lock:
        clients = list(_clients.values())
    for client in clients:
        if threading.active_count() > 1:  # a daemon thread may be amid a run, which would fail loudly
            client.abandon()  # the helper ends with the host
        else:
            with suppress(KeyboardInterrupt):  # whoever is ended as an interpreter ends is no fault to be told of
                client.shut_down()


_clients: dict[tuple[_Modules, bool, int | None], HelperClient] = {}
_clients_lock = threading.Lock()
if sys.platform != "win32":  # where nothing of this runs, but can be imported
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
