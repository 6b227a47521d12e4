"""Runs programs as forks of one process, which has imported what they import: that is most of the time of one.

Where it has imported the process sandbox it has a helper, too, for each of its clients, whose programs share it, and
one for each hash seed that they name; and they end without taking apart what was imported. Those that are "fresh" have
a helper of their own, and they and those with a "whole end" end as any interpreter.

Its arguments are the modules to import, and files to run besides. Standard input is a socket that listens. Each
process that runs tests connects to it, and is sent a byte once all is imported. What comes on a connection is a
program with its arguments, environment, folder and warning options as JSON, and the descriptors of its three
standard streams and of a pipe that is told the program's process id, and how it ended, in twelve characters each.
With the last connection it ends.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
import threading
import types
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

NOBODY_CAME_S = 60.0


class SharedHelpers:
    """Helpers of the process sandbox that all programs of a client use: to start one takes longer than most of them."""

    def __init__(self) -> None:
        self._started: dict[int | None, tuple[Any, int]] = {}

    def start(self, hash_seed: int | None) -> None:
        """The one for this seed, unless it runs, or nothing of the sandbox was imported."""
        if hash_seed in self._started or "rlm_integrations.sandboxes.process.sandbox" not in sys.modules:
            return
        from rlm_integrations.sandboxes.process.helper_client import helper_client

        client = helper_client(hash_seed=hash_seed)
        helper = client._running_helper()
        # A fork closes the socket itself.
        self._started[hash_seed] = helper.process, os.dup(helper.client._control.fileno())
        client._helper = None  # the next of our clients has another
        helper.process.returncode = 0  # it ends with the client, and nobody waits for it

    def adopt(self) -> None:
        """Have them be the helpers of this fork."""
        from rlm_integrations.sandboxes.channel import fork_client
        from rlm_integrations.sandboxes.process.helper_client import helper_client
        from rlm_integrations.sandboxes.process.helper_process import Helper

        for hash_seed, (process, number) in self._started.items():
            control = fork_client._HostSocket(fileno=number)
            fork_client._open_sockets.add(control)
            helper_client(hash_seed=hash_seed)._helper = Helper(process, fork_client.ForkClient(control))

    def leave(self) -> None:
        for _, number in self._started.values():
            os.close(number)


@dataclass(frozen=True)
class Client:
    """A process that runs tests, which has connected."""

    requests: socket.socket
    helpers: SharedHelpers

    def leave(self) -> None:
        self.requests.close()
        self.helpers.leave()


@dataclass(frozen=True)
class Running:
    """A program that was started. Both are descriptors but the process id."""

    pid: int
    pidfd: int
    report: int

    def has_ended(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(self.report, b"%12d" % os.waitstatus_to_exitcode(status))
        self.leave()

    def leave(self) -> None:
        os.close(self.pidfd)
        os.close(self.report)


class Parent:
    """Serves its clients, and comes back in the forks that they want."""

    def __init__(self, listens: socket.socket) -> None:
        self._listens = listens
        self._selector = selectors.DefaultSelector()
        self._selector.register(listens, selectors.EVENT_READ)
        self._clients = 0

    def next_program(self) -> tuple[dict[str, Any], list[int], SharedHelpers] | None:
        """Returns in each fork, with what it is to become; and with None where nobody wants any more."""
        while ready := self._selector.select(None if self._clients else NOBODY_CAME_S):
            for key, _ in ready:
                match key.data:
                    case Running() as running:
                        self._selector.unregister(key.fileobj)
                        running.has_ended()
                    case Client() as client:
                        if (program := self._asked(client)) is not None:
                            return program
                        if not self._clients:
                            return None
                    case _:
                        self._connect()
        return None

    def _connect(self) -> None:
        requests, _ = self._listens.accept()
        with suppress(BrokenPipeError):  # it has gone again, which is read next
            requests.send(b".")
        self._selector.register(requests, selectors.EVENT_READ, Client(requests, SharedHelpers()))
        self._clients += 1

    def _asked(self, client: Client) -> tuple[dict[str, Any], list[int], SharedHelpers] | None:
        """In the fork, what it is to become; else None."""
        message, descriptors, _, _ = socket.recv_fds(client.requests, 1 << 20, 4)
        if not message:
            self._selector.unregister(client.requests)
            self._clients -= 1
            client.leave()
            return None
        program = json.loads(message)
        if not program["fresh"]:
            client.helpers.start(None)
            client.helpers.start(program["hash_seed"])
        pid = os.fork()
        *streams, report = descriptors
        if not pid:
            self._leave(client.helpers)
            os.close(report)
            return program, streams, client.helpers
        for stream in streams:
            os.close(stream)
        os.write(report, b"%12d" % pid)
        running = Running(pid, os.pidfd_open(pid), report)
        self._selector.register(running.pidfd, selectors.EVENT_READ, running)
        return None

    def _leave(self, kept: SharedHelpers) -> None:
        """In a fork."""
        for key in self._selector.get_map().values():
            match key.data:
                case Client(requests, helpers):
                    requests.close() if helpers is kept else key.data.leave()
                case Running():
                    key.data.leave()
                case _:
                    self._listens.close()
        self._selector.close()


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


def end(code: int) -> NoReturn:
    """End as the interpreter does, and say what it would say of what the program leaves behind."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        flush(sys.stdout, sys.stderr)
    except (OSError, ValueError):
        sys.exit(code)  # the interpreter has its own words for it
    if threading.active_count() > 1:
        sys.exit(code)  # what daemon threads do meanwhile is for it to stop
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    gc.collect()
    left = vars(sys.modules["__main__"])
    for name in sorted(left, key=lambda name: not name.startswith("_")):
        if name != "__builtins__":
            left[name] = None
    gc.collect()
    with contextlib.suppress(OSError, ValueError):
        flush(sys.stdout, sys.stderr)
    os._exit(code & 0xFF)


def flush(*streams: TextIO | None) -> None:
    for stream in streams:
        if stream is not None and not stream.closed:
            stream.flush()


def main() -> None:
    if os.fork():  # it may outlive the process that started it, and is waited for by none
        os._exit(0)
    os.setsid()
    gc.disable()
    for name in sys.argv[1:]:
        with contextlib.suppress(ModuleNotFoundError):  # an environment without it has no program that needs it
            runpy.run_path(name) if name.endswith(".py") else importlib.import_module(name)
    if "llama_index.core" in sys.modules:
        sys.modules["llama_index.core"].utils.get_tokenizer()  # it is read from a file, a quarter of a second long
    gc.collect()
    gc.freeze()
    gc.enable()
    asked = Parent(socket.socket(fileno=os.dup(0))).next_program()
    if asked is None:
        os._exit(0)
    program, streams, helpers = asked
    helpers.leave() if program["fresh"] else helpers.adopt()
    become(program, streams)
    code = compile(program["source"], "<string>", "exec")
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(code, vars(sys.modules["__main__"]))
    except SystemExit as exit:
        if program["whole_end"] or not isinstance(exit.code, int | None):
            raise
        status = exit.code or 0
    else:
        status = 0
    if not program["whole_end"]:
        end(status)


if __name__ == "__main__":
    main()
