"""What this Python finds around it: nothing. Time zones come along."""

from __future__ import annotations

import builtins
import importlib
import io
import os
import socket
import subprocess
import sys
import zoneinfo
from typing import Any, NoReturn, cast

_EPERM = 63  # WASI's; `repl/` has words for it
_FILES = "open listdir scandir stat lstat mkdir rmdir rename unlink remove readlink link access chdir chmod write read"


def keep_time_zones() -> None:
    """Have those of `tzdata` be the system's: `preload` keeps them."""
    tzdata = importlib.import_module("tzdata")
    zoneinfo.reset_tzpath([f"{tzdata.__path__[0]}/zoneinfo"])


def deny() -> None:
    """Refuse files, sockets and processes in words. Nothing of it is there, and to try it would end the instance."""
    builtins.open = io.open = cast(Any, _denied)
    for owner, name in ((socket.socket, "__init__"), (socket, "getaddrinfo"), (subprocess.Popen, "__init__")):
        setattr(owner, name, _denied)
    for name in _FILES.split():
        setattr(os, name, _denied)
        setattr(sys.modules["posix"], name, _denied)
    os.isatty = lambda fd, /: False


def _denied(*args: object, **kwargs: object) -> NoReturn:
    raise PermissionError(_EPERM, "Operation not permitted", *[each for each in args[:1] if isinstance(each, str)])
