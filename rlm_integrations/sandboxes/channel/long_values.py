"""Long values as JSON, written in pieces: the interpreter is locked while one is written, and whoever waits goes on."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

from rlm_integrations.sandboxes.channel.frames import encode

_LONG_CHARS = 200_000
_CHARS_OF_VALUE = 16
"""To write a value takes as long as to write so many characters of a text."""
_PIECE_CHARS = 1 << 16
_PIECE_VALUES = 1_000
_header = struct.Struct(">I")


def is_long(value: object) -> bool:
    """Whether it takes more than some milliseconds to write it. At most so much of it is looked at."""
    left, waiting = _LONG_CHARS, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            left -= len(each)
        elif isinstance(each, (dict, list, tuple)):
            held = cast("dict[Any, Any] | list[Any] | tuple[Any, ...]", each)
            left -= _CHARS_OF_VALUE * (len(held) + 1)
            if left >= 0:
                waiting += held
                waiting += held.values() if isinstance(held, dict) else ()
        if left < 0:
            return True
    return False


def long_frame(message: dict[str, Any], name: str, value: object, most: int) -> bytes | None:
    """The message with the value under that name, as a frame; None where that has more than so many bytes.

    Raises what `encode` raises.
    """
    pieces, size = [_body({**message, name: 0})[:-2]], 0
    for piece in _written(value):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            return None
    pieces.append(b"}")
    return b"".join([_header.pack(sum(map(len, pieces))), *pieces])


def _written(value: object) -> Iterator[bytes]:
    if not is_long(value):
        yield _body(value)
    elif isinstance(value, str):
        yield from _text(value)
    elif isinstance(value, dict):
        yield from _mapping(cast("dict[Any, Any]", value))
    else:
        yield from _items(cast("list[Any] | tuple[Any, ...]", value))


def _text(text: str) -> Iterator[bytes]:
    yield b'"'
    for start in range(0, len(text), _PIECE_CHARS):
        yield _body(text[start : start + _PIECE_CHARS])[1:-1]
    yield b'"'


def _items(items: list[Any] | tuple[Any, ...]) -> Iterator[bytes]:
    yield b"["
    for start in range(0, len(items), _PIECE_VALUES):
        if start:
            yield b","
        batch = list(items[start : start + _PIECE_VALUES])
        if not is_long(batch):
            yield _body(batch)[1:-1]
            continue
        for place, each in enumerate(batch):
            if place:
                yield b","
            yield from _written(each)
    yield b"]"


def _mapping(mapping: dict[Any, Any]) -> Iterator[bytes]:
    yield b"{"
    items, begun = iter(mapping.items()), False
    while batch := dict(islice(items, _PIECE_VALUES)):
        if begun:
            yield b","
        begun = True
        if not is_long(batch):
            yield _body(batch)[1:-1]
            continue
        for place, (key, each) in enumerate(batch.items()):
            if place:
                yield b","
            yield from _key(key)
            yield from _written(each)
    yield b"}"


def _key(key: Any) -> Iterator[bytes]:
    """As JSON has it, with its colon."""
    if is_long(key):
        yield from _text(key)
        yield b":"
    else:
        yield _body({key: 0})[1:-2]


def _body(value: Any) -> bytes:
    return encode(value)[_header.size :]
