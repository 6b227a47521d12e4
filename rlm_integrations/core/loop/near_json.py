"""JSON as models write it where nothing checks them: with comments, trailing commas, or as a literal of Python.

Only what can mean one thing is read: nothing is guessed that is missing. Linear in the text.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, cast

from rlm_integrations.core.loop.embedded_json import fenced_words, json_spans

_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*+|#[^\n]*+|/\*(?>(?:[^*]++|\*(?!/))*)\*/)"
    r"|(?P<string>\"(?>(?:[^\"\\]++|\\.)*)\"|'(?>(?:[^'\\]++|\\.)*)')"
    r"|(?P<comma>,)|(?P<closing>[\]}])|(?P<opening>[\[{])|(?P<word>\b(?:None|True|False)\b)|(?P<space>\s++)|(?P<other>.)",
    re.DOTALL,
)
_WORDS = {"None": "null", "True": "true", "False": "false"}
_OPENING = re.compile(r"[\[{]")
_BEGINS = re.compile(r"\[\s*+[\[\]{\"'/#\-\dtfnTFN]|\{\s*+[}\"'/#]")
"""An array or an object, and not words in brackets."""
_ESCAPES = re.compile(
    r"\\(?P<same>[\"\\/bfnrt]|u[0-9a-fA-F]{4}+)|\\(?:x(?P<two>[0-9a-fA-F]{2}+)|U(?P<eight>[0-9a-fA-F]{8}+))"
    r"|(?P<needless>\\)(?=['\n])|(?P<bare>[\"\x00-\x1f])|\\"
)
_AMBIGUOUS = re.compile(r"(?<!\\)\\[xU][0-9a-fA-F]{2}+")
"""In double quotes: an escape of Python, or a path that should have been escaped. JSON has neither."""
_MOST_CHARS = 200_000
_WRAPPERS = frozenset(
    [
        *("answer", "final_answer", "result", "results", "response", "reply", "output", "value", "data", "items"),
        *("content", "label", "category", "classification", "class", "status", "sentiment", "verdict", "choice"),
        *("count", "total", "number", "date", "year"),
    ]
)
_LEFT_OUT = re.compile(
    r"\.\.\.|…|\b(?:more|rest|other|others|omitted|left out|remaining|truncated|shortened|etc|and so on"
    r"|continue|continues|continued)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    r"[\s`]{0,40}+[/#*(,]{0,3}+\s{0,40}+"
    r"(?:\.\.\.|…|plus\b|and\s(?>(?:\d{1,9}+\s)?)(?:more|other|others|so on|the rest)\b)",
    re.IGNORECASE,
)
"""Right behind a value: there are more of them."""
_LIST_GOES_ON = re.compile(
    r"[ \t`]{0,9}+(?:(?![A-Z]|(?:in|on|at|from|of|as|by|out|over|across|for|with|to|aus|auf|von|en|sur|de|dans)\b)"
    r"[^\W\d_]{1,9}+[ \t]\d{1,9}+[ \t][^\W\d_]|[^\W\d_]{1,5}+\.?+[ \t]*+(?:$|[)\]]))",
    re.MULTILINE,
)
"""The same of a list, in whatever language: "und 12 weitere", "usw."; no sentence of its own, and no words that say
where the list stands."""
_GAP = re.compile(r"[\[,]\s*+\"(?:\.\.\.|…|etc\.?+)\"\s*+[,\]]", re.IGNORECASE)
_NUMBERS = re.compile(r"\[[\d\s,]++\]")
_WORDS_FOLLOW = re.compile(r"[ \t]*+:?+[ \t]*+[^\W\d_]")
_COMES_TO = re.compile(r"(?:[:=>→]|\b(?:is|are|be|was|were|answer)|['’]s)[\s*_`]*+\Z", re.IGNORECASE)
_BEFORE_CHARS = 200


def mended_json(text: str) -> str | None:
    """The first object or array in a text, as strict JSON; None where there is none."""
    opening = _OPENING.search(text)
    if opening is None or len(text) > _MOST_CHARS:
        return None
    return _mended(text, opening.start())[0]


def json_among(text: str) -> list[str]:
    """The outermost objects and arrays among words, as JSON or nearly so, and what else stands alone in a fence.

    Each value once, in order. A citation is none of them, nor is what says that some of it was left out. Linear in the
    text.
    """
    found: dict[str, str] = {}
    strict = dict(json_spans(text))
    place, left = 0, len(text) if len(text) <= _MOST_CHARS else 0  # characters that may be read in vain
    while (opening := _OPENING.search(text, place)) is not None:
        at = opening.start()
        place = strict.get(at, at + 1)
        value = text[at:place]
        alike = _alike(value) if at in strict else ""
        if not alike and left > 0 and _BEGINS.match(text, at):  # a line break in a string, for instance
            mended, stopped = _mended(text, at)
            left -= stopped - at
            if mended is not None and (alike := _alike(mended)):
                value, place = mended, stopped
            elif mended is None and stopped < len(text):  # some was left out
                place = stopped
        if (alike or at in strict) and not _is_citation(text, at, place) and not _goes_on(text, place):
            found.setdefault(alike or value, value)
    return list(dict.fromkeys([*found.values(), *fenced_words(text)]))


def has_gap(text: str) -> bool:
    """Whether an item of a list in JSON stands for those that were left out."""
    return _GAP.search(text) is not None


def _goes_on(text: str, place: int) -> bool:
    """Whether what follows a value says that there are more of them."""
    if _GOES_ON.match(text, place) is not None:
        return True
    return text[place - 1] == "]" and _LIST_GOES_ON.match(text, place) is not None


def _is_citation(text: str, start: int, end: int) -> bool:
    """Whether it is numbers in brackets that stand in a sentence, and are not what the sentence comes to; or one number
    that words follow on its line."""
    if _NUMBERS.fullmatch(text, start, end) is None:
        return False
    if "," not in text[start:end] and _WORDS_FOLLOW.match(text, end):
        return True
    before = text[max(0, start - _BEFORE_CHARS) : start].rpartition("\n")[2]
    return re.search(r"\w", before) is not None and _COMES_TO.search(before) is None


def _mended(text: str, start: int) -> tuple[str | None, int]:
    """What begins there as strict JSON, None where it does not end or may say that some was left out, and where reading
    stopped. So may a lone comment at the end of a list, in whatever language."""
    written: list[str] = []
    depth, comma, comments, last = 0, False, 0, ""
    for token in _TOKEN.finditer(text, start):
        kind = token.lastgroup
        if kind == "comment" and _LEFT_OUT.search(token[0]):
            return None, token.end()
        if kind == "other" and (token[0] in "\"'" or text.startswith("/*", token.start())):
            return None, len(text)  # what begins there never ends, and each further one would be looked for as far
        if token[0] == "]" and last == "comment" and comments == 1:
            return None, token.end()  # nobody knows whether it says that there are more
        last = kind if kind != "space" else last
        if kind in ("comment", "space"):
            comments += kind == "comment"
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
            return "".join(written), token.end()
    return None, len(text)


def _alike(text: str) -> str:
    """A text that JSON of one value has alone; "" for what is no JSON."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return ""


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
