"""Values as what JSON can write."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from enum import Enum
from itertools import islice
from math import inf
from typing import Any, TypeVar, cast

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.wording import error_words
from rlm_integrations.files.rows import decimal_number, repeated_name

T = TypeVar("T")

MOST_VALUES = 50_000
MOST_CHARS = 10_000_000
"""In the metadata of one document: values, and characters of their texts. What holds the interpreter's lock takes 30 ms
over so many, and grows with them."""
_SHORT = 1 << 62
_NUMBER_BITS = 13_000  # Python writes integers of up to 4,300 digits
_TOO_LONG = "an integer of more than 4,000 digits"
_DEEPEST = 100
_SHOWN_CHARS = 200
_RENAME = "rename one of them"
_TOO_MANY = "put what is to be read into the text"
_STR = frozenset({str})
_PLAIN_TYPES = frozenset({str, bool, float, type(None)})
"""Types of values that are as JSON has them, whatever they are."""
_INTEGERS = (int, numbers.Integral)  # int first: to ask an abstract class takes several times as long


class NotPlainError(ValueError):
    """A value that cannot be written as JSON without loss. The message says what it is, `remedy` what to do."""

    def __init__(self, problem: str, remedy: str = "leave it out, or write it as text") -> None:
        super().__init__(problem)
        self.remedy = remedy


def plain(value: object, most: float = inf) -> Any:
    """The value with everything that is not JSON as its str. Numbers, booleans and arrays of other libraries become
    Python's own, and an enum's member its value; a Decimal is a number where a float holds all its digits.

    Raises NotPlainError for numbers too long to be written, for what is nested too deeply to be read, for a mapping
    of which two keys would be one, for an object that raises where it is asked what it holds, and for more than `most`
    values in it.
    """
    return value if _is_plain(value) else _guarded(_Reader(most).read, value)


def plain_metadata(metadata: Mapping[Any, Any], hidden: Collection[object] = ()) -> dict[str, Any]:
    """Metadata of a document as `plain` values under str keys, without those that are hidden.

    Raises NotPlainError, which names the key, and for more values or characters than MOST_VALUES and MOST_CHARS, nested
    ones included.
    """
    if len(metadata) > MOST_VALUES:
        raise NotPlainError(f"{len(metadata):,} keys, more than {MOST_VALUES:,}", _TOO_MANY)
    named = metadata if not hidden and _STR.issuperset(map(type, metadata)) else _named(metadata, hidden)
    made: dict[str, Any] = {}
    name, value, reader, chars = "", None, None, 0
    try:
        for name, value in named.items():
            kind = cast("type[object]", type(value))
            if kind is str:
                chars += len(value)
            elif kind not in _PLAIN_TYPES and not (kind is int and -_SHORT < value < _SHORT):
                if reader is None:  # few metadata need one, and there may be a million documents
                    reader = _Reader(MOST_VALUES - len(metadata))
                made[name] = reader.read(value)
                continue
            made[name] = value
    except NotPlainError as error:
        raise NotPlainError(f"{error} under {name!r:.200}", error.remedy) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise NotPlainError(f"{_unwritable(value, error)} under {name!r:.200}") from error
    chars += 0 if reader is None else reader.chars
    if chars > MOST_CHARS:
        raise NotPlainError(f"{chars:,} characters, more than {MOST_CHARS:,}", _TOO_MANY)
    return made


def _named(metadata: Mapping[Any, Any], hidden: Collection[object]) -> Mapping[str, Any]:
    seen = {key: value for key, value in metadata.items() if key not in hidden}
    named = {plain_key(key): value for key, value in seen.items()}
    if len(named) < len(seen):
        name = repeated_name([plain_key(key) for key in seen])
        raise NotPlainError(f"two keys that are both written {name!r:.200}", _RENAME)
    return named


def shown_metadata(metadata: Mapping[Any, Any], most_keys: int) -> dict[str, Any]:
    """Likewise, for people: no more than the first keys, and of a value that cannot be written why not."""
    reader = _Reader(MOST_VALUES)
    made: dict[str, Any] = {}
    for key, value in islice(metadata.items(), most_keys):
        try:
            made[_shown(key)] = value if _is_plain(value) else _guarded(reader.read, value)
        except NotPlainError as error:
            made[_shown(key)] = f"<not shown: {error}>"
    return made


def is_plain_metadata(metadata: Mapping[Any, Any]) -> bool:
    """Whether `plain_metadata` would change nothing, as a glance at it tells. It is quick: most documents are so."""
    if len(metadata) > MOST_VALUES or not _STR.issuperset(map(type, metadata)):
        return False
    chars = 0
    for value in metadata.values():
        kind = cast("type[object]", type(value))
        if kind is str:
            chars += len(value)
        elif kind not in _PLAIN_TYPES and not (kind is int and -_SHORT < value < _SHORT):
            return False
    return chars <= MOST_CHARS


def plain_name(name: object) -> str:
    """An id, or the name of a column, as a str. Raises NotPlainError for one that cannot be written."""
    if isinstance(name, str):
        return str.__str__(name)  # of an enum's member its value
    if isinstance(name, int) and name.bit_length() > _NUMBER_BITS:
        raise NotPlainError(_TOO_LONG)
    return _guarded(str, name.value if isinstance(name, Enum) else name)


def checked_name(name: object, what: str) -> str:
    """Likewise, for `what` it is the name of. Raises InvalidArgumentError."""
    try:
        return plain_name(name)
    except NotPlainError as error:
        raise InvalidArgumentError(f"context: {what} is {error}; pass a str") from error.__cause__


def plain_key(key: object) -> str:
    """A key of a mapping, likewise."""
    try:
        return plain_name(key)
    except NotPlainError as error:
        raise NotPlainError(f"a key that is {error}") from error.__cause__


def shown_name(name: object) -> str:
    """A name as an error shows it."""
    return repr(_shown(name)[:_SHOWN_CHARS])


def _shown(name: object) -> str:
    try:
        return plain_name(name)
    except NotPlainError as error:
        return f"<not shown: {error}>"


def is_alike(one: object, other: object) -> bool:
    """Whether both are the same as plain values. What cannot be written is like nothing else."""
    try:
        return plain(one) == plain(other)
    except NotPlainError:
        return False


def _is_plain(value: object) -> bool:
    kind = type(value)
    return kind in _PLAIN_TYPES or (kind is int and cast(int, value).bit_length() <= _NUMBER_BITS)


def _guarded(read: Callable[[Any], T], value: object) -> T:
    """What is read of an object, whose methods may be anybody's and raise anything."""
    try:
        return read(value)
    except (NotPlainError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a SystemExit would end the event loop of whoever reads on one
        raise NotPlainError(_unwritable(value, error)) from error


def _unwritable(value: object, error: BaseException) -> str:
    return f"a {type(value).__name__} that cannot be written ({error_words(error)})"


class _Reader:
    """Makes values plain, at most `most` of them inside of others."""

    __slots__ = ("_left", "chars")

    def __init__(self, most: float = inf) -> None:
        self._left = most
        self.chars = 0
        """Of the texts that it met."""

    def read(self, value: object, depth: int = 0) -> Any:
        if isinstance(value, str):
            self.chars += len(value)
            return str.__str__(value)  # an enum's value, not its name
        if _is_plain(value):
            return value
        if isinstance(value, (list, tuple, set, frozenset)):
            items = cast("Collection[object]", value)
            self._enter(len(items), depth)
            self.chars += sum([len(inner) for inner in items if type(inner) is str])
            return [inner if type(inner) in _PLAIN_TYPES else self.read(inner, depth + 1) for inner in items]
        if isinstance(value, (dict, Mapping)):
            return self._mapping(cast("Mapping[Any, Any]", value), depth)
        if isinstance(value, _INTEGERS):
            number = int(value)
            if number.bit_length() > _NUMBER_BITS:
                raise NotPlainError(_TOO_LONG)
            return number
        if isinstance(value, numbers.Real):
            return float(value)
        self._enter(0, depth)
        if isinstance(value, Enum):
            return self.read(value.value, depth + 1)
        if isinstance(value, Decimal):
            return decimal_number(value)
        native = _native(value)
        return self.read(str(value) if native is value else native, depth + 1)

    def _mapping(self, mapping: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        self._enter(len(mapping), depth)
        written = {plain_key(key): self.read(inner, depth + 1) for key, inner in mapping.items()}
        if len(written) < len(mapping):
            name = repeated_name([plain_key(key) for key in mapping])
            raise NotPlainError(f"a mapping with two keys that are both written {name!r:.100}", _RENAME)
        return written

    def _enter(self, count: int, depth: int) -> None:
        if depth > _DEEPEST:
            raise NotPlainError(f"values nested more than {_DEEPEST} deep")
        self._left -= count
        if self._left < 0:
            raise NotPlainError(f"more than {MOST_VALUES:,} values, the last of them", _TOO_MANY)


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
