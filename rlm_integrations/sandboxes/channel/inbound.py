"""What a worker sends, checked into the types of `wire`. Everything in it is hostile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeGuard

from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, has_too_much
from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES, ReceivedTexts, TextsTooLongError
from rlm_integrations.wire.calls import LARGEST_COUNT, HostCall, WrongCallError, read_call
from rlm_integrations.wire.steps import StepDone, WrongStepError, read_step_done

_read_json: Callable[[str], tuple[object, int]] = json.JSONDecoder().raw_decode
"""A value and where it ends. `json.loads` looks for white space around it besides, of which a frame has none."""


class ProtocolError(Exception):
    """A frame is not what a worker sends. The message says what is wrong with it."""


class PrintedHead(NamedTuple):
    """Output, as it is produced."""

    text: str


class Finished(NamedTuple):
    """The end of a step. The head of its output has been printed before."""

    step: int
    done: StepDone


Inbound = HostCall | PrintedHead | Finished


class Messages:
    """Cuts the bytes of a worker into messages, long texts and all. Holds one unfinished message at most."""

    def __init__(self) -> None:
        self._frames = FrameBuffer()
        self._texts = ReceivedTexts()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are complete now. Raises ProtocolError; there is no reading on after it."""
        try:
            for body in self._frames.feed(data):
                frame = parse(body)
                if frame.get("t") == "texts":
                    self._texts.add(_texts(frame))
                else:
                    self._texts.put_back(frame)
                    yield frame
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


def read_inbound(frame: dict[str, Any], blocks: int, max_output_chars: int) -> Inbound:
    """A frame that a worker sends during a step of so many blocks. Raises ProtocolError."""
    kind = frame.get("t")
    if kind == "call":
        return _host_call(frame)
    if kind == "output":
        return PrintedHead(_text(frame, "text"))
    if kind == "done":
        return _finished(frame, blocks, max_output_chars)
    raise ProtocolError("a frame of an unknown kind")


def _texts(frame: dict[str, Any]) -> list[str]:
    pieces: object = frame.get("texts")
    if not _is_list(pieces):
        raise ProtocolError("texts that are no list")
    return [_string(piece) for piece in pieces]


def _host_call(frame: dict[str, Any]) -> HostCall:
    try:
        call = read_call(_text(frame, "name"), frame.get("payload"))
    except WrongCallError as error:
        raise ProtocolError(f"a malformed call ({error})") from None
    return HostCall(_count(frame, "id"), call)


def _finished(frame: dict[str, Any], blocks: int, max_output_chars: int) -> Finished:
    try:
        done = read_step_done(frame, blocks, max_output_chars)
    except WrongStepError as error:
        raise ProtocolError(f"a malformed end of a step ({error})") from None
    return Finished(_count(frame, "step"), done)


def _count(frame: dict[str, Any], key: str) -> int:
    value = frame.get(key)
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ProtocolError(f"a wrong {key!r}")
    return value


def _text(frame: dict[str, Any], key: str) -> str:
    return _string(frame.get(key))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ProtocolError("something else where a text should be")
    return value


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
