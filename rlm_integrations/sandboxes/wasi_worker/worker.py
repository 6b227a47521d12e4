"""The worker of one REPL: holds the instance, hands its calls to the host, and the answers back.

One thread runs the component, whose stack it has; another reads what the host sends. Whatever goes wrong ends the
process, and the exit status says why. Only the standard library and wasmtime are imported.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_CHANNEL, EXIT_MEMORY, EXIT_UNLOADABLE
from rlm_integrations.sandboxes.channel.frames import (
    FrameTooLongError,
    decode,
    encode_short,
    read_frame,
    write_frame,
)
from rlm_integrations.sandboxes.channel.host_messages import read_host
from rlm_integrations.sandboxes.channel.step_clock import StepClock
from rlm_integrations.sandboxes.wasi_worker.engine import STACK_BYTES, make_engine, wasmtime
from rlm_integrations.sandboxes.wasi_worker.imports import define_imports
from rlm_integrations.wire import guest_requests, messages
from rlm_integrations.wire.opening import Opening

_OWN_BYTES = 64 << 20
"""Of linear memory, for the snapshot, the reserve, and what is on its way."""

_RELIEF_BYTES = 16 << 20
"""More, in a step after one that ran out of memory: what it lets go of is to be let go of."""

_MOST_BYTES = (1 << 32) - (1 << 16)
_LONGEST_WAIT_S = 3_600.0  # no lock takes an infinite one

_wasm: Any = import_module("wasmtime.component")
_to_json = json.JSONEncoder(separators=(",", ":")).encode


def main(compiled: str) -> None:
    """Become the REPL of one run. Standard input and output are the channel to the host."""
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    threading.stack_size(STACK_BYTES + (8 << 20))
    threading.Thread(target=_run, args=(compiled, incoming, outgoing)).start()


def _run(compiled: str, incoming: int, outgoing: int) -> NoReturn:
    try:
        _Worker(compiled, incoming, outgoing).run()
    except OSError:
        _end(EXIT_CHANNEL)
    except MemoryError:
        _end(EXIT_MEMORY)
    except BaseException as error:
        _end(EXIT_BROKEN, error)


def _end(status: int, error: BaseException | None = None) -> NoReturn:
    if error is not None:
        with contextlib.suppress(Exception):
            os.write(2, str(error)[-2_000:].encode(errors="replace"))
    os._exit(status)


class _Worker:
    def __init__(self, compiled: str, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        engine = make_engine()
        self._store, linker = wasmtime.Store(engine), _wasm.Linker(engine)
        try:
            component = _wasm.Component.deserialize_file(engine, compiled)
        except wasmtime.WasmtimeError as error:
            _end(EXIT_UNLOADABLE, error)
        define_imports(linker, component, self._call)
        instance = linker.instantiate(self._store, component)
        self._exports: dict[str, Any] = {}
        for name in ("load", "begin", "step"):
            export = instance.get_func(self._store, name)
            assert export is not None
            self._exports[name] = export
        self._steps: SimpleQueue[messages.BeginStep] = SimpleQueue()
        self._answers: SimpleQueue[tuple[int, str]] = SimpleQueue()
        """Each with how many calls it answers; none, and the step is interrupted."""
        self._open = 0
        """Calls that the host has not answered."""
        self._clock = StepClock(0.0, 0.0, 0.0, 0.0)
        self._step = self._interrupted_step = 0

    def run(self) -> NoReturn:
        """Serve until the host is gone."""
        opening = Opening.from_json(decode(read_frame(self._incoming) or _end(0)))
        room = _OWN_BYTES + opening.corpus_bytes + (opening.settings.memory_mb << 20)
        self._bound_memory(room)
        limit_s = opening.settings.step_timeout_s
        try:
            while frame := read_frame(self._incoming):
                self._run("load", frame.decode("latin-1"))
            self._run("begin", json.dumps(opening.to_json()))
        except wasmtime.WasmtimeError as error:
            self._send(messages.failed(f"the corpus could not be loaded ({str(error)[-200:]})"))
            _end(1)
        threading.stack_size(0)
        threading.Thread(target=read_host, args=(self._incoming, self._take), daemon=True).start()
        self._send(messages.ready({}))
        while True:
            step = self._steps.get()
            self._clock = StepClock(limit_s, step.seconds_left, time.monotonic(), 0.0)
            self._step = step.number
            done = json.loads(self._run("step", json.dumps(step.blocks)))
            error = done["error"]
            ran_out = error is not None and error["message"].startswith("MemoryError")
            self._bound_memory(room + (_RELIEF_BYTES if ran_out else 0))
            self._send(messages.done(step.number, done))

    def _bound_memory(self, size: int) -> None:
        self._store.set_limits(memory_size=min(size, _MOST_BYTES))

    def _run(self, name: str, argument: str) -> Any:
        return self._exports[name](self._store, argument)

    def _take(self, message: dict[str, Any]) -> None:
        """In the thread that reads: keep a message of the host for the one that runs the component."""
        step = messages.BeginStep.read(message)
        if step is not None:
            self._steps.put(step)
        elif (interrupted := messages.interrupted_step(message)) is not None:
            self._interrupted_step = interrupted
            self._answers.put((0, ""))
        else:
            self._answers.put((len(messages.answered_calls(message)), _to_json(message)))

    # --- what the code asks for: all of it may be rubbish

    def _call(self, store: object, request: str) -> str:
        try:
            asked = guest_requests.read_request(json.loads(request))
            if isinstance(asked, guest_requests.AskWhetherOver):
                return guest_requests.yes_text(self._is_over())
            if isinstance(asked, guest_requests.PrintHead):
                self._send(messages.printed(asked.text))
                return ""
            refused = [refusal for call in asked.calls if (refusal := self._begin(call)) is not None]
            answers = refused + self._wait_for_answers(0.0 if refused else asked.wait_s)
            return guest_requests.answers_text(answers, is_over=self._is_over())
        except OSError:
            _end(EXIT_CHANNEL)
        except MemoryError:
            _end(EXIT_MEMORY)
        except BaseException as error:  # wasmtime would raise it in the next call of whatever store
            _end(EXIT_BROKEN, error)

    def _begin(self, call: dict[str, Any]) -> str | None:
        """Send a call to the host, or what refuses it."""
        message = messages.call(call["id"], call["name"], call["payload"])
        try:
            frames = encode_short(message)
        except FrameTooLongError as error:
            why = f"too much to be passed to the host: {error}"
            return _to_json(messages.refusal(call["id"], "value", why))
        for frame in frames:
            write_frame(self._outgoing, frame)
        if not self._open:
            self._clock.pause(time.monotonic())
        self._open += 1
        return None

    def _wait_for_answers(self, seconds: float | None) -> list[str]:
        """Those that are there, or the first of them within so many seconds, and within the time of the step."""
        answers: list[str] = []
        left = 0.0 if self._is_over() else self._left(seconds)
        with contextlib.suppress(Empty):
            while True:
                answered, text = self._answers.get_nowait() if answers else self._answers.get(timeout=left)
                if not answered:  # the step is interrupted
                    break
                answers.append(text)
                self._open -= answered
        if not self._open:
            self._clock.resume(time.monotonic())
        return answers

    def _left(self, seconds: float | None) -> float:
        most = self._clock.next_check(time.monotonic(), 0.0, 1)
        return min(most, _LONGEST_WAIT_S if seconds is None else seconds)

    def _is_over(self) -> bool:
        return self._interrupted_step == self._step or self._clock.overrun(time.monotonic(), 0.0) is not None

    def _send(self, message: dict[str, Any]) -> None:
        for frame in encode_short(message):
            write_frame(self._outgoing, frame)
