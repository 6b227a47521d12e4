"""TypedDicts of `typing` for pydantic, which before Python 3.12 reads those of `typing_extensions` alone."""

from __future__ import annotations

from collections.abc import Iterator
from types import GenericAlias, UnionType
from typing import Annotated, Any, NotRequired, Required, Union, cast, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import Field

from rlm_integrations.core.errors import InvalidArgumentError

_QUALIFIERS = (Required, NotRequired)


def may_lack_keys(schema: Any, _within: tuple[Any, ...] = ()) -> bool:
    """Whether it says so of some, or one in its fields does. `__optional_keys__` does not know where annotations are
    strings."""
    if schema in _within:
        return False
    try:
        hints = get_type_hints(schema, include_extras=True)
    except (NameError, TypeError):
        hints = {}
    if schema.__optional_keys__ or any(get_origin(hint) in _QUALIFIERS for hint in hints.values()):
        return True
    within = (*_within, schema)
    return any(may_lack_keys(each, within) for hint in hints.values() for each in _typed_dicts_in(hint))


def _typed_dicts_in(hint: Any) -> Iterator[Any]:
    if typing_extensions.is_typeddict(hint):
        yield hint
    for each in get_args(hint):
        yield from _typed_dicts_in(each)


def rebuilt(schema: Any, _within: tuple[Any, ...] = ()) -> Any:
    """The same TypedDict, and those in its fields, as pydantic reads it: which keys may be missing, what each means.

    Raises InvalidArgumentError for one that holds itself, or whose annotations name what is not there.
    """
    if schema in _within:
        raise _refused(schema, "it holds itself")
    try:
        hints = get_type_hints(schema, include_extras=True)
    except (NameError, TypeError) as error:
        raise _refused(schema, str(error)) from error
    within = (*_within, schema)
    fields = {name: _field(schema, name, hint, within) for name, hint in hints.items()}
    make: Any = typing_extensions.TypedDict
    made = make(schema.__name__, fields)
    made.__doc__ = schema.__doc__
    return made


def _refused(schema: Any, why: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"schema: the TypedDict {schema.__name__} cannot be read ({why}); pass a pydantic model, or take "
        "TypedDict from typing_extensions"
    )


def _field(schema: Any, name: str, hint: Any, within: tuple[Any, ...]) -> Any:
    required = name in schema.__required_keys__
    if get_origin(hint) in _QUALIFIERS:  # what the keys say is not true where annotations are strings
        required = get_origin(hint) is Required
        [hint] = get_args(hint)
    held = _type(hint, within)
    return Required[held] if required else NotRequired[held]


def _type(hint: Any, within: tuple[Any, ...]) -> Any:
    """The type with each TypedDict in it rebuilt."""
    if typing_extensions.is_typeddict(hint):
        return rebuilt(hint, within)
    if get_origin(hint) is Annotated:
        first, *notes = get_args(hint)
        # (type, default, description), as LangChain reads it
        told = [Field(description=note) for note in notes[1:2] if isinstance(note, str)]
        return Annotated[(_type(first, within), *(told or notes))]
    arguments = tuple(_type(each, within) for each in get_args(hint))
    if arguments == get_args(hint):
        return hint
    if isinstance(hint, UnionType):
        return Union[arguments]  # noqa: UP007
    if isinstance(hint, GenericAlias):
        return cast(Any, hint.__origin__)[arguments]
    return hint.copy_with(arguments)
