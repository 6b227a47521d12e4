"""Whether a value fits a JSON schema that the code in a REPL wrote: hostile input on both sides. Pure.

What a keyword says is checked, or the schema is refused: no value passes for checked that was not. Patterns are
refused too, for those of others can take for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from itertools import islice
from typing import Any, cast

from rlm_integrations.core.wording import one_line

_MOST_CHECKS = 20_000
_PER_CHECK = 50
"""So many characters or names that are looked at count as one check."""
MOST_LEVELS = 60
_SHOWN_CHARS = 60
_NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$schema", "$id", "$comment", "$defs", "definitions", "discriminator"),
    )
)
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and value == int(value) and not isinstance(value, MaybeThousands),
    "number": lambda value: _is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}
_FORMATS: dict[str, tuple[re.Pattern[str], Callable[[str], object]]] = {
    "date": (re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), date.fromisoformat),
    "date-time": (re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d.*+", re.ASCII), datetime.fromisoformat),
    "time": (re.compile(r"\d\d:\d\d.*+", re.ASCII), time.fromisoformat),
}
"""One form of each, and what checks it: code compares such texts, and Python knows more forms with each version."""
_LIMITS: dict[str, tuple[str, Callable[[Any, Any], bool], str]] = {
    "minimum": ("number", lambda value, most: value >= most, "is less than {}"),
    "maximum": ("number", lambda value, most: value <= most, "is more than {}"),
    "exclusiveMinimum": ("number", lambda value, most: value > most, "is not more than {}"),
    "exclusiveMaximum": ("number", lambda value, most: value < most, "is not less than {}"),
    "minLength": ("string", lambda value, most: len(value) >= most, "has fewer than {} characters"),
    "maxLength": ("string", lambda value, most: len(value) <= most, "has more than {} characters"),
    "minItems": ("array", lambda value, most: len(value) >= most, "has fewer than {} items"),
    "maxItems": ("array", lambda value, most: len(value) <= most, "has more than {} items"),
    "minProperties": ("object", lambda value, most: len(value) >= most, "has fewer than {} fields"),
    "maxProperties": ("object", lambda value, most: len(value) <= most, "has more than {} fields"),
}


class MaybeThousands(float):
    """A number that is written as some write thousands, `12.000`: it is not known whether it is a whole number."""


class WrongSchemaError(ValueError):
    """No schema that can be checked. The message is for the root LM."""


class JsonValues:
    """Those that fit a schema. Raises WrongSchemaError."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = dict(schema)
        self._definitions: dict[str, Any] = {}
        for key in ("$defs", "definitions"):
            for name, inner in _mapping(self._schema.get(key, {}), key).items():
                self._definitions[f"#/{key}/{name}"] = inner
        for each in (self._schema, *self._definitions.values()):
            _check_schema(each, self._definitions)
        self._checks = 0
        self._among: dict[int, frozenset[str]] = {}
        """The values of each enum, by its list."""

    def misfit(self, value: Any) -> str | None:
        """Why the value does not fit, in words for a model; None where it does."""
        self._checks = 0
        try:
            return self._misfit(value, self._schema, "", 0)
        except (_TooMuchError, RecursionError):
            return "there is too much in it to be checked"

    def _misfit(self, value: Any, schema: Any, at: str, level: int) -> str | None:
        self._spend(1)
        if level > MOST_LEVELS:
            raise _TooMuchError
        if isinstance(schema, bool):
            return None if schema else _said(at, "must not be there")
        for key, bound in schema.items():
            why = self._problem(key, bound, schema, value, at, level)
            if why is not None:
                return why
        return None

    def _spend(self, checks: int) -> None:
        """Raises _TooMuchError where there have been too many: the work for one value is bounded."""
        self._checks += checks
        if self._checks > _MOST_CHECKS:
            raise _TooMuchError

    def _problem(self, key: str, bound: Any, schema: dict[str, Any], value: Any, at: str, level: int) -> str | None:
        if key in _LIMITS:
            kind, holds, words = _LIMITS[key]
            fits = not _TYPES[kind](value) or holds(value, bound)
            return None if fits else _said(at, f"{_shown(value)} {words.format(bound)}")
        match key:
            case "type":
                kinds = _listed(bound) or [bound]
                if any(_TYPES[kind](value) for kind in kinds):
                    return None
                maybe = ", or thousands, with a point" if isinstance(value, MaybeThousands) else ""
                return _said(at, f"{_shown(value)} is no {' or '.join(kinds)}{maybe}")
            case "enum" | "const":
                return self._choice(value, bound if key == "enum" else [bound], at)
            case "$ref":
                return self._misfit(value, self._definitions[bound], at, level + 1)
            case "allOf":
                whys = [self._misfit(value, each, at, level + 1) for each in bound]
                return next(filter(None, whys), None)
            case "anyOf" | "oneOf":
                whys = [self._misfit(value, each, at, level + 1) for each in bound]
                fitting = whys.count(None)
                if fitting == 1 or (fitting and key == "anyOf"):
                    return None
                return _said(at, "fits more than one of oneOf") if fitting else "; or ".join(filter(None, whys[:3]))
            case "format":
                return _misformed(value, bound, at)
            case "uniqueItems":
                return self._unlike(value, at) if bound else None
            case "items":
                return self._of_items(value, bound, schema, at, level)
            case "prefixItems":
                inner = zip(_listed(value), bound, strict=False)
                whys = [self._misfit(item, each, f"{at}[{n}]", level + 1) for n, (item, each) in enumerate(inner)]
                return next(filter(None, whys), None)
            case "required":
                self._spend(len(bound) // _PER_CHECK)
                lacking = [name for name in bound if name not in value] if isinstance(value, dict) else []
                return _said(at, f"has no {_shown(lacking[0])}") if lacking else None
            case "properties" | "additionalProperties":
                return self._of_fields(value, key, schema, at, level)
            case _:
                return None

    def _choice(self, value: Any, among: list[Any], at: str) -> str | None:
        if id(among) not in self._among and len(among) > 1:
            self._among[id(among)] = frozenset(map(_written, among))
        written = _written(value)
        self._spend(len(written) // _PER_CHECK)
        if written in (self._among.get(id(among)) or map(_written, among)):
            return None
        return _said(at, f"{_shown(value)} is none of {_shown(among)}")

    def _unlike(self, value: Any, at: str) -> str | None:
        items = _listed(value)
        self._spend(len(items))
        written = [_written(item) for item in items]
        self._spend(sum(map(len, written)) // _PER_CHECK)
        return _said(at, "has an item twice") if len(set(written)) < len(written) else None

    def _of_items(self, value: Any, bound: Any, schema: dict[str, Any], at: str, level: int) -> str | None:
        begin = len(schema.get("prefixItems", ()))
        for place, item in enumerate(_listed(value)[begin:], begin):
            why = self._misfit(item, bound, f"{at}[{place}]", level + 1)
            if why is not None:
                return why
        return None

    def _of_fields(self, value: Any, key: str, schema: dict[str, Any], at: str, level: int) -> str | None:
        if not isinstance(value, dict):
            return None
        fields, known = cast("dict[str, Any]", value), schema.get("properties", {})
        self._spend(len(fields) // _PER_CHECK)
        for name, inner in fields.items():
            if (name in known) == (key == "properties"):
                of = known[name] if name in known else schema[key]
                why = self._misfit(inner, of, f"{at}.{name}" if at else name, level + 1)
                if why is not None:
                    return why
        return None


class _TooMuchError(Exception):
    """A value and a schema that would take too long."""


def _check_schema(schema: Any, definitions: Mapping[str, Any], level: int = 0) -> None:
    if isinstance(schema, bool):
        return
    if level > MOST_LEVELS:
        raise WrongSchemaError("schema: nested too deeply")
    if not isinstance(schema, dict):
        raise WrongSchemaError(f"schema: {_shown(schema)} is no schema")
    for key, bound in cast("dict[str, Any]", schema).items():
        _check_keyword(key, bound, definitions, level)


def _check_keyword(key: str, bound: Any, definitions: Mapping[str, Any], level: int) -> None:
    match key:
        case "type":
            kinds = _listed(bound) or [bound]
            if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
                raise WrongSchemaError(f"schema: type {_shown(bound)} is none of {', '.join(_TYPES)}")
        case "enum":
            if not isinstance(bound, list) or not bound:
                raise WrongSchemaError("schema: enum is no list of values")
        case "$ref":
            if bound not in definitions:
                raise WrongSchemaError(f"schema: $ref {_shown(bound)} is none of its $defs")
        case "allOf" | "anyOf" | "oneOf" | "prefixItems":
            if not isinstance(bound, list) or not bound:
                raise WrongSchemaError(f"schema: {key} is no list of schemas")
            for each in cast("list[Any]", bound):
                _check_schema(each, definitions, level + 1)
        case "items" | "additionalProperties":
            _check_schema(bound, definitions, level + 1)
        case "properties":
            for each in _mapping(bound, key).values():
                _check_schema(each, definitions, level + 1)
        case "required":
            if not isinstance(bound, list) or not all(isinstance(name, str) for name in cast("list[Any]", bound)):
                raise WrongSchemaError("schema: required is no list of names")
        case "format":
            if bound not in _FORMATS:
                raise WrongSchemaError(
                    f"schema: format {_shown(bound)} cannot be checked here; leave it out, or use check="
                )
        case "uniqueItems" | "const":
            pass
        case _ if key in _LIMITS:
            if not _is_number(bound):
                raise WrongSchemaError(f"schema: {key} is no number")
        case _ if key not in _NOTES:
            raise WrongSchemaError(f"schema: {_shown(key)} cannot be checked here; leave it out, or use check=")
        case _:
            pass


def _listed(value: Any) -> list[Any]:
    """The items of an array; none of anything else."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise WrongSchemaError(f"schema: {key} is no object")
    return cast("dict[str, Any]", value)


def _misformed(value: Any, bound: str, at: str) -> str | None:
    if not isinstance(value, str):
        return None
    form, check = _FORMATS[bound]
    try:
        fits = form.fullmatch(value) is not None and check(value) is not None
    except ValueError:
        fits = False
    return None if fits else _said(at, f"{_shown(value)} is no {bound} as ISO 8601 writes it")


def _written(value: Any) -> str:
    """A text that equal values have alone, as JSON has it: 1 is 1.0, and true is not 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _said(at: str, words: str) -> str:
    return f"{one_line(at, _SHOWN_CHARS)}: {words}" if at else words


def _shown(value: Any) -> str:
    return one_line(json.dumps(_head(value, 0), ensure_ascii=False), _SHOWN_CHARS)


def _head(value: Any, level: int) -> Any:
    """As much of a value as is shown: all of it may be long, and it is written for each check that it fails."""
    if isinstance(value, str):
        return value[: _SHOWN_CHARS + 1]
    if level > 5 or not isinstance(value, (list, dict)):
        return value if not isinstance(value, (list, dict)) else "…"
    if isinstance(value, list):
        return [_head(item, level + 1) for item in cast("list[Any]", value)[: 1 + _SHOWN_CHARS >> level]]
    fields = islice(cast("dict[str, Any]", value).items(), 1 + _SHOWN_CHARS >> level)
    return {_head(name, level + 1): _head(inner, level + 1) for name, inner in fields}
