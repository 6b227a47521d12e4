"""A worker: the process that runs the model's code for one REPL. Standard library only.

Its main thread runs the steps, one thread reads the channel. Whatever goes wrong outside the model's code
ends the process, and the exit status says why.
"""

from __future__ import annotations

import builtins
import gc
import os
import random
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.repl.table import Table
from rlm_integrations.repl.thread_errors import ThreadErrors
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_MEMORY
from rlm_integrations.sandboxes.channel.fork_server import WorkerJob
from rlm_integrations.sandboxes.process_worker.confinement import (
    Confinement,
    ConfinementError,
    MemoryLimit,
    die_with_parent,
)
from rlm_integrations.sandboxes.process_worker.document_file import PlainDocument, RecordReader
from rlm_integrations.sandboxes.process_worker.interrupts import Interrupts
from rlm_integrations.sandboxes.process_worker.shared_text import can_seal
from rlm_integrations.sandboxes.process_worker.thread_limit import words
from rlm_integrations.sandboxes.process_worker.worker_port import WorkerPort
from rlm_integrations.wire.images import under_id
from rlm_integrations.wire.messages import BeginStep, done, failed, ready
from rlm_integrations.wire.opening import Opening, Pick, SharedUse
from rlm_integrations.wire.steps import CodeError, StepDone

globals()["__builtins__"] = vars(builtins).copy()

_STACK_BYTES = 8 << 20  # smaller ones crash in a RecursionError of C code
_SWITCH_INTERVAL_S = 0.005
_exit, _set_switch_interval = os._exit, sys.setswitchinterval


def run_worker(job: WorkerJob, shared: list[PlainDocument] | None, confinement: Confinement | None) -> NoReturn:
    """Become the REPL of one run, over the documents of this process's holder and those of its setup file.

    Without a confinement it keeps its rights.
    """
    die_with_parent(job.parent)
    channel = _keep_only(job)
    port = WorkerPort(channel)
    try:
        reader = RecordReader(job.file)
        told, use = reader.value()
        opening = Opening.from_json(told)
        settings = opening.settings
        context = _context(reader, opening, SharedUse.from_value(use), shared)
        reader.close()
        _start_afresh(settings.seed)
        memory, sealed = MemoryLimit(settings.memory_mb), can_seal()
        layers = {} if confinement is None else confinement.confine(job.parent)
    except MemoryError:
        _exit(EXIT_MEMORY)
    except ConfinementError as error:
        port.send(failed(str(error)))
        _exit(1)
    threads = layers.pop("threads", words("not bounded by the kernel"))
    # That of many documents can be unmapped, or written over; a long text only where it is not sealed.
    freed = "many documents" if sealed else "a corpus that code unmaps, for this kernel has no mseal"
    layers |= {"memory": f"address space limited for each run, beside {freed}", "threads": threads}
    interpreter = Interpreter(context, port, settings)
    port.start_reading()
    port.send(ready(layers))
    _Steps(interpreter, port, memory, settings.memory_mb).run()


_NO_MEMORY_LEFT = CodeError(1, None, "", "MemoryError")
"""How a step ends that filled the memory with small objects: the interpreter could not say where."""


def _how_to_go_on(message: str, memory_mb: int) -> str:
    """What the bare word of Python does not say about the limit."""
    if message == "MemoryError":
        return f": over the {memory_mb:,} MB on top of the corpus; `del` what is not needed, and keep less at once"
    return ""


class _Steps:
    """Runs steps in the main thread."""

    def __init__(self, interpreter: Interpreter, port: WorkerPort, memory: MemoryLimit, memory_mb: int) -> None:
        self._interpreter, self._port, self._memory, self._memory_mb = interpreter, port, memory, memory_mb
        self._interrupts = Interrupts(interpreter, port)
        self._thread_errors = ThreadErrors()
        self._ran_out_of_memory = 0
        """How many of the last steps did, one after the other."""

    def run(self) -> NoReturn:
        while True:
            step = self._port.next_step()
            try:
                self._run(step)
            except MemoryError:
                _exit(EXIT_MEMORY)
            except BaseException:
                _exit(EXIT_BROKEN)

    def _run(self, step: BeginStep) -> None:
        self._interrupts.begin_step()
        self._thread_errors.begin_step()
        threading.excepthook = self._thread_errors.show
        _set_switch_interval(_SWITCH_INTERVAL_S)  # model code may have changed it
        self._memory.for_model(after=self._ran_out_of_memory)
        end: StepDone
        try:
            end = self._interpreter.run(step.blocks)
            self._memory.open_reserve()
        except MemoryError:
            self._memory.open_reserve()
            end = self._interpreter.run([]).with_error(_NO_MEMORY_LEFT)
        error = end.error
        if error is None or not error.message.startswith("MemoryError"):
            self._ran_out_of_memory = 0
        elif error.line is None and self._ran_out_of_memory >= MemoryLimit.RELIEFS:
            _exit(EXIT_MEMORY)  # no code runs any more, not even what would free some
        else:
            self._ran_out_of_memory += 1
        if error is not None:
            message = error.message + _how_to_go_on(error.message, self._memory_mb)
            end = end.with_error(CodeError(error.block, error.line, error.source, message, error.kind))
        self._port.send(done(step.number, end.to_json()))


def _context(
    reader: RecordReader, opening: Opening, use: SharedUse, shared: list[PlainDocument] | None
) -> str | list[PlainDocument] | None:
    """What the model meets as `context`: brought documents, the shared ones or those of a part, retrieved ones."""
    documents = reader.documents() if shared is None else shared
    own, settings = reader.documents(), opening.settings
    if use.picked is not None:
        documents = _picked(use.picked, documents, own)
    else:
        for place, id_ in use.renamed:
            documents[place] = under_id(documents[place], id_)
        # In place, and each a page moved as it is: a new list would count references, and so copy every page.
        documents[:0] = own
    if settings.columns:
        if not isinstance(documents, Table):  # a part of one
            documents = Table(documents)
        documents.begin(settings.columns, settings.text_column, first=opening.before_rows, count=opening.rows)
    documents.extend(reader.documents())
    return opening.shown(documents)


def _picked(picks: Sequence[Pick | None], shared: list[PlainDocument], own: list[PlainDocument]) -> list[PlainDocument]:
    """The documents of a part, in its order: whole shared ones as they are, and texts that are of its own."""
    rest = iter(own)
    return [next(rest) if pick is None else _piece(shared, *pick) for pick in picks]


def _piece(shared: list[PlainDocument], number: int, start: int, end: int | None, id_: str) -> PlainDocument:
    document = shared[number]
    if start or end is not None:
        return {**under_id(document, id_), "text": document["text"][start:end]}
    return document if document["id"] == id_ else under_id(document, id_)


def _keep_only(job: WorkerJob) -> int:
    """Standard streams that lead nowhere. Returns the channel."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    return job.channel


def _start_afresh(seed: str) -> None:
    """Undo what all children of one parent would share. Chance comes of the seed, if any."""
    random.seed(seed or None)
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed(int(seed[:8], 16) if seed else None)
    gc.enable()
    threading.stack_size(_STACK_BYTES)
