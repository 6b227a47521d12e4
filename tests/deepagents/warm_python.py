"""Runs programs of Python as forks of one process, which has imported what they import: that is most of what they take.

Its argument names a socket. What is started in place of Python connects to it (`LAUNCHER`), says its process id, and
waits for the exit status. The fork has all of that process: arguments, environment, folder and streams.
"""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import traceback
from typing import NoReturn

LAUNCHER = """#!/usr/bin/perl
# Perl starts in a fifth of Python's time. A seed of hashes is chosen when Python starts.
exec "{python}", @ARGV if exists $ENV{{PYTHONHASHSEED}};
socket(my $parent, 1, 1, 0) or die "no socket: $!";
connect($parent, pack("S a*", 1, "{socket}")) or die "no parent: $!";
syswrite($parent, "$$\\n");
sysread($parent, my $status, 8) or die "the parent has ended";
exit $status;
"""

_started: dict[int, tuple[int, socket.socket]] = {}
"""By the descriptors of forks: their process ids, and who waits for them."""


def serve(listener: socket.socket) -> int:
    """Until standard input ends. Returns in each fork, with the process whose part it has."""
    selector = selectors.DefaultSelector()
    for ready in (sys.stdin, listener):
        selector.register(ready, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                os._exit(0)
            elif key.fileobj is listener:
                waiting, _ = listener.accept()
                selector.register(waiting, selectors.EVENT_READ)
            elif key.fd in _started:
                selector.unregister(key.fd)
                pid, waiting = _started.pop(key.fd)
                os.close(key.fd)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with waiting, contextlib.suppress(OSError):  # it was killed
                    waiting.send(b"%d" % (status if status >= 0 else 128 - status))
            else:
                selector.unregister(key.fileobj)
                waiting = key.fileobj
                assert isinstance(waiting, socket.socket)
                said = waiting.recv(16)
                if not said:  # it was killed
                    waiting.close()
                    continue
                asking = int(said)
                import_worker(asking)
                pid = os.fork()
                if not pid:
                    selector.close()
                    for each in (listener, waiting, *(waiting for _, waiting in _started.values())):
                        each.close()
                    for descriptor in _started:
                        os.close(descriptor)
                    return asking
                descriptor = os.pidfd_open(pid)
                _started[descriptor] = pid, waiting
                selector.register(descriptor, selectors.EVENT_READ)


def program(pid: int) -> tuple[str, list[str]]:
    """The code of a process that was started with `-c`, and its arguments."""
    arguments = [os.fsdecode(each) for each in contents(pid, "cmdline")]
    at = arguments.index("-c") + 1
    return arguments[at], arguments[at + 1 :]


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


def contents(pid: int, name: str) -> list[bytes]:
    with open(f"/proc/{pid}/{name}", "rb") as file:
        return file.read().split(b"\0")[:-1]


def become(pid: int) -> str:
    """Have all that a process has, and return its code."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for stream in range(3):
        file = os.open(f"/proc/{pid}/fd/{stream}", os.O_WRONLY if stream else os.O_RDONLY)
        os.dup2(file, stream)
        os.close(file)
    os.chdir(f"/proc/{pid}/cwd")
    os.environb.clear()
    for each in contents(pid, "environ"):
        name, _, value = each.partition(b"=")
        os.environb[name] = value
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
    run(become(serve(listener)))


if __name__ == "__main__":
    main()
