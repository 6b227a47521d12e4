"""Namespaces for all workers of a helper, and an empty folder to be their root. A bonus: many machines forbid them.

The helper enters them once, before it forks: making a network takes a millisecond, inheriting it nothing.
Standard library only: the helper imports it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct

from rlm_integrations.frozen import frozen

_USER = ("user", 0x10000000)
_OTHERS = (("mount", 0x00020000), ("network", 0x40000000), ("ipc", 0x08000000), ("uts", 0x04000000))
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # the same numbers everywhere
_CONFIG_CREATE, _CLOSE_ON_EXEC = 6, 1
_READ_ONLY_NOSUID_NODEV_NOEXEC = 0xF

_CAPABILITY_VERSION_3, _CAP_SYS_ADMIN = 0x20080522, 21

_libc = ctypes.CDLL(None, use_errno=True)


@frozen
class Namespaces:
    """What a helper has entered."""

    names: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    """What the machine forbids, each with the kernel's word: "network (EPERM)"."""
    no_folder: str | None = None
    """Why there is no empty folder; None where it is the current one, for `enter_empty_folder`."""

    def layers(self) -> dict[str, str]:
        """How these layers stand, in words."""
        own = f"its own: {', '.join(self.names)}" if self.names else "none of its own"
        refused = f"; refused here: {', '.join(self.refused)}" if self.refused else ""
        root = "an empty folder" if self.no_folder is None else f"the machine's ({self.no_folder})"
        return {"namespaces": own + refused, "root folder": root}


def enter_namespaces() -> Namespaces:
    """Put this process, which must have one thread, in namespaces of its own, and in an empty folder."""
    # A user namespace is the way to the others for who has no right to them. From root it would take the right
    # to read the files of other users, which imports may need.
    wanted = _OTHERS if _may_enter_them() else (_USER, *_OTHERS)
    user, group = os.getuid(), os.getgid()
    errors = {name: _unshare(flag) for name, flag in wanted}
    if errors.get(_USER[0], "") is None:
        _give_name(user, group)
    names = tuple(name for name, error in errors.items() if error is None)
    refused = tuple(f"{name} ({error})" for name, error in errors.items() if error is not None)
    return Namespaces(names, refused, _go_to_empty_folder())


def enter_empty_folder() -> None:
    """Make the empty folder, where this process is, its root. Raises OSError."""
    os.chroot(".")


def _may_enter_them() -> bool:
    header, sets = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION_3, 0)), (ctypes.c_uint32 * 6)()
    return _libc.capget(header, sets) == 0 and bool(sets[0] & 1 << _CAP_SYS_ADMIN)


def _unshare(flag: int) -> str | None:
    return None if _libc.unshare(ctypes.c_int(flag)) == 0 else _error()


def _give_name(user: int, group: int) -> None:
    """Have the user and group exist in the new user namespace, where this is allowed: only those can make more."""
    nobody = 65534  # as one that does not exist shows
    with contextlib.suppress(OSError):
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{nobody} {user} 1")
        _write("/proc/self/gid_map", f"{nobody} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _go_to_empty_folder() -> str | None:
    """Change to the root of a file system of its own, in memory, that is mounted nowhere. Why not, if it cannot be."""
    kind = _libc.syscall(ctypes.c_long(_FSOPEN), b"tmpfs", ctypes.c_uint(_CLOSE_ON_EXEC))
    if kind < 0:
        return _error()
    try:
        create = (ctypes.c_int(kind), ctypes.c_uint(_CONFIG_CREATE), None, None, ctypes.c_int(0))
        if _libc.syscall(ctypes.c_long(_FSCONFIG), *create) != 0:
            return _error()
        flags = (ctypes.c_uint(_CLOSE_ON_EXEC), ctypes.c_uint(_READ_ONLY_NOSUID_NODEV_NOEXEC))
        folder = _libc.syscall(ctypes.c_long(_FSMOUNT), ctypes.c_int(kind), *flags)
        if folder < 0:
            return _error()
    finally:
        os.close(kind)
    try:
        os.fchdir(folder)
    finally:
        os.close(folder)
    return None


def _error() -> str:
    return errno.errorcode.get(ctypes.get_errno(), str(ctypes.get_errno()))
