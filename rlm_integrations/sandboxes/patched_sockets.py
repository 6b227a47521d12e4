"""Whether sockets are Python's own: those of green threads never block, and whoever starts a REPL waits at one."""

from __future__ import annotations

import socket

from rlm_integrations.core.errors import SandboxUnavailableError

_GREEN = ("gevent", "eventlet")


def check_sockets() -> None:
    """Raises SandboxUnavailableError where gevent or eventlet has put others in their place."""
    package = socket.socket.__module__.partition(".")[0]
    if package in _GREEN:
        raise SandboxUnavailableError(
            f"sandbox: {package} has put sockets of its own in the place of Python's (monkey patching), and a REPL "
            "cannot be spoken to over them; use threads or processes in this program: celery --pool=threads or "
            "--pool=prefork, gunicorn -k gthread or with uvicorn's worker"
        )
