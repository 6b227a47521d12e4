"""Lone surrogates: a corpus may hold them, a model may write them, and neither an API nor JSON takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import PlainSerializer

_PIECE_CHARS = 1 << 16  # at once, with the interpreter locked
_LONE = re.compile("[\ud800-\udfff]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def without_lone_surrogates(text: str) -> str:
    """The text with each lone surrogate as U+FFFD; any other text as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(_mended(text))
    return text


def _mended(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + _PIECE_CHARS
        end += _PAIR.match(text, end - 1) is not None
        yield _LONE.sub("\ufffd", _PAIR.sub(_joined, text[start:end]))
        start = end


def _joined(pair: re.Match[str]) -> str:
    """The character that the two halves are."""
    return pair[0].encode("utf-16", "surrogatepass").decode("utf-16")


Text = Annotated[str, PlainSerializer(without_lone_surrogates, return_type=str, when_used="json")]
"""A str of a record: kept as it is in Python, valid Unicode in its JSON."""
