"""Runs pytest as on a poorer machine: by an ordinary user, or where a container forbids what confines.

    python other_machine.py [--ordinary-user] [--no-namespaces] [--no-landlock ERRNO] -- ARGUMENTS OF PYTEST

Each of them is proved to be in force. Prints the layers of a REPL there, as a line of JSON, before pytest runs.
Exit status 77: this cannot be had here, and a line says why.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import platform
import stat
import sys
from pathlib import Path

from rlm_integrations.sandboxes.process_worker import seccomp

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
    sys.exit(77)


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
    seccomp.build_filter = lambda machine: [*program, (0x06, 0, 0, ALLOW)]
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    seccomp.Filter(platform.machine()).install()


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


def layers() -> dict[str, str]:
    from rlm_integrations.sandboxes.choose import resolve_sandbox

    return resolve_sandbox("auto").capabilities().layers


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ordinary-user", action="store_true")
    parser.add_argument("--no-namespaces", action="store_true")
    parser.add_argument("--no-landlock", default="")
    parser.add_argument("pytest", nargs="+")
    options = parser.parse_args()
    landlock = getattr(errno, options.no_landlock) if options.no_landlock else 0
    if options.ordinary_user:
        become_nobody()
        prove_nobody()
    build_filter = seccomp.build_filter
    if options.no_namespaces or landlock:
        forbid(namespaces=options.no_namespaces, landlock=landlock)
        seccomp.build_filter = build_filter
    if options.no_namespaces:
        prove_no_namespaces()
    if landlock:
        prove_no_landlock(landlock)
    sys.stdout.write(f"{json.dumps(layers())}\n")
    sys.stdout.flush()
    import pytest

    os.environ["RLM_MANY_ATTEMPTS_A_SESSION"] = "1"  # see test_escape.py, which tries each in a session of its own, too
    return pytest.main(["-p", "no:cacheprovider", *options.pytest])


if __name__ == "__main__":
    sys.exit(main())
