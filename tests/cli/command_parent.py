"""Runs commands as forks of one process, which has imported what they import: that is most of the time of one.

Standard input is a socket. What comes on it is a command line, an environment and a folder as JSON, and the
descriptors of the command's three standard streams and of a pipe that is told the command's process id, and how it
ended, in twelve characters each.
"""

import gc
import importlib
import json
import os
import selectors
import socket
import sys
from contextlib import suppress
from typing import Any, TextIO

from rlm_integrations.cli import main

IMPORTED = (
    "anyio._backends._asyncio",
    "httpcore",
    "rlm_integrations.cli.app",
    "rlm_integrations.cli.ask",
    "rlm_integrations.cli.delivery",
    "rlm_integrations.openai",
    "rlm_integrations.sandboxes.process.sandbox",
    "rlm_integrations.terminal.live_view",
)


def next_command(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
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
                selector.close()
                os.close(report)
                return json.loads(message), streams
            for stream in streams:
                os.close(stream)
            os.write(report, b"%12d" % pid)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, report))


def become(command: dict[str, Any], streams: list[int]) -> None:
    """Make this process what the interpreter finds when it starts."""
    if command["new_session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number in command["closed"]:
        os.close(number)
    os.chdir(command["cwd"])
    os.environ.clear()
    os.environ.update(command["env"])
    sys.argv[:] = command["argv"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None if number in command["closed"] else opened(number, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def opened(number: int, model: Any) -> TextIO:
    """A standard stream, as the interpreter opens it: `model` is the one of this process."""
    stream = os.fdopen(number, "w" if number else "r", encoding=model.encoding, errors=model.errors, closefd=False)
    stream.reconfigure(line_buffering=number == 2 or stream.isatty())
    return stream


if __name__ == "__main__":
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    requests = socket.socket(fileno=os.dup(0))
    command = next_command(requests)
    requests.close()
    if command is not None:
        become(*command)
        main()
