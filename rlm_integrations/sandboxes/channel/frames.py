"""Framing between host and worker: four bytes of length, then JSON in UTF-8.

Both sides use this module, and in the worker it lives beside the model's code. So it calls C functions
that it holds itself, and looks builtins up in a copy of its own: whatever model code does to `json`,
`os` or `builtins`, frames still pass. Standard library only.
"""

from __future__ import annotations

import builtins
import json
import json.encoder
import os
import struct
from collections.abc import Callable, Iterator
from typing import Any, cast

from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES, TextsTooLongError, take_out
from rlm_integrations.wire.messages import texts as texts_message

globals()["__builtins__"] = vars(builtins).copy()

MAX_FRAME_BYTES = 1 << 18
"""The longest frame that a worker may send: the host parses one in some milliseconds. Its own are not limited."""

MAX_VALUES = 40_000  # more than a frame of pieces has characters, which may all be brackets
"""Values in a frame of a worker, at most: three bytes of "[]," become a hundred of memory, and each takes its time."""

_header = struct.Struct(">I")
_pack, _unpack, _unpack_from, _HEADER_BYTES = _header.pack, _header.unpack, _header.unpack_from, _header.size
_read, _write = os.read, os.write
_READ_BYTES = 1 << 20


def _not_json(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


# What json.dumps and json.loads come down to, without the layers of Python above that model code may patch.
_make_encoder = cast(Any, json.encoder).c_make_encoder
_encode: Callable[[object, int], tuple[str, ...]] = _make_encoder(
    None, _not_json, cast(Any, json.encoder).encode_basestring, None, ":", ",", False, False, True
)
_scan: Callable[[str, int], tuple[Any, int]] = cast(Any, json.JSONDecoder()).scan_once


class FrameTooLongError(ValueError):
    """A frame, or a message for several, is longer than it may be. The message says how long that is."""


def encode(message: dict[str, Any]) -> bytes:
    """A message as a frame. Raises TypeError for what is not JSON, RecursionError for what is nested too deeply."""
    return _frame(_body(message))


def encode_short(message: dict[str, Any]) -> list[bytes]:
    """A message as frames that a worker may send; its long texts go ahead in frames of their own.

    Raises what `encode` raises, and FrameTooLongError.
    """
    body = _body(message)
    if not has_too_much(body):
        return [_frame(body)]
    message = decode(body)  # a copy: model code may hold the other
    try:
        texts = take_out(message)
    except TextsTooLongError:
        raise FrameTooLongError(f"more than {MAX_TEXT_BYTES >> 20} MB of text; pass less") from None
    body = _body(message)
    if has_too_much(body):
        size = f"{len(body):,} bytes of JSON with {_values(body):,} values in it, besides its texts"
        most = f"{MAX_FRAME_BYTES:,} with {MAX_VALUES:,} in them can be passed"
        raise FrameTooLongError(f"{size}; at most {most}: pass less, or a str of JSON")
    return [*(_frame(_body(texts_message(pieces))) for pieces in texts), _frame(body)]


def has_too_much(body: bytes) -> bool:
    """Whether the host would not take this body from a worker."""
    return len(body) > MAX_FRAME_BYTES or _values(body) > MAX_VALUES


def _values(body: bytes) -> int:
    """At least as many as there are: brackets and commas in texts are counted as well."""
    return body.count(b"[") + body.count(b"{") + body.count(b",")


def _body(message: dict[str, Any]) -> bytes:
    return "".join(_encode(message, 0)).encode("utf-8", "surrogatepass")


def _frame(body: bytes) -> bytes:
    return _pack(len(body)) + body


def decode(body: bytes) -> Any:
    """The JSON value of a trusted frame, without white space around it."""
    return _scan(body.decode("utf-8", "surrogatepass"), 0)[0]


def write_frame(descriptor: int, frame: bytes) -> None:
    """Write all of a frame to a blocking descriptor. Raises OSError."""
    rest = memoryview(frame)
    while rest:
        rest = rest[_write(descriptor, rest) :]


def read_frame(descriptor: int) -> bytes | None:
    """The body of the next frame of a blocking descriptor; None at its end. Raises OSError."""
    header = _read_exactly(descriptor, _HEADER_BYTES)
    return None if header is None else _read_exactly(descriptor, _unpack(header)[0])


def _read_exactly(descriptor: int, count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = _read(descriptor, min(count, _READ_BYTES))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class FrameBuffer:
    """Cuts an untrusted stream of bytes into frames. Holds at most one unfinished frame."""

    def __init__(self, limit: int = MAX_FRAME_BYTES) -> None:
        self._limit = limit
        self._bytes = bytearray()

    @property
    def unfinished(self) -> bool:
        """Whether it holds a part of a frame."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies of the frames that are complete now. Raises FrameTooLongError for one over the limit."""
        held = self._bytes
        held += data
        size, start, body = len(held), 0, _HEADER_BYTES
        try:
            while body <= size:
                (length,) = _unpack_from(held, start)
                if length > self._limit:
                    raise FrameTooLongError(f"{length:,} bytes")
                end = body + length
                if size < end:
                    return
                frame = bytes(held[body:end])
                start, body = end, end + _HEADER_BYTES
                yield frame
        finally:
            del held[:start]
