"""What code writes for the type of a value, as a JSON schema: a type, a dict of them, choices, or a schema itself."""

from __future__ import annotations

import ast
import types
import typing
from collections.abc import Mapping
from typing import Any, cast

_NAMES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
    "None": "null",
    "null": "null",
    "NoneType": "null",
    "list": "array",
    "array": "array",
    "dict": "object",
    "object": "object",
}
_KEYWORDS = ("type", "$ref", "enum", "const", "anyOf", "oneOf", "allOf", "properties", "items")
_MOST_LEVELS = 60
_FORMS = (
    'pass str, int, float, bool, list[str], str | None, {"name": str, "year": int}, a list of choices, or a JSON schema'
)


def schema_of(form: Any) -> dict[str, Any]:
    """The JSON schema of a form, or the schema itself. Raises TypeError for what is none."""
    if isinstance(form, Mapping):
        given = cast("Mapping[Any, Any]", form)
        if any(key in given for key in _KEYWORDS) and not _has_types(given, 0):
            return dict(given)
    return _schema(form, 0)


def _has_types(value: Any, level: int) -> bool:
    """Whether it is written in types: a JSON schema holds none."""
    if level > _MOST_LEVELS:
        raise TypeError("schema: nested too deeply; nothing was sent")
    if isinstance(value, Mapping):
        return any(_has_types(inner, level + 1) for inner in cast("Mapping[Any, Any]", value).values())
    if isinstance(value, (list, tuple)):
        return any(_has_types(inner, level + 1) for inner in cast("list[Any]", value))
    return value is not None and not isinstance(value, (str, int, float))


def _schema(form: Any, level: int) -> dict[str, Any]:
    if level > _MOST_LEVELS:
        raise TypeError("schema: nested too deeply; nothing was sent")
    if isinstance(form, Mapping):
        return _fields(cast("Mapping[Any, Any]", form), level)
    if isinstance(form, (list, tuple)):
        return _items(list(cast("list[Any]", form)), level)
    if isinstance(form, str):
        return _written(form)
    origin, inner = typing.get_origin(form), typing.get_args(form)
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(each, level + 1) for each in inner]}
    if origin is list and len(inner) == 1:
        return {"type": "array", "items": _schema(inner[0], level + 1)}
    if origin is dict and len(inner) == 2 and inner[0] is str:
        return {"type": "object", "additionalProperties": _schema(inner[1], level + 1)}
    if form is None or form is type(None):
        return {"type": "null"}
    if form in (str, int, float, bool, list, dict):
        return {"type": _NAMES[form.__name__]}
    raise TypeError(f"schema: {_shown(form)} is no type of a value; {_FORMS}; nothing was sent")


def _fields(form: Mapping[Any, Any], level: int) -> dict[str, Any]:
    if not form or not all(isinstance(name, str) for name in form):
        raise TypeError(f"schema: {_shown(form)} names no fields; {_FORMS}; nothing was sent")
    fields = {str(name): _schema(inner, level + 1) for name, inner in form.items()}
    return {"type": "object", "properties": fields, "required": list(fields)}


def _items(form: list[Any], level: int) -> dict[str, Any]:
    """`[str]` is a list of them; a list of values is the choice among these."""
    if len(form) == 1 and (not isinstance(form[0], (str, int, float)) or form[0] in _NAMES):
        return {"type": "array", "items": _schema(form[0], level + 1)}
    if form and all(each is None or isinstance(each, (str, int, float)) for each in form):
        return {"enum": form}
    raise TypeError(f"schema: {_shown(form)} is no type of a value; {_FORMS}; nothing was sent")


def _written(form: str) -> dict[str, Any]:
    """Of a type that is written as a str: "int", "list[str]", "str | None"."""
    try:
        return _of_node(ast.parse(form.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        raise TypeError(f"schema: {_shown(form)} is no type of a value; {_FORMS}; nothing was sent") from None


def _of_node(node: ast.expr) -> dict[str, Any]:
    match node:
        case ast.Name(name) if name in _NAMES:
            return {"type": _NAMES[name]}
        case ast.Constant(None):
            return {"type": "null"}
        case ast.BinOp(left, ast.BitOr(), right):
            return {"anyOf": [_of_node(left), _of_node(right)]}
        case ast.Subscript(ast.Name("list"), inner):
            return {"type": "array", "items": _of_node(inner)}
        case ast.Subscript(ast.Name("dict"), ast.Tuple([ast.Name("str"), inner])):
            return {"type": "object", "additionalProperties": _of_node(inner)}
        case ast.Subscript(ast.Name("Optional"), inner):
            return {"anyOf": [_of_node(inner), {"type": "null"}]}
        case ast.Subscript(ast.Name("Literal"), inner):
            return {
                "enum": [ast.literal_eval(each) for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
            }
        case _:
            raise ValueError


def _shown(form: Any) -> str:
    return form.__name__ if isinstance(form, type) else f"{form!r:.80}"
