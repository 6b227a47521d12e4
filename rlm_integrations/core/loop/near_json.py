"""JSON as models write it where nothing checks them: with comments, trailing commas, or as a literal of Python.

Only what can mean one thing is read: nothing is guessed that is missing. Linear in the text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, cast

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*+|#[^\n]*+|/\*(?>(?:[^*]++|\*(?!/))*)\*/)"
    r"|(?P<string>\"(?>(?:[^\"\\]++|\\.)*)\"|'(?>(?:[^'\\]++|\\.)*)')"
    r"|(?P<comma>,)|(?P<closing>[\]}])|(?P<opening>[\[{])|(?P<word>\b(?:None|True|False)\b)|(?P<space>\s++)|(?P<other>.)",
    re.DOTALL,
)
_WORDS = {"None": "null", "True": "true", "False": "false"}
_OPENING = re.compile(r"[\[{]")
_ESCAPES = re.compile(
    r"\\(?P<same>[\"\\/bfnrt]|u[0-9a-fA-F]{4}+)|\\(?:x(?P<two>[0-9a-fA-F]{2}+)|U(?P<eight>[0-9a-fA-F]{8}+))"
    r"|(?P<needless>\\)(?=['\n])|(?P<bare>[\"\x00-\x1f])|\\"
)
_AMBIGUOUS = re.compile(r"(?<!\\)\\[xU][0-9a-fA-F]{2}+")
"""In double quotes: an escape of Python, or a path that should have been escaped. JSON has neither."""
_MOST_CHARS = 200_000
_THOUSANDS = re.compile(r"[-+]?+\d{1,3}+(?>(?:,\d{3}+)+)(?>(?:\.\d++)?)")
_WRAPPERS = ("answer", "final_answer", "result", "results", "response", "output", "value", "data", "items", "content")
_LABEL = re.compile(r"(?>(?:the\s++)?)(?>(?:final\s++)?)answer\s*+(?:is\b|[:=])\s*+", re.IGNORECASE)
_NOT_BEFORE = re.compile(r"(?:\bnot|n['’]t)[\s$*_({]*+\Z", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{(?>(?:\\text\{)?)(?P<value>[^{}\n]*+)\}{1,2}+")


def mended_json(text: str) -> str | None:
    """The first object or array in a text, as strict JSON; None where there is none."""
    opening = _OPENING.search(text)
    if opening is None or len(text) > _MOST_CHARS:
        return None
    written: list[str] = []
    depth, comma = 0, False
    for token in _TOKEN.finditer(text, opening.start()):
        kind = token.lastgroup
        if kind in ("comment", "space"):
            written.append(" ")
            continue
        if kind == "comma" and not comma:
            comma = True
            continue
        if comma and kind != "closing":
            written.append(",")
        comma = kind == "comma"
        if not comma:
            written.append(_strict(token))
        depth += (kind == "opening") - (kind == "closing")
        if depth == 0:
            return "".join(written)
    return None


def _strict(token: re.Match[str]) -> str:
    if token.lastgroup == "string":
        return token[0] if token[0][0] == '"' and _AMBIGUOUS.search(token[0]) else _string(token[0])
    return _WORDS.get(token[0], token[0])


def _string(written: str) -> str:
    """A string of JSON with the same characters. A backslash that begins no escape is one."""
    return f'"{_ESCAPES.sub(_escape, written[1:-1])}"'


def _escape(found: re.Match[str]) -> str:
    if found["same"] is not None:
        return found[0]
    if (code := found["two"] or found["eight"]) is not None:  # of Python; in a path it would be something else
        return json.dumps(chr(int(code, 16)))[1:-1] if int(code, 16) <= sys.maxunicode else found[0]
    if found["needless"] is not None:
        return ""
    return "\\\\" if found["bare"] is None else json.dumps(found["bare"])[1:-1]


def unwrapped(text: str) -> Iterator[str]:
    """JSON that stands in other JSON: in a string, or as the only field of an object that is named for an answer."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(value, str):
        yield value
    if isinstance(value, dict) and len(fields := cast("dict[str, object]", value)) == 1:
        name, inner = next(iter(fields.items()))
        if name.lower() in _WRAPPERS:
            yield json.dumps(inner)


def unlike_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises ValueError where a field stands in it twice, each time otherwise: nobody knows which
    is meant."""
    fields = dict(pairs)
    if len(fields) < len(pairs) and any(fields[name] != value for name, value in pairs):
        raise ValueError("a field stands in it twice, each time otherwise")
    return fields


def plain_values(text: str, whole_numbers: bool) -> Iterator[str]:
    """What a text may mean as one value: without marks and labels around it, in another case, without separators.

    Args:
        text: An answer in words.
        whole_numbers: Whether a comma cannot stand for a decimal point.
    """
    bare = text.strip().strip("*_`\"' \n")
    boxes = list(islice(_BOXED.finditer(bare), 2))
    if len(boxes) == 1 and not _NOT_BEFORE.search(bare, 0, boxes[0].start()):
        bare = boxes[0]["value"]
    if label := _LABEL.match(bare):
        bare = bare[label.end() :].strip("*_`\"' \n")
    bare = bare.removesuffix(".").strip("*_`\"' ")
    if _THOUSANDS.fullmatch(bare) and (whole_numbers or bare.count(",") > 1 or "." in bare):
        yield bare.replace(",", "")
    yield from dict.fromkeys((bare, bare.lower(), bare.upper(), bare.capitalize(), bare.title()))
