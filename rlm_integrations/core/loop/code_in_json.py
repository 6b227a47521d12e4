"""JSON of whatever form that holds code, as models write it that were told to answer in JSON. Linear in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from itertools import islice
from typing import cast

from rlm_integrations.core.loop.session_code import read_python

_CODE_KEYS = re.compile(
    r"code|python|repl|script|source|program|cell|block|body|content|input|command|cmd|text", re.IGNORECASE
)
"""In names of what holds code in JSON."""
_FENCE_IN_JSON = re.compile(r"(?:```|~~~)(?:repl|python)\\n")
_FENCE_IN_TEXT = re.compile(r"^(?:```|~~~)(?:repl|python)\n", re.MULTILINE)
_FENCES = ("```", "~~~")
_MOST_STRINGS, _MOST_DEEP = 200, 6
_MOST_CHARS = 200_000
_MOST_CODE_CHARS = 1_000_000
"""To read JSON of so many holds the interpreter's lock for 50 ms. More is no code that a model writes."""


def codes_in_json(text: str, variables: Collection[str]) -> list[str]:
    """The pieces of code for the session in a text that is JSON."""
    if len(text) > _MOST_CODE_CHARS or text.lstrip()[:1] not in ("{", "["):
        return []
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return []
    found = [unfenced(string) for key, string in _strings(value) if _CODE_KEYS.search(key)]
    return [code for code in found if (read := read_python(code)) is not None and read.for_session(variables)]


def answer_in_json(text: str) -> dict[str, object] | None:
    """The value of `answer`, where a text is nothing but that, as JSON; None for any other text."""
    if text.lstrip()[:1] != "{" or len(text) > _MOST_CHARS:
        return None
    try:
        value: object = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and list(cast("dict[str, object]", value)) == ["answer"]:
        value = cast("dict[str, object]", value)["answer"]
    if not isinstance(value, dict) or set(cast("dict[str, object]", value)) != {"content", "ready"}:
        return None
    given = cast("dict[str, object]", value)
    return given if isinstance(given["ready"], bool) else None


def out_of_json(reply: str) -> str:
    """The text that a reply holds as JSON, where that is the only one with a marked fence; else the reply.

    So write models that were told to answer in JSON.
    """
    if len(reply) > _MOST_CODE_CHARS or _FENCE_IN_JSON.search(reply) is None or reply.lstrip()[:1] not in ("{", '"'):
        return reply
    try:
        value: object = json.loads(reply, strict=False)
    except (ValueError, RecursionError):
        return reply
    found = [(key, text) for key, text in _strings(value) if _FENCE_IN_TEXT.search(text)]
    if len(found) != 1 or (_CODE_KEYS.search(found[0][0]) and found[0][1].startswith(_FENCES)):
        return reply  # code by itself is looked for there as any other is
    return found[0][1]


def unfenced(code: str) -> str:
    """Code without the fence that some models put around it where it stands in JSON."""
    lines = code.replace("\r\n", "\n").strip("\n").split("\n")
    if len(lines) > 1 and lines[0].startswith(_FENCES) and lines[-1].strip() == lines[0][:3]:
        lines = lines[1:-1]
    return "\n".join(lines)


def _strings(value: object) -> list[tuple[str, str]]:
    """The first strings in it, each with its key; in a list, with the key of the list."""
    found: list[tuple[str, str]] = []
    waiting: list[tuple[str, object, int]] = [("", value, 0)]
    while waiting and len(found) < _MOST_STRINGS:
        key, each, depth = waiting.pop()
        if isinstance(each, str):
            found.append((key, each))
        elif depth < _MOST_DEEP and isinstance(each, dict):
            waiting += [
                (inner, of, depth + 1) for inner, of in islice(cast("dict[str, object]", each).items(), _MOST_STRINGS)
            ]
        elif depth < _MOST_DEEP and isinstance(each, list):
            waiting += [(key, of, depth + 1) for of in islice(cast("list[object]", each), _MOST_STRINGS)]
    return found
