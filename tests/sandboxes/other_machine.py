"""Has a process be as on a poorer machine: of an ordinary user, or in a container that forbids what confines.

Each of them can be proved to be in force. Where it cannot be had here, the process says why and exits with `CANNOT`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import sys
from pathlib import Path

from rlm_integrations.sandboxes.process_worker import seccomp

CANNOT = 77
NOBODY = 65534
ALLOW, DENY = 0x7FFF0000, 0x00050000
NAMESPACES = 0x7E020080
NUMBERS = {  # x86_64, aarch64
    "unshare": (272, 97),
    "clone": (56, 220),
    "setns": (308, 268),
    "mount": (165, 40),
    "fsopen": (430, 430),
}
CLONE3, CREATE_RULESET = 435, 444
libc = ctypes.CDLL(None, use_errno=True)


def cannot(reason: str) -> None:
    sys.stdout.write(f"{reason}\n")
    sys.exit(CANNOT)


def forbid(*, namespaces: bool, landlock: int) -> None:
    """A filter for this process and all that come of it, as container runtimes install one."""
    program = [(0x20, 0, 0, 0)]
    if landlock:
        program += [(0x15, 0, 1, CREATE_RULESET), (0x06, 0, 0, DENY | landlock)]
    if namespaces:
        numbers = {name: both[platform.machine() == "aarch64"] for name, both in NUMBERS.items()}
        clone = numbers.pop("clone")
        for number in numbers.values():
            program += [(0x15, 0, 1, number), (0x06, 0, 0, DENY | errno.EPERM)]
        program += [(0x15, 0, 1, CLONE3), (0x06, 0, 0, DENY | errno.ENOSYS)]
        program += [(0x15, 0, 3, clone), (0x20, 0, 0, 16), (0x45, 0, 1, NAMESPACES & ~0xFF)]
        program += [(0x06, 0, 0, DENY | errno.EPERM)]
    build_filter = seccomp.build_filter
    seccomp.build_filter = lambda machine: [*program, (0x06, 0, 0, ALLOW)]
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    seccomp.Filter(platform.machine()).install()
    seccomp.build_filter = build_filter


def prove_no_namespaces() -> None:
    for flag in (0x10000000, 0x40000000, 0x00020000):
        assert libc.unshare(flag) == -1
        assert ctypes.get_errno() == errno.EPERM
    clone = NUMBERS["clone"][platform.machine() == "aarch64"]
    assert libc.syscall(clone, 0x10000000 | 17, 0, 0, 0, 0) == -1
    assert ctypes.get_errno() == errno.EPERM


def prove_no_landlock(error: int) -> None:
    assert libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1) == -1
    assert ctypes.get_errno() == error


def become_nobody() -> None:
    if os.getuid() != 0:
        cannot("only root can become another user; this is an ordinary one already")
    show_to_everybody(Path(sys.base_prefix), Path(sys.prefix), Path(__file__).resolve().parents[2])
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.environ["HOME"] = "/"


def prove_nobody() -> None:
    assert os.getresuid() == (NOBODY,) * 3
    status = Path("/proc/self/status").read_text()
    assert int(status.partition("CapEff:")[2].split()[0], 16) == 0
    try:
        Path("/etc/shadow").read_bytes()
    except PermissionError:
        return
    raise AssertionError("it can read what only root may")


def show_to_everybody(*folders: Path) -> None:
    """Let an ordinary user come to these folders, in a mount namespace of this process, if others hide them."""
    hidden = {folder: above for folder in folders if (above := hidden_by(folder)) is not None}
    if not hidden:
        return
    new_mounts, private, bind = 0x00020000, 1 << 18 | 1 << 14, 1 << 12
    if libc.unshare(new_mounts) != 0 or libc.mount(b"none", b"/", None, private, None) != 0:
        cannot(f"an ordinary user cannot come to {', '.join(map(str, hidden))}, and nothing can be mounted here")
    descriptors = {folder: os.open(folder, os.O_PATH) for folder in hidden}
    for above in set(hidden.values()):
        assert libc.mount(b"tmpfs", bytes(above), b"tmpfs", 0, b"mode=755") == 0
    for folder, descriptor in descriptors.items():
        folder.mkdir(parents=True)
        assert libc.mount(f"/proc/self/fd/{descriptor}".encode(), bytes(folder), None, bind, None) == 0
        os.close(descriptor)


def hidden_by(folder: Path) -> Path | None:
    for above in reversed(folder.parents):
        if not above.stat().st_mode & stat.S_IXOTH:
            return above
    return None
