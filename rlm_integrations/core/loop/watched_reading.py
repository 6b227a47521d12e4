"""Long answers of a type, read such that no other thread waits for that.

pydantic reads a text in one call, with the interpreter locked. A function of Python that it calls gives the other
threads their turn: in a long answer it calls one after each item.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter
from pydantic_core import SchemaError, SchemaValidator

from rlm_integrations.core.wording import number

_MOST_ALIKE = 100
"""Values of one hash in sets and as keys: each is compared with all before it. Who writes UUIDs, tuples or fractions
can choose thousands of them, and those that nobody chose have two or three.
"""
_OPENING, _OBJECT = re.compile(r"[\[{]"), re.compile(r"\{\s*+[\"}]")
_SETS = ("set", "frozenset")
_ITEMS = ("list", *_SETS, "tuple")
_CLASSES = ("model", "dataclass", "typed-dict")
_NO_SCHEMAS = ("default", "metadata", "serialization", "expected", "cls")
_BY_NAME = ("fields", "choices")
_ANY = {"type": "any"}


class AlikeError(Exception):
    """Too many values have one hash. The message is for the root LM.

    No ValueError: pydantic takes those for problems of a value, and tries the next type of a union.
    """


class Bounds(NamedTuple):
    """How much of an answer is read."""

    chars: int
    values: int
    openings: int
    opening: re.Pattern[str]
    opened: str

    def exceeded(self, text: str) -> str | None:
        """Why it is too much. What strings hold is counted as if it stood outside of them."""
        for count, most, what in (
            (len(text), self.chars, "characters"),
            (text.count(",") + text.count("["), self.values, "values"),
            (sum(1 for _ in islice(self.opening.finditer(text), self.openings + 1)), self.openings, self.opened),
        ):
            if count > most:
                return f"answer: over {number(most)} {what}; no more are read, so answer with less"
        return None


_WATCHED = Bounds(4_000_000, 1_000_000, 200_000, _OPENING, "objects and lists")
"""Two things still take one call: parsing it, up to 0.02 µs for a character, and making objects and lists of Python's
of what is no item, or wrong, up to 0.5 µs for each."""
_MOST_ENTRIES = 100_000
"""Where dicts may have wrong ones: pydantic reads those to their end, up to 1 µs for each wrong entry."""
_AT_ONCE = Bounds(2_000_000, 100_000, 20_000, _OBJECT, "objects")
"""Up to 0.05 µs for a character, 1 µs for a value in a list or an object, and 5 µs for an object."""
_MOST_HASHED_AT_ONCE = 2_000


class WatchedReader:
    """Reads as the type does, but no list beyond its first wrong item: each problem takes time and memory, and there
    may be as many as items. Raises AlikeError, too."""

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        self._schema: Any = adapter.core_schema
        self._adapter: TypeAdapter[Any] | None = None
        """Where nothing else can read it."""
        self.bounds = _AT_ONCE._replace(values=_MOST_HASHED_AT_ONCE) if _holds(self._schema, _hashes) else _AT_ONCE
        try:
            _, whole = self._validator()
        except SchemaError:  # of a schema that the user made, and that says so in a way of its own
            self._adapter = adapter
            return
        whole = whole or not any(_holds(each, _is_class) for each in _parts(self._schema))
        if whole and not _holds(self._schema, _makes_itself):
            self.bounds = (
                _WATCHED._replace(values=_MOST_ENTRIES) if _holds(self._schema, _lists_all_wrong) else _WATCHED
            )

    def validate_json(self, data: str, /) -> Any:
        return (self._adapter or self._validator()[0]).validate_json(data)

    def validate_python(self, object: Any, /) -> Any:
        return (self._adapter or self._validator()[0]).validate_python(object)

    def _validator(self) -> tuple[SchemaValidator, bool]:
        """A new one, which counts what one answer holds; and whether it has nothing from the validators of classes
        within, which give no way and count nothing."""
        schema = _Watched().schema(self._schema)
        try:
            return SchemaValidator(schema, _use_prebuilt=False), True
        except TypeError:  # pydantic before 2.12
            return SchemaValidator(schema), False


def _give_way(value: Any) -> Any:
    """Not C: Python lets other threads have their turn where a function of its own begins."""
    return value


_CALLED = re.compile(r"(function-after\[(?:_give_way|_count)\(\), |[\[\]])")
_PLACE_CHARS = 1_000


def as_in_the_type(place: str) -> str:
    """A part of the place of a problem. Where it names one of several types: without what is called here."""
    kept: list[str] = []
    opened: list[bool] = []
    for part in _CALLED.split(place[:_PLACE_CHARS]):
        if part.startswith("function-after["):
            opened.append(True)
            continue
        if part == "[":
            opened.append(False)
        if part != "]" or not opened or not opened.pop():
            kept.append(part)
    return "".join(kept)


def _after(function: Callable[[Any], Any], schema: Any) -> dict[str, Any]:
    """With a function that is called after each value of the schema. One before it would have to be given what it
    reads, and it would not be read as JSON then."""
    return {"type": "function-after", "function": {"type": "no-info", "function": function}, "schema": schema}


class _Watched:
    """Makes the copy of a core schema that reads one answer."""

    def __init__(self) -> None:
        self._firsts: dict[int, Any] = {}
        """For each hash in sets and keys the first value that has it."""
        self._others: dict[int, list[Any]] = {}

    def schema(self, of: Any) -> Any:
        """It gives way after each item, counts what is hashed, and is done with a list at its first wrong item."""
        if isinstance(of, list):
            return [self.schema(each) for each in cast("list[Any]", of)]
        if not isinstance(of, dict):
            return of
        copy = {key: self._part(key, value) for key, value in cast("dict[Any, Any]", of).items()}
        kind: Any = copy.get("type")
        if kind == "tuple" and (variadic := copy.get("variadic_item_index")) is not None:
            copy["items_schema"][variadic] = _after(_give_way, copy["items_schema"][variadic])
        elif kind == "list":
            copy["items_schema"] = _after(_give_way, copy.get("items_schema", _ANY))
        elif kind in _SETS:
            copy["items_schema"] = _after(self._count, copy.get("items_schema", _ANY))
        elif kind == "dict":
            copy["values_schema"] = _after(_give_way, copy.get("values_schema", _ANY))
            if (keys := copy.get("keys_schema")) is not None:
                copy["keys_schema"] = _after(self._count, keys)
        return {**copy, "fail_fast": True} if kind in _ITEMS else copy

    def _part(self, key: str, value: Any) -> Any:
        if key in _BY_NAME and isinstance(value, dict):  # by names of the user's, which may be any
            return {name: self.schema(each) for name, each in cast("dict[Any, Any]", value).items()}
        return value if key in _NO_SCHEMAS else self.schema(value)

    def _count(self, value: Any) -> Any:
        try:
            hashed = hash(value)
        except Exception:  # pydantic says so, in its own words
            return value
        first = self._firsts.setdefault(hashed, value)
        if first is value or first == value:
            return value
        alike = self._others.setdefault(hashed, [])
        if value not in alike:
            alike.append(value)
        if len(alike) >= _MOST_ALIKE:
            raise AlikeError(
                f"over {number(_MOST_ALIKE)} values of one hash in a set, or as keys, are not read; answer with fewer"
            )
        return value


def _is_class(part: dict[Any, Any]) -> bool:
    return part.get("type") in _CLASSES


def _makes_itself(part: dict[Any, Any]) -> bool:
    """Whether it is a class with an `__init__` of the user's, which is given its values as they stand."""
    return part.get("custom_init") is True


def _hashes(part: dict[Any, Any]) -> bool:
    """Whether it is a set, or has keys, of what others can choose the hashes of. Those of texts differ in each
    process."""
    kind: Any = part.get("type")
    held: Any = part.get("keys_schema") if kind == "dict" else part.get("items_schema", {}) if kind in _SETS else None
    return held is not None and held.get("type") != "str"


def _lists_all_wrong(part: dict[Any, Any]) -> bool:
    """Whether it is a dict whose entries may be wrong."""
    any_keys = part.get("keys_schema") in (None, _ANY, {"type": "str"})
    return part.get("type") == "dict" and not (any_keys and part.get("values_schema") in (None, _ANY))


def _holds(schema: Any, wanted: Callable[[dict[Any, Any]], bool]) -> bool:
    """Whether any part of a core schema, or itself, is wanted."""
    is_wanted = isinstance(schema, dict) and wanted(cast("dict[Any, Any]", schema))
    return is_wanted or any(_holds(each, wanted) for each in _parts(schema))


def _parts(schema: Any) -> list[Any]:
    if isinstance(schema, list):
        return cast("list[Any]", schema)
    if not isinstance(schema, dict):
        return []
    parts: list[Any] = []
    for key, value in cast("dict[Any, Any]", schema).items():
        if key in _BY_NAME and isinstance(value, dict):
            parts += cast("dict[Any, Any]", value).values()
        elif key not in _NO_SCHEMAS:
            parts.append(value)
    return parts
