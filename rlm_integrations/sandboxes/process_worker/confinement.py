"""What takes a worker's rights away, layer by layer. Standard library only: the helper imports it."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct

from rlm_integrations.sandboxes.process_worker import seccomp, thread_limit
from rlm_integrations.sandboxes.process_worker.namespaces import Namespaces, enter_empty_folder

_RELIEF, _RESERVE = 4 << 20, 16 << 20
"""Bytes above the model's limit: for code that is to free memory after it ran out, once more for each step that ran out
again, and for reporting that it did."""

_OWN_MEMORY = 24 << 20  # bytes for the reader thread's stack and what a REPL allocates of its own
_MAX_OPEN_FILES = 64
_SET_PDEATHSIG, _SET_DUMPABLE, _CAPBSET_DROP, _SET_NO_NEW_PRIVS = 1, 4, 24, 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_SIGKILL = 9
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
# made here, since each worker would take 0.3 ms to make them
_CAPABILITY_HEADER = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0))
_NO_CAPABILITIES = ctypes.create_string_buffer(24)
_RulesetAttributes = ctypes.c_uint64 * 3


class ConfinementError(Exception):
    """A layer that a worker must not run without could not be put in place. The message says which and why."""


class MemoryLimit:
    """The memory of this process: what it has now, its own needs, and `memory_mb` for the model.

    The address space is limited, and apart from it what is private and writable: a worker that unmapped a shared
    corpus would have its address space to fill.
    """

    RELIEFS = 4
    """How many steps one after the other that run out of memory each leave some to the next."""

    def __init__(self, memory_mb: int) -> None:
        more = _OWN_MEMORY + (memory_mb << 20)
        address_space, private = _memory_in_use()
        self._bounds = [
            (resource.RLIMIT_AS, _bounds(resource.RLIMIT_AS, address_space + more)),
            (resource.RLIMIT_DATA, _bounds(resource.RLIMIT_DATA, private + more)),
        ]
        self._set = resource.setrlimit  # kept, so that model code which patches the module does not reach it

    def for_model(self, *, after: int) -> None:
        """Bound the model's code, with some relief for each of the steps just before that ran out of memory."""
        relief = min(after, self.RELIEFS) * _RELIEF
        for limit, (soft, hard) in self._bounds:
            self._set(limit, (soft + relief, hard))

    def open_reserve(self) -> None:
        """Everything for the work between the steps."""
        for limit, (_, hard) in self._bounds:
            self._set(limit, (hard, hard))


def _bound_open_files() -> None:
    _, ceiling = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_OPEN_FILES if ceiling == resource.RLIM_INFINITY else min(_MAX_OPEN_FILES, ceiling)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _bounds(limit: int, soft: int) -> tuple[int, int]:
    """Soft and hard bytes of a limit of this process, within what it may have at all."""
    _, ceiling = resource.getrlimit(limit)
    above = MemoryLimit.RELIEFS * _RELIEF + _RESERVE
    hard = soft + above
    if ceiling != resource.RLIM_INFINITY:
        hard = min(hard, ceiling)
        soft = min(soft, hard - above)
    return soft, hard


def die_with_parent(parent: int) -> None:
    """End this process when the process that forked it ends, or now if `parent` has ended already."""
    _prctl(_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


class Confinement:
    """Takes all rights from a worker. What is alike for all of them is made ready once, before they are forked."""

    def __init__(self, namespaces: Namespaces) -> None:
        """For a process that is in these namespaces, and starts no program any more."""
        self._namespaces = namespaces
        self._reason = seccomp.why_unavailable()
        if self._reason is not None:
            return
        for name in ("prctl", "capset", "syscall"):
            getattr(_libc, name)  # ctypes makes a function of each when it is first asked for: not in each worker
        self._filter = seccomp.Filter(platform.machine())
        self._count_apart = thread_limit.find_way()
        _drop_bounding_set()
        self._layers = {
            **namespaces.layers(),
            "capabilities": "none",
            "no new privileges": "none to be gained by starting a program",
            "non-dumpable": "no process of the same user can look into it",
            "core dumps": "none",
            "environment": "empty",
            "open files": f"its channel only, at most {_MAX_OPEN_FILES}, none can be written",
        }

    def confine(self, parent: int) -> dict[str, str]:
        """Take all rights from this single-threaded process, which ends with `parent`. Returns how each layer stands.

        Raises ConfinementError if system calls cannot be filtered; the other layers are kept where the kernel has them.
        """
        if self._reason is not None:
            raise ConfinementError(self._reason)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        _bound_open_files()
        try:
            threads = self._bound_threads()
            die_with_parent(parent)  # becoming another user has undone it
            _drop_capabilities()
            _prctl(_SET_NO_NEW_PRIVS, 1)
            _prctl(_SET_DUMPABLE, 0)
            landlock = _deny_all_files()
            self._filter.install()
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, error.errno)
            raise ConfinementError(f"{error.strerror} ({name})") from error
        calls = f"allow-list of {self._filter.calls} system calls"
        return {"seccomp": calls, "landlock": landlock, **self._layers, "threads": threads}

    def _bound_threads(self) -> str:
        """Make the empty folder the root, and have the kernel bound the threads. Says how, in words."""
        way, refused = self._count_apart, "this kernel cannot count those of one REPL here"
        if way == "namespace":
            try:
                thread_limit.enter_own_namespace()  # not from a root folder of its own
            except OSError as error:
                way, refused = None, f"no user namespace: {errno.errorcode.get(error.errno or 0)}"
        if self._namespaces.no_folder is None:
            enter_empty_folder()
        if way == "user":
            thread_limit.become_own_user()  # may not change its root folder any more
        if way is None:
            return thread_limit.words(f"not bounded by the kernel ({refused})")
        thread_limit.bound_tasks()
        return thread_limit.words(f"at most {thread_limit.MOST_TASKS}, by the kernel")


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if _libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} was refused")


def _drop_bounding_set() -> None:
    for capability in range(64):
        # Not allowed without CAP_SETPCAP; then no_new_privs alone keeps the bounding set from mattering.
        _libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(capability), *[ctypes.c_ulong(0)] * 3)


def _drop_capabilities() -> None:
    if _libc.capset(_CAPABILITY_HEADER, _NO_CAPABILITIES) != 0:
        raise OSError(ctypes.get_errno(), "capabilities could not be dropped")


def _deny_all_files() -> str:
    """Landlock without a rule: every file and, by kernel, TCP port, signal and abstract socket is denied."""
    none, version_flag = ctypes.c_size_t(0), ctypes.c_uint32(1)
    abi = _libc.syscall(ctypes.c_long(_CREATE_RULESET), None, none, version_flag)
    if abi < 1:
        return "switched off in this kernel" if ctypes.get_errno() == errno.EOPNOTSUPP else "not in this kernel"
    files = (1 << (16 if abi >= 5 else 15 if abi >= 3 else 14 if abi >= 2 else 13)) - 1
    network, scopes = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    attributes = ctypes.byref(_RulesetAttributes(files, network, scopes))
    ruleset = _libc.syscall(ctypes.c_long(_CREATE_RULESET), attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return f"refused ({errno.errorcode.get(ctypes.get_errno())})"
    try:
        if _libc.syscall(ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint32(0)) != 0:
            return f"refused ({errno.errorcode.get(ctypes.get_errno())})"
    finally:
        os.close(ruleset)
    denied = "all files" + (", TCP" if network else "") + (", signals and abstract sockets" if scopes else "")
    return f"ABI {abi}: {denied} denied"


def _memory_in_use() -> tuple[int, int]:
    """Bytes of address space, and of private memory that can be written."""
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
        try:
            pages = os.read(file, 200).split()
        finally:
            os.close(file)
    except OSError as error:
        raise ConfinementError(f"its memory cannot be limited: /proc/self/statm: {error.strerror}") from error
    address_space = int(pages[0])
    private = int(pages[5]) or address_space  # some kernels leave it out
    return address_space * resource.getpagesize(), private * resource.getpagesize()
