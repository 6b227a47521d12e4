"""The VM of one REPL: feeds it code, and says in plain data how code failed."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any, NoReturn

from pydantic_monty import Monty, MontyCrashedError, MontyRuntimeError, MontySyntaxError

from rlm_integrations.repl.code_error import NOT_HERE, message_of
from rlm_integrations.sandboxes.channel.exit_statuses import EXIT_BROKEN, EXIT_MEMORY
from rlm_integrations.sandboxes.monty.subset import MODULES

_SUSPENSIONS = 1 << 40  # calls out of the VM: the budget of the run and the time of a step are what bounds them
_UNSUPPORTED = "The monty syntax parser does not yet support "
_TERMINATED = "the worker exceeded its memory limit and was terminated"
_INTERRUPTED = "feed time limit exceeded"
_INPUT = re.compile(r"<python-input-(\d+)>")

Functions = dict[str, Callable[..., Any]]


class VmError(Exception):
    """Code did not compile, or raised. `frames` are (number of the feed, line in it), innermost last."""

    def __init__(self, message: str, frames: list[tuple[int, int]], *, syntax: bool) -> None:
        super().__init__(message)
        self.message, self.frames, self.syntax = message, frames, syntax

    def line_in(self, feeds: range) -> int | None:
        """The line of the innermost frame that belongs to one of the feeds."""
        return next((line for feed, line in reversed(self.frames) if feed in feeds), None)


class VmOutOfMemoryError(VmError):
    """Code needed more memory than there is. It could not catch that; what was bound before stays bound."""


class VmInterruptedError(VmError):
    """Code ran for longer than a feed may. It could not catch that; what was bound before stays bound."""


class Vm:
    """A VM in a process of its own, which ends with this one unless it spins."""

    def __init__(
        self, functions: Functions, write: Callable[[str], Any], memory_bytes: int, feed_s: float, turn_s: float
    ) -> None:
        """Start it.

        Args:
            functions: What the code can call, by name.
            write: Gets what the code prints.
            memory_bytes: Bounds the heap.
            feed_s: Seconds that a feed may run, calls not counted, until it is interrupted. Some single operations,
                as on giant ints, cannot be.
            turn_s: Seconds between two calls after which the VM is ended, where nobody is left to end it.
        """
        self._functions, self._write, self._feed_s = functions, write, feed_s
        pool = Monty(min_processes=1, max_processes=1, feed_duration_limit_grace=None)
        pool.__enter__()
        self._checkout = pool.checkout(
            limits={
                "max_memory": memory_bytes,
                "max_suspensions": _SUSPENSIONS,
                "max_feed_duration_secs": feed_s,
                "max_turn_duration_secs": turn_s,
            },
            assert_message_annotations=False,
        )
        self._checkout.__enter__()
        self.pid = self._checkout.worker_pid
        self.feeds = 0
        """The number of the next feed."""

    def feed(self, code: str, **inputs: Any) -> Any:
        """Run code and return the value of its trailing expression.

        Raises VmError, VmOutOfMemoryError, VmInterruptedError. Ends this process where the VM is lost.
        """
        self.feeds += 1
        began = time.monotonic()
        try:
            return self._checkout.feed_run(
                code,
                inputs=inputs,
                external_lookup=self._functions,
                print_callback=lambda stream, text: self._write(text),
            )
        except MontyCrashedError:
            os._exit(EXIT_BROKEN)
        except (MontyRuntimeError, MontySyntaxError) as error:
            _raise(error, over_time=time.monotonic() - began >= self._feed_s)


def _raise(error: MontyRuntimeError | MontySyntaxError, *, over_time: bool) -> NoReturn:
    raised = error.exception()
    text = str(raised)
    if _TERMINATED in text:
        os._exit(EXIT_MEMORY)
    numbered = [(_INPUT.fullmatch(frame.filename), frame.line) for frame in error.traceback()]
    frames = [(int(name[1]), line) for name, line in numbered if name is not None]
    if isinstance(raised, MemoryError):
        raise VmOutOfMemoryError(message_of(raised), frames, syntax=False)
    if over_time and isinstance(raised, TimeoutError) and text.startswith(_INTERRUPTED):
        raise VmInterruptedError(text, frames, syntax=False)
    if isinstance(raised, NotImplementedError) and text.startswith(_UNSUPPORTED):
        missing = f"SyntaxError: this subset of Python does not support {text.removeprefix(_UNSUPPORTED)}"
        raise VmError(missing, frames, syntax=True)
    message = message_of(raised)
    if isinstance(raised, ModuleNotFoundError):
        message += f"; this session has only {', '.join(MODULES)}"
    elif isinstance(raised, PermissionError):
        message += NOT_HERE
    raise VmError(message, frames, syntax=isinstance(error, MontySyntaxError))
