# jsonschema comes half typed
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Answers checked against a JSON schema of the user's.

The answer is hostile: a check does a bounded number of steps, and never meets a regular expression of Python's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from jsonschema.exceptions import ValidationError as Misfit
from jsonschema.validators import validator_for
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY, specification_with

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.wording import one_line
from rlm_integrations.langchain.json_schema_keywords import TooMuchWork, bounded, counting, linear_pattern

_KEY_CHARS = 60
_MOST_PROBLEMS = 20
_TRIALS = ({}, [], "", 0, None, {"a": {}}, [{}])


class JsonSchema:
    """Checks values against a schema: of draft 2020-12, or of the draft that its `$schema` names.

    Raises:
        InvalidArgumentError: It is no JSON schema, refers to what is not in it, or has a pattern that cannot be
            matched in linear time.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = dict(schema)
        kind = _kind(self.schema)
        try:
            kind.check_schema(self.schema, format_checker=None)  # patterns are not Python's here
        except SchemaError as error:
            raise InvalidArgumentError(
                f"schema: {_path(error)} is no JSON schema: {one_line(error.message)}; mend that part"
            ) from None
        _check_references_and_patterns(self.schema, str(kind.META_SCHEMA["$schema"]))
        self._validator = bounded(kind)(self.schema, registry=EMPTY_REGISTRY)
        try:
            for value in _TRIALS:
                self._problems(value)
        except RecursionError:
            raise InvalidArgumentError(
                "schema: a $ref leads back to itself; let it pass a property or an item"
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonSchema, (self.schema,)

    def __call__(self, value: Any) -> Any:
        """The value as it is. Raises pydantic's ValidationError, with a place and a line for each misfit."""
        try:
            problems = self._problems(value)
        except RecursionError:
            problems = [((), "is nested too deeply to be checked")]
        except TooMuchWork:
            problems = [((), "takes too long to be checked against the schema; make it smaller or less nested")]
        if not problems:
            return value
        raise ValidationError.from_exception_data(
            "answer",
            [
                InitErrorDetails(type=PydanticCustomError("json_schema", "{why}", {"why": why}), loc=path, input=None)
                for path, why in problems
            ],
        )

    def _problems(self, value: Any) -> list[tuple[tuple[str | int, ...], str]]:
        """(place, reason) of the first misfits."""
        try:
            with counting(value):
                return [_problem(error) for error in islice(self._validator.iter_errors(value), _MOST_PROBLEMS)]
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # Python's stack has ended amid jsonschema's maps, in Rust
                raise RecursionError from None
            raise


def _kind(schema: Mapping[str, Any]) -> Any:
    kind: Any = validator_for(schema, default=Draft202012Validator)
    named = schema.get("$schema")
    if named is not None and str(named).rstrip("#") != str(kind.META_SCHEMA["$schema"]).rstrip("#"):
        raise InvalidArgumentError(
            f"schema: $schema={named!r:.80} is no draft that is known; leave it out, or name "
            f"{Draft202012Validator.META_SCHEMA['$schema']}"
        )
    return kind


def _problem(error: Misfit) -> tuple[tuple[str | int, ...], str]:
    closest: Misfit = best_match([error]) or error
    path = tuple(key if isinstance(key, int) else one_line(str(key), _KEY_CHARS) for key in closest.absolute_path)
    return path, one_line(closest.message)


def _path(error: SchemaError) -> str:
    return ".".join(one_line(str(key), _KEY_CHARS) for key in error.absolute_path) or "it"


def _check_references_and_patterns(schema: dict[str, Any], dialect: str) -> None:
    """Raises InvalidArgumentError."""
    specification = specification_with(dialect)
    seen: set[int] = set()
    waiting: list[tuple[Any, Any]] = [
        (schema, EMPTY_REGISTRY.resolver_with_root(specification.create_resource(schema)))
    ]
    while waiting:
        part, resolver = waiting.pop()
        if not isinstance(part, Mapping) or id(part) in seen:  # or a bool
            continue
        seen.add(id(part))
        for pattern in _patterns(part):
            linear_pattern(pattern)
        for keyword in ("$ref", "$dynamicRef"):
            if keyword in part:
                try:
                    resolved = resolver.lookup(part[keyword])
                except Unresolvable:
                    raise InvalidArgumentError(
                        f"schema: {keyword}={part[keyword]!r:.80} leads nowhere; what it refers to must be in the "
                        "schema, for instance under $defs"
                    ) from None
                waiting.append((resolved.contents, resolved.resolver))
        for inner in specification.subresources_of(part):
            waiting.append((inner, resolver.in_subresource(specification.create_resource(inner))))


def _patterns(part: Mapping[str, Any]) -> Iterator[str]:
    if "pattern" in part:
        yield part["pattern"]
    yield from part.get("patternProperties", ())
    if "patternProperties" in part and "unevaluatedProperties" in part:
        raise InvalidArgumentError(
            "schema: unevaluatedProperties beside patternProperties cannot be checked; use additionalProperties"
        )
