"""How long it takes to read documents, as a number of characters: what takes long is read in a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import cast

from langchain_core.documents import Document as LangChainDocument

_CHARS_OF_VALUE = 50
"""To read a value of metadata takes as long as to read so many characters."""
_MANY = 10_000
"""As so many counts a value that holds others in turn: nobody looks how many those are."""
_FEW = 100
"""Of more, so many are looked at."""
_ALONE = (str, int, float, type(None))


def chars_to_read(items: Sequence[object]) -> int:
    """It takes as long to read these as to read so many characters. Of many, the first are looked at."""
    return sum([_chars(item) for item in islice(items, _FEW)])


def _chars(item: object) -> int:
    if isinstance(item, LangChainDocument):
        return len(item.page_content) + _CHARS_OF_VALUE * _held(item.metadata)
    if isinstance(item, Mapping):
        return _CHARS_OF_VALUE * _held(cast("Mapping[object, object]", item))
    return len(item) if isinstance(item, str) else 0


def _held(metadata: Mapping[object, object]) -> int:
    """How many values there are, or may be."""
    return len(metadata) + sum([_within(value) for value in islice(metadata.values(), _FEW)])


def _within(value: object) -> int:
    if isinstance(value, _ALONE):
        return 0
    if not isinstance(value, (list, tuple, set, dict)):
        return _MANY
    items = cast("Sequence[object]", value)
    alone = not isinstance(value, dict) and all(isinstance(each, _ALONE) for each in islice(items, _FEW))
    return len(items) if alone else _MANY
