"""Runs programs of Python as forks of one process, which has imported what they import: that is most of what they take.

Its argument names the socket of `forks.serve`. `LAUNCHER` of `conftest.py` is started in place of Python.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parents[1]))
import forks

del sys.path[0]  # it has folders of the names of packages


def program(pid: int) -> tuple[str, list[str]]:
    """The code of a process that was started with `-c`, and its arguments."""
    words = forks.arguments(pid)
    at = words.index("-c") + 1
    return words[at], words[at + 1 :]


def import_worker(pid: int) -> None:
    """What starts REPLs, if that is the program: from the folder that was brought here."""
    code, arguments = program(pid)
    start = "rlm_integrations.sandboxes.shell_worker.start"
    if start in code and start not in sys.modules:
        sys.path.insert(0, arguments[0])
        with contextlib.suppress(ImportError):  # the program says so itself
            __import__(start)
        del sys.path[0]
        gc.collect()
        gc.freeze()


def become(pid: int) -> str:
    """Have all that a process has, and return its code."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    forks.take_over(pid)
    code, sys.argv[1:] = program(pid)
    sys.argv[0] = "-c"
    return code


def run(code: str) -> NoReturn:
    status = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(sys.argv[1])
    listener.listen(128)
    os.write(1, b"ready\n")
    run(become(forks.serve(listener, import_worker)))


if __name__ == "__main__":
    main()
