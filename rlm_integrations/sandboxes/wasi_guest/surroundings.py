"""What this Python finds around it: nothing. Time zones come along."""

from __future__ import annotations

import asyncio
import builtins
import importlib
import io
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import zoneinfo
from typing import Any, NoReturn, cast

_EPERM = 63  # WASI's; `repl/` has words for it
_CALLS = """
open listdir scandir stat lstat mkdir rmdir rename unlink remove readlink link access chdir chmod write read
system fork execv execve kill
"""
_NAMES = "getaddrinfo getnameinfo gethostbyname gethostbyname_ex gethostbyaddr getfqdn"


def keep_time_zones() -> None:
    """Have those of `tzdata` be the system's: `preload` keeps them."""
    tzdata = importlib.import_module("tzdata")
    zoneinfo.reset_tzpath([f"{tzdata.__path__[0]}/zoneinfo"])


def deny() -> None:
    """Refuse files, sockets and processes in words. Nothing of it is there, and to try it would end the instance."""
    builtins.open = io.open = cast(Any, _denied)
    loop, modules = asyncio.BaseEventLoop, sys.modules
    for owners, names in (
        ((socket.socket, subprocess.Popen), "__init__"),
        ((loop,), "subprocess_exec subprocess_shell"),
        ((socket, modules["_socket"]), _NAMES),
        ((signal, modules["_signal"]), "raise_signal"),
        ((os, modules["posix"]), _CALLS),
    ):
        for owner, name in itertools.product(owners, names.split()):
            setattr(owner, name, _denied)
    os.isatty = lambda fd, /: False
    time.thread_time, time.thread_time_ns = time.process_time, time.process_time_ns  # of its one thread


def _denied(*args: object, **kwargs: object) -> NoReturn:
    raise PermissionError(_EPERM, "Operation not permitted", *[each for each in args[:1] if isinstance(each, str)])
