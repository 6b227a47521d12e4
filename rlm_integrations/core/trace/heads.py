"""Heads: lines above a document's text that name it, as `chunks` and `search` write them. They prove nothing alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlm_integrations.frozen import frozen

_OPENING = "[document "
_SEPARATOR = " | "
_IDS = 4
"""An id may hold the separator itself; so many readings are tried."""
_PLACES = re.compile(r"\d{1,15}+(?>(?:, \d{1,15}+)*):")
_PRINTED_MATCH = "Match("
_ID_CHARS = 1_000
_CUT = "…"


@frozen
class Head:
    start: int
    body: int
    """Where the text below it begins, in the text that was read."""
    ids: tuple[str, ...]
    """What the line may name."""


@frozen
class FoundLine:
    """What `search` printed of a match: "id@17: a line" """

    start: int
    body: int
    id: str
    at: int
    """Where the match stands in the document."""
    line: str
    """Without the marks of a cut."""
    shown_chars: int
    """Of the match and what surrounds it."""
    cut_before: bool
    cut_after: bool
    """Whether the line goes on in the document. Else it is a whole one, but for white space."""


def heads_in(text: str) -> Iterator[Head]:
    """Lines "[document id | key: value]", in time that grows with the text alone."""
    at = 0
    while (at := text.find(_OPENING, at)) >= 0:
        if at and text[at - 1] != "\n":
            at += len(_OPENING)
            continue
        end = text.find("\n", at)
        if end < 0:
            return
        if text[end - 1] == "]":
            yield Head(at, end + 1, _readings(text[at + len(_OPENING) : end - 1]))
        at = end


def _readings(named: str) -> tuple[str, ...]:
    readings, end = [named], 0
    while len(readings) <= _IDS and (end := named.find(_SEPARATOR, end)) >= 0:
        readings.append(named[:end])
        end += len(_SEPARATOR)
    return tuple(readings)


def found_lines_in(text: str) -> Iterator[FoundLine]:
    """What a printed list of matches holds, or a match printed alone, in time that grows with the text alone."""
    at = 0
    while (at := text.find("@", at)) >= 0:
        at += 1
        places = _PLACES.match(text, at)
        if places is None:
            continue
        start = text.rfind("\n", max(0, at - _ID_CHARS), at) + 1
        if (start == 0 and at > _ID_CHARS) or text[start].isspace():
            continue
        end = text.find("\n", places.end())
        end = len(text) if end < 0 else end
        name, line = text[start : at - 1], text[places.end() : end].strip()
        if name.startswith(_PRINTED_MATCH):
            name, line = name.removeprefix(_PRINTED_MATCH), line.removesuffix(")")
        body = places.end()
        if not line:
            body, end = end, _end_of_block(text, end)
            line = text[body + 1 : end].split("\n", 1)[0]
        shown, _, more = line.strip().partition(f" {_CUT} ")
        line = shown.removeprefix(_CUT).removesuffix(_CUT).strip()
        if line:
            place = int(text[at : places.end() - 1].split(",", 1)[0])
            cut_before, cut_after = shown.startswith(_CUT), bool(more) or shown.endswith(_CUT)
            yield FoundLine(start, body, name, place, line, end - body, cut_before, cut_after)
        at = end


def _end_of_block(text: str, end: int) -> int:
    """Where the indented lines below a line end."""
    while text.startswith("\n  ", end):
        following = text.find("\n", end + 1)
        end = len(text) if following < 0 else following
    return end
