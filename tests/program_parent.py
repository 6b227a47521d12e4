"""Runs programs as forks of one process, which has imported what they import: that is most of the time of one.

Its arguments are the modules to import. Standard input is a socket. What comes on it is a program with its arguments,
environment, folder and warning options as JSON, and the descriptors of its three standard streams and of a pipe that
is told the program's process id, and how it ended, in twelve characters each.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import socket
import sys
import types
import warnings
from contextlib import suppress
from typing import Any, TextIO


def next_program(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Returns in each fork, with what it is to become; and with None where there are to be no more."""
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is not requests:
                pid, report = key.data
                selector.unregister(key.fileobj)
                _, status = os.waitpid(pid, 0)
                os.close(key.fd)
                with suppress(BrokenPipeError):  # nobody waits for it any more
                    os.write(report, b"%12d" % os.waitstatus_to_exitcode(status))
                os.close(report)
                continue
            message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 4)
            if not message:
                return None
            pid = os.fork()
            *streams, report = descriptors
            if not pid:
                for running in selector.get_map().values():
                    if running.data:
                        os.close(running.fd)
                        os.close(running.data[1])
                selector.close()
                os.close(report)
                return json.loads(message), streams
            for stream in streams:
                os.close(stream)
            os.write(report, b"%12d" % pid)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))


def become(program: dict[str, Any], streams: list[int]) -> None:
    """Make this process what the interpreter is when it has started."""
    if program["new_session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number in program["closed"]:
        os.close(number)
    os.chdir(program["cwd"])
    os.environ.clear()
    os.environ.update(program["env"])
    sys.argv[:] = program["argv"]
    sys.path.insert(0, "")
    if program["warnings"] is not None:
        warnings.resetwarnings()
        sys.warnoptions[:] = program["warnings"]
        warnings._processoptions(sys.warnoptions)  # type: ignore[attr-defined]
    encoding = program["env"].get("PYTHONIOENCODING")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None if number in program["closed"] else opened(number, getattr(sys, name), encoding)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def opened(number: int, model: Any, encoding: str | None) -> TextIO:
    """A standard stream, as the interpreter opens it: `model` is the one of this process."""
    errors = "strict" if encoding and number < 2 else model.errors
    mode = "w" if number else "r"
    stream = os.fdopen(number, mode, encoding=encoding or model.encoding, errors=errors, closefd=False)
    stream.reconfigure(line_buffering=number == 2 or stream.isatty())
    return stream


if __name__ == "__main__":
    for name in sys.argv[1:]:
        with contextlib.suppress(ModuleNotFoundError):  # an environment without it has no program that needs it
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    requests = socket.socket(fileno=os.dup(0))
    program = next_program(requests)
    requests.close()
    if program is not None:
        become(*program)
        source = program[0]["source"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(source, "<string>", "exec"), vars(sys.modules["__main__"]))
