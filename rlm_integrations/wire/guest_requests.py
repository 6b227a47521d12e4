"""What a REPL in WebAssembly asks of the worker around it, by one function from text to text: JSON, written once.

The guest trusts what it is answered; its own requests are hostile, for the model's code can make them too. Both sides
use this module, and in the guest it lives beside that code: it looks builtins up in a copy of its own. Standard library
only.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, cast

from rlm_integrations.frozen import frozen
from rlm_integrations.wire.messages import Message

globals()["__builtins__"] = vars(builtins).copy()  # before the classes: what is written for them looks here too

IS_OVER = '{"over":1}'
"""Asks whether the step is over its time."""


class WrongRequestError(ValueError):
    """What the guest asks has not the form of a request. The message says what is wrong with it."""


# --- the guest's side


def send_calls(calls: Sequence[str], wait_s: float | None) -> str:
    """Sends calls, each the JSON of `messages.call`, and waits so many seconds for answers; None: as long as it may."""
    wait = "null" if wait_s is None else repr(max(wait_s, 0.0))
    return f'{{"calls":[{",".join(calls)}],"wait":{wait}}}'


def print_head(text: str) -> str:
    """Prints a text, which is given as its JSON, of the head of a step's output."""
    return f'{{"print":{text}}}'


def read_answers(answer: dict[str, Any]) -> tuple[list[Message], bool]:
    """The answers that have come for calls, and whether the step is over its time."""
    return answer["answers"], answer["over"]


def is_yes(answer: str) -> bool:
    """Of IS_OVER."""
    return bool(answer)


# --- the worker's side


@frozen
class SendCalls:
    calls: Sequence[Message]
    """Each with "id", "name" and "payload", whatever these are: the host reads them."""
    wait_s: float | None


@frozen
class PrintHead:
    text: str


@frozen
class AskWhetherOver:
    pass


def read_request(asked: object) -> SendCalls | PrintHead | AskWhetherOver:
    """A request as its JSON says it. Raises WrongRequestError."""
    if not isinstance(asked, dict):
        raise WrongRequestError("a request that is no object")
    request = cast("dict[str, object]", asked)
    if "over" in request:
        return AskWhetherOver()
    if "print" in request:
        text = request["print"]
        if not isinstance(text, str):
            raise WrongRequestError("a print of something else than text")
        return PrintHead(text)
    calls, wait = request.get("calls"), request.get("wait")
    if not isinstance(calls, list):
        raise WrongRequestError("calls that are no list")
    if wait is not None and not (type(wait) in (int, float) and cast(float, wait) >= 0):
        raise WrongRequestError("a wait that is no number of seconds")
    return SendCalls([_call(call) for call in cast("list[object]", calls)], cast("float | None", wait))


def answers_text(answers: Sequence[str], *, is_over: bool) -> str:
    """What SendCalls is answered with: messages of the host, each its JSON, and whether the step is over its time."""
    return f'{{"answers":[{",".join(answers)}],"over":{"true" if is_over else "false"}}}'


def yes_text(is_yes: bool) -> str:
    return "1" if is_yes else ""


def _call(call: object) -> Message:
    if not (isinstance(call, dict) and "id" in call and "name" in call and "payload" in call):
        raise WrongRequestError("a call that lacks its id, its name or its payload")
    return cast("Message", call)
