"""A trace as JSON in a page, its long texts apart: opening the page reads few of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

_LONG_CHARS = 400
"""A longer text stands apart: once, wherever it is repeated."""
_PART_CHARS = 500_000
"""Of the texts that are read together."""
_NOT_IN_A_SCRIPT = re.compile("[<\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""What ends a script, and what a parser of HTML or JavaScript may read as something else than it is."""
_LIKE_A_PLACE = re.compile(r"\$++text")


class LongTexts:
    """Those of one trace."""

    def __init__(self) -> None:
        self.parts: list[list[str]] = [[]]
        """Each text is in one of them."""
        self._chars = 0
        self._places: dict[str, dict[str, Any]] = {}

    def take_from(self, value: object) -> object:
        """The same JSON with a place, {"$text": [part, index], "head": ..., "length": ...}, for each long text.

        A name of its own that could be taken for one, "$text" or "$$text" and so on, has one "$" more.
        """
        if isinstance(value, str):
            return self._place(value) if len(value) > _LONG_CHARS else value
        if value is None or isinstance(value, (int, float)):  # most are; whether they are a mapping takes longer
            return value
        if isinstance(value, (dict, Mapping)):
            named = cast("Mapping[str, object]", value).items()
            return {self._name(name): self.take_from(each) for name, each in named}
        if isinstance(value, (list, Sequence)):
            return [self.take_from(each) for each in cast("Sequence[object]", value)]
        return value

    @staticmethod
    def _name(name: str) -> str:
        return f"${name}" if name.startswith("$") and _LIKE_A_PLACE.fullmatch(name) else name

    def _place(self, text: str) -> dict[str, Any]:
        if text not in self._places:
            if self._chars > _PART_CHARS:
                self.parts.append([])
                self._chars = 0
            part = self.parts[-1]
            place = [len(self.parts) - 1, len(part)]
            part.append(text)
            self._chars += len(text)
            self._places[text] = {"$text": place, "head": text[:_LONG_CHARS], "length": len(text)}
        return self._places[text]


def script_json(value: object) -> str:
    """JSON that may stand in a script element, whatever it holds."""
    return _NOT_IN_A_SCRIPT.sub(_escaped, json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
