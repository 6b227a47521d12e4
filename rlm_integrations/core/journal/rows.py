"""What the journal holds, as JSON and back: replies of models, values of the user's code, ends of steps."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from hashlib import sha256
from operator import attrgetter
from typing import Any, cast

from pydantic import BaseModel
from pydantic_core import to_json

from rlm_integrations.core.language_model import Completion, ToolCall
from rlm_integrations.core.usage import Usage
from rlm_integrations.wire.steps import AnswerState, CodeError, Output, ReplLost, StepDone

_PACKED_BYTES = 4_096
"""From here on it is packed. What is has another first byte than JSON."""

_encode = json.JSONEncoder(separators=(",", ":")).encode

_dump_usage = Usage.__pydantic_serializer__.to_python
"""What `model_dump` calls, in half of its time."""

_answer_fields = attrgetter(*AnswerState.__match_args__)

Row = dict[str, Any]


def encoded(row: Row) -> bytes:
    """The JSON. Lone surrogates come back as they were."""
    try:
        return to_json(row)
    except ValueError:  # it takes none of those, nor what is nested deeply
        return _encode(row).encode()


def length_up_to(limit: int, row: Row) -> int:
    """How long its JSON is, about; where it is longer than the limit, some number above that, found as quickly."""
    length = 0
    parts: list[Any] = [row]
    for part in parts:  # which grows
        kind = cast("object", type(part))
        if kind is str:
            length += len(part)
        elif kind is dict or kind is list or kind is tuple:
            length += len(part)
            if length <= limit:
                parts += part
                if kind is dict:
                    parts += part.values()
        if length > limit:
            break
    return length


def packed(row: bytes) -> bytes:
    return zlib.compress(row, 1) if len(row) >= _PACKED_BYTES else row


def unpacked(value: bytes) -> Row:
    return json.loads(value if value[:1] == b"{" else zlib.decompress(value))


def hash_of(row: bytes) -> bytes:
    """All that is kept of a row where contents are off."""
    return sha256(row).digest()


def with_json(row: Row, name: str, value: str) -> bytes:
    """The JSON of the row with one field more, whose JSON is there already."""
    return b"%b,%b:%b}" % (encoded(row)[:-1], to_json(name), value.encode())


def trace_json(end: Row) -> str | bytes:
    """That of the trace in the row of a run's end, which older files have as a text."""
    trace: object = end["trace"]
    return trace if isinstance(trace, str) else encoded(cast(Row, trace))


def entry_values(entry: int, run: int, key: str, value: bytes, *, contents: bool) -> tuple[int, int, str, bytes, int]:
    """What the file has of the JSON of a row under that id. Without `contents`, its hash alone."""
    return entry, run, key, packed(value) if contents else hash_of(value), len(value)


def of_completion(completion: Completion) -> Row:
    row: Row = {
        "text": completion.text,
        "model": completion.model,
        "usage": _dump_usage(completion.usage, exclude_defaults=True),
    }
    if completion.finish is not None:
        row["finish"] = completion.finish
    if completion.thoughts:
        row["thoughts"] = completion.thoughts
    if completion.cached:
        row["cached"] = True
    if completion.tool_calls:
        row["tool_calls"] = [asdict(call) for call in completion.tool_calls]
        row["native"] = _native(completion.native)
    return row


def _native(native: object) -> object:
    """A framework's reply as JSON, by which it can make it again."""
    if isinstance(native, BaseModel):
        return native.model_dump(mode="json")
    return cast("dict[str, object]", native) if isinstance(native, dict) else None


def to_completion(row: Row, *, replayed: bool) -> Completion:
    """A reply that was not sent for: out of this run's past, or else out of the cache, where it costs nothing."""
    return Completion(
        row["text"],
        Usage(**row["usage"]) if replayed else Usage(),
        row["model"],
        row.get("finish"),
        row.get("thoughts", ""),
        cached=not replayed or row.get("cached", False),
        tool_calls=tuple(ToolCall(**call) for call in row.get("tool_calls", ())),
        native=row.get("native"),
        replayed=replayed,
    )


def completion_chars(completion: Completion) -> int | None:
    """How long the texts of its row are; None where that takes longer to say."""
    return None if completion.tool_calls else len(completion.text) + len(completion.thoughts)


def of_step(outcome: StepDone | ReplLost) -> Row:
    printed = outcome.output
    output = {"head": printed.head, "tail": printed.tail, "cut_chars": printed.cut_chars}
    if isinstance(outcome, ReplLost):
        return {"reason": outcome.reason, "output": output}
    return {
        "output": output,
        "error": None if outcome.error is None else asdict(outcome.error),
        "answer": dict(zip(AnswerState.__match_args__, _answer_fields(outcome.answer), strict=True)),
        "variables": list(outcome.variables),
    }


def step_chars(outcome: StepDone | ReplLost) -> int:
    """How long those texts of its row are that may be long."""
    printed = outcome.output
    chars = len(printed.head) + len(printed.tail)
    return chars if isinstance(outcome, ReplLost) else chars + len(outcome.answer.content)


def to_step(row: Row) -> StepDone | ReplLost:
    output = Output(**row["output"])
    if "reason" in row:
        return ReplLost(row["reason"], output)
    error = row["error"]
    return StepDone(
        output,
        None if error is None else CodeError(**error),
        AnswerState(**row["answer"]),
        tuple(row["variables"]),
    )


def differences(then: Row, now: Row) -> list[str]:
    """What of a step came out otherwise, in words."""
    if "reason" in then or "reason" in now:
        return [] if then == now else ["whether its REPL was lost"]
    words = {"output": "its output", "error": "its error", "answer": "its answer", "variables": "its variables"}
    return [word for name, word in words.items() if then[name] != now[name]]
