"""The messages between a host and its worker: what each is made of, written once.

They are JSON objects. The worker trusts its host's, and reads them here; a worker's are hostile, and are read by
`wire.inbound`. Both sides use this module, and in the worker it lives beside the model's code: it looks builtins up in
a copy of its own. Standard library only.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rlm_integrations.frozen import frozen

if TYPE_CHECKING:
    from rlm_integrations.wire.calls import RefusalKind

globals()["__builtins__"] = vars(builtins).copy()  # before the class: what is written for it looks here too

Message = dict[str, Any]

KIND = "t"
"""The field that says what a message is."""

PIECES = "pieces"
"""The field with how many pieces belong to each of the texts that went ahead of a message."""

VALUE = "value"
"""The field of a reply with what it replies, which comes last."""

_INFINITE = float("inf")

# --- the host's


@frozen
class BeginStep:
    """Run the blocks as the step of that number."""

    number: int
    blocks: Sequence[str]
    seconds_left: float
    """Of the run; inf without a bound."""

    def to_message(self) -> Message:
        left = None if self.seconds_left == _INFINITE else self.seconds_left
        return {KIND: "step", "step": self.number, "blocks": [*self.blocks], "seconds_left": left}

    @classmethod
    def read(cls, message: Message) -> BeginStep | None:
        """None for another message."""
        if message[KIND] != "step":
            return None
        left = message["seconds_left"]
        return cls(message["step"], message["blocks"], _INFINITE if left is None else left)


def interrupt(step: int) -> Message:
    """End the step of that number, if it still runs."""
    return {KIND: "interrupt", "step": step}


def interrupted_step(message: Message) -> int | None:
    """None for another message."""
    return message["step"] if message[KIND] == "interrupt" else None


def reply(call_id: int, value: object) -> Message:
    return {KIND: "reply", "id": call_id, VALUE: value}


def refusal(call_id: int, kind: RefusalKind, why: str) -> Message:
    return {KIND: "refuse", "id": call_id, "kind": kind, "message": why}


def refusal_of_all(call_ids: Sequence[int], kind: RefusalKind, why: str) -> Message:
    """The same of many calls: there may be thousands."""
    return {KIND: "refuse", "ids": call_ids, "kind": kind, "message": why}


def answered_calls(answer: Message) -> Sequence[int]:
    """The ids of those that a reply or a refusal is for."""
    return answer["ids"] if "ids" in answer else (answer["id"],)


def refused(answer: Message) -> tuple[RefusalKind, str] | None:
    """The kind of the refusal, and why; None for a reply."""
    return (answer["kind"], answer["message"]) if answer[KIND] == "refuse" else None


# --- the worker's


def ready(layers: dict[str, str]) -> Message:
    """It can run steps. `layers`: those of its sandbox, and how each stands."""
    return {KIND: "ready", "layers": layers}


def failed(why: str) -> Message:
    """It will run none."""
    return {KIND: "failed", "message": why}


def call(call_id: int, function: str, payload: object) -> Message:
    """The code asks for a host function, by its fields as `wire.calls` writes them."""
    return {KIND: "call", "id": call_id, "name": function, "payload": payload}


def printed(text: str) -> Message:
    """Of the head of a step's output."""
    return {KIND: "output", "text": text}


def done(step: int, end: Message) -> Message:
    """The step of that number is over: `end` as `wire.steps` writes it."""
    return {**end, KIND: "done", "step": step}


def texts(pieces: list[str]) -> Message:
    """Pieces of texts that belong to the next message."""
    return {KIND: "texts", "texts": pieces}


def may_wait_for_steps(body: bytes) -> bool:
    """Whether the JSON of a message may be one of those of which `waits_for_steps` is true: a quick look."""
    return b'"done"' in body or b'"ready"' in body


def waits_for_steps(message: Message) -> bool:
    """Whether it says that the worker has nothing to run, at the beginning or after a step."""
    return message[KIND] in ("done", "ready")
