"""What a worker sends, checked by hand into the types of `core.sandbox` and `wire`. Everything in it is hostile.

Wrong types, unknown names and impossible counts raise ProtocolError; texts over their length are cut, for a
worker that merely prints too much is not to lose its variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

from rlm_integrations.core.sandbox import AnswerState, CodeError
from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, has_too_much
from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES, ReceivedTexts, TextsTooLongError
from rlm_integrations.wire.calls import LARGEST_COUNT, HostCall, WrongCallError, read_call

_MAX_VARIABLES, _VARIABLE_CHARS = 20, 200
_MESSAGE_CHARS = 2_000


class ProtocolError(Exception):
    """A frame is not what a worker sends. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PrintedHead:
    """Output, as it is produced."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a step. The head of its output has been printed before."""

    step: int
    tail: str
    cut_chars: int
    error: CodeError | None
    answer: AnswerState
    variables: tuple[str, ...]
    blocks_run: int


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
        value: object = json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a frame that is not JSON ({type(error).__name__})") from None
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
    output = _object(frame, "output")
    variables: object = frame.get("variables")
    if not _is_list(variables):
        raise ProtocolError("variables that are no list")
    return Finished(
        step=_count(frame, "step"),
        tail=_text(output, "tail")[-max_output_chars:],
        cut_chars=_count(output, "cut_chars"),
        error=None if frame.get("error") is None else _code_error(_object(frame, "error"), blocks),
        answer=_answer(_object(frame, "answer")),
        variables=tuple(_string(line)[:_VARIABLE_CHARS] for line in variables[:_MAX_VARIABLES]),
        blocks_run=_count(frame, "blocks_run", blocks),
    )


def _code_error(error: dict[str, Any], blocks: int) -> CodeError:
    kind: Any = error.get("kind")
    if kind not in ("raised", "syntax", "interrupted"):
        raise ProtocolError("an error of an unknown kind")
    known: Literal["raised", "syntax", "interrupted"] = kind
    return CodeError(
        block=_count(error, "block", blocks),
        line=None if error.get("line") is None else _count(error, "line"),
        source=_text(error, "source")[:_MESSAGE_CHARS],
        message=_text(error, "message")[:_MESSAGE_CHARS],
        kind=known,
    )


def _answer(answer: dict[str, Any]) -> AnswerState:
    ready, is_json, refused = answer.get("ready"), answer.get("is_json"), answer.get("refused")
    if not isinstance(ready, bool) or not isinstance(is_json, bool):
        raise ProtocolError("an answer that is neither ready nor not")
    return AnswerState(
        ready=ready,
        content=_text(answer, "content"),
        is_json=is_json,
        refused=None if refused is None else _string(refused)[:_MESSAGE_CHARS],
    )


def _count(frame: dict[str, Any], key: str, most: int = LARGEST_COUNT) -> int:
    value = frame.get(key)
    if not _is_int(value) or value > most:
        raise ProtocolError(f"a wrong {key!r}")
    return value


def _text(frame: dict[str, Any], key: str) -> str:
    return _string(frame.get(key))


def _object(frame: dict[str, Any], key: str) -> dict[str, Any]:
    value: object = frame.get(key)
    if not _is_object(value):
        raise ProtocolError(f"a wrong {key!r}")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ProtocolError("something else where a text should be")
    return value


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_COUNT


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
