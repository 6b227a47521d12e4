"""The kernel's bound on the threads of a worker, which holds for threads that are started past Python's guard too.

RLIMIT_NPROC counts the processes and threads of a user within a user namespace, so a worker needs one of them for
itself. Root becomes a user whom nobody else is; others make a user namespace (whose count is its own from Linux 5.14
on). Which of it works here is tried once, in children that are thrown away. Standard library only: the helper
imports it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from typing import Literal

from rlm_integrations.sandboxes.process_worker.thread_guard import MAX_THREADS

MOST_TASKS = 2 * MAX_THREADS + 2
"""With the main thread and the reader. Twice the guard's number: a pool may follow one that the kernel still buries."""

_NEW_USER = 0x10000000
_FIRST_USER, _USERS = 0x70000000, 0x0FFFFFFF  # numbers that no system gives to users, services or containers

_libc = ctypes.CDLL(None, use_errno=True)

Way = Literal["user", "namespace"]


def words(native: str) -> str:
    """How the threads of a worker are bounded, where `native` says what holds for those that C code starts."""
    return f"at most {MAX_THREADS} by Python; by C code {native}, and more than {MAX_THREADS} end the REPL"


def find_way() -> Way | None:
    """How a worker of this process can be counted apart; None where the kernel bounds no worker's threads."""
    if _is_bounded("user"):
        return "user"
    return "namespace" if _is_bounded("namespace") else None


def enter_own_namespace() -> None:
    """Raises OSError."""
    if _libc.unshare(ctypes.c_int(_NEW_USER)) != 0:
        raise OSError(ctypes.get_errno(), "a user namespace was refused")


def become_own_user() -> None:
    """Be a user whom nobody else is. Undoes capabilities and what die_with_parent has set. Raises OSError."""
    number = _FIRST_USER + int.from_bytes(os.urandom(4), "little") % _USERS
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)


def bound_tasks(most: int = MOST_TASKS) -> None:
    """Have so many threads at most, main one included, once this process is counted apart."""
    _, ceiling = resource.getrlimit(resource.RLIMIT_NPROC)
    if ceiling != resource.RLIM_INFINITY:  # nor more than the host may
        most = min(most, ceiling)
    resource.setrlimit(resource.RLIMIT_NPROC, (most, most))


def _is_bounded(way: Way) -> bool:
    """Whether a child that is counted in this way can start one process beside it, and no second one."""
    child = os.fork()
    if child == 0:
        bounded = False
        try:
            become_own_user() if way == "user" else enter_own_namespace()
            bound_tasks(2)
            bounded = [_starts_process(), _starts_process()] == [True, False]
        finally:
            os._exit(0 if bounded else 1)
    _, status = os.waitpid(child, 0)
    return status == 0


def _starts_process() -> bool:
    """Start one, which ends at once but counts until somebody asks how."""
    try:
        child = os.fork()
    except OSError as error:
        if error.errno == errno.EAGAIN:
            return False
        raise
    if child == 0:
        os._exit(0)
    return True
