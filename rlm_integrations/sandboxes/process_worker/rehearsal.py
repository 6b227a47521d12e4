"""REPLs that come and go before any worker is forked. Standard library only: the helper does this.

What CPython learns when code first runs (specialized instructions, caches of methods and attributes) is written
into pages that a fork shares. Learnt before the fork, it is not written by every worker into pages of its own.
"""

from __future__ import annotations

import linecache
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.sandboxes.channel.frames import read_frame
from rlm_integrations.sandboxes.process_worker.confinement import ConfinementError, MemoryLimit
from rlm_integrations.sandboxes.process_worker.document_file import RecordReader, RecordWriter
from rlm_integrations.sandboxes.process_worker.gathered_code import code_that_runs, gather_code
from rlm_integrations.sandboxes.process_worker.shared_text import can_seal
from rlm_integrations.sandboxes.process_worker.worker_port import WorkerPort
from rlm_integrations.wire.messages import done
from rlm_integrations.wire.settings import ReplSettings

_forget_lookups: Callable[[], None] = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache  # pyright: ignore[reportPrivateUsage]

_TIMES = 10
"""CPython specializes a function that was called about eight times."""

_SETTINGS = ReplSettings(depth=1, sub_call_chars=1_000, max_output_chars=1_000, step_timeout_s=1.0, memory_mb=1)
_NOT_REHEARSED = {
    f"rlm_integrations.{name}"
    for name in (
        "repl.thread_errors",
        "sandboxes.channel.fork_server",
        "sandboxes.channel.host_messages",
        "sandboxes.process_worker.confinement",
        "sandboxes.process_worker.interrupts",
        "sandboxes.process_worker.thread_limit",
        "sandboxes.process_worker.worker",
        "sandboxes.process_worker.worker_port",
    )
}
"""Modules of which workers run more than is run here."""

_STEP = "n = len(context)\nprint(n)"


_kept: list[object] = []
"""The streams of the helper, which each worker would take apart when it has its own."""


def rehearse() -> None:
    """Open some REPLs, with a step in each, and leave the interpreter as it was. Call it with a single thread."""
    can_seal()  # a fact of the kernel, which no worker need ask for again
    with _streams_and_main_kept():
        gather_code(code_that_runs(_repl), _NOT_REHEARSED)
        _forget_lookups()  # which took place while modules were imported: each worker would replace some of them
        for _ in range(_TIMES):
            _repl()


def _repl() -> None:
    here, there = socket.socketpair()
    with here, there:
        port = WorkerPort(here.fileno())
        writer = RecordWriter("rlm-rehearsal")
        writer.value(_SETTINGS.to_json())
        writer.documents(1, [("1", "a text", {}, ())])
        reader = RecordReader(writer.finish())
        settings = ReplSettings.from_json(reader.value())
        (document,) = reader.documents()
        reader.close()
        with suppress(ConfinementError):  # the workers will say it
            MemoryLimit(settings.memory_mb)  # only finds out what it would be
        interpreter = Interpreter(document["text"], port, settings)
        port.send(done(1, interpreter.run([_STEP]).to_json()))
        read_frame(there.fileno())


@contextmanager
def _streams_and_main_kept() -> Generator[None]:
    main, lines = sys.modules["__main__"], linecache.cache.copy()
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    streams = {name: getattr(sys, name) for name in names}
    _kept.append(streams)
    try:
        yield
    finally:
        sys.modules["__main__"] = main
        for name, stream in streams.items():
            setattr(sys, name, stream)
        linecache.cache.clear()
        linecache.cache.update(lines)
