"""The file that a run's trace goes to. It is opened before anything is paid for."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from rlm_integrations.core.errors import InvalidArgumentError


class TraceFile:
    """Open from the start, so that it can be written at the end. What stood in it stays until then.

    It holds what was read and sent, or where `contents` are off sizes and hashes of that: it is its owner's alone.

    Raises InvalidArgumentError where it cannot be opened, and where it is one of the files that the run reads.
    """

    def __init__(self, path: Path, read: Iterable[str] = (), *, contents: bool = True) -> None:
        self.path = path
        self.contents = contents
        if str(path) == "-":
            raise InvalidArgumentError(
                "--trace: '-' cannot be written: stdout is the answer's; pass the name of a file"
            )
        if any(_is_same(path, each) for each in read):
            raise InvalidArgumentError(
                f"--trace: {str(path)!r} is read, as part of the corpus; pass a file that is not in it"
            )
        self._is_new = not os.path.lexists(path)
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = error.strerror if isinstance(error, OSError) else error
            raise InvalidArgumentError(
                f"--trace: {str(path)!r} cannot be written ({reason}); "
                "pass a file in an existing folder that you may write to"
            ) from error
        self._written = False

    def write(self, text: str) -> None:
        """Raises OSError where it cannot be written whole. What stood in it stays then, where that can be."""
        opened = os.fstat(self._descriptor)
        regular = stat.S_ISREG(opened.st_mode)
        if regular and not opened.st_nlink:
            raise FileNotFoundError("it was deleted while the run went on")
        if regular and self._is_ours_alone(opened) and _put_in_place(text, self.path):
            self._written = True
            return
        self._written = True
        if regular:
            with suppress(PermissionError):  # somebody else's file, which we may write to
                os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, 0)
        with open(self._descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)

    def _is_ours_alone(self, opened: os.stat_result) -> bool:
        """Whether another file may take its place: links, as /dev/stdout is one, and others' files are written to."""
        with suppress(OSError):
            named = os.lstat(self.path)  # by now it may be another one's name
            return os.path.samestat(opened, named) and opened.st_nlink == 1 and opened.st_uid == os.geteuid()
        return False

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it. Where there was nothing to write, what was made for it is removed."""
        os.close(self._descriptor)
        if self._is_new and not self._written:
            with suppress(OSError):
                os.unlink(self.path)


def _put_in_place(text: str, path: Path) -> bool:
    """Write it to a file of its own beside that one, which it then replaces. Whether a file can be made there.

    Raises OSError where the disk is full.
    """
    try:
        descriptor, beside = tempfile.mkstemp(".new", ".rlm-trace-", path.parent)  # its owner's alone
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        with suppress(OSError):  # a file that is mounted cannot be replaced
            os.replace(beside, path)
            return True
    except BaseException:
        os.unlink(beside)
        raise
    os.unlink(beside)
    return False


def _is_same(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them is not there
        return False
