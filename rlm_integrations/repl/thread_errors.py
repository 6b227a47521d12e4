"""What threads of the model's code print that end with an exception."""

from __future__ import annotations

import sys
import threading
from traceback import TracebackException


class ThreadErrors:
    """Use `show` as `threading.excepthook`.

    Of many threads that end likewise, as those of a pool do that a step left behind, one is shown whole and one named.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[int, int] = {}
        """How often each was seen in this step, by its hash."""

    def begin_step(self) -> None:
        self._times = {}

    def show(self, args: threading.ExceptHookArgs) -> None:
        """Without the folders that the library's files are in."""
        if args.exc_type is SystemExit or args.exc_value is None:
            return
        name = threading.get_ident() if args.thread is None else args.thread.name
        text = _without_folders(TracebackException(args.exc_type, args.exc_value, args.exc_traceback))
        with self._lock:
            times = self._times[hash(text)] = self._times.get(hash(text), 0) + 1
        if times == 1:
            sys.stderr.write(f"Exception in thread {name}:\n{text}")
        elif times == 2:
            sys.stderr.write(f"Exception in thread {name}: the same (further threads that end so are not shown)\n")


def _without_folders(shown: TracebackException) -> str:
    rest: list[TracebackException | None] = [shown]
    while rest:
        each = rest.pop()
        if each is not None:
            for frame in each.stack:
                frame.filename = frame.filename.rpartition("/")[2]
            rest += [each.__cause__, each.__context__, *(each.exceptions or ())]
    return "".join(shown.format())
