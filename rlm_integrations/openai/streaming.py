"""Servers that reply in a stream alone: how they say so, and their chunks as one chat completion."""

from __future__ import annotations

import re
from enum import IntEnum
from types import SimpleNamespace, TracebackType
from typing import Any, cast

import openai

from rlm_integrations.core.calls.model_calls import MAX_REPLY_CHARS
from rlm_integrations.core.calls.reply_fields import field_of, finish_of
from rlm_integrations.core.errors import RLMError
from rlm_integrations.openai.request_time import NotWholeError
from rlm_integrations.openai.streamed_calls import fields_of, streamed_calls

_READ_CHARS = 4_000
_HELD_CHARS = 500
"""To hold a choice, or another of its fields, takes as much memory as so many characters of text."""
_OF_STREAMS = re.compile(r"\bstream(?>(?:s|ed|ing)?)\b|\bnon-?+stream", re.IGNORECASE)
_ARE_NEEDED = re.compile(
    r"\bonly\b|\bmust\b|\bmandatory\b|\brecommended\b|\bnot allowed\b"
    r"|\brequire[sd]?+\b|\benable\b|\bset\b|\btrue\b|non[- _]?+stream|\bwithout\b",
    re.IGNORECASE,
)
_OPTIONS_REFUSED = re.compile(r"stream_options|include_usage", re.IGNORECASE)
_EVENTS = ("data:", "event:", ":")
"""What a stream of server-sent events begins with."""


class Form(IntEnum):
    """In which form a reply is asked for. A server that refuses one is asked for the next."""

    WHOLE = 0
    STREAM = 1
    """With the usage in its last chunk."""
    BARE_STREAM = 2
    """For servers that know no `stream_options`."""

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of `chat.completions.create`."""
        if self is Form.WHOLE:
            return {}
        options = {"stream_options": {"include_usage": True}} if self is Form.STREAM else {}
        return {"stream": True, **options}


class Tries:
    """One call in the form that the server is known to take, and again in the next where it refuses that.

        tries = Tries(form)
        while tries.goes_on:
            with tries:
                ...  # send the request with tries.form.arguments
                tries.reply = ...

    Errors that another form helps against end the `with` block alone; others pass through.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        self.reply: object = None
        self.goes_on = True

    def __enter__(self) -> None:
        self.reply = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if self.form is not Form.WHOLE and error is not None and isinstance(error.__cause__, NotWholeError):
            raise error.__cause__ from None  # version 3 of the SDK wraps it, and says less
        wanted = _form_after_reply(self.form, self.reply) if error is None else _form_after_error(self.form, error)
        self.form, self.goes_on = wanted or self.form, wanted is not None
        return wanted is not None


def _form_after_error(refused: Form, error: BaseException) -> Form | None:
    """The form to ask for next; None where another would not help."""
    if not isinstance(error, openai.APIError):
        return None
    words = str(error)[:_READ_CHARS]
    if refused is Form.WHOLE and _OF_STREAMS.search(words) and _ARE_NEEDED.search(words):
        return Form.STREAM
    return Form.BARE_STREAM if refused is Form.STREAM and _OPTIONS_REFUSED.search(words) else None


def _form_after_reply(asked_for: Form, reply: object) -> Form | None:
    """The stream, where the server streamed though it was not asked to: the SDK hands that on as text."""
    unasked = asked_for is Form.WHOLE and isinstance(reply, str) and reply.lstrip().startswith(_EVENTS)
    return Form.STREAM if unasked else None


class Folded:
    """The chunks of one reply, put together as they come."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._told: dict[str, Any] = {}
        self._chars = 0

    def add(self, chunk: object) -> None:
        """Take a chunk: the text of a choice's delta goes on, of all else the last that is said holds.

        Raises RLMError when there is more of it than any model writes: a server may stream without an end.
        """
        for name in ("model", "usage"):
            if (value := getattr(chunk, name, None)) is not None:
                self._told[name] = value
        if (of_groq := field_of(getattr(chunk, "x_groq", None), "usage")) is not None:
            self._told.setdefault("usage", of_groq)
        for choice in cast("list[object]", getattr(chunk, "choices", None) or []):
            fields = fields_of(choice)
            index = fields.get("index")
            number = index if isinstance(index, int) else 0
            if number not in self._choices:
                self._choices[number] = _Choice()
                self._chars += _HELD_CHARS
            self._chars += self._choices[number].add(fields)
        if self._chars > MAX_REPLY_CHARS:
            raise RLMError(
                f"the stream was ended at {self._chars:,} characters, since at most {MAX_REPLY_CHARS:,} are taken of a "
                "reply; the model repeats itself, or the server streams without an end: set max_tokens"
            )

    def completion(self) -> object:
        """What the server would have sent at once, of the first choice, which some servers number 1; without any
        where it streamed none.

        A stream that says nothing of how it ended has broken off.
        """
        first = self._choices[min(self._choices)] if self._choices else _Choice()
        folded = first.whole(ended="usage" in self._told)
        return SimpleNamespace(choices=[] if folded is None else [folded], **self._told)


class _Choice:
    """What has come of one choice."""

    def __init__(self) -> None:
        self._pieces: dict[str, list[Any]] = {}
        self._said: dict[str, Any] = {}

    def add(self, fields: dict[str, Any]) -> int:
        """Take its part of a chunk. Returns how many characters it makes this hold more, about."""
        delta, whole = fields_of(fields.pop("delta", None)), fields_of(fields.pop("message", None))
        if not self._pieces:
            delta = whole | delta  # some servers end with all of it once more
        said = {name: value for name, value in fields.items() if value is not None}
        if finish_of(self._said) not in (None, "stop"):  # a reply that was cut stays so, whatever ends the stream
            said.pop("finish_reason", None)
        chars = sum(_HELD_CHARS + len(name) + len(str(said[name])) for name in said.keys() - self._said.keys())
        self._said |= said
        for name, piece in delta.items():
            if isinstance(piece, (str, list)) and name != "role":
                if name not in self._pieces:
                    self._pieces[name] = []
                    chars += _HELD_CHARS + len(name)
                elif not piece:
                    continue
                self._pieces[name].append(piece)
                chars += len(piece if isinstance(piece, str) else str(cast("list[object]", piece)))
        return chars

    def whole(self, *, ended: bool) -> object:
        """The choice as it would have come at once; None where nothing came. `ended`: whether more says that it did."""
        folded = {name: _joined(pieces) for name, pieces in self._pieces.items()}
        if "tool_calls" in folded:
            folded["tool_calls"] = streamed_calls(folded["tool_calls"])
        if self._pieces and "finish_reason" not in self._said and not ended:
            self._said["finish_reason"] = "error"  # it broke off: the connection was closed amid the reply
        if not self._said and not self._pieces:
            return None
        return SimpleNamespace(**self._said, message=SimpleNamespace(**folded))


def _joined(pieces: list[Any]) -> Any:
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(pieces)
    parts = ([{"type": "text", "text": piece}] if isinstance(piece, str) else piece for piece in pieces)
    return [part for each in parts for part in each]
