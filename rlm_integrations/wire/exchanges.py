"""An exchange between a host and the relay of a REPL: what is asked and what is answered, written once.

Both are texts of one command, which may be lost, cut short, come late or twice, so bytes have places. What a machine
answers is hostile. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Literal
from zlib import crc32

from rlm_integrations.frozen import frozen

MARK = "rlm:"
"""What the line of an answer begins with."""

Mode = Literal["run", "interrupt", "end"]


@frozen
class Request:
    """What a host brings, and asks for."""

    number: int
    """Of two requests the later one says what the worker is to do."""
    mode: Mode
    """What it is to do until so many steps are over."""
    steps: int
    have: int
    """How many bytes of what the REPL said the host has."""
    most: int
    """How many more it takes."""
    wait_s: float
    """How long it waits for some."""
    at: int = 0
    """The place of the bytes that it brings."""
    end: int = 0
    data: bytes = b""
    """These; b"" where a file has them."""
    file: str = ""
    crc: int = 0
    """The CRC of what the file has."""

    @classmethod
    def bringing(
        cls,
        data: bytes,
        number: int,
        mode: Mode,
        steps: int,
        *,
        at: int,
        file: str,
        have: int,
        most: int,
        wait_s: float,
    ) -> Request:
        """One with these bytes, or with the name of a file that has them."""
        end, inline = at + len(data), b"" if file else data
        return cls(number, mode, steps, have, most, wait_s, at, end, inline, file, crc32(data))

    def to_text(self) -> str:
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__match_args__}
        return json.dumps({**fields, "data": base64.b64encode(self.data).decode()})

    @classmethod
    def read(cls, text: bytes) -> Request:
        """Raises ValueError, KeyError or TypeError where it came cut short, or is none of ours."""
        fields: dict[str, Any] = json.loads(text)
        fields["data"] = base64.b64decode(fields["data"], validate=True)
        return cls(**fields)


@frozen
class Answer:
    """What the relay has for its host."""

    got: int
    """How many bytes have come there."""
    start: int
    """The place of the bytes that it brings."""
    data: bytes
    status: int | None
    """How the worker ended, where it has and nothing of what it said is left."""
    cpu: float
    """CPU seconds of the worker so far."""
    memory: int
    threads: int
    held: float
    """Seconds from when the relay was asked until it answered."""

    def to_line(self) -> bytes:
        """A line that shows whether it is whole."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__match_args__}
        return seal(json.dumps({**fields, "data": base64.b64encode(self.data).decode()}).encode())

    @classmethod
    def read(cls, told: dict[str, Any]) -> Answer:
        """Out of its JSON. Raises ValueError, KeyError, TypeError or OverflowError where it is none."""
        return cls(
            int(told["got"]),
            int(told["start"]),
            base64.b64decode(told["data"], validate=True),
            None if told["status"] is None else int(told["status"]),
            float(told["cpu"]),
            int(told["memory"]),
            int(told["threads"]),
            float(told["held"]),
        )


def seal(body: bytes) -> bytes:
    """The JSON of an answer as a line that shows whether it is whole."""
    return MARK.encode() + _digest(body).encode() + b":" + body + b"\n"


def sealed_within(text: str) -> bytes | None:
    """The JSON of the answer in what a command printed; None where it is not whole, or there is none."""
    digest, _, body = text.partition(MARK)[2].partition("\n")[0].partition(":")
    packed = body.encode("utf-8", "replace")
    return packed if _digest(packed) == digest else None


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]
