"""The file that a run's trace goes to. It is opened before anything is paid for."""

from __future__ import annotations

import os
import stat
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
        """Raises OSError where it cannot be written whole."""
        self._written = True
        opened = os.fstat(self._descriptor)
        if stat.S_ISREG(opened.st_mode):
            if not opened.st_nlink:
                raise FileNotFoundError("it was deleted while the run went on")
            with suppress(PermissionError):  # somebody else's file, which we may write to
                os.fchmod(self._descriptor, 0o600)
            os.ftruncate(self._descriptor, 0)
        with open(self._descriptor, "w", encoding="utf-8", closefd=False) as file:
            file.write(text)

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(self, *_: object) -> None:
        """Close it. Where there was nothing to write, what was made for it is removed."""
        os.close(self._descriptor)
        if self._is_new and not self._written:
            with suppress(OSError):
                os.unlink(self.path)


def _is_same(path: Path, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):  # one of them is not there
        return False
