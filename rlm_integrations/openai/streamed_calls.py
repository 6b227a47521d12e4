"""Calls of tools whose pieces a server streams, put together. Servers differ in how they number and name them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from rlm_integrations.core.calls.reply_fields import field_of

_MOST_LOOKS = 20
"""How often the arguments of a call are read to tell whether they are whole."""


class _Call:
    """What has come of one call. Of all about it but its name and its arguments, what is said first holds."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self._name = ""
        self._arguments: list[str] = []
        self._looks_left = _MOST_LOOKS

    def add(self, fields: dict[str, Any], function: object) -> None:
        self.fields |= {name: value for name, value in fields.items() if value is not None and name not in self.fields}
        name, arguments = field_of(function, "name"), field_of(function, "arguments")
        if isinstance(name, str) and name != self._name:  # some servers say it with each piece
            self._name += name
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str):
            self._arguments.append(arguments)

    def is_over(self, id_: object) -> bool:
        """Whether a piece that names a function, under this id, begins another call: many servers number all alike."""
        own = self.fields.get("id")
        if own and id_:
            return bool(own != id_)
        self._looks_left -= 1
        if self._looks_left < 0:
            return False
        with suppress(ValueError, RecursionError):
            return isinstance(json.loads("".join(self._arguments)), dict)
        return False

    def whole(self) -> dict[str, Any]:
        return {**self.fields, "function": {"name": self._name, "arguments": "".join(self._arguments)}}


def streamed_calls(pieces: object) -> list[dict[str, Any]]:
    """The calls, in order."""
    calls: list[_Call] = []
    by_index: dict[object, _Call] = {}
    for piece in cast("list[object]", pieces) if isinstance(pieces, list) else []:
        fields = fields_of(piece)
        index, function = fields.pop("index", None), fields.pop("function", None)
        call = by_index.get(index)
        if call is None or (field_of(function, "name") and call.is_over(fields.get("id"))):
            call = by_index[index] = _Call()
            calls.append(call)
        call.add(fields, function)
    return [call.whole() for call in calls]


def fields_of(holder: object) -> dict[str, Any]:
    """Of a model of the SDK those that it does not know too."""
    if isinstance(holder, Mapping):
        return dict(cast("Mapping[str, Any]", holder))
    return dict(cast("Any", holder)) if hasattr(holder, "model_fields_set") else {}
