"""What `with_structured_output` takes: types, and the JSON schemas and pydantic.v1 models that LangChain users have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, Union, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json_schema import dereference_refs
from langchain_core.utils.pydantic import is_basemodel_subclass, is_pydantic_v1_subclass
from pydantic import WithJsonSchema
from typing_extensions import TypedDict, is_typeddict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.langchain.outputs import RawTypedOutput, TypedOutput

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": None,
    "array": list[Any],
    "object": dict[str, Any],
}


@dataclass(frozen=True, slots=True)
class StructuredOutput:
    """A schema as the engine's answer type, and what makes the user's value of an answer."""

    answer_type: Any
    make: Callable[[Any], Any]
    named: bool
    """Whether LangChain can tell tracers of it: it has a name and fields."""

    @classmethod
    def of(cls, schema: Any) -> StructuredOutput:
        """Raises InvalidArgumentError for a dict that is no JSON schema."""
        if isinstance(schema, Mapping):
            return cls(_checked_by(_as_json_schema(cast(Mapping[str, Any], schema))), _same, True)
        if isinstance(schema, type) and is_pydantic_v1_subclass(schema):
            model = cast(Any, schema)
            return cls(_checked_by(model.schema()), model.parse_obj, True)
        return cls(schema, _same, is_typeddict(schema) or (isinstance(schema, type) and is_basemodel_subclass(schema)))

    def output(self, *, include_raw: bool) -> TypedOutput | RawTypedOutput:
        return RawTypedOutput(self.answer_type) if include_raw else TypedOutput(self.answer_type)

    def maker(self, output: TypedOutput | RawTypedOutput) -> Runnable[Any, Any]:
        """What comes after a call with that output: the user's value, alone or where the parsed one stands."""
        return self.made_beside_raw() if isinstance(output, RawTypedOutput) else self.parser(include_raw=False)

    def parser(self, *, include_raw: bool) -> Runnable[AIMessage, Any]:
        """The value of a message that RLMRunnable or ChatRLM gave; with `include_raw` beside the message itself."""

        def parsed(message: AIMessage) -> Any:
            value = self.make(message.additional_kwargs["parsed"])
            return {"raw": message, "parsed": value, "parsing_error": None} if include_raw else value

        return RunnableLambda(parsed, name="parsed")

    def made_beside_raw(self) -> Runnable[dict[str, Any], dict[str, Any]]:
        """What RLMRunnable gives with `include_raw`, its answer made the user's value."""

        def made(answer: dict[str, Any]) -> dict[str, Any]:
            return answer if answer["parsing_error"] else {**answer, "parsed": self.make(answer["parsed"])}

        return RunnableLambda(made, name="parsed")


def _same(value: Any) -> Any:
    return value


def _as_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema, or one in the clothes of an OpenAI function or an Anthropic tool."""
    if schema.get("type") in _TYPES:
        return dict(schema)
    try:
        return convert_to_json_schema(cast(Any, schema))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgumentError(
            f"schema: a dict with the keys {list(schema)[:10]} is no JSON schema of an object; pass "
            '{"title": ..., "type": "object", "properties": {...}}, a pydantic model or a type'
        ) from error


def _checked_by(schema: Mapping[str, Any]) -> Any:
    """A type that pydantic checks answers with, and that the root LM is told of as this very schema."""
    whole: dict[str, Any] = dereference_refs(
        dict(schema)
    )  # pydantic looks for references elsewhere; a cycle ends in {}
    told = {key: value for key, value in whole.items() if key not in ("$defs", "definitions")}
    return Annotated[_type_of(told), WithJsonSchema(told)]


def _type_of(schema: Any) -> Any:
    """The type of values that fit: names, required ones, types and choices are checked, bounds and formats are not."""
    if not isinstance(schema, Mapping):
        return Any
    given = cast(Mapping[str, Any], schema)
    if "enum" in given or "const" in given:
        return _one_of(given.get("enum", [given.get("const")]))
    for several in ("anyOf", "oneOf"):
        if several in given:
            return _union(map(_type_of, given[several]))
    kind = given.get("type")
    if isinstance(kind, list):
        return _union(_type_of({**given, "type": each}) for each in cast(list[Any], kind))
    if kind == "array" and "items" in given:
        return list[_type_of(given["items"])]
    if kind == "object" and "properties" in given:
        return _record(given)
    return _TYPES.get(str(kind), Any)


def _record(schema: Mapping[str, Any]) -> Any:
    required = set(schema.get("required", ()))
    fields: dict[str, Any] = {}
    for name, described in schema["properties"].items():
        kind = _type_of(described)
        fields[name] = kind if name in required else NotRequired[kind]
    record: Any = TypedDict(str(schema.get("title", "Answer")), fields)  # pyright: ignore
    record.__pydantic_config__ = {"extra": "forbid" if schema.get("additionalProperties") is False else "allow"}
    return record


def _one_of(choices: list[Any]) -> Any:
    return Literal[tuple(choices)] if all(isinstance(choice, (str, int, type(None))) for choice in choices) else Any


def _union(kinds: Iterable[Any]) -> Any:
    return Union[tuple(kinds)]  # noqa: UP007 - made at run time
