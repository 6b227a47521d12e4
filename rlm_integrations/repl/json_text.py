"""Values of the model's code as JSON, held within a bound while it is written."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Set, ValuesView
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from itertools import islice
from json.encoder import encode_basestring
from math import isfinite
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, cast

_MOST_ITEMS = 5_000_000  # an iterator may have no end
_LISTS = (Sequence, Set, ValuesView, Iterator)
_NO_VALUES = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type, Awaitable, re.Match, re.Pattern)

VALUES = (str, bytes, int, float, Decimal, date, time, Enum, Mapping, *_LISTS)
"""What an answer can be, whatever else may be written."""

_quoted: Callable[[str], str] = encode_basestring
_float_text, _int_text = float.__repr__, int.__repr__
_is_dataclass, _fields, _isfinite = is_dataclass, fields, isfinite


def write_json(value: Any, max_chars: int, *, no_number_is_null: bool = False) -> str:
    """The value as JSON; the beginning, of more than `max_chars` characters, where it is longer.

    An iterator in a dict or list is read, and a list put in its place there: it cannot be read twice. A Decimal is a
    number where a float can hold it. nan and infinities are null where `no_number_is_null`.

    Raises TypeError for what is no value, ValueError for what JSON cannot say, RecursionError, and whatever code of
    the model's own raises.
    """
    writer = _Writer(max_chars, no_number_is_null=no_number_is_null)
    with suppress(_BoundReachedError):
        writer.value(value)
    return "".join(writer.pieces)


def as_text(value: Any) -> str | None:
    """What JSON says as a string, without its quotes: a date, a path, an enum's value; None for what it says otherwise.

    Raises TypeError for what is no value, UnicodeDecodeError for bytes that are no text.
    """
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Enum):
        return as_text(value.value)
    if value is None or isinstance(value, (int, float, Mapping)):
        return None
    if isinstance(value, (bytes, bytearray)):
        return value.decode()
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, _LISTS):
        return None
    if isinstance(value, _NO_VALUES):
        raise TypeError(_no_value(value))
    if _is_dataclass(value) or hasattr(value, "tolist"):
        return None
    kind = cast("type[Any]", type(value))
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise TypeError(_no_value(value))
    return str(value)


def listed(iterator: Iterator[Any]) -> list[Any]:
    """Its items. Raises ValueError where it does not come to an end."""
    items = list(islice(iterator, _MOST_ITEMS))
    if len(items) == _MOST_ITEMS:
        raise ValueError(f"a {type(iterator).__name__} gave {_MOST_ITEMS:,} items and has no end yet")
    return items


class _BoundReachedError(Exception):
    """The bound is reached."""


class _Writer:
    """Collects the pieces of the JSON until they exceed the bound."""

    def __init__(self, max_chars: int, *, no_number_is_null: bool) -> None:
        self.pieces: list[str] = []
        self._left = max_chars
        self._no_number_is_null = no_number_is_null
        self._open: set[int] = set()

    def _put(self, piece: str) -> None:
        self.pieces.append(piece)
        self._left -= len(piece)
        if self._left < 0:
            raise _BoundReachedError

    def value(self, value: Any) -> None:
        if isinstance(value, str):
            self._put(_quoted(str.__str__(value)))
        elif value is None or value is True or value is False:
            self._put(_constant(value))
        elif isinstance(value, Enum):
            self.value(value.value)
        elif isinstance(value, int):
            self._put(_int_text(value))
        elif isinstance(value, (float, Decimal)):
            self._number(value)
        elif (text := as_text(value)) is not None:
            self._put(_quoted(text))
        else:
            self._container(value)

    def _number(self, value: float | Decimal) -> None:
        if not (value.is_finite() if isinstance(value, Decimal) else _isfinite(value)):
            if not self._no_number_is_null:
                raise ValueError(f"JSON has no {value}; put None or words in its place")
            self._put("null")
        elif isinstance(value, float):
            self._put(_float_text(value))
        else:
            text = str(value)
            self._put(text if Decimal(_float_text(float(value))) == value else _quoted(text))

    def _container(self, value: Any) -> None:
        identity = id(value)
        if identity in self._open:
            raise ValueError(f"a {type(value).__name__} holds itself")
        self._open.add(identity)
        if isinstance(value, Mapping):
            self._object(value)  # pyright: ignore[reportUnknownArgumentType]
        elif isinstance(value, _LISTS):
            self._array(value)  # pyright: ignore[reportUnknownArgumentType]
        elif _is_dataclass(value):
            self._object({field.name: getattr(value, field.name) for field in _fields(value)})
        else:
            self.value(value.tolist())  # an array, or a number of one
        self._open.discard(identity)

    def _object(self, value: Mapping[Any, Any]) -> None:
        self._put("{")
        separator = ""
        for key, item in value.items():
            self._put(f"{separator}{_quoted(_key(key))}: ")
            if isinstance(item, Iterator) and isinstance(value, dict):
                dict[Any, Any].__setitem__(value, key, item := listed(item))  # pyright: ignore[reportUnknownArgumentType]
            self.value(item)
            separator = ", "
        self._put("}")

    def _array(self, value: Iterable[Any]) -> None:
        if isinstance(value, Iterator):
            raise TypeError(f"a {type(value).__name__} stands where no list can be put in its place; make it one")
        self._put("[")
        separator = ""
        for index, item in enumerate(_sorted(value) if isinstance(value, (set, frozenset)) else value):  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
            self._put(separator)
            if isinstance(item, Iterator) and isinstance(value, list):
                list[Any].__setitem__(value, index, item := listed(item))  # pyright: ignore[reportUnknownArgumentType]
            self.value(item)
            separator = ", "
        self._put("]")


def _constant(value: bool | None) -> str:
    return "null" if value is None else "true" if value else "false"


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        return _key(key.value)
    if key is None or key is True or key is False:
        return _constant(key)
    text = as_text(key)
    return str(key) if text is None else text


def _sorted(items: set[Any] | frozenset[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def _no_value(value: Any) -> str:
    kind = cast("type[Any]", type(value)).__name__
    remedy = "put a str, a dict or a list there"
    if isinstance(value, (Awaitable, re.Match)):
        remedy = "await it" if isinstance(value, Awaitable) else "put its .group() there"
    return f"a {kind} is no value; {remedy}"
