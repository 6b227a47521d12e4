"""The system-call filter of a worker: an allow-list as classic BPF, for x86_64 and aarch64.

After preloading, CPython needs no file, socket, program or process to run a REPL, so none of the calls
that make them is on the list. What is allowed with conditions says so in `_conditions`.
Standard library only: the helper imports it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Iterable

Instruction = tuple[int, int, int, int]
"""(code, jump if true, jump if false, operand), as in struct sock_filter."""

ALLOW, KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR_OFFSET, _ARCH_OFFSET, _ARGS_OFFSET = 0, 4, 16
_X32_BIT = 0x40000000

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machine name to AUDIT_ARCH."""

_SECCOMP_NR = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1

# name: (x86_64, aarch64); None where the architecture has no such call
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "alarm": (37, None),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "clone": (56, 220),
    "close": (3, 57),
    "dup": (32, 23),
    "epoll_create1": (291, 20),
    "epoll_ctl": (233, 21),
    "epoll_pwait": (281, 22),
    "epoll_wait": (232, None),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getitimer": (36, 102),
    "getpid": (39, 172),
    "getrandom": (318, 278),
    "getrlimit": (97, 163),
    "getrusage": (98, 165),
    "getsockname": (51, 204),
    "getsockopt": (55, 209),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "ioctl": (16, 29),
    "lseek": (8, 62),
    "madvise": (28, 233),
    "membarrier": (324, 283),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "pipe2": (293, 59),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "prlimit64": (302, 261),
    "pselect6": (270, 72),
    "read": (0, 63),
    "readv": (19, 65),
    "recvfrom": (45, 207),
    "restart_syscall": (219, 128),
    "rseq": (334, 293),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "select": (23, None),
    "sendto": (44, 206),
    "setitimer": (38, 103),
    "sigaltstack": (131, 132),
    "socketpair": (53, 199),
    "sysinfo": (99, 179),
    "time": (201, None),
    "times": (100, 153),
    "write": (1, 64),
    "writev": (20, 66),
}
_CLONE3 = 435  # the same number everywhere

_PROT_EXEC = 4
_MAP_SHARED, _MAP_GROWSDOWN = 0x1, 0x100
_AF_UNIX = 1
_FIONBIO = 0x5421
_F_SETFL, _O_ASYNC = 4, 0x2000
_HARMLESS_FCNTL = (0, 1, 2, 3, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC
_SOL_SOCKET = 1
_HARMLESS_SOCKET_OPTIONS = (3, 4, 7, 8, 38, 39)  # SO_TYPE, SO_ERROR, SO_SNDBUF, SO_RCVBUF, SO_PROTOCOL, SO_DOMAIN
_CLONE_THREAD = 0x10000
_CLONE_FILES = 0x400  # a thread with descriptors of its own would multiply their limit
# what a thread never needs: new namespaces, a tracer, vfork, another parent, a pidfd, shared I/O context
_CLONE_FORBIDDEN = 0xFE82F080
_HARMLESS_MESSAGE_FLAGS = 0x4142  # MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_NOSIGNAL
_HARMLESS_ADVICE = (0, 1, 2, 3, 4, 8, 14, 15)  # MADV_NORMAL to MADV_DONTNEED, MADV_FREE, MADV_(NO)HUGEPAGE
# what locks and conditions of threads need: FUTEX_WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET, WAKE_BITSET
_FUTEX_OPERATIONS = (0, 1, 3, 4, 5, 9, 10, 9 | 256)  # and WAIT_BITSET with the clock of the day
_FUTEX_PRIVATE = 128
# Without that bit they reach every process that maps the same file, of any user. Joining a thread waits that way; musl
# wakes so too.
_GLIBC = "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", ())
_FUTEX_SHARED = (0, 9, 9 | 256) if _GLIBC else (0, 1, 9, 9 | 256)
_OTHER_PROCESS_CLOCK = 0x80000000  # ids of other processes' CPU clocks are negative


def allowed_calls(machine: str) -> dict[str, int]:
    """The system calls on the list, some of them with conditions: name to number."""
    column = list(ARCHITECTURES).index(machine)
    return {name: number for name, numbers in _NUMBERS.items() if (number := numbers[column]) is not None}


def build_filter(machine: str) -> list[Instruction]:
    """The filter program for a machine of ARCHITECTURES. Everything that is not allowed fails with EPERM."""
    program = [
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, KILL_PROCESS),
        (_LOAD, 0, 0, _NR_OFFSET),
    ]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, KILL_PROCESS)]
    # glibc falls back to clone, whose flags can be inspected
    program += _rule(_CLONE3, [_fail(errno.ENOSYS)])
    conditions = _conditions()
    for name, number in allowed_calls(machine).items():
        program += _rule(number, [*conditions.get(name, ()), (_RETURN, 0, 0, ALLOW)])
    return [*program, _fail(errno.EPERM)]


class Filter:
    """The filter for a machine of ARCHITECTURES, made ready: to install it takes one system call."""

    def __init__(self, machine: str) -> None:
        program = build_filter(machine)
        self.calls = len(allowed_calls(machine))
        """How many system calls it allows."""
        packed = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
        self._instructions = ctypes.create_string_buffer(packed, len(packed))
        header = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(self._instructions))
        self._arguments = (
            ctypes.c_long(_SECCOMP_NR[machine]),
            _SET_MODE_FILTER,
            0,
            ctypes.create_string_buffer(header, len(header)),
        )
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall

    def install(self) -> None:
        """Put it on the calling process, which must be single-threaded and have no_new_privs. Raises OSError."""
        if self._syscall(*self._arguments) != 0:
            raise OSError(ctypes.get_errno(), "seccomp refused the filter")


def why_unavailable() -> str | None:
    """Why this machine cannot filter system calls, None if it can."""
    if sys.platform != "linux":
        return f"it needs Linux, and this is {platform.system() or sys.platform}"
    machine = platform.machine()
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return f"it needs 64-bit {' or '.join(ARCHITECTURES)}, and this is {machine}"
    libc = ctypes.CDLL(None, use_errno=True)
    set_seccomp, mode_filter = 22, 2
    # With no program to read, a kernel that has filters fails with EFAULT and changes nothing.
    libc.prctl(set_seccomp, ctypes.c_ulong(mode_filter), None, ctypes.c_ulong(0), ctypes.c_ulong(0))
    if ctypes.get_errno() not in (errno.EFAULT, errno.EACCES):
        return f"this kernel ({platform.release()}) has no seccomp filters, or denies them"
    return None


def _conditions() -> dict[str, list[Instruction]]:
    """What the arguments of some calls must be; each falls through when satisfied."""
    own = _equals(0, 0)  # pid 0: the calling process
    no_other_clock = _no_bits(0, _OTHER_PROCESS_CLOCK)
    return {
        # shared and growing mappings are not part of the private memory that is limited
        "mmap": [*_no_bits(2, _PROT_EXEC), *_no_bits(3, _MAP_SHARED | _MAP_GROWSDOWN)],
        "mprotect": _no_bits(2, _PROT_EXEC),
        # ENOTTY makes CPython use fcntl instead
        "ioctl": _equals(1, _FIONBIO, errno.ENOTTY),
        # F_SETOWN, F_SETSIG and O_ASYNC would send signals to other processes
        "fcntl": [
            (_LOAD, 0, 0, _low(1)),
            (_EQUAL, 0, 4, _F_SETFL),
            (_LOAD, 0, 0, _low(2)),
            (_ANY_BIT, 0, 1, _O_ASYNC),
            _fail(errno.EPERM),
            (_RETURN, 0, 0, ALLOW),
            *_one_of(1, _HARMLESS_FCNTL),
        ],
        "clone": [*_has_bit(0, _CLONE_THREAD), *_has_bit(0, _CLONE_FILES), *_no_bits(0, _CLONE_FORBIDDEN)],
        # with an address, a datagram would reach any socket of this machine; out-of-band data has had holes
        "sendto": [
            *_no_bits(3, ~_HARMLESS_MESSAGE_FLAGS & 0xFFFFFFFF),
            *_equals(4, 0),
            (_LOAD, 0, 0, _low(4) + 4),
            (_EQUAL, 1, 0, 0),
            _fail(errno.EPERM),
        ],
        "recvfrom": _no_bits(3, ~_HARMLESS_MESSAGE_FLAGS & 0xFFFFFFFF),
        # merging equal pages (MADV_MERGEABLE) would tell what other processes hold
        "madvise": _one_of(2, _HARMLESS_ADVICE, errno.EINVAL),
        # priority inheritance has had holes
        "futex": _one_of(
            1, [*_FUTEX_SHARED, *(operation | _FUTEX_PRIVATE for operation in _FUTEX_OPERATIONS)], errno.ENOSYS
        ),
        # SO_PEERCRED and SO_PEERPIDFD would tell of the host's process, and open it
        "getsockopt": [*_equals(1, _SOL_SOCKET), *_one_of(2, _HARMLESS_SOCKET_OPTIONS)],
        "socketpair": _equals(0, _AF_UNIX),
        "prlimit64": own,
        "sched_getaffinity": own,
        "clock_gettime": no_other_clock,
        "clock_getres": no_other_clock,
        "clock_nanosleep": no_other_clock,
    }


def _rule(number: int, body: list[Instruction]) -> list[Instruction]:
    return [(_EQUAL, 0, len(body), number), *body]


def _fail(error: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | error)


def _low(argument: int) -> int:
    """The offset of the low word of an argument in struct seccomp_data, on a little-endian machine."""
    return _ARGS_OFFSET + 8 * argument


def _equals(argument: int, value: int, error: int = errno.EPERM) -> list[Instruction]:
    return [(_LOAD, 0, 0, _low(argument)), (_EQUAL, 1, 0, value), _fail(error)]


def _no_bits(argument: int, mask: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, _low(argument)), (_ANY_BIT, 0, 1, mask), _fail(errno.EPERM)]


def _has_bit(argument: int, bit: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, _low(argument)), (_ANY_BIT, 1, 0, bit), _fail(errno.EPERM)]


def _one_of(argument: int, values: Iterable[int], error: int = errno.EPERM) -> list[Instruction]:
    listed = tuple(values)
    tests = [(_EQUAL, len(listed) - place, 0, value) for place, value in enumerate(listed)]
    return [(_LOAD, 0, 0, _low(argument)), *tests, _fail(error)]
