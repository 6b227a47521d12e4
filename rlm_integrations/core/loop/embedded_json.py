"""JSON that stands among words: objects and arrays anywhere, and whatever a fence holds."""

from __future__ import annotations

import re
from json import JSONDecodeError, JSONDecoder

_FENCE = re.compile(r"^[ \t]*+```[^\n`]*+$", re.MULTILINE)
_OPENING = re.compile(r"[\[{]")
_UNENDED = "Unterminated string"
_READINGS = 4
"""A text is read over at most so many times: brackets that open again and again are no answer."""


class _Unnumbered(str):
    """A text whose lines are not counted: each JSONDecodeError counts them up to its place, to tell a person."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return -1


_decode = JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False).raw_decode  # only where it ends


def fenced_words(text: str) -> list[str]:
    """What stands in fences without a bracket that opens."""
    fenced = (part.strip() for part in _FENCE.split(text)[1::2])
    return [part for part in fenced if part and not _OPENING.search(part)]


def json_spans(text: str) -> list[tuple[int, int]]:
    """Where the outermost objects and arrays begin and end. What stands there may turn out to be no JSON. Linear."""
    found: list[tuple[int, int]] = []
    unnumbered = _Unnumbered(text)
    place, left = 0, _READINGS * len(text)
    while left > 0 and (opening := _OPENING.search(text, place)) is not None:
        start = opening.start()
        try:
            _, place = _decode(unnumbered, start)
            found.append((start, place))
        except JSONDecodeError as error:
            stopped = len(text) if error.msg.startswith(_UNENDED) else error.pos
            left -= stopped - start
            place = start + 1
        except RecursionError:
            break
    return found
