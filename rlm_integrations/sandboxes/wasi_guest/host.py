"""The guest's one way out: requests of JSON over the import `call`. Many calls can be open at once."""

from __future__ import annotations

import json
import json.encoder
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, cast

from rlm_integrations.repl.host_port import HostRefusalError
from rlm_integrations.wire.calls import Call
from rlm_integrations.wire.guest_requests import IS_OVER, is_yes, print_head, read_answers, send_calls
from rlm_integrations.wire.messages import VALUE, answered_calls, refused
from rlm_integrations.wire.messages import call as call_message

_MOST_OPEN = 2_000
"""Calls open at once; more wait here. The host ends a worker at five times as many."""

_NO_ANSWER = object()


def _not_json(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not a JSON value")


# What json.dumps and json.loads come down to, without the layers of Python above that model code may patch.
_json_encoder = cast(Any, json.encoder)
_encode: Callable[[object, int], tuple[str, ...]] = _json_encoder.c_make_encoder(
    None, _not_json, _json_encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)
_scan: Callable[[str, int], tuple[Any, int]] = cast(Any, json.JSONDecoder()).scan_once


def to_json(value: object) -> str:
    """JSON in ASCII. Raises TypeError for what is no JSON, RecursionError for what is nested too deeply."""
    return "".join(_encode(value, 0))


def from_json(text: str) -> Any:
    return _scan(text, 0)[0]


class Asked:
    """Calls that were put to the host at once, and what is known of their answers."""

    __slots__ = ("_left", "_on_ready", "results")

    def __init__(self, calls: int) -> None:
        self.results: list[Any] = [_NO_ANSWER] * calls
        """For each call its value, or its HostRefusalError."""
        self._left = calls
        self._on_ready: Callable[[], None] | None = None

    def ready(self) -> bool:
        return not self._left

    def when_ready(self, do: Callable[[], None]) -> None:
        """Called once, when all are answered; at once where they are."""
        if self._left:
            self._on_ready = do
        else:
            do()

    def answer(self, place: int, result: Any) -> None:
        self.results[place] = result
        self._left -= 1
        if not self._left and self._on_ready is not None:
            self._on_ready()


class Host:
    """Puts calls to the host, and takes its answers in whatever order they come."""

    def __init__(self, call: Callable[[str], str]) -> None:
        self._call = call
        self._ids = count(1)
        self._unsent: deque[tuple[int, str]] = deque()
        self._waiting: dict[int, tuple[Asked, int]] = {}
        """By the id of each call that is sent or is to be: what its answer belongs to, and its place there."""

    @property
    def owes_answers(self) -> bool:
        return bool(self._waiting)

    def ask(self, calls: Sequence[Call]) -> Asked:
        """Calls that are sent when somebody waits for answers."""
        asked = Asked(len(calls))
        for place, call in enumerate(calls):
            id_ = next(self._ids)
            try:
                sent = to_json(call_message(id_, call.function, call.to_payload()))
            except (TypeError, RecursionError) as error:
                refusal = HostRefusalError("type", f"only plain data can be passed to the host: {error}")
                asked.answer(place, refusal)
            else:
                self._waiting[id_] = asked, place
                self._unsent.append((id_, sent))
        return asked

    def receive(self, seconds: float | None) -> bool:
        """Send what is to be sent and take the answers that there are, or the first within so many seconds.

        Returns:
            Whether the step is over its time. Where it is, nobody waits.
        """
        answers, is_over = read_answers(from_json(self._call(send_calls(self._sendable(), seconds))))
        for answer in answers:
            for id_ in answered_calls(answer):
                self._take(id_, answer)
        return is_over

    def is_over(self) -> bool:
        """Whether the step is over its time."""
        return is_yes(self._call(IS_OVER))

    def print_head(self, text: str) -> None:
        self._call(print_head(to_json(text)))

    def _sendable(self) -> list[str]:
        sent: list[str] = []
        while self._unsent and len(self._waiting) - len(self._unsent) < _MOST_OPEN:
            sent.append(self._unsent.popleft()[1])
        return sent

    def _take(self, id_: int, answer: dict[str, Any]) -> None:
        asked, place = self._waiting.pop(id_, (None, 0))
        if asked is not None:
            why = refused(answer)
            asked.answer(place, answer[VALUE] if why is None else HostRefusalError(*why))
