"""The model's variables in a few words each, without running any code of theirs.

Types are asked for by `type`, never by `isinstance`, which a value can deceive through its `__class__`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, cast

from rlm_integrations.repl.code_error import type_name
from rlm_integrations.repl.map_results import MapResults
from rlm_integrations.repl.matches import Matches

_LISTED = 12
_FUNCTIONS = (FunctionType, BuiltinFunctionType, MethodType)
# Lengths and items straight from the builtin types: a subclass of the model's may redefine both.
_SIZED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, deque, range)
_WITH_ITEMS = (list, tuple, set, frozenset, deque)
_NUMBERS = (int, float, complex)
_from_last_key: Callable[[Any], Iterator[Any]] = dict[Any, Any].__reversed__

Signature = tuple[int, int, object, object]


def describe(value: Any) -> str:
    """ "list[str] 12", "dict 4", "str 1,234 chars", "int 42", "function", ... in one line."""
    kind = cast("type[Any]", type(value))
    if value is None:
        return "None"
    if kind is bool:
        return f"bool {value}"
    if kind in _NUMBERS:
        return _number(value)
    if kind is Matches:
        return f"Matches {len(value):,}{f' of {value.total:,}' if len(value) < value.total else ''}"
    if issubclass(kind, _FUNCTIONS):
        return "function"
    if issubclass(kind, type):
        return "class"
    base = _base(value, _SIZED)
    if base is None:
        return type_name(value)
    size = f"{base.__len__(value):,}"
    if kind is MapResults and value.unresolved:
        size += f", {len(value.unresolved):,} unresolved"
    if base is str:
        return f"{type_name(value)} {size} chars"
    return f"{type_name(value)}{_item_type(value)} {size}"


class VariableWatch:
    """Tells what is new or changed in the namespace since it was last asked."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        """The namespace as the model first meets it: its names are the REPL's own while they stand."""
        self._own = dict(namespace)
        self._helpers = {name: value for name, value in namespace.items() if callable(value)}
        """They have but one state, so while they stand they need not be looked at after each step."""
        self._seen = {name: _signature(value) for name, value in _of_the_model(namespace, self._helpers).items()}

    def all(self, namespace: dict[str, Any]) -> list[str]:
        """Every variable of the model's as "name: type size"."""
        return [f"{name}: {describe(value)}" for name, value in _of_the_model(namespace, self._own).items()]

    def changed(self, namespace: dict[str, Any], loop_names: Collection[str]) -> list[str]:
        """What is new or changed, grown or shrunk in place included: at most 12, then "and 3 more"."""
        now = _of_the_model(namespace, self._helpers)
        signatures = {name: _signature(value) for name, value in now.items()}
        names = [
            name
            for name, signature in signatures.items()
            if self._seen.get(name) != signature and name not in loop_names
        ]
        self._seen = signatures
        listed = [f"{name}: {describe(now[name])}" for name in names[:_LISTED]]
        return [*listed, f"and {len(names) - _LISTED:,} more"] if len(names) > _LISTED else listed


def _of_the_model(namespace: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Without what stands as it does in `own`, and what is private or imported."""
    return {
        name: value
        for name, value in namespace.copy().items()
        if type(name) is str
        and own.get(name, own) is not value
        and name.isidentifier()
        and len(name) <= 100
        and not name.startswith("_")
        and name != "answer"
        and not issubclass(type(value), ModuleType)
        and not _imported(name, value)
    }


def _imported(name: str, value: Any) -> bool:
    """Whether it is a class or function that some module calls by that name, not one that the model wrote."""
    kind = cast("type[Any]", type(value))
    base = type if issubclass(kind, type) else kind
    if base not in (type, FunctionType, BuiltinFunctionType):
        return False
    # By the builtin types' own descriptors: a metaclass of the model's may redefine both.
    module, called = (base.__dict__[attribute].__get__(value) for attribute in ("__module__", "__name__"))
    return called == name and module != "__main__"


def _base(value: Any, bases: tuple[type, ...]) -> Any:
    return next((base for base in bases if issubclass(type(value), base)), None)


def _number(value: complex) -> str:
    name = type(value).__name__
    if isinstance(value, int) and value.bit_length() > 100:
        return f"{name} of {value.bit_length():,} bits"
    return f"{name} {value!r}"


def _item_type(value: Any) -> str:
    base = _base(value, _WITH_ITEMS)
    try:
        first = next(base.__iter__(value)) if base else None
    except (StopIteration, RuntimeError):  # empty, or changed by a thread at this moment
        return ""
    return f"[{type_name(first)}]" if base else ""


def _signature(value: Any) -> Signature:
    """Tells one state of a variable from the next. Ids are used again, so a glimpse of the content is added."""
    if type(value) in _NUMBERS:
        return (0, 0, type(value).__name__, value if value == value else None)
    if type(value) is FunctionType or type(value) is MethodType:  # most of what a namespace holds
        return (id(value), 0, None, None)
    base = _base(value, _SIZED)
    if base is None or base is range:
        return (id(value), 0, None, None)
    size = base.__len__(value)
    return (id(value), size, *_glimpse(value, base, size))


def _glimpse(value: Any, base: Any, size: int) -> tuple[object, object]:
    item: Any = getattr(base, "__getitem__", None)
    try:
        if base in (str, bytes, bytearray):
            return item(value, slice(0, 20)), item(value, slice(max(0, size - 20), None))
        if base in (list, tuple, deque) and size:
            return id(item(value, 0)), id(item(value, size - 1))
        if base is dict and size:
            last = next(_from_last_key(value))
            return id(last), id(item(value, last)) if type(last) is str else None
    except (IndexError, KeyError, StopIteration, RuntimeError):  # changed by a thread at this moment
        pass
    return None, None
