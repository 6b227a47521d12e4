"""Values as what JSON can write."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, cast

from rlm_integrations.files.rows import decimal_number, repeated_name

_NUMBER_BITS = 13_000  # Python writes integers of up to 4,300 digits
_DEEPEST = 100
PLAIN_TYPES = frozenset({str, bool, float, type(None)})
"""Types of values that are as JSON has them, whatever they are."""
_INTEGERS = (int, numbers.Integral)  # int first: to ask an abstract class takes several times as long


class NotPlainError(ValueError):
    """A value that cannot be written as JSON without loss. The message says what it is."""


def plain(value: object, _depth: int = 0) -> Any:
    """The value with everything that is not JSON as its str. Numbers, booleans and arrays of other libraries become
    Python's own, and an enum's member its value; a Decimal is a number where a float holds all its digits.

    Raises NotPlainError for numbers too long to be written, for what is nested too deeply to be read, and for a mapping
    of which two keys would be one.
    """
    if type(value) in PLAIN_TYPES or (type(value) is int and value.bit_length() <= _NUMBER_BITS):
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
        written = {_key(key): plain(inner, _depth + 1) for key, inner in mapping.items()}
        if len(written) < len(mapping):
            raise NotPlainError(f"a mapping with two keys that are both written {_written_twice(mapping)!r:.100}")
        return written
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(inner, _depth + 1) for inner in cast("Iterable[object]", value)]
    if isinstance(value, Enum):
        return plain(value.value, _depth + 1)
    if isinstance(value, Decimal):
        return decimal_number(value)
    native = _native(value)
    return str(value) if native is value else plain(native, _depth + 1)


def _written_twice(mapping: Mapping[Any, Any]) -> str | None:
    return repeated_name([_key(key) for key in mapping])


def _key(key: object) -> str:
    if isinstance(key, int) and key.bit_length() > _NUMBER_BITS:
        raise NotPlainError("a key that is an integer of more than 4,000 digits")
    return str(key.value if isinstance(key, Enum) and not isinstance(key, str) else key)


def _native(value: object) -> object:
    """What a scalar or an array of numpy, or of a library that is like it, holds; any other value as it is.

    Not of its dates, which that would make numbers of an unknown unit.
    """
    dtype, to_list = getattr(value, "dtype", None), getattr(value, "tolist", None)
    if dtype is None or not callable(to_list):
        return value
    if getattr(dtype, "kind", "") not in ("M", "m"):
        return to_list()
    return [str(each) for each in cast("Iterable[object]", value)] if getattr(value, "ndim", 0) else value
