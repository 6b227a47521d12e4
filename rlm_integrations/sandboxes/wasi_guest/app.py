"""The exports of the component. Imported once, when it is built: what is here then is in the snapshot."""

from __future__ import annotations

import gc
import importlib
import io
import marshal
import random
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rlm_integrations.repl import asked_map, host_calls, llm_map, llm_reduce, preload, rlm_query, sub_calls
from rlm_integrations.repl.interpreter import Interpreter
from rlm_integrations.repl.table import Table
from rlm_integrations.repl.thread_errors import ThreadErrors
from rlm_integrations.sandboxes.wasi_guest import port, surroundings, threads, twins
from rlm_integrations.sandboxes.wasi_guest.host import Host, from_json, to_json
from rlm_integrations.sandboxes.wasi_guest.port import GuestPort
from rlm_integrations.sandboxes.wasi_guest.tasks import Tasks
from rlm_integrations.sandboxes.wasi_guest.ticks import Ticks, instrument
from rlm_integrations.wire.opening import Opening
from rlm_integrations.wire.settings import ReplSettings
from rlm_integrations.wire.steps import CodeError, StepDone

_wit_world: Any = importlib.import_module("wit_world")  # of the build
_host_call: Callable[[str], str] = _wit_world.call

_RESERVE_BYTES = 8 << 20
"""What a step's report is written in, where the step has taken all memory."""

_NO_MEMORY_LEFT = CodeError(1, None, "", "MemoryError")

_REHEARSALS = 10  # CPython specializes a function that was called about eight times
_REHEARSED = ReplSettings(depth=1, sub_call_chars=1_000, max_output_chars=1_000, step_timeout_s=5.0, memory_mb=1)


class _GuestRepl:
    """The one of this instance."""

    def __init__(self, context: Any, settings: ReplSettings, call: Callable[[str], str]) -> None:
        self._host = Host(call)
        self._tasks = Tasks(self._host, lambda: self._ticks.check())
        threads.use(self._tasks)
        self._thread_errors = ThreadErrors()
        port = GuestPort(self._tasks)
        self._interpreter = Interpreter(context, port, settings, rewrite=instrument, at_block_end=self._tasks.run_ready)
        self._ticks = Ticks(self._interpreter.namespace, self._host.is_over, lambda: self._interpreter.interruptible)
        self._memory_mb = settings.memory_mb
        self._reserve_bytes = min(_RESERVE_BYTES, settings.memory_mb << 20)
        self._reserve: object | None = None
        """A buffer that nobody writes to: pages that are written to would take most of the time of an opening."""
        self._keep_reserve()

    def step(self, blocks: list[str]) -> StepDone:
        self._ticks.begin_step()
        self._thread_errors.begin_step()
        threading.excepthook = self._thread_errors.show
        try:
            done = self._interpreter.run(blocks)
        except MemoryError:
            self._reserve = None
            done = self._interpreter.run([]).with_error(_NO_MEMORY_LEFT)
        self._keep_reserve()
        error = done.error
        if error is not None and error.message == "MemoryError":
            words = (
                f"over the {self._memory_mb:,} MB on top of the corpus; `del` what is not needed, and keep less at once"
            )
            done = done.with_error(
                CodeError(error.block, error.line, error.source, f"MemoryError: {words}", error.kind)
            )
        return done

    def _keep_reserve(self) -> None:
        if self._reserve is None:
            with suppress(MemoryError):  # another time
                self._reserve = io.BufferedReader(io.BytesIO(), self._reserve_bytes)  # pyright: ignore[reportArgumentType]


class _Opening:
    """The corpus on its way, and the REPL then. componentize-py makes a WitWorld for each call."""

    documents: list[dict[str, Any]] = []  # noqa: RUF012 - of this instance
    repl: _GuestRepl | None = None


class WitWorld(_wit_world.WitWorld):
    """An exception that leaves a method ends the instance."""

    def load(self, batch: str) -> None:
        for id_, beside, text in marshal.loads(batch.encode("latin-1")):
            if id_ is not None:
                _Opening.documents.append({"id": id_, "text": text, **beside})
                continue
            whole = _Opening.documents[-1].pop("text")
            whole += text  # the only reference: it grows in place
            _Opening.documents[-1]["text"] = whole

    def begin(self, opening: str) -> None:
        said = Opening.from_json(from_json(opening))
        settings = said.settings
        random.seed(settings.seed or None)
        sys.argv = [""]  # the runtime empties it
        documents, _Opening.documents = _Opening.documents, []
        _Opening.repl = _GuestRepl(_context(documents, said), settings, _host_call)

    def step(self, blocks: str) -> str:
        assert _Opening.repl is not None
        done = _Opening.repl.step(from_json(blocks))
        return to_json(done.to_json())


def _context(documents: list[dict[str, Any]], said: Opening) -> Any:
    settings = said.settings
    if settings.columns:
        documents = Table(documents)
        documents.begin(settings.columns, settings.text_column, first=said.before_rows, count=said.rows)
    return said.shown(documents)


def _rehearse() -> None:
    """REPLs that come and go: what CPython learns when code first runs comes with the snapshot."""
    main = sys.modules["__main__"]
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    streams = {name: getattr(sys, name) for name in names}
    for _ in range(_REHEARSALS):
        _GuestRepl("a text", _REHEARSED, lambda request: "").step(["n = len(context)\nprint(n)"])
        gc.collect()  # so that the next takes its memory: an image with holes is copied to each REPL, not shared
    sys.modules["__main__"] = main
    for name, stream in streams.items():
        setattr(sys, name, stream)


def _prepare() -> None:
    threads.install()
    surroundings.keep_time_zones()
    twins.keep(asked_map, host_calls, llm_map, llm_reduce, port, rlm_query, sub_calls)
    preload.preload(whole=True)  # into the image
    preload.guard_imports()
    surroundings.deny()  # before any REPL takes what it finds for what is to be
    _rehearse()
    gc.collect()
    gc.freeze()


with warnings.catch_warnings():  # of the build
    warnings.simplefilter("ignore")
    _prepare()
