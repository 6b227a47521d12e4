"""A real `str` whose characters stand in a shared mapping of a file, not in memory of its own.

CPython keeps a str as a header with its characters right behind it. Here the header stands at the end of a private
page, and the pages behind it are a read-only mapping of the file: nothing is copied, a fork does not even copy
page tables, and the kernel lets no process make the mapping writable, for the file was opened for reading.

The header's layout is CPython's own affair. It is taken from strs of this interpreter, and a child that is thrown away
tries it first; where either fails, `load_text` copies. Standard library only: this runs in the helper.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import re
import resource
import struct
import sys

from rlm_integrations.sandboxes.process_worker.text_file import WIDTHS, Form, Place, TextFile, mapped_bytes

MOST_MAPPED = 10_000
"""A process may have some 65,000 mappings, and each shared text takes two."""

_SAMPLES: dict[Form, str] = {"ascii": "q", "latin-1": "é", "utf-16-le": "中", "utf-32-le": "\U0001f600"}
_SAMPLE_CHARS = 24_301  # no other field of a header has this value
_WORD = 8
_NEVER_FREED = 1 << 60  # references, before Python 3.12 made objects immortal
_MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_from_kind_and_data = ctypes.pythonapi.PyUnicode_FromKindAndData
_from_kind_and_data.restype = ctypes.py_object
_from_kind_and_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ssize_t]

_MSEAL, _Size = ctypes.c_long(462), ctypes.c_size_t  # the same number everywhere
_NO_ACCESS, _READ, _READ_WRITE = 0, mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE
_FIXED, _RESERVED = 0x10, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


class UnknownLayoutError(Exception):
    """This Python keeps strs in a way that is not known here."""


def load_text(file: int, place: Place, *, shared: bool) -> str:
    """The text at a place of a TextFile: over a mapping that lasts as long as this process, or copied.

    Raises OSError, MemoryError.
    """
    offset, form, chars = place
    if shared:
        try:
            return _over_mapping(file, offset, form, chars)
        except (UnknownLayoutError, OSError):
            pass
    size = mapped_bytes(form, chars)
    characters = _map(None, size, _READ, mmap.MAP_PRIVATE, file, offset)
    try:
        text: str = _from_kind_and_data(WIDTHS[form], characters, chars)
        return text
    finally:
        _libc.munmap(characters, size)


@functools.cache
def can_share() -> bool:
    """Whether strs over mappings work in this interpreter, as a child finds out. Call it with a single thread."""
    child = os.fork()
    if child == 0:
        works = False
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            works = all(map(_works, _SAMPLES))
        finally:
            os._exit(0 if works else 1)
    _, status = os.waitpid(child, 0)
    return status == 0


def _over_mapping(file: int, offset: int, form: Form, chars: int) -> str:
    header, length_at, data_at = _header(form)
    mapped = mapped_bytes(form, chars)
    page = _map(None, mmap.PAGESIZE + mapped, _NO_ACCESS, _RESERVED, -1, 0)
    _map(page, mmap.PAGESIZE, _READ_WRITE, _RESERVED | _FIXED, -1, 0)
    data = _map(page + mmap.PAGESIZE, mapped, _READ, mmap.MAP_SHARED | _FIXED, file, offset)
    _seal(page, mmap.PAGESIZE + mapped)
    words = list(header)
    for at in length_at:
        words[at] = chars
    for at in data_at:
        words[at] = data
    address = data - len(words) * _WORD
    ctypes.memmove(address, struct.pack(f"{len(words)}Q", *words), len(words) * _WORD)
    text: str = ctypes.cast(address, ctypes.py_object).value
    return text


@functools.cache
def _header(form: Form) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The header of a str that nobody frees, in words; and which of them hold its length, and where its data is.

    Raises UnknownLayoutError.
    """
    sample = _SAMPLES[form] * _SAMPLE_CHARS
    size = sys.getsizeof(sample) - (_SAMPLE_CHARS + 1) * WIDTHS[form]
    words = list(struct.unpack(f"{size // _WORD}Q", ctypes.string_at(id(sample), size // _WORD * _WORD)))
    length_at = tuple(at for at, word in enumerate(words) if word == _SAMPLE_CHARS)
    data_at = tuple(at for at, word in enumerate(words) if word == id(sample) + size)
    if sys.implementation.name != "cpython" or size % _WORD or words[1] != id(str) or not length_at:
        raise UnknownLayoutError
    words[0] = _NEVER_FREED if sys.version_info < (3, 12) else ctypes.c_uint64.from_address(id(None)).value
    return tuple(words), length_at, data_at


def _map(address: int | None, size: int, protection: int, flags: int, file: int, offset: int) -> int:
    mapped: int = _libc.mmap(address, size, protection, flags, file, offset)
    if mapped == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), f"a mapping of {size} bytes was refused")
    return mapped


@functools.cache
def can_seal() -> bool:
    """Whether this kernel has mappings that stay (from Linux 6.10 on)."""
    return _libc.syscall(_MSEAL, _Size(0), _Size(0), _Size(0)) == 0


def _seal(address: int, size: int) -> None:
    """Have the mapping stay, and be what it is, in this process and its children; where the kernel can.

    The limit of a worker's address space counts it: one that unmapped it would have its place to fill.
    """
    if can_seal() and _libc.syscall(_MSEAL, _Size(address), _Size(size), _Size(0)) != 0:
        raise OSError(ctypes.get_errno(), "a mapping could not be sealed")


def _works(form: Form) -> bool:
    """Do with a shared str what model code does with one."""
    plain = f"{_SAMPLES[form]} needle\r\n\0 end" * 3_000
    file = TextFile("rlm-probe")
    place = file.add(plain)
    text = _over_mapping(file.finish(), *place)
    return (
        type(text) is str
        and text == plain
        and (hash(text), len(text), sys.getsizeof(text)) == (hash(plain), len(plain), sys.getsizeof(plain))
        and text[5:50] == plain[5:50]
        and text + "x" == plain + "x"
        and text.upper() == plain.upper()
        and text.encode() == plain.encode()
        and len(re.findall("needle", text)) == text.count("needle") == 3_000
        and {text: 1}[plain] == 1
        and sys.intern(text) == plain
    )
