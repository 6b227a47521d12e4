"""Bytes of a file as text: UTF-8 at once, other encodings by their mark or as a guess that is told of."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import Protocol

from rlm_integrations.files.kinds import SNIFFED_BYTES, wide_encoding
from rlm_integrations.files.report import INSTALL
from rlm_integrations.frozen import frozen

_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 24  # of a file that are read at once
_SAMPLE_BYTES = 1 << 15
_DAMAGED = 20  # so many well-formed characters of UTF-8 for each byte that is none: UTF-8 that was damaged
_LONGEST_CHAR = 4  # bytes
_LEGACY = (
    "cp1252", "cp1250", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp932", "euc_jp", "iso2022_jp",
    "gb18030", "big5", "cp949",
)  # fmt: skip
_declared = re.compile(rb"(?:charset|encoding)=[\"']?+([\w.:-]{2,40}+)", re.IGNORECASE)
_beyond_ascii = re.compile(rb"[\x80-\xff]")


class Bytes(Protocol):
    """A file, unbuffered or in memory."""

    def read(self, size: int = -1, /) -> bytes | None: ...
    def seek(self, place: int, /) -> int: ...


@frozen
class Decoded:
    """A text, and what is to be said of how it was read, "" where nothing is."""

    text: str
    note: str = ""


def decode(data: Bytes, size: int, declared: str | None = None) -> Decoded | None:
    """The text of the first `size` bytes; None where no encoding makes text of them.

    Args:
        data: At any place; read from the start.
        size: Bytes that are read at most, so that a file which grows is read as it was.
        declared: The encoding that the file says it has, tried where it is not UTF-8.
    """
    beginning = _beginning(data, min(SNIFFED_BYTES, size))
    wide = wide_encoding(beginning)
    if wide is not None:
        text = _decoded(data, size, wide, "replace").removeprefix("\ufeff")
        return Decoded(text, f"damaged {wide}, in part unreadable" if "\ufffd" in text else "")
    try:
        return Decoded(_decoded(data, size, "utf-8-sig", "strict"))
    except UnicodeDecodeError:
        pass
    sample = _sample(data, size)
    if _damaged_utf8(sample):
        text = _decoded(data, size, "utf-8-sig", "surrogateescape")
        return Decoded(text, "not wholly UTF-8, damaged characters kept as bytes")
    for encoding in (_known(declared), _guessed(sample)):
        if encoding:
            try:
                return Decoded(_decoded(data, size, encoding, "strict"), f"read as {encoding}, a guess")
            except UnicodeError:
                continue
    if _can_guess():
        if not _western(sample):
            return None
        return Decoded(_decoded(data, size, "cp1252", "surrogateescape"), "read as cp1252, a guess")
    text = _decoded(data, size, "utf-8", "surrogateescape")
    return Decoded(text, f"not UTF-8, other characters kept as bytes; to guess the encoding: {INSTALL}")


def declared_encoding(beginning: bytes) -> str | None:
    """What HTML and XML say of themselves in their first bytes."""
    found = _declared.search(beginning[:2048])
    return found[1].decode("ascii") if found else None


def _decoded(data: Bytes, size: int, encoding: str, errors: str) -> str:
    decoder = getincrementaldecoder(encoding)(errors=errors)
    data.seek(0)
    left = size
    text = ""
    # CPython grows a local str in place, once it knows this loop, so that it is never in memory twice.
    # Where something keeps it from that, pieces which grow along bound what is copied. (It does not get to know a loop
    # whose condition ends it in CPython 3.11, but by calls of the function.)
    while True:
        piece = data.read(min(max(_LEAST_BYTES, len(text) // 16), _MOST_BYTES, left)) if left else None
        if not piece:
            break
        left -= len(piece)
        text += decoder.decode(piece)
    text += decoder.decode(b"", final=True)
    return text


def _beginning(data: Bytes, size: int) -> bytes:
    data.seek(0)
    return data.read(size) or b""


def _sample(data: Bytes, size: int) -> bytes:
    """Lines that are not ASCII, up to some KB: the rest tells no encoding from another."""
    data.seek(0)
    lines: list[bytes] = []
    kept, left = 0, size
    while left and kept < _SAMPLE_BYTES:
        piece = data.read(min(1 << 20, left))
        if not piece:
            break
        left -= len(piece)
        for line in piece.split(b"\n"):
            if _beyond_ascii.search(line) and kept < _SAMPLE_BYTES:
                lines.append(line[:_SAMPLE_BYTES])
                kept += len(lines[-1]) + 1
    return b"\n".join(lines)[:_SAMPLE_BYTES]


def _damaged_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "surrogateescape")
    bad = sum("\udc80" <= char <= "\udcff" for char in text)
    good = sum(char > "\x7f" for char in text) - bad
    return good >= _DAMAGED * bad


def _known(encoding: str | None) -> str | None:
    """The name that Python has for it, where it has one that decodes bytes to text."""
    if encoding is None:
        return None
    try:
        b"a".decode(encoding)
        getincrementaldecoder(encoding)
    except (LookupError, UnicodeError, ValueError):
        return None
    return "cp1252" if encoding.lower() in ("iso-8859-1", "latin-1", "latin1", "ascii", "us-ascii") else encoding


def _can_guess() -> bool:
    try:
        import charset_normalizer  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        return False
    return True


def _guessed(sample: bytes) -> str | None:
    try:
        import charset_normalizer
    except ImportError:
        return None
    for cut in range(_LONGEST_CHAR):  # the sample may end within a character
        best = charset_normalizer.from_bytes(sample[: len(sample) - cut], cp_isolation=list(_LEGACY)).best()
        if best is not None:
            return "cp1252" if "cp1252" in best.could_be_from_charset else best.encoding
    return None


def _western(sample: bytes) -> bool:
    """Whether it may be a Western text too short to tell: mostly ASCII, and no control characters of Latin-1."""
    return 4 * len(_beyond_ascii.findall(sample)) <= len(sample)
