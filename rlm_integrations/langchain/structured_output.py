"""What `with_structured_output` takes: types, and the JSON schemas and pydantic.v1 models that LangChain users have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import isroutine
from typing import Annotated, Any, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.utils.function_calling import convert_to_json_schema
from langchain_core.utils.json_schema import dereference_refs
from langchain_core.utils.pydantic import is_basemodel_subclass, is_pydantic_v1_subclass
from pydantic import AfterValidator, PydanticUserError, TypeAdapter, WithJsonSchema
from typing_extensions import is_typeddict

from rlm_integrations.core.errors import InvalidArgumentError
from rlm_integrations.core.extras import needed
from rlm_integrations.frozen import frozen
from rlm_integrations.langchain.outputs import RawTypedOutput, TypedOutput
from rlm_integrations.langchain.typed_dicts import may_lack_keys, rebuilt

_TYPES = frozenset({"string", "integer", "number", "boolean", "null", "array", "object"})
_KEYWORDS = frozenset({"$ref", "anyOf", "oneOf", "allOf", "enum", "const", "properties"})
"""Any of them makes a dict without a type a JSON schema."""


@frozen
class StructuredOutput:
    """A schema as the engine's answer type, and what makes the user's value of an answer."""

    answer_type: Any
    make: Callable[[Any], Any]
    named: bool
    """Whether LangChain can tell tracers of it: it has a name and fields."""

    @classmethod
    def of(cls, schema: Any) -> StructuredOutput:
        """Raises InvalidArgumentError for a dict that is no JSON schema, for a function and for None."""
        if schema is None or isroutine(schema):
            raise InvalidArgumentError(
                f"schema: {'None' if schema is None else 'a function'} given; pass a pydantic model, a dataclass, a "
                "TypedDict, a type such as list[str], or a JSON schema"
            )
        if isinstance(schema, Mapping):
            return cls(_checked_by(_as_json_schema(cast(Mapping[str, Any], schema))), _same, True)
        if isinstance(schema, type) and is_pydantic_v1_subclass(schema):
            model = cast(Any, schema)
            return cls(_checked_by(model.schema()), model.parse_obj, True)
        if _is_plain_typeddict(schema):
            converted = _converted(schema)
            if converted is None:
                return cls(rebuilt(schema), _same, False)
            return cls(_checked_by(converted), _same, True)
        if is_typeddict(schema):
            return cls(schema, _same, not may_lack_keys(schema))
        return cls(schema, _same, isinstance(schema, type) and is_basemodel_subclass(schema))

    def output(self, *, include_raw: bool) -> TypedOutput | RawTypedOutput:
        return RawTypedOutput(self.answer_type) if include_raw else TypedOutput(self.answer_type)

    def maker(self, output: TypedOutput | RawTypedOutput) -> Runnable[Any, Any]:
        """What comes after a call with that output: the user's value, alone or where the parsed one stands."""
        if isinstance(output, RawTypedOutput):
            return RunnableLambda(self._beside_raw, name="parsed")
        return self.parser(include_raw=False)

    def parser(self, *, include_raw: bool) -> Runnable[AIMessage, Any]:
        """The value of a message that RLMRunnable or ChatRLM gave; with `include_raw` beside the message itself."""
        return RunnableLambda(self._beside_message if include_raw else self._value, name="parsed")

    def _value(self, message: AIMessage) -> Any:
        return self.make(message.additional_kwargs["parsed"])

    def _beside_message(self, message: AIMessage) -> dict[str, Any]:
        return {"raw": message, "parsed": self._value(message), "parsing_error": None}

    def _beside_raw(self, given: dict[str, Any]) -> dict[str, Any]:
        return given if given["parsing_error"] else {**given, "parsed": self.make(given["parsed"])}


def refuse_unknown(keywords: Mapping[str, Any]) -> None:
    """Raises InvalidArgumentError for a keyword of `with_structured_output` that chat models do not have either."""
    unknown = set(keywords) - {"method", "strict"}
    if unknown:
        raise InvalidArgumentError(f"{min(unknown)}: with_structured_output takes no such keyword; leave it out")


def _same(value: Any) -> Any:
    return value


def _as_json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema, or one in the clothes of an OpenAI function or response format, or of an Anthropic tool."""
    if schema.get("type") == "json_schema":
        schema = cast(Mapping[str, Any], schema.get("json_schema", schema)).get("schema", {})
    kind: Any = schema.get("type")
    kinds = cast("list[Any]", kind if isinstance(kind, list) else [kind])
    if all(each in _TYPES for each in kinds) or (kind is None and not _KEYWORDS.isdisjoint(schema)):
        return dict(schema)
    try:
        return convert_to_json_schema(cast(Any, schema))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgumentError(
            f"schema: a dict with the keys {list(schema)[:10]} is no JSON schema of an object; pass "
            '{"title": ..., "type": "object", "properties": {...}}, a pydantic model or a type'
        ) from error


def _converted(schema: Any) -> dict[str, Any] | None:
    """A TypedDict's schema as LangChain makes it; None where keys may be missing, of which that knows nothing."""
    try:
        return None if may_lack_keys(schema) else convert_to_json_schema(schema)
    except TypeError:
        return None


def _checked_by(schema: Mapping[str, Any]) -> Any:
    """A type whose values are checked against the schema, and that the root LM is told of as this very schema."""
    what, instead = "schema: checking by a JSON schema", "pass a pydantic model"
    with needed("jsonschema", "jsonschema", extra="langchain", what=what, instead=instead):
        # loaded here, for it takes a while and only a JSON schema needs it
        from rlm_integrations.langchain.json_schema import JsonSchema
    check = JsonSchema(schema)
    try:  # pydantic looks for references elsewhere; a cycle ends in {}
        whole: dict[str, Any] = dereference_refs(check.schema)
    except (ValueError, KeyError) as error:
        raise InvalidArgumentError(f'schema: {error}; refer by the place, for instance "#/$defs/Name"') from error
    told = {key: value for key, value in whole.items() if key not in ("$defs", "definitions")}
    return Annotated[Any, AfterValidator(check), WithJsonSchema(told)]


def _is_plain_typeddict(schema: Any) -> bool:
    """One of `typing` before Python 3.12, which says too little of itself for pydantic; LangChain reads it."""
    if not is_typeddict(schema):
        return False
    try:
        TypeAdapter(schema)
    except PydanticUserError as error:
        return error.code == "typed-dict-version"
    return False
