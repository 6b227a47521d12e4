"""What a worker sends, checked by hand into the types of `core.sandbox`. Everything in it is hostile.

Wrong types, unknown names and impossible counts raise ProtocolError; texts over their length are cut, for a
worker that merely prints too much is not to lose its variables.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast

from rlm_integrations.core.sandbox import AnswerState, CodeError, HostCall
from rlm_integrations.repl.answer import MAX_CHARS
from rlm_integrations.repl.host_calls import MAX_ARGUMENT_CHARS, MAX_QUERY_CHARS
from rlm_integrations.sandboxes.channel.frames import FrameBuffer, FrameTooLongError, has_too_much
from rlm_integrations.sandboxes.channel.long_texts import MAX_TEXT_BYTES, ReceivedTexts, TextsTooLongError

_LARGEST_COUNT = 1 << 53
_LARGEST_BATCH = 1 << 24
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
    name, payload = _text(frame, "name"), frame.get("payload")
    fields = _CALLS.get(name)
    if fields is None or not _is_object(payload) or payload.keys() != fields.keys():
        raise ProtocolError(f"a malformed call {name[:50]!r}")
    for field, valid in fields.items():
        if not valid(payload[field]):
            raise ProtocolError(f"a call {name!r} with a wrong {field!r}")
    if name == "tool" and _chars(payload) > MAX_ARGUMENT_CHARS:
        raise ProtocolError(f"a call {name!r} with more than {MAX_ARGUMENT_CHARS:,} characters")
    return HostCall(_count(frame, "id"), name, payload)


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
    content = _text(answer, "content")
    if len(content) > MAX_CHARS:
        raise ProtocolError(f"an answer of more than {MAX_CHARS:,} characters")
    return AnswerState(
        ready=ready,
        content=content,
        is_json=is_json,
        refused=None if refused is None else _string(refused)[:_MESSAGE_CHARS],
    )


def _count(frame: dict[str, Any], key: str, most: int = _LARGEST_COUNT) -> int:
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
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT


def _is_string(value: object) -> bool:
    return isinstance(value, str)


def _chars(arguments: dict[str, Any]) -> int:
    """Characters of all texts in there."""
    chars = 0
    rest: list[object] = [arguments]
    while rest:
        container = rest.pop()
        if isinstance(container, dict):
            names = cast("dict[str, object]", container)
            chars += sum(map(len, names))
            values = names.values()
        else:
            values = cast("list[object]", container)
        for value in values:
            if isinstance(value, str):
                chars += len(value)
            elif isinstance(value, (dict, list)):
                rest.append(cast(object, value))
    return chars


def _is_query(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_QUERY_CHARS


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_batch_number(value: object) -> bool:
    return value is None or _is_int(value)


def _is_batch_size(value: object) -> bool:
    return _is_int(value) and value <= _LARGEST_BATCH


_CALLS: dict[str, dict[str, Callable[[object], bool]]] = {
    "reserve": {"n": _is_batch_size},
    "llm_query": {"prompt": _is_string, "batch": _is_batch_number, "index": _is_batch_number},
    "retrieve": {"query": _is_query},
    "cite": {"document_id": _is_string, "start": _is_int, "end": _is_int, "text": _is_string},
    "tool": {"name": _is_string, "args": _is_list, "kwargs": _is_object},
}
