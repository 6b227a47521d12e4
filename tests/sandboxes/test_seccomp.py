"""The filter programs of both architectures, run by an interpreter of classic BPF."""

from __future__ import annotations

import errno
import platform
import struct

import pytest

from rlm_integrations.sandboxes.process_worker import seccomp
from rlm_integrations.sandboxes.process_worker.seccomp import (
    ALLOW,
    ARCHITECTURES,
    KILL_PROCESS,
    allowed_calls,
    build_filter,
)

EPERM, ENOSYS, ENOTTY = (0x50000 | number for number in (errno.EPERM, errno.ENOSYS, errno.ENOTTY))
THREAD_FLAGS = 0x3D0F00  # what glibc passes for a thread
UNKNOWN_CALL = 1000


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the kernel would do with a call."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<iIQ6Q", number, ARCHITECTURES[machine] if arch is None else arch, 0, *words)
    program, place, accumulator = build_filter(machine), 0, 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                place += if_true if accumulator == operand else if_false
            case 0x35:
                place += if_true if accumulator >= operand else if_false
            case 0x45:
                place += if_true if accumulator & operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


@pytest.fixture(params=ARCHITECTURES)
def machine(request) -> str:
    return request.param


def test_the_program_is_one_the_kernel_takes(machine):
    program = build_filter(machine)
    assert len(program) < 4096
    for place, (code, if_true, if_false, operand) in enumerate(program):
        assert 0 <= operand < 1 << 32
        assert max(if_true, if_false) < 256
        if code in (0x15, 0x35, 0x45):
            assert place + 1 + max(if_true, if_false) < len(program)
        if code == 0x20:
            assert operand % 4 == 0
            assert operand < 64


def test_what_is_not_on_the_list_is_denied(machine):
    listed = set(allowed_calls(machine).values())
    for number in set(range(600)) - listed - {435}:
        assert decide(machine, number) == EPERM, number
    assert decide(machine, UNKNOWN_CALL) == EPERM


def test_what_makes_files_sockets_programs_or_processes_is_not_on_the_list(machine):
    forbidden = (
        "open openat openat2 creat socket connect bind listen accept accept4 sendmsg recvmsg sendmmsg execve execveat "
        "fork vfork kill tkill tgkill ptrace prctl setsockopt memfd_create stat newfstatat statx access faccessat "
        "readlink process_vm_readv process_vm_writev pidfd_open bpf seccomp unshare setns mount keyctl io_uring_setup "
        "shmget userfaultfd perf_event_open"
    )
    assert not set(forbidden.split()) & set(allowed_calls(machine))


def test_another_architecture_is_killed(machine):
    other = next(arch for name, arch in ARCHITECTURES.items() if name != machine)
    i386 = 0x40000003
    assert decide(machine, allowed_calls(machine)["read"], arch=other) == KILL_PROCESS
    assert decide(machine, allowed_calls(machine)["read"], arch=i386) == KILL_PROCESS
    assert decide("x86_64", 0x40000000) == KILL_PROCESS


CONDITIONS = {
    # name: (arguments that pass, arguments that do not)
    "mmap": ([(0, 4096, 3), (0, 4096, 0)], [(0, 4096, 7), (0, 4096, 4)]),
    "mprotect": ([(0, 4096, 3)], [(0, 4096, 5)]),
    "fcntl": (
        [(0, 1), (0, 3), (0, 4, 0x800), (0, 0, 10), (0, 1030, 10), (0, 2, 1)],
        [(0, 8, 1), (0, 10, 9), (0, 4, 0x2800), (0, 1024, 0), (0, 1031, 1 << 20), (0, 1033, 1), (0, 15, 0), (0, 5, 0)],
    ),
    "clone": (
        [(THREAD_FLAGS,)],
        [
            (17,),
            (0x100,),
            (0x4100,),
            (0x10000000,),
            (THREAD_FLAGS | 0x20000,),
            (THREAD_FLAGS & ~0x400,),
            (THREAD_FLAGS | 0x1000,),
            (0x2000 | THREAD_FLAGS,),
        ],
    ),
    "sendto": (
        [(3, 1, 1, 0, 0, 0), (3, 1, 1, 0x4040, 0, 0)],
        [
            (3, 1, 1, 1, 0, 0),
            (3, 1, 1, 0x4000000, 0, 0),
            (3, 1, 1, 0, 0x7FFF00000001, 16),
            (3, 1, 1, 0, 1 << 32, 16),
            (3, 1, 1, 0, 8, 16),
        ],
    ),
    "recvfrom": ([(3, 1, 1, 0), (3, 1, 1, 0x142)], [(3, 1, 1, 1), (3, 1, 1, 0x2000)]),
    "getsockopt": ([(4, 1, 3), (4, 1, 4), (4, 1, 39)], [(4, 1, 17), (4, 1, 77), (4, 1, 59), (4, 6, 3)]),
    "socketpair": ([(1, 1, 0), (1, 2, 0)], [(2, 1, 0), (10, 1, 0), (16, 3, 0)]),
    "prlimit64": ([(0, 9)], [(1, 9), (4242, 7)]),
    "sched_getaffinity": ([(0, 128)], [(1, 128)]),
    "clock_gettime": ([(0,), (1,), (2,)], [((~1 << 3 | 2) & 0xFFFFFFFF,), ((~1 << 3 | 2) & ((1 << 64) - 1),)]),
    "clock_nanosleep": ([(1, 0)], [((~1 << 3 | 2) & 0xFFFFFFFF, 0)]),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_on_arguments(machine, name):
    number = allowed_calls(machine)[name]
    passing, failing = CONDITIONS[name]
    for arguments in passing:
        assert decide(machine, number, *arguments) == ALLOW, arguments
    for arguments in failing:
        assert decide(machine, number, *arguments) == EPERM, arguments


def test_threads_start_by_clone_and_only_non_blocking_is_set_by_ioctl(machine):
    assert decide(machine, 435, 0, 88) == ENOSYS
    ioctl = allowed_calls(machine)["ioctl"]
    assert decide(machine, ioctl, 0, 0x5421) == ALLOW
    assert decide(machine, ioctl, 0, 0x5412) == ENOTTY, "TIOCSTI types into a terminal"


def test_memory_is_not_merged_and_locks_inherit_no_priority(machine):
    madvise, futex = (allowed_calls(machine)[name] for name in ("madvise", "futex"))
    assert {decide(machine, madvise, 0, 4096, advice) for advice in (4, 8, 14)} == {ALLOW}
    assert {decide(machine, madvise, 0, 4096, advice) for advice in (9, 12, 100, 101)} == {0x50000 | errno.EINVAL}
    assert {decide(machine, futex, 0, operation) for operation in (0, 129, 137, 9 | 128 | 256)} == {ALLOW}
    assert {decide(machine, futex, 0, operation) for operation in (2, 6, 7, 8, 11, 12, 13, 134, 400)} == {ENOSYS}


def test_threads_wait_as_a_join_does_but_wake_nobody_in_another_process(machine):
    futex = allowed_calls(machine)["futex"]
    private = 128
    assert {decide(machine, futex, 0, operation) for operation in (0, 9, 9 | 256)} == {ALLOW}
    wake, requeue, cmp_requeue, wake_op, wake_bitset = 1, 3, 4, 5, 10
    for operation in (wake, requeue, cmp_requeue, wake_op, wake_bitset):
        assert decide(machine, futex, 0, operation | private) == ALLOW
        for more in (0, 256, 512, 1 << 31):
            assert decide(machine, futex, 0, operation | more) == ENOSYS, (operation, more)
    assert "set_robust_list" not in allowed_calls(machine), "the kernel wakes what is in a list of a thread that ends"


def test_the_reason_names_what_is_missing(monkeypatch):
    assert seccomp.why_unavailable() is None
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert seccomp.why_unavailable() == "it needs 64-bit x86_64 or aarch64, and this is riscv64"
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert seccomp.why_unavailable() == "it needs Linux, and this is Darwin"
