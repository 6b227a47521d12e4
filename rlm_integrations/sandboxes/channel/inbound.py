"""The bytes that a worker sends, cut into messages, which `wire.inbound` reads. Everything in them is hostile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, TypeGuard

from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, has_too_much
from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES, ReceivedTexts, TextsTooLongError
from rlm_integrations.wire.inbound import ProtocolError, pieces_ahead

_read_json: Callable[[str], tuple[object, int]] = json.JSONDecoder().raw_decode
"""A value and where it ends. `json.loads` looks for white space around it besides, of which a frame has none."""


class Messages:
    """Cuts the bytes of a worker into messages, long texts and all. Holds one unfinished message at most."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()
        self._texts = ReceivedTexts()

    @property
    def unfinished(self) -> bool:
        """Whether it holds a part of a message, which may be long."""
        return self._frames.unfinished or self._texts.unfinished

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now. Raises ProtocolError; there is no reading on after it."""
        try:
            for body in self._frames.feed(data):
                frame = parse(body)
                pieces = pieces_ahead(frame)
                if pieces is None:
                    self._texts.put_back(frame)
                    yield frame
                else:
                    self._texts.add(pieces)
        except FrameTooLongError as error:
            raise ProtocolError(f"a frame of {error}") from None
        except TextsTooLongError:
            raise ProtocolError(f"more than {MAX_TEXT_BYTES >> 20} MB of text in a message") from None
        except ValueError as error:
            raise ProtocolError(f"a message of {error}") from None


def parse(body: bytes) -> dict[str, Any]:
    """A frame's JSON object. Raises ProtocolError."""
    if has_too_much(body):
        raise ProtocolError("a frame of too many small values")
    try:
        text = body.decode("utf-8", "surrogatepass")
        value, end = _read_json(text)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame that is not JSON ({type(error).__name__})") from None
    if end != len(text):
        raise ProtocolError("a frame with more than its JSON")
    if not _is_object(value):
        raise ProtocolError("a frame that is no object")
    return value


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
