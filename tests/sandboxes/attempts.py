"""What model-written code tries against the host: the attempts of escape_attempts.txt, and that one fails."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rlm_integrations.testing.sandbox_contract import OpenRepl
from rlm_integrations.wire.steps import StepDone

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
CHANNEL = """
import fcntl
for fd in range(3, 64):
    try: fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError: continue
    print(fd)
"""
CHECK = f"""{LIBC}
def check(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
"""


def _read_attempts() -> dict[str, tuple[str, str, str]]:
    """Each attempt's code, whether it raises, prints or dies, and a pattern for with what."""
    attempts: dict[str, tuple[str, str, str]] = {}
    file = Path(__file__).with_name("escape_attempts.txt")
    for section in re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)[1:]:
        name, _, rest = section.partition("\n")
        code, _, outcome = rest.partition("--> ")
        kind, _, pattern = (outcome.strip() or r"raises \[Errno 1\] Operation not permitted").partition(" ")
        assert name not in attempts, name
        attempts[name] = (code, kind, pattern)
    return attempts


ATTEMPTS = _read_attempts()


@contextmanager
def listening() -> Iterator[socket.socket]:
    """What no attempt may connect to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def is_for_this_machine(attempt: str) -> bool:
    """The numbers of system calls are those of x86_64."""
    return "libc.syscall(" not in ATTEMPTS[attempt][0] or os.uname().machine == "x86_64"


async def assert_fails(attempt: str, live: OpenRepl, listener: socket.socket) -> None:
    code, kind, pattern = ATTEMPTS[attempt]
    places = {"HOST": os.getpid(), "PORT": listener.getsockname()[1]}
    if "CHANNEL" in code:
        places["CHANNEL"] = await live.value(CHANNEL)
    for place, value in places.items():
        code = code.replace(place, str(value))
    done = await live.run(CHECK + code)
    match kind, done:
        case "raises", StepDone(error=error):
            assert error is not None, f"it succeeded: {done.output}"
            assert re.search(pattern, error.message), error.message
        case "prints", StepDone(error=None, output=output):
            assert re.fullmatch(pattern, (output.head + output.tail).strip()), output
        case _:
            raise AssertionError(f"it should have: {kind} {pattern}, but: {done}")
    assert not Path("/tmp/rlm-pwned").exists()
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert await live.value("1 + 1") == "2", "the REPL lives on"


async def is_as_it_began(live: OpenRepl, attempt: str) -> bool:
    """Whether nothing of the attempt is left: a descriptor, writable code, or an object that will close its channel."""
    touches = re.search("CHANNEL|mprotect", ATTEMPTS[attempt][0])
    return not touches and len((await live.value(CHANNEL)).split()) == 1
