"""What a worker sends, checked into the types of `wire`. Everything in it is hostile."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from rlm_integrations.wire.calls import LARGEST_COUNT, HostCall, WrongCallError, read_call
from rlm_integrations.wire.messages import KIND
from rlm_integrations.wire.steps import StepDone, WrongStepError, read_step_done


class ProtocolError(Exception):
    """A frame is not what a worker sends. The message says what is wrong with it."""


class Ready(NamedTuple):
    """The worker can run steps."""

    layers: dict[str, str]
    """Those of its sandbox, and how each stands."""


class Failed(NamedTuple):
    """The worker can run none."""

    why: str


class PrintedHead(NamedTuple):
    """Output, as it is produced."""

    text: str


class Finished(NamedTuple):
    """The end of a step. The head of its output has been printed before."""

    step: int
    done: StepDone


Inbound = HostCall | PrintedHead | Finished


def read_beginning(message: dict[str, Any]) -> Ready | Failed:
    """The first message of a worker. Raises ProtocolError."""
    kind = message.get(KIND)
    if kind == "failed":
        return Failed(_text(message, "message"))
    if kind != "ready":
        raise ProtocolError("a message of an unknown kind")
    layers: object = message.get("layers")
    if not isinstance(layers, dict):
        raise ProtocolError("layers that are no object")
    named = cast("dict[str, object]", layers)
    return Ready({name: _string(state) for name, state in named.items()})


def read_inbound(message: dict[str, Any], blocks: int, max_output_chars: int) -> Inbound:
    """A message that a worker sends during a step of so many blocks. Raises ProtocolError."""
    kind = message.get(KIND)
    if kind == "call":
        return _host_call(message)
    if kind == "output":
        return PrintedHead(_text(message, "text"))
    if kind == "done":
        return _finished(message, blocks, max_output_chars)
    raise ProtocolError("a frame of an unknown kind")


def pieces_ahead(message: dict[str, Any]) -> list[str] | None:
    """The pieces of texts that a frame brings for the next message; None for another one. Raises ProtocolError."""
    if message.get(KIND) != "texts":
        return None
    pieces: object = message.get("texts")
    if not isinstance(pieces, list):
        raise ProtocolError("texts that are no list")
    return [_string(piece) for piece in cast("list[object]", pieces)]


def _host_call(message: dict[str, Any]) -> HostCall:
    try:
        call = read_call(_text(message, "name"), message.get("payload"))
    except WrongCallError as error:
        raise ProtocolError(f"a malformed call ({error})") from None
    return HostCall(_count(message, "id"), call)


def _finished(message: dict[str, Any], blocks: int, max_output_chars: int) -> Finished:
    try:
        done = read_step_done(message, blocks, max_output_chars)
    except WrongStepError as error:
        raise ProtocolError(f"a malformed end of a step ({error})") from None
    return Finished(_count(message, "step"), done)


def _count(message: dict[str, Any], key: str) -> int:
    value = message.get(key)
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ProtocolError(f"a wrong {key!r}")
    return value


def _text(message: dict[str, Any], key: str) -> str:
    return _string(message.get(key))


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ProtocolError("something else where a text should be")
    return value
