"""The repr of a value that may be giant, without building it whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from rlm_integrations.repl.awaitable_replies import AwaitableList, AwaitableStr
from rlm_integrations.repl.map_results import MapResults


class _BoundReachedError(Exception):
    """The bound is reached."""


class _Writer:
    """Collects the pieces of a repr until they exceed the bound."""

    def __init__(self, max_chars: int) -> None:
        self._left = max_chars
        self.pieces: list[str] = []
        self._open: set[int] = set()

    def put(self, piece: str) -> None:
        self.pieces.append(piece)
        self._left -= len(piece)
        if self._left < 0:
            raise _BoundReachedError

    def value(self, value: Any) -> None:
        kind = _kind(value)
        if kind is str or kind is bytes:
            self._text(value)
        elif kind in _BRACKETS and value:
            self._container(value, kind, *_BRACKETS[kind])
        else:
            self.put(repr(value))

    def _text(self, value: str | bytes) -> None:
        if len(value) <= self._left:
            self.put(repr(value))
            return
        self.put(repr(value[: max(0, self._left)]))
        raise _BoundReachedError

    def _container(self, value: Any, kind: type[Any], opening: str, closing: str) -> None:
        if id(value) in self._open:  # it holds itself
            self.put(f"{opening}...{closing}")
            return
        self._open.add(id(value))
        self.put(opening)
        if kind is dict:
            self._pairs(value.items())
        else:
            self._items(value)
        self.put("," + closing if kind is tuple and len(value) == 1 else closing)
        self._open.discard(id(value))

    def _items(self, items: Iterable[Any]) -> None:
        separator = ""
        for item in items:
            self.put(separator)
            self.value(item)
            separator = ", "

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        separator = ""
        for key, value in pairs:
            self.put(separator)
            self.value(key)
            self.put(": ")
            self.value(value)
            separator = ", "


_PLAIN: dict[type, type] = {AwaitableStr: str, AwaitableList: list, MapResults: list}
_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def bounded_repr(value: Any, max_chars: int) -> str:
    """repr(value) where that has at most `max_chars` characters; else its beginning, and what was left off.

    Builtin containers, str and bytes are walked only as far as the bound reaches. Anything else is asked
    for its own repr, and raises what that raises.
    """
    writer = _Writer(max_chars)
    try:
        writer.value(value)
    except _BoundReachedError:
        return f"{''.join(writer.pieces)[:max_chars]}… ({_extent(value)})"
    return "".join(writer.pieces)


def _kind(value: Any) -> type[Any]:
    kind = cast("type[Any]", type(value))
    return _PLAIN.get(kind, kind)


def _extent(value: Any) -> str:
    kind = _kind(value)
    if kind is str or kind is bytes:
        return f"{kind.__name__} of {len(value):,} {'characters' if kind is str else 'bytes'}"
    if kind in _BRACKETS:
        return f"{kind.__name__} of {len(value):,} items"
    return f"{kind.__name__}, cut"
