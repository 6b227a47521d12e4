"""Values as what JSON can write."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any, cast

_NUMBER_BITS = 13_000  # Python writes integers of up to 4,300 digits
_DEEPEST = 100
_PLAIN_TYPES = frozenset({str, bool, float, type(None)})
_INTEGERS = (int, numbers.Integral)  # int first: to ask an abstract class takes several times as long


class NotPlainError(ValueError):
    """A value that cannot be written as JSON. The message says what it is."""


def plain(value: object, _depth: int = 0) -> Any:
    """The value with everything that is not JSON as its str. Numbers of other libraries become Python's own.

    Raises NotPlainError for numbers too long to be written, and for what is nested too deeply to be read.
    """
    if type(value) in _PLAIN_TYPES:
        return value
    if isinstance(value, str):
        return str.__str__(value)  # an enum's value, not its name
    if isinstance(value, _INTEGERS):
        number = int(value)
        if number.bit_length() > _NUMBER_BITS:
            raise NotPlainError("an integer of more than 4,000 digits")
        return number
    if isinstance(value, numbers.Real):
        return float(value)
    if _depth > _DEEPEST:
        raise NotPlainError(f"values nested more than {_DEEPEST} deep")
    if isinstance(value, Mapping):
        mapping = cast("Mapping[Any, Any]", value)
        return {str(key): plain(inner, _depth + 1) for key, inner in mapping.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner, _depth + 1) for inner in cast("Iterable[object]", value)]
    return str(value)
