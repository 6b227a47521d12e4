"""The texts of a worker's message that does not fit in a frame.

The host parses a frame in one go and does nothing else meanwhile, so the frames of a worker are short. A message
that is longer leaves its texts out: they go ahead, cut into pieces, as a message of their own, and
`PIECES` (`[2, 0, ...]`) in the message says how many belong to each of its empty texts, in their order.

Both sides use this module, and in the worker it lives beside the model's code: it looks builtins up in a copy of
its own. Standard library only.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

from rlm_integrations.wire.messages import PIECES

globals()["__builtins__"] = vars(builtins).copy()

MAX_TEXT_BYTES = 64 << 20
"""The most that the texts of one message may take, in bytes of memory: up to four for each character."""

PIECE_CHARS = 1 << 15  # six bytes of a frame each, at worst
_LEFT_IN_CHARS = 200
_MAX_PIECES = 1 << 16  # more than a frame can name texts for, and what long ones are cut into
_getsizeof = sys.getsizeof
_EMPTY_BYTES = _getsizeof("")


class TextsTooLongError(ValueError):
    """The texts of a message take more than MAX_TEXT_BYTES."""


def take_out(message: dict[str, Any]) -> list[list[str]]:
    """Take the long texts out of a message of plain JSON values, which is changed. Returns what each frame is to hold.

    Raises TextsTooLongError.
    """
    frames: list[list[str]] = []
    counts: list[int] = []
    in_frame, in_memory = PIECE_CHARS, 0
    for place, key in _texts_in(message):
        text: str = place[key]
        if 0 < len(text) <= _LEFT_IN_CHARS:
            continue
        pieces = [text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS)]
        in_memory += _memory(pieces)
        if in_memory > MAX_TEXT_BYTES:
            raise TextsTooLongError
        for piece in pieces:
            if in_frame + len(piece) > PIECE_CHARS:
                frames.append([])
                in_frame = 0
            frames[-1].append(piece)
            in_frame += len(piece)
        place[key] = ""
        counts.append(len(pieces))
    message[PIECES] = counts
    return frames


class ReceivedTexts:
    """The pieces that have come for the next message. Every one of them is hostile."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._bytes = 0

    @property
    def unfinished(self) -> bool:
        """Whether it holds pieces of a message that has not come yet."""
        return bool(self._pieces)

    def add(self, pieces: Sequence[str]) -> None:
        """Raises TextsTooLongError, and ValueError for more pieces than a message has."""
        self._pieces += pieces
        self._bytes += sum(map(_held, pieces))
        if self._bytes > MAX_TEXT_BYTES:
            raise TextsTooLongError
        if len(self._pieces) > _MAX_PIECES:
            raise ValueError("too many pieces of texts")

    def put_back(self, message: dict[str, Any]) -> None:
        """Make the message whole, as it was before `take_out`.

        Raises ValueError where the numbers do not agree with the pieces, TextsTooLongError.
        """
        counts = _counts(message.pop(PIECES, []))
        if not counts and not self._pieces:
            return
        pieces, self._pieces, self._bytes = self._pieces, [], 0
        empty = [(place, key) for place, key in _texts_in(message) if not place[key]]
        if len(empty) != len(counts) or sum(counts) != len(pieces):
            raise ValueError("other texts than those that came")
        start = in_memory = 0
        for (place, key), count in zip(empty, counts, strict=True):
            text = pieces[start : start + count]
            in_memory += _memory(text)
            if in_memory > MAX_TEXT_BYTES:
                raise TextsTooLongError
            place[key] = "".join(text)
            start += count


def _counts(counts: object) -> list[int]:
    if not isinstance(counts, list):
        raise ValueError("pieces that are no list")
    for count in cast("list[object]", counts):
        if type(count) is not int or count < 0:
            raise ValueError("pieces that are no counts")
    return cast("list[int]", counts)


def _memory(pieces: Sequence[str]) -> int:
    """What the pieces take, or what they take as one text where that is more: a wide character makes all wide."""
    apart = widest = chars = 0
    for piece in pieces:
        size = _getsizeof(piece)
        apart += _held(piece)
        chars += len(piece)
        width = 4 if size - _EMPTY_BYTES >= 4 * len(piece) else 2 if size - _EMPTY_BYTES >= 2 * len(piece) else 1
        if piece and width > widest:
            widest = width
    return max(apart, widest * chars)


def _held(piece: str) -> int:
    """Small ones count for more: it is their number that costs time."""
    return max(_getsizeof(piece), _LEFT_IN_CHARS)


def _texts_in(message: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Where the texts of a message are: their dict or list, and the key. In the order in which they stand."""
    open_: list[tuple[Any, Iterator[tuple[Any, Any]]]] = [(message, iter(message.items()))]
    while open_:
        place, rest = open_[-1]
        for key, value in rest:
            if isinstance(value, str):
                yield place, key
            elif isinstance(value, (dict, list)):
                inner = cast("dict[str, Any] | list[Any]", value)
                open_.append((inner, iter(inner.items() if isinstance(inner, dict) else enumerate(inner))))
                break
        else:
            open_.pop()
