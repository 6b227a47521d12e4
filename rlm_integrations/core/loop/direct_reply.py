"""The reply of a root LM that answers directly: the answer, and below it the words that prove it. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

_EVIDENCE = re.compile(r"^[ \t]*+<evidence>", re.MULTILINE | re.IGNORECASE)
_END = re.compile(r"</evidence>[ \t]*+$", re.MULTILINE | re.IGNORECASE)
_BULLET = re.compile(r"[-*•][ \t]++")


class DirectReply(NamedTuple):
    answer: str
    evidence: tuple[str, ...] = ()
    """Its lines, as they were written, but for bullets."""


def read_direct(reply: str) -> DirectReply:
    """What stands outside of the last <evidence> is the answer; a tag that is never closed ends with the reply."""
    text = reply.replace("\r\n", "\n")
    opening = None
    for found in _EVIDENCE.finditer(text):
        opening = found
    if opening is None:
        return DirectReply(text.strip())
    closing = _END.search(text, opening.end())
    end, after = (len(text), len(text)) if closing is None else (closing.start(), closing.end())
    answer = "\n\n".join(filter(None, (text[: opening.start()].strip(), text[after:].strip())))
    lines = (line.strip() for line in text[opening.end() : end].split("\n"))
    return DirectReply(answer, tuple(_without_bullet(line) for line in lines if line))


def _without_bullet(line: str) -> str:
    bullet = _BULLET.match(line)
    return line if bullet is None else line[bullet.end() :]
