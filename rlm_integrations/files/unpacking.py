"""gzip, within a bound."""

from __future__ import annotations

import zlib

UNPACKED_BYTES = 1 << 28
_MAGIC = b"\x1f\x8b"


class PackedError(Exception):
    """The file is damaged, or too large when it is unpacked. `kind` is for counting."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


def unpacked(data: bytes, most: int | None = None) -> tuple[bytes, int]:
    """All members of a gzip file, at most so many bytes (default: 256 MB), and how many bytes after them are none.

    Raises PackedError.
    """
    pieces: list[bytes] = []
    left = UNPACKED_BYTES if most is None else most
    while data.startswith(_MAGIC):
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            pieces.append(member.decompress(data, left + 1))
        except zlib.error as error:
            raise PackedError("damaged", str(error)) from error
        left -= len(pieces[-1])
        if left < 0:
            raise PackedError("not unpacked", "it is too large when it is")
        if not member.eof:
            raise PackedError("damaged", "it is cut off")
        data = member.unused_data.lstrip(b"\0")
    return b"".join(pieces), len(data)
