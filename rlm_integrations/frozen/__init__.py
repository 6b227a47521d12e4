"""`@frozen`: what `@dataclass(frozen=True, slots=True)` makes, in a third of the time.

dataclasses compiles six functions for each such class, which was most of what an import took. Here `__init__` alone is
compiled, and none of the others is. It sets each field by the field's own slot, so objects too are made in a third of
the time.

Classes that docs/api.md shows are made by `dataclass`, which the tools know by its name. Standard library only.
"""

from __future__ import annotations

import functools
import reprlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, cast, dataclass_transform, overload

_Class = TypeVar("_Class", bound=type)


class _Made:
    """In a signature, the default of a field that is made anew for each object."""

    def __repr__(self) -> str:
        return "<factory>"


_MADE = _Made()


@overload
def frozen(cls: _Class, /) -> _Class: ...
@overload
def frozen(*, kw_only: bool = False, is_base: bool = False) -> Callable[[_Class], _Class]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(Field, field))
def frozen(cls: Any = None, /, *, kw_only: bool = False, is_base: bool = False) -> Any:
    """A frozen dataclass with slots. It may have no InitVar.

    Args:
        kw_only: Whether its fields are passed by name alone.
        is_base: Whether other `@frozen` classes inherit from it, which dataclasses would refuse otherwise. From those
            no frozen dataclass of another kind can.

    Raises:
        TypeError: The class has an `__init__` of its own, or is none that `dataclass` takes.
    """
    if cls is None:
        return functools.partial(_made, kw_only=kw_only, is_base=is_base)
    return _made(cls, kw_only=kw_only, is_base=is_base)


def _made(cls: type, *, kw_only: bool, is_base: bool) -> Any:
    if "__init__" in vars(cls):
        raise TypeError(f"{cls.__name__}: @frozen writes its __init__; leave that out, or use @dataclass")
    own = {name for name, value in vars(cls).items() if value is not None}  # `__eq__` alone makes `__hash__` None
    cls.__doc__ = cls.__doc__ or cls.__name__  # dataclass would make one of the signature, which takes long
    made = cast(Any, dataclass)(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    all_fields = fields(made)
    for name, method in (_SHARED | _comparing(all_fields)).items():
        if name not in own:
            setattr(made, name, method)
    made.__init__ = _init(made, all_fields)
    made.__dataclass_params__.frozen = not is_base
    return made


def _init(made: Any, all_fields: Sequence[Field[Any]]) -> Callable[..., None]:
    """`__init__`, compiled among the globals of the class, where its annotations mean something."""
    known: dict[str, object] = {"__made": _MADE}
    by_place, by_name, body = list[str](), list[str](), list[str]()
    for each in all_fields:
        name, value, factory = each.name, each.name, each.default_factory is not MISSING
        known[f"__set_{name}"] = getattr(made, name).__set__
        known[f"__default_{name}"] = each.default_factory if factory else each.default
        if each.init:
            default = "" if each.default is MISSING else f"=__default_{name}"
            if factory:
                default, value = "=__made", f"__default_{name}() if {name} is __made else {name}"
            (by_name if each.kw_only else by_place).append(name + default)
        elif factory:
            value = f"__default_{name}()"
        else:
            continue  # `__post_init__` sets it
        body.append(f"__set_{name}(self, {value})")
    if hasattr(made, "__post_init__"):
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *by_place, *(["*", *by_name] if by_name else [])])
    lines = "\n  ".join(body) or "pass"
    source = f"def make({', '.join(known)}):\n def __init__({parameters}):\n  {lines}\n return __init__"
    scope: dict[str, Any] = {}
    exec(source, vars(sys.modules[made.__module__]), scope)
    init = scope["make"](**known)
    init.__qualname__ = f"{made.__qualname__}.__init__"
    init.__annotations__ = {each.name: each.type for each in all_fields if each.init} | {"return": None}
    return init


def _comparing(all_fields: Sequence[Field[Any]]) -> dict[str, Callable[..., Any]]:
    names = [each.name for each in all_fields if each.compare]
    values: Callable[[object], Any] = attrgetter(*names) if names else lambda _: ()

    def equals(self: object, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equals, "__hash__": hashed}


@reprlib.recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join([f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr])
    return f"{self.__class__.__qualname__}({shown})"


def _setattr(self: object, name: str, value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _setstate(self: Any, state: Sequence[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


_SHARED = {
    "__repr__": _repr,
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}
