"""Lone surrogates: a corpus may hold them, a model may write them, and neither an API nor JSON takes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainSerializer


def without_lone_surrogates(text: str) -> str:
    """The text with each lone surrogate as U+FFFD; any other text as it is."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


Text = Annotated[str, PlainSerializer(without_lone_surrogates, return_type=str, when_used="json")]
"""A str of a record: kept as it is in Python, valid Unicode in its JSON."""
