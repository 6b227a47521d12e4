"""The helper process: imports what a REPL needs, then forks workers and holders.

It is started without site-packages and with next to no environment, so nothing that it and the modules
it imports use may come from outside the standard library. Only while it imports what the user named for
the model's code are the host's folders on its path.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import os
import resource
import socket
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

from rlm_integrations.repl.kept_code import kept_specs
from rlm_integrations.repl.preload import UnimportableError, guard_imports, preload, preload_named
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_UNIMPORTABLE
from rlm_integrations.sandboxes.channel.fork_server import MESSAGE_BYTES, ForkServer, HolderJob
from rlm_integrations.sandboxes.channel.own_signals import take_own_signals
from rlm_integrations.sandboxes.process_worker.confinement import Confinement
from rlm_integrations.sandboxes.process_worker.document_file import PlainDocument, RecordReader
from rlm_integrations.sandboxes.process_worker.file_names import forget_folders
from rlm_integrations.sandboxes.process_worker.fork_hooks import take_fork_hooks
from rlm_integrations.sandboxes.process_worker.immortal import make_immortal
from rlm_integrations.sandboxes.process_worker.namespaces import enter_namespaces
from rlm_integrations.sandboxes.process_worker.rehearsal import rehearse
from rlm_integrations.sandboxes.process_worker.shared_text import MOST_MAPPED, can_share, load_text
from rlm_integrations.sandboxes.process_worker.text_file import Place
from rlm_integrations.sandboxes.process_worker.thread_guard import guard_threads
from rlm_integrations.sandboxes.process_worker.worker import run_worker


def main(control: int, package: str, modules: Sequence[str], path: Sequence[str], *, confined: bool) -> NoReturn:
    """Serve the control socket until the host is gone, with `modules` imported from the folders of `path`.

    `package` is this package's folder.
    """
    _become_quiet()
    namespaces = enter_namespaces() if confined else None  # before an import may have started a thread
    preload()
    take_fork_hooks()
    sys.modules.pop("ssl", None)  # what the user named may import it
    _preload_named(modules, path)
    time.tzset()  # reads the local time zone while files can be read
    os.environ.clear()
    sys.argv[:] = [""]
    guard_threads()
    os.system = _no_commands
    guard_imports(modules)
    if confined:
        forget_folders(package, path, kept_specs())
    confinement = None if namespaces is None else Confinement(namespaces)
    rehearse()
    documents: list[PlainDocument] | None = None
    server = ForkServer(control)
    _freeze()  # next to nothing of it is garbage, which is not worth looking for
    _drop_stderr()
    server.ready()
    while True:
        # serve() returns in the children, so that no frame of the server lies below the model's code
        job = server.serve()
        if job is None:
            os._exit(0)
        if not isinstance(job, HolderJob):
            run_worker(job, documents, confinement)
        documents = _load_documents(job)
        _freeze()  # nothing of it is garbage: to look takes a fifth of the time that 100,000 documents take
        server = ForkServer(job.control)
        server.ready()


def _no_commands(command: object) -> NoReturn:
    """In place of what would fail, and not say so: a shell that cannot start is a number."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _become_quiet() -> None:
    take_own_signals()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _preload_named(modules: Sequence[str], path: Sequence[str]) -> None:
    try:
        preload_named(modules, path)
    except UnimportableError as error:
        os.write(2, f"\n{' '.join(str(error).split())}".encode(errors="replace"))
        os._exit(EXIT_UNIMPORTABLE)


def _drop_stderr() -> None:
    """Until now it was where the host reads why a start failed."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 2)
    os.close(null)


def _freeze() -> None:
    """Keep the garbage collector of children off what exists now: touching an object copies its page."""
    gc.disable()
    gc.freeze()


def _load_documents(job: HolderJob) -> list[PlainDocument]:
    mapped = itertools.count()

    def long_text(place: Place) -> str:
        return load_text(job.text_file, place, shared=can_share() and next(mapped) < MOST_MAPPED)

    reader = RecordReader(job.document_file, long_text)
    try:
        documents = reader.documents()
    except MemoryError:
        control = socket.socket(fileno=job.control)
        control.send(b"failed there is not enough memory for a copy of the corpus"[:MESSAGE_BYTES])
        os._exit(1)
    reader.close()
    os.close(job.text_file)
    make_immortal(documents)
    return documents
