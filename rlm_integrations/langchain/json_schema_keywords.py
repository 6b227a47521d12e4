# jsonschema comes half typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownLambdaType=false
"""The keywords of JSON schemas, as jsonschema has them, with a bound on the work of a check."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from typing import Any

from jsonschema import FormatChecker, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from pydantic_core import SchemaError, SchemaValidator, core_schema

from rlm_integrations.core.errors import InvalidArgumentError

Keyword = Callable[[Validator, Any, Any, Any], Iterator[ValidationError] | None]

_STEPS, _STEPS_A_VALUE, _MOST_STEPS = 100_000, 20, 1_000_000
"""Of one check, some seconds' worth. A keyword over a value is a step, and so are 50 characters of a reason."""
_CHARS_OF_A_STEP = 50
_FORMAT_CHARS = 2_000
"""A longer text has no format: what checks some of them takes its time."""
_steps: ContextVar[list[int]] = ContextVar("json_schema_steps")


class TooMuchWork(Exception):  # noqa: N818 - it says what there is
    """A check came to its bound."""


@contextmanager
def counting(value: object) -> Generator[None]:
    """Around one check of the value by a `bounded` validator, which raises TooMuchWork in it."""
    token = _steps.set([min(_STEPS + _STEPS_A_VALUE * _values(value), _MOST_STEPS)])
    try:
        yield
    finally:
        _steps.reset(token)


def _values(value: object) -> int:
    """How many there are in it."""
    count, waiting = 0, [value]
    while waiting:
        count += 1
        inner: Any = waiting.pop()
        if isinstance(inner, dict):
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)
    return count


def _spend(steps: int) -> None:
    left = _steps.get()
    left[0] -= steps
    if left[0] < 0:
        raise TooMuchWork


@lru_cache(maxsize=256)
def linear_pattern(pattern: str) -> Callable[[str], bool]:
    """Whether the pattern is found in a text, in a time that is linear in its length: by pydantic's engine, Rust's.

    Raises InvalidArgumentError for a pattern that it does not know.
    """
    try:
        matcher = SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except SchemaError as error:
        reason = str(error).rpartition("error: ")[2].splitlines()[0]
        raise InvalidArgumentError(
            f"schema: pattern {pattern!r:.80} cannot be matched in linear time ({reason}); write it another way, or "
            "leave it out"
        ) from None
    return lambda text: matcher.isinstance_python(text, strict=True)


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(instance, "string") and not linear_pattern(pattern)(instance):
        yield ValidationError(f"{instance!r:.200} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    for pattern, inner in patterns.items():
        found = linear_pattern(pattern)
        for key, value in instance.items():
            if found(key):
                yield from validator.descend(value, inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(instance, "object"):
        return
    named = schema.get("properties", {})
    patterns = [linear_pattern(pattern) for pattern in schema.get("patternProperties", ())]
    for key, value in instance.items():
        if key in named or any(found(key) for found in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"Additional properties are not allowed ({key!r:.60} was unexpected)")
        else:
            yield from validator.descend(value, allowed, path=key)


def _unique_items(validator: Any, unique: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not unique or not validator.is_type(instance, "array"):
        return
    seen: set[str] = set()
    for place, item in enumerate(instance):
        written = json.dumps(_whole_numbers(item), sort_keys=True)
        if written in seen:
            yield ValidationError(f"item {place} stands there twice: {written:.100}")
            return
        seen.add(written)


def _whole_numbers(value: Any) -> Any:
    """1.0 and 1 are one number to JSON schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole_numbers(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, dict):
        return {key: _whole_numbers(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value


_OWN: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
}


@cache
def bounded(kind: Any) -> Callable[..., Any]:
    """The validator of a draft with its keywords counted, and those replaced that are not linear in the answer."""
    keywords = {name: _counted(name, keyword) for name, keyword in {**kind.VALIDATORS, **_OWN}.items()}
    bound = validators.extend(kind, keywords)
    checker = FormatChecker(())
    checker.checkers = {
        name: (_short(check), raises) for name, (check, raises) in {**kind.FORMAT_CHECKER.checkers, **_FORMATS}.items()
    }
    return lambda schema, registry: bound(schema, registry=registry, format_checker=checker)


def _counted(name: str, keyword: Keyword) -> Keyword:
    squared = name in ("unevaluatedProperties", "unevaluatedItems")  # they look each key up in a list

    def count(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _spend(1 + len(instance) ** 2 if squared and isinstance(instance, (dict, list)) else 1)  # pyright: ignore[reportUnknownArgumentType]
        for error in keyword(validator, value, instance, schema) or ():
            _spend(len(error.message) // _CHARS_OF_A_STEP)
            yield error

    return count


def _short(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, str) or (len(value) <= _FORMAT_CHARS and check(value))


_OFFSET = r"(Z|z|[+-]\d\d:\d\d)"


def _date_time(value: str) -> bool:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?" + _OFFSET, value, re.ASCII):
        return False
    datetime.datetime.fromisoformat(value.upper())
    return True


def _time(value: str) -> bool:
    if not re.fullmatch(r"\d\d:\d\d:\d\d(\.\d{1,9})?" + _OFFSET, value, re.ASCII):
        return False
    datetime.time.fromisoformat(value.upper())
    return True


def _duration(value: str) -> bool:
    days = r"(\d+Y)?(\d+M)?(\d+D)?"
    return bool(re.fullmatch(rf"P(?!$)(\d+W|{days}(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)", value, re.ASCII))


def _uri(value: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*+:[^\s<>\"{}|\\^`]++", value))


_FORMATS: dict[str, tuple[Callable[[Any], bool], Any]] = {
    "date-time": (_date_time, ValueError),
    "time": (_time, ValueError),
    "duration": (_duration, ()),
    "uri": (_uri, ()),
}
"""Those that jsonschema checks only where further packages are installed."""
