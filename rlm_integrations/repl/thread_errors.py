"""What a thread of the model's code prints when it ends with an exception."""

from __future__ import annotations

import sys
import threading
from traceback import TracebackException


def show_thread_error(args: threading.ExceptHookArgs) -> None:
    """As `threading.excepthook`, without the folders of the machine that the library's files are in."""
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    name = threading.get_ident() if args.thread is None else args.thread.name
    shown = TracebackException(args.exc_type, args.exc_value, args.exc_traceback)
    rest: list[TracebackException | None] = [shown]
    while rest:
        each = rest.pop()
        if each is not None:
            for frame in each.stack:
                frame.filename = frame.filename.rpartition("/")[2]
            rest += [each.__cause__, each.__context__, *(each.exceptions or ())]
    sys.stderr.write(f"Exception in thread {name}:\n{''.join(shown.format())}")
