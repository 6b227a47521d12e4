"""Long texts on their way into a holder: a sealed memory file with their characters as CPython keeps them.

The holder maps the file instead of reading it, and so do the workers that it forks: all share one copy, which
none can change. Standard library only: the helper imports it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from io import FileIO
from typing import Literal

SHARED_MIN_CHARS = 1 << 20
"""A shorter text is cheaper to copy than to map."""

Form = Literal["ascii", "latin-1", "utf-16-le", "utf-32-le"]
"""How the characters stand in the file: the encoding with the width that CPython gives a str of them."""

WIDTHS: dict[Form, int] = {"ascii": 1, "latin-1": 1, "utf-16-le": 2, "utf-32-le": 4}
"""Bytes of a character."""

Place = tuple[int, Form, int]
"""Where a text stands: offset in bytes, a multiple of the page size; form; length in characters."""

_PIECE_CHARS = 1 << 20  # what is encoded at once, with the interpreter locked
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class TextFile:
    """Texts in a new memory file, each at the beginning of a page and with a NUL behind it."""

    def __init__(self, name: str) -> None:
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        self._file = FileIO(descriptor, "wb")
        self._end = 0

    def add(self, text: str) -> Place:
        """Write a text, lone surrogates and all. Raises OSError where there is no memory for it."""
        form, offset = form_of(text), self._end
        self._file.seek(offset)
        for piece in _pieces(text):
            data = memoryview(piece.encode(form, "surrogatepass"))
            while data:
                data = data[self._file.write(data) :]
        self._end = offset + mapped_bytes(form, len(text))
        return offset, form, len(text)

    def finish(self) -> int:
        """A descriptor of the file, which nobody can write to any more. The caller closes it."""
        self._file.truncate(self._end)
        descriptor = seal(self._file.fileno())
        self.discard()
        return descriptor

    def discard(self) -> None:
        self._file.close()


def seal(file: int) -> int:
    """Have nobody write to a memory file any more. Returns a descriptor to read it, which the caller closes."""
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    # Kernels before 6.7 map a write-sealed file shared only where it was opened for reading.
    return os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)


def form_of(text: str) -> Form:
    """The narrowest form that holds every character."""
    if text.isascii():
        return "ascii"
    widest: Form = "latin-1"
    for piece in _pieces(text):
        if _fits_latin(piece):
            continue
        if len(piece.encode("utf-16-le", "surrogatepass")) > 2 * len(piece):
            return "utf-32-le"
        widest = "utf-16-le"
    return widest


def mapped_bytes(form: Form, chars: int) -> int:
    """Bytes of the whole pages that a text and its NUL take."""
    return -(-(chars + 1) * WIDTHS[form] // mmap.PAGESIZE) * mmap.PAGESIZE


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARS):
        yield text[start : start + _PIECE_CHARS]


def _fits_latin(piece: str) -> bool:
    try:
        piece.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
