"""The worker of one REPL: holds the corpus and the VM, and runs the REPL's functions for it. A plain process.

Its main thread runs the steps, another reads what the host sends. Of the model's code only regexes run in it.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import sys
from typing import Any, NoReturn

from rlm_integrations.repl.output import StepOutput
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_MEMORY
from rlm_integrations.sandboxes.channel.frames import decode, read_frame
from rlm_integrations.sandboxes.channel.worker_port import WorkerPort
from rlm_integrations.sandboxes.monty.interpreter import VmInterpreter
from rlm_integrations.sandboxes.monty.lifeline import hold_on
from rlm_integrations.sandboxes.monty.load_corpus import load_corpus, memory_needed
from rlm_integrations.sandboxes.monty.run_prelude import run_prelude
from rlm_integrations.sandboxes.monty.surrogate_free_port import PlainDocument, SurrogateFreePort
from rlm_integrations.sandboxes.monty.vm import Vm, VmOutOfMemoryError
from rlm_integrations.sandboxes.monty.vm_functions import VmFunctions
from rlm_integrations.wire.settings import ReplSettings

_OWN_BYTES = 256 << 20  # of address space, for threads, messages and results on their way
_LOADING_S = 1.0  # what a feed may take at least, however short a step may be: the corpus comes in feeds too
_GRACE_S = 5.0  # the host ends a step at its limit; this is for a worker whose host has gone


def main(lifeline: int | None) -> NoReturn:
    """Become the REPL of one run. Standard input and output are the channel to the host."""
    if lifeline is not None:
        hold_on(lifeline)
    incoming, outgoing = os.dup(0), os.dup(1)
    opening: dict[str, Any] = decode(read_frame(incoming) or b"{}")
    settings = ReplSettings.from_json(opening["settings"])
    vm_pids: list[int] = []
    port = WorkerPort(incoming, outgoing, at_end=lambda: _end_all(vm_pids))
    clean_port = SurrogateFreePort(port)
    context = _read_context(incoming, opening["kind"], clean_port)
    _silence()
    port.start_reading()
    try:
        interpreter = _open(settings, context, clean_port, vm_pids)
    except VmOutOfMemoryError as error:
        _fail(port, f"the corpus does not fit into the VM ({error.message})")
    except Exception as error:
        _fail(port, f"the VM did not start ({type(error).__name__}: {error})")
    _bound_memory(settings.memory_mb)
    port.send({"t": "ready"})
    _run_steps(interpreter, port, settings.step_timeout_s + _GRACE_S)


def _read_context(incoming: int, kind: str, port: SurrogateFreePort) -> str | list[PlainDocument] | None:
    """The corpus: frames of (id, the rest, text), where None for an id goes on with the text before; an empty one."""
    documents: list[PlainDocument] = []
    pieces: list[str] = []
    while frame := read_frame(incoming):
        for id_, beside, text in marshal.loads(frame):
            if id_ is not None:
                _join(documents, pieces)
                documents.append({"id": id_, "text": "", **beside})
            pieces.append(text)
    _join(documents, pieces)
    clean = port.cleaned(documents)
    if kind == "str" and len(clean) == 1:
        return clean[0]["text"]
    return clean if clean or kind == "documents" else None


def _join(documents: list[PlainDocument], pieces: list[str]) -> None:
    if documents:
        documents[-1]["text"] = "".join(pieces)
    pieces.clear()


def _open(
    settings: ReplSettings, context: str | list[PlainDocument] | None, port: SurrogateFreePort, vm_pids: list[int]
) -> VmInterpreter:
    if context is None and settings.retriever:
        context = []
    functions = VmFunctions(context, port, settings)
    output = StepOutput(settings.max_output_chars, port.print_head)
    memory_bytes = (settings.memory_mb << 20) + memory_needed(context)
    step_s = settings.step_timeout_s
    vm = Vm(functions.by_name(), output.write, memory_bytes, max(step_s, _LOADING_S), step_s + _GRACE_S)
    vm_pids += [vm.pid] if vm.pid is not None else []
    run_prelude(vm, settings)
    load_corpus(vm, context)
    return VmInterpreter(vm, output, memory_mb=settings.memory_mb, null_answers=settings.null_answers)


def _fail(port: WorkerPort, message: str) -> NoReturn:
    port.send({"t": "failed", "message": message})
    os._exit(1)


def _run_steps(interpreter: VmInterpreter, port: WorkerPort, cpu_s: float) -> NoReturn:
    while True:
        step = port.next_step()
        _bound_cpu(cpu_s)
        try:
            done = interpreter.run(step["blocks"])
        except MemoryError:
            os._exit(EXIT_MEMORY)
        except BaseException:
            os._exit(EXIT_BROKEN)
        _bound_cpu(0.0)
        port.send({**done.to_json(), "t": "done", "step": step["step"]})


def _bound_cpu(seconds: float) -> None:
    """End this process after so much CPU time, where signals can; 0: never. A regex keeps its other threads waiting."""
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _bound_memory(memory_mb: int) -> None:
    """Bound the functions beside the VM, where the system knows how."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        _, ceiling = resource.getrlimit(resource.RLIMIT_AS)
        wanted = used + (memory_mb << 20) + _OWN_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (wanted if ceiling < 0 else min(wanted, ceiling), ceiling))


def _end_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


def _silence() -> None:
    """Standard streams that lead nowhere, for this process and the VM's."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
